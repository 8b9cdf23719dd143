//! The one outbound client against real servers: what it repeats, where redirects may lead, and when it gives up.

mod turns;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::any,
};
use chrono::TimeDelta;
use futures::stream;
use rustbill::core::{
    error::{Error, Result},
    http::{HttpClient, Identity, Request},
    time::Clock,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use crate::support::world::clock_at;

/// A client that may reach this machine by its IPv4 address.
fn client(clock: &Clock) -> HttpClient {
    HttpClient::new(vec!["127.0.0.1/32".parse().unwrap()], clock.clone()).unwrap()
}

fn still() -> Clock {
    clock_at("2026-01-01T00:00:00Z")
}

async fn ask(client: &HttpClient, method: &str, url: &str) -> Result<(u16, String)> {
    let headers = [("authorization", "Bearer k"), ("cookie", "s=1"), ("x-api-key", "k"), ("accept", "text/plain")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let answer = client.send(Request { method, url, headers, body: Bytes::default() }).await?;
    Ok((answer.status, String::from_utf8(answer.body.to_vec()).unwrap()))
}

fn failed(result: Result<(u16, String)>) -> Error {
    result.expect_err("an answer came")
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server with this router; it ends with the test.
async fn serve(router: Router) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Answers with the status of the path's turn, such as `/503/200`, and counts.
async fn scripted(State(count): State<Arc<AtomicUsize>>, request: axum::extract::Request) -> Response {
    let turn = count.fetch_add(1, Ordering::SeqCst);
    let statuses: Vec<u16> = request.uri().path().split('/').skip(1).map(|part| part.parse().unwrap()).collect();
    let status = statuses[turn.min(statuses.len() - 1)];
    (StatusCode::from_u16(status).unwrap(), status.to_string()).into_response()
}

async fn scripted_server() -> (SocketAddr, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    (serve(Router::new().fallback(scripted).with_state(Arc::clone(&count))).await, count)
}

/// Hands every connection to `talk`, after reading the head of its request, and counts them.
async fn raw<F>(talk: impl Fn(tokio::net::TcpStream, usize) -> F + Send + 'static) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, address) = listen().await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let turn = counted.fetch_add(1, Ordering::SeqCst);
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut part = [0; 1024];
                match stream.read(&mut part).await {
                    Ok(count) if count > 0 => head.extend_from_slice(&part[..count]),
                    _ => break,
                }
            }
            tokio::spawn(talk(stream, turn));
        }
    });
    (address, count)
}

#[tokio::test]
async fn only_what_is_harmless_is_repeated() {
    let client = client(&Clock::system());
    for (method, path, expected, times) in [
        ("GET", "/503/502/504/200", 200, 4),
        ("GET", "/503", 503, 4),
        ("PUT", "/502/200", 200, 2),
        ("DELETE", "/504/204", 204, 2),
        ("POST", "/503/200", 503, 1),
        ("PATCH", "/503/200", 503, 1),
        // The program behind says no; asking it again would give the same.
        ("GET", "/500/200", 500, 1),
        ("GET", "/404/200", 404, 1),
    ] {
        let (address, count) = scripted_server().await;
        let (status, _) = ask(&client, method, &format!("http://{address}{path}")).await.unwrap();
        assert_eq!((status, count.load(Ordering::SeqCst)), (expected, times), "{method} {path}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_repeated_unless_something_could_happen_twice() {
    let client = client(&Clock::system());
    let (address, count) = raw(async |mut stream: tokio::net::TcpStream, turn| {
        // The first two break: one before the answer, one in its middle.
        match turn {
            0 => {}
            1 => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await.unwrap(),
            _ => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
                    .await
                    .unwrap();
            }
        }
    })
    .await;
    let url = format!("http://{address}/");
    assert_eq!(ask(&client, "GET", &url).await.unwrap(), (200, "abc".to_owned()));
    assert_eq!(count.load(Ordering::SeqCst), 3);
    let (address, count) = raw(async |_, _| {}).await;
    let error = failed(ask(&client, "POST", &format!("http://{address}/")).await);
    assert_eq!((error.code(), count.load(Ordering::SeqCst)), ("http.failed", 1), "{error}");
}

#[tokio::test]
async fn a_server_that_comes_back_in_time_hears_even_a_post() {
    let (listener, address) = listen().await;
    drop(listener);
    let client = client(&Clock::system());
    let url = format!("http://{address}/");
    let asked = tokio::spawn(async move { ask(&client, "POST", &url).await });
    // The first attempt finds nobody. The next ones come within the shortest delays.
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(async || "here")).await });
    assert_eq!(asked.await.unwrap().unwrap(), (200, "here".to_owned()));
}

