//! The frames between the server and a worker: a length of four bytes, big-endian, and that much JSON.
//!
//! The server begins: `Start` once, then `Inspect`, `Call`, `Load` or `Evict`. While the worker works on a call it may
//! send any number of `Host` frames, each answered by `HostAnswer`, and `Log` frames, which are not answered.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::error::{CallError, Issue, Returned};
use super::host::HostFunction;
use super::kind::Kind;
use super::limits::Limits;
use super::script::{Examined, Inspected};

/// From the server to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToWorker {
    /// The first frame.
    Start { limits: Limits },
    /// Answered by `Inspected`.
    Inspect { kind: Kind, name: String, source: String },
    /// Answered by `Examined`.
    Examine { kind: Kind, name: String, source: String },
    /// Answered by `Loaded`.
    Load { kind: Kind, hash: String, name: String, source: String },
    /// Answered by `Returned`, or by `Unknown` if the script must be loaded first.
    Call { kind: Kind, hash: String, function: String, argument: String },
    /// Forget one script, or all; not answered.
    Evict { hash: Option<String> },
    /// The result of a `Host` frame.
    HostAnswer { result: Result<String, String> },
}

/// From a worker to the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromWorker {
    Inspected { result: Result<Inspected, Vec<Issue>> },
    Examined { examined: Examined },
    Loaded { result: Result<(), Vec<Issue>> },
    Returned { result: Result<Returned, CallError> },
    Unknown,
    Host { function: HostFunction, arguments: Vec<String> },
    Log { level: String, text: String },
}

/// Encodes a frame, or says that it is too long.
pub(super) fn encode<T: Serialize>(frame: &T, bytes_max: usize) -> Result<Vec<u8>, String> {
    let body = serde_json::to_vec(frame).map_err(|error| error.to_string())?;
    if body.len() > bytes_max {
        return Err(format!("{} bytes, more than the {bytes_max} allowed", body.len()));
    }
    let length = u32::try_from(body.len()).map_err(|error| error.to_string())?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

fn length_of(head: [u8; 4], bytes_max: usize) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(head)).map_err(io::Error::other)?;
    if length > bytes_max {
        return Err(io::Error::other(format!("a frame of {length} bytes, more than the {bytes_max} allowed")));
    }
    Ok(length)
}

/// Reads a frame in a worker; `None` when the server has closed the pipe.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read, bytes_max: usize) -> io::Result<Option<T>> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut body = vec![0; length_of(head, bytes_max)?];
    from.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

/// Writes an encoded frame in a worker.
pub(super) fn write(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// Reads a frame in the server.
pub(super) async fn receive<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
) -> io::Result<T> {
    let mut head = [0; 4];
    from.read_exact(&mut head).await?;
    let mut body = vec![0; length_of(head, bytes_max)?];
    from.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}

/// Writes an encoded frame in the server.
pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_bounds() {
        let bytes = encode(&FromWorker::Unknown, 100).unwrap();
        let back: Option<FromWorker> = read(&mut bytes.as_slice(), 100).unwrap();
        assert!(matches!(back, Some(FromWorker::Unknown)));
        let end: Option<FromWorker> = read(&mut [].as_slice(), 100).unwrap();
        assert!(end.is_none());
        assert!(encode(&FromWorker::Unknown, 3).is_err());
        assert!(read::<FromWorker>(&mut [255; 8].as_slice(), 100).is_err());
    }
}
