//! Tests of where a redirect may lead, with real servers: 127.0.0.2 stands for the public internet, where everybody may
//! go, and 127.0.0.1 for a private network that the configuration lists.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::DateTime;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::*;

const PUBLIC: [u8; 4] = [127, 0, 0, 2];
const LISTED: [u8; 4] = [127, 0, 0, 1];

fn client() -> HttpClient {
    let policy = Policy::new(vec!["127.0.0.1/32".parse().unwrap()])
        .with_special(|address| address != IpAddr::V4(Ipv4Addr::from(PUBLIC)));
    HttpClient::of(policy, Clock::manual(DateTime::UNIX_EPOCH)).unwrap()
}

/// Answers at `/`, counting, and redirects from `/to/HOP/HOP…` to the places that follow, one after the other.
async fn serve(address: [u8; 4]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::from(address), 0)).await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, Arc::clone(&counted)));
        }
    });
    (address, count)
}

/// Connections stay open, so that they can be used again.
async fn talk(stream: TcpStream, count: Arc<AtomicUsize>) {
    let mut stream = BufReader::new(stream);
    let mut path = String::new();
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
        if let Some(rest) = line.strip_prefix("GET ") {
            rest.split(' ').next().unwrap_or_default().clone_into(&mut path);
        }
        if line == "\r\n" {
            let status = match path.strip_prefix("/to/").map(|hops| hops.split_once('/').unwrap_or((hops, ""))) {
                Some((next, "")) => format!("307 Lead\r\nLocation: http://{next}/"),
                Some((next, rest)) => format!("307 Lead\r\nLocation: http://{next}/to/{rest}"),
                None => {
                    count.fetch_add(1, Ordering::SeqCst);
                    "200 OK".to_owned()
                }
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        line.clear();
    }
}

async fn ask(client: &HttpClient, url: &str) -> Result<u16> {
    let request = Request { method: "GET", url, headers: Vec::new(), body: Bytes::new() };
    client.send(request).await.map(|response| response.status)
}

#[tokio::test]
async fn only_what_lies_in_a_listed_network_leads_into_one() {
    let client = client();
    let ((public, _), (inside, heard)) = (serve(PUBLIC).await, serve(LISTED).await);
    let name = format!("localhost:{}", inside.port());
    assert_eq!(ask(&client, &format!("http://{inside}/to/{inside}")).await.unwrap(), 200);
    assert_eq!(ask(&client, &format!("http://{inside}/to/{public}")).await.unwrap(), 200);
    assert_eq!(heard.swap(0, Ordering::SeqCst), 1);
    for (from, to) in [
        (public, inside.to_string()),
        (public, format!("{public}/{inside}")),
        // It was inside, and led out to somebody who leads back in.
        (inside, format!("{public}/{inside}")),
        (inside, format!("{inside}/{public}/{inside}")),
    ] {
        let error = ask(&client, &format!("http://{from}/to/{to}")).await.unwrap_err();
        assert_eq!(error.code(), "http.address", "{from} to {to}: {error}");
        assert!(error.to_string().contains("outside of `plugins.allow_private`"), "{error}");
    }
    // By a name too, which only its resolution shows, and although a connection stands already.
    assert_eq!(ask(&client, &format!("http://{name}/")).await.unwrap(), 200);
    assert_eq!(heard.swap(0, Ordering::SeqCst), 1);
    let error = ask(&client, &format!("http://{public}/to/{name}")).await.unwrap_err();
    assert_eq!(error.code(), "http.address", "{error}");
    assert_eq!(heard.load(Ordering::SeqCst), 0, "nobody got in");
    assert_eq!(
        ask(&client, &format!("http://{inside}/")).await.unwrap(),
        200,
        "the operator's own address still is asked"
    );
}