#[tokio::test]
async fn a_host_that_asks_for_more_time_than_there_is_is_not_asked_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let busy = async |State((count, after)): State<(Arc<AtomicUsize>, &'static str)>| {
        let status = if count.fetch_add(1, Ordering::SeqCst) == 0 { 503 } else { 200 };
        (StatusCode::from_u16(status).unwrap(), [("retry-after", after)])
    };
    let client = client(&Clock::system());
    for (after, expected) in [("60", 503), ("1", 200)] {
        count.store(0, Ordering::SeqCst);
        let address = serve(Router::new().fallback(busy).with_state((Arc::clone(&count), after))).await;
        let start = Instant::now();
        assert_eq!(ask(&client, "GET", &format!("http://{address}/")).await.unwrap().0, expected);
        assert_eq!(start.elapsed() >= Duration::from_secs(1), after == "1", "it waits as long as it was asked to");
    }
}

#[tokio::test]
async fn a_dead_host_is_left_alone_and_found_again_when_it_returns() {
    let clock = still();
    let client = client(&clock);
    let (listener, address) = listen().await;
    drop(listener);
    let url = format!("http://{address}/");
    // Four attempts of the first request, one of the second.
    assert_eq!(failed(ask(&client, "GET", &url).await).code(), "http.failed");
    assert_eq!(failed(ask(&client, "GET", &url).await).code(), "http.left_alone");
    let start = Instant::now();
    let error = failed(ask(&client.clone(), "GET", &url).await);
    assert!(error.to_string().contains("left alone until 2026-01-01T00:00:30Z"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1), "nobody waits for it");
    // Others are asked.
    let other = serve(Router::new().fallback(async || "other")).await;
    assert_eq!(ask(&client, "GET", &format!("http://{other}/")).await.unwrap().0, 200);

    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(async || "back")).await });
    assert_eq!(failed(ask(&client, "GET", &url).await).code(), "http.left_alone");
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(ask(&client, "GET", &url).await.unwrap(), (200, "back".to_owned()));
}

#[tokio::test]
async fn a_host_that_others_lead_to_is_not_left_alone_for_what_they_chose() {
    let clock = still();
    let client = client(&clock);
    let sick = Router::new().route("/sick", any(async || StatusCode::NOT_EXTENDED)).fallback(async || "well");
    let other = serve(sick).await;
    let sent = format!("http://{other}/sick");
    let lead = serve(Router::new().fallback(async move || Redirect::temporary(&sent))).await;
    for _ in 0..6 {
        assert_eq!(ask(&client, "GET", &format!("http://{lead}/")).await.unwrap().0, 510);
    }
    assert_eq!(ask(&client, "GET", &format!("http://{other}/")).await.unwrap(), (200, "well".to_owned()));
    for _ in 0..5 {
        assert_eq!(ask(&client, "GET", &format!("http://{other}/sick")).await.unwrap().0, 510);
    }
    assert_eq!(failed(ask(&client, "GET", &format!("http://{other}/")).await).code(), "http.left_alone");
}

#[tokio::test]
async fn a_host_that_had_no_time_to_answer_is_not_left_alone() {
    let hasty = client(&still()).with_patience(Duration::from_millis(50));
    let (address, _) = raw(async |stream: tokio::net::TcpStream, _| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    for _ in 0..6 {
        assert_eq!(failed(ask(&hasty, "GET", &format!("http://{address}/")).await).code(), "http.failed");
    }
}

#[tokio::test]
async fn redirects_lead_to_the_end_three_times_at_most() {
    let client = client(&still());
    let hop = async |axum::extract::Path(left): axum::extract::Path<u32>| match left {
        0 => "end".into_response(),
        left => Redirect::temporary(&format!("/hop/{}", left - 1)).into_response(),
    };
    let address = serve(
        Router::new()
            .route("/hop/{left}", any(hop))
            .route("/loop", any(async || Redirect::permanent("/loop")))
            .route("/nowhere", any(async || StatusCode::FOUND)),
    )
    .await;
    assert_eq!(ask(&client, "GET", &format!("http://{address}/hop/3")).await.unwrap(), (200, "end".to_owned()));
    for path in ["hop/4", "loop"] {
        let error = failed(ask(&client, "GET", &format!("http://{address}/{path}")).await);
        assert_eq!(error.code(), "http.redirect", "{path}: {error}");
    }
    assert_eq!(ask(&client, "HEAD", &format!("http://{address}/hop/1")).await.unwrap().0, 200);
    // What changes something is not led on, and an answer that leads nowhere is an answer.
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(ask(&client, method, &format!("http://{address}/hop/1")).await.unwrap().0, 307, "{method}");
    }
    assert_eq!(ask(&client, "GET", &format!("http://{address}/nowhere")).await.unwrap().0, 302);
}

