//! The connection to a mail server, on which it may send so many bytes and no more.
//!
//! The library reads a line to its end, however far that is: a server that never ends one would fill our memory.
#![expect(deprecated, reason = "there is no other way to encrypt a connection of our own from its first byte on")]

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::{
    Error as SmtpError,
    client::{AsyncNetworkStream, AsyncTokioStream, TlsParameters},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};

use super::CONNECT_TIMEOUT;

/// Bytes that a mail server may send in all: its certificates and some dozens of short answers.
const RECEIVED_MAX: usize = 1024 * 1024;

/// Connects to the first of the addresses that answers.
pub(super) async fn connect(addresses: &[SocketAddr]) -> io::Result<Bounded> {
    let mut last = io::Error::other("there is no address");
    for address in addresses {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(Bounded { stream, left: RECEIVED_MAX }),
            Ok(Err(cause)) => last = cause,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "connection timed out"),
        }
    }
    Err(last)
}

/// The connection, encrypted before anything else is said.
pub(super) async fn encrypted(stream: Bounded, tls: TlsParameters) -> Result<Encrypted, SmtpError> {
    let mut stream = AsyncNetworkStream::use_existing_tokio1(Box::new(stream));
    stream.upgrade_tls(tls).await?;
    Ok(Encrypted(stream))
}

/// A connection that ends with an error once too much came.
#[derive(Debug)]
pub(super) struct Bounded {
    stream: TcpStream,
    left: usize,
}

impl AsyncTokioStream for Bounded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            let words = format!("the server sent more than the {RECEIVED_MAX} bytes that a conversation may have");
            return Poll::Ready(Err(io::Error::other(words)));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(task, buffer))?;
        self.left = self.left.saturating_sub(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

/// The same, encrypted. The library has it in the form of another runtime.
#[derive(Debug)]
pub(super) struct Encrypted(AsyncNetworkStream);

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let free = buffer.initialize_unfilled();
        let count = ready!(futures::AsyncRead::poll_read(Pin::new(&mut self.0), task, free))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        futures::AsyncWrite::poll_write(Pin::new(&mut self.0), task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures::AsyncWrite::poll_flush(Pin::new(&mut self.0), task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures::AsyncWrite::poll_close(Pin::new(&mut self.0), task)
    }
}

#[cfg(test)]
mod tests {
    use lettre::transport::smtp::{client::AsyncSmtpConnection, extension::ClientId};
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn a_line_without_an_end_is_not_read_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut sent, part) = (0, vec![b'2'; 64 * 1024]);
            while stream.write_all(&part).await.is_ok() {
                sent += part.len();
                assert!(sent < 100 * RECEIVED_MAX, "nobody stops it");
            }
        });
        let stream = connect(&[address]).await.unwrap();
        let outcome = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &ClientId::default()).await;
        let error = outcome.err().unwrap();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("more than the 1048576 bytes"), "{error} {cause}");
        server.await.unwrap();
    }
}