#[tokio::test]
async fn redirects_reach_no_refused_address() {
    let client = client(&still());
    let lead = async |State(to): State<String>| Redirect::temporary(&to);
    let (listener, target) = listen().await;
    for to in [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        // Listed is 127.0.0.1 and nothing else of this machine.
        format!("http://127.0.0.2:{}/", target.port()),
        format!("http://[::1]:{}/", target.port()),
        "http://0.0.0.0/".to_owned(),
    ] {
        let address = serve(Router::new().fallback(lead).with_state(to.clone())).await;
        let error = failed(ask(&client, "GET", &format!("http://{address}/")).await);
        assert_eq!(error.code(), "http.address", "{to}: {error}");
    }
    // Without the permission also by name, and not even the first request goes out.
    let closed = HttpClient::new(Vec::new(), still()).unwrap();
    for _ in 0..6 {
        // Often enough that a host would be left alone, which our own refusal must not lead to.
        let error = failed(ask(&closed, "GET", &format!("http://localhost:{}/", target.port())).await);
        assert_eq!(error.code(), "http.address", "{error}");
    }
    let nobody = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
    assert!(nobody.is_err(), "a connection came");
}

#[tokio::test]
async fn keys_stay_with_the_host_that_they_are_for() {
    let client = client(&still());
    let names = async |headers: HeaderMap| {
        let kept = ["accept", "authorization", "cookie", "x-api-key"];
        kept.into_iter().filter(|name| headers.contains_key(*name)).collect::<Vec<_>>().join(" ")
    };
    let other = serve(Router::new().fallback(names)).await;
    let address = serve(
        Router::new()
            .route("/away", any(async move || Redirect::temporary(&format!("http://{other}/"))))
            .route("/here", any(async || Redirect::temporary("/names")))
            .route("/names", any(names)),
    )
    .await;
    let here = ask(&client, "GET", &format!("http://{address}/here")).await.unwrap().1;
    assert_eq!(here, "accept authorization cookie x-api-key");
    assert_eq!(ask(&client, "GET", &format!("http://{address}/away")).await.unwrap().1, "accept");
    // What was made for one host does not go to another at all.
    let own = client.with_identity(&Identity::default()).unwrap();
    assert_eq!(failed(ask(&own, "GET", &format!("http://{address}/away")).await).code(), "http.redirect");
    assert_eq!(ask(&own, "GET", &format!("http://{address}/here")).await.unwrap().1, here);
}

#[tokio::test]
async fn answers_are_bounded_in_time_and_size() {
    let patience = Duration::from_secs(1);
    let client = client(&still()).with_patience(patience);
    let endless = async || {
        Body::from_stream(stream::repeat_with(|| Ok::<_, std::convert::Infallible>(Bytes::from(vec![b'x'; 64 * 1024]))))
    };
    let drip = async || {
        Body::from_stream(stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b"x")), ()))
        }))
    };
    let address = serve(Router::new().route("/endless", any(endless)).route("/drip", any(drip))).await;
    let error = failed(ask(&client, "GET", &format!("http://{address}/endless")).await);
    assert!(error.to_string().contains("more than 2097152 bytes"), "{error}");

    let (slow, _) = raw(async |mut stream: tokio::net::TcpStream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Slow: ").await;
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if stream.write_all(b"x").await.is_err() {
                return;
            }
        }
    })
    .await;
    for url in [format!("http://{address}/drip"), format!("http://{slow}/")] {
        let start = Instant::now();
        let error = failed(ask(&client, "GET", &url).await);
        assert!(error.to_string().contains("too long"), "{url}: {error}");
        assert!(start.elapsed() >= patience && start.elapsed() < patience * 5, "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_slow_host_holds_six_requests_and_the_others_are_told() {
    let client = client(&Clock::system()).with_patience(Duration::from_secs(8));
    let (address, count) = raw(async |stream: tokio::net::TcpStream, _| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let spawn = |client: &HttpClient| -> JoinHandle<Result<(u16, String)>> {
        let (client, url) = (client.clone(), format!("http://{address}/"));
        tokio::spawn(async move { ask(&client, "GET", &url).await })
    };
    let held: Vec<_> = (0..6).map(|_| spawn(&client)).collect();
    crate::support::wait::until("six requests are held", async || count.load(Ordering::SeqCst) == 6).await;
    let error = failed(spawn(&client).await.unwrap());
    assert_eq!(error.code(), "http.busy", "{error}");
    for task in held {
        assert!(!task.is_finished());
        task.abort();
    }
}

#[tokio::test]
async fn a_failure_names_the_port() {
    let (listener, address) = listen().await;
    drop(listener);
    let error = failed(ask(&client(&still()), "POST", &format!("http://{address}/")).await).to_string();
    assert!(error.starts_with(&format!("POST {address} failed")), "{error}");
}
