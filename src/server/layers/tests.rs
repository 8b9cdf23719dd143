use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    http::{Method, StatusCode, header},
    response::Response,
    routing::post,
};
use chrono::DateTime;
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore, mpsc},
};
use tower::ServiceExt as _;

use super::*;
use crate::core::{actor::Actor, secret::Secret, settings::Settings, time::Clock};

const LOGIN: &str = "/rustbill.identity.IdentityService/Login";
const LISTED: &str = "https://shop.example";

/// The whole stack around services of our own.
struct Stack {
    router: Router,
    app: App,
    _directory: tempfile::TempDir,
}

impl Stack {
    async fn around(services: Router, change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.db.url = Secret::new(format!("sqlite://{}/t.db", directory.path().display()));
        settings.server.allowed_origins = vec![LISTED.to_owned()];
        change(&mut settings);
        let app = App::open(settings, Clock::manual(DateTime::UNIX_EPOCH)).await.unwrap();
        let admission = Admission::new(app.settings.server.max_concurrency);
        let router = stack(&app, admission, services).unwrap();
        Self { router, app, _directory: directory }
    }

    /// One whose services say who calls. The database is away, so that whoever asks it fails.
    async fn without_database(change: impl FnOnce(&mut Settings)) -> Self {
        let who = post(|request: Request| async move {
            let actor = request.extensions().get::<Actor>().unwrap();
            format!("{} from {}", actor.kind(), actor.source())
        });
        let stack = Self::around(Router::new().route(LOGIN, who), change).await;
        stack.app.database.close().await;
        stack
    }

    async fn ask(&self, request: axum::http::request::Builder) -> Response {
        let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 4711)));
        self.router.clone().oneshot(request.extension(peer).body(Body::empty()).unwrap()).await.unwrap()
    }
}

fn grpc_web(path: &str) -> axum::http::request::Builder {
    Request::builder().method(Method::POST).uri(path).header(header::CONTENT_TYPE, "application/grpc-web+proto")
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn health_answers_while_all_places_are_taken() {
    let (running, mut runs) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let slow = post(move || async move {
        running.send(()).unwrap();
        held.acquire().await.unwrap().forget();
    });
    let stack = Stack::around(Router::new().route("/slow", slow), |settings| settings.server.max_concurrency = 1).await;
    let taken = tokio::spawn(stack.router.clone().oneshot(grpc_web("/slow").body(Body::empty()).unwrap()));
    runs.recv().await.unwrap();
    let mut waiting =
        tokio::spawn(stack.router.clone().oneshot(Request::builder().uri("/").body(Body::empty()).unwrap()));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "somebody got in although the only place is taken");
    let health = stack.ask(Request::builder().uri("/health")).await;
    assert_eq!(health.status(), StatusCode::OK);
    assert!(!health.headers().contains_key("x-request-id"), "a layer touched the probe");
    assert_eq!(text(health).await, "OK");
    assert_eq!(stack.ask(Request::builder().uri("/ready")).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let posted = stack.ask(Request::builder().method(Method::POST).uri("/health")).await;
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(!waiting.is_finished());
    gate.add_permits(1);
    assert_eq!(taken.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!((&mut waiting).await.unwrap().unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_tries_too_often_is_refused_before_anybody_asks_who_it_is() {
    let stack = Stack::without_database(|settings| settings.rate_limit.login_per_sec = 1).await;
    let ask = || {
        let request = grpc_web(LOGIN).header(header::COOKIE, "rustbill_session=x").header(header::ORIGIN, LISTED);
        stack.ask(request)
    };
    // The first one reaches the layer that needs the database.
    assert_eq!(ask().await.headers()["grpc-status"], "14");
    let mut refused = Vec::new();
    for _ in 0..20 {
        refused.push(ask().await);
    }
    refused.retain(|response| response.headers()["grpc-status"] == "8");
    let refused = refused.first().unwrap().headers();
    assert_eq!(refused["retry-after"], "1");
    assert_eq!(refused["error-code"], "rate_limit.exceeded");
    assert_eq!(refused["content-type"], "application/grpc-web+proto");
    // The page can read it, and the log has it.
    assert_eq!(refused["access-control-allow-origin"], LISTED);
    assert!(refused.contains_key("x-request-id") && refused.contains_key("traceparent"));
    // Plain HTTP is told in its own words.
    let mut plain = Vec::new();
    for _ in 0..20 {
        plain.push(stack.ask(Request::builder().method(Method::POST).uri(LOGIN)).await.status());
    }
    assert!(plain.contains(&StatusCode::TOO_MANY_REQUESTS), "{plain:?}");
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let stack = Stack::without_database(|settings| {
        settings.rate_limit.enabled = false;
        settings.rate_limit.login_per_sec = 1;
    })
    .await;
    for _ in 0..20 {
        assert_eq!(stack.ask(grpc_web(LOGIN)).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_preflight_needs_no_credential_and_counts_as_no_login() {
    let stack = Stack::without_database(|settings| settings.rate_limit.login_per_sec = 1).await;
    for _ in 0..20 {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri(LOGIN)
            .header(header::COOKIE, "rustbill_session=x")
            .header(header::ORIGIN, LISTED)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type,x-grpc-web");
        let response = stack.ask(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["access-control-allow-origin"], LISTED);
        assert_eq!(response.headers()["access-control-allow-credentials"], "true");
        let allowed = response.headers()["access-control-allow-headers"].to_str().unwrap();
        for name in ["content-type", "x-grpc-web", "authorization", "idempotency-key"] {
            assert!(allowed.contains(name), "{allowed}");
        }
    }
}

#[tokio::test]
async fn only_listed_origins_may_read() {
    const HEADERS: [&str; 2] = ["access-control-allow-origin", "access-control-expose-headers"];
    let with = |origin: &str| Request::builder().uri("/nothing").header(header::ORIGIN, origin);
    let stack = Stack::without_database(|_| ()).await;
    let response = stack.ask(with(LISTED)).await;
    assert_eq!(response.headers()[HEADERS[0]], LISTED);
    let exposed = response.headers()[HEADERS[1]].to_str().unwrap();
    for name in [
        "grpc-status",
        "grpc-message",
        "error-code",
        "x-request-id",
        "retry-after",
        "traceparent",
        "idempotency-replayed",
    ] {
        assert!(exposed.contains(name), "{exposed}");
    }
    for origin in ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"] {
        assert!(!stack.ask(with(origin)).await.headers().contains_key(HEADERS[0]), "{origin}");
    }
    let nobody = Stack::without_database(|settings| settings.server.allowed_origins.clear()).await;
    assert!(!nobody.ask(with(LISTED)).await.headers().contains_key(HEADERS[0]));
    for origin in ["*", "a\nb"] {
        assert!(
            cors::layer(&crate::core::settings::Server {
                allowed_origins: vec![origin.to_owned()],
                ..Default::default()
            })
            .is_err()
        );
    }
}

#[tokio::test]
async fn a_page_comes_before_anybody_asks_who_calls() {
    let stack = Stack::without_database(|settings| settings.server.admin_path = "/back-office".to_owned()).await;
    let page = |path: &str| {
        stack.ask(
            Request::builder()
                .uri(path.to_owned())
                .header(header::COOKIE, "rustbill_session=x")
                .header(header::ORIGIN, LISTED),
        )
    };
    let response = page("/back-office/orders").await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    // Further out than CORS: no other page has to read it.
    assert!(!headers.contains_key("access-control-allow-origin"));
    assert!(text(response).await.contains("RustBill"));
    // Elsewhere the cookie is looked at.
    assert_eq!(page("/admin").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_cookie_from_a_foreign_page_is_not_even_looked_up() {
    let stack = Stack::without_database(|settings| settings.rate_limit.enabled = false).await;
    let ask = |origin: Option<&str>| {
        let request = grpc_web(LOGIN).header(header::COOKIE, "rustbill_session=x").header(header::HOST, "bill.example");
        stack.ask(origin.into_iter().fold(request, |request, origin| request.header(header::ORIGIN, origin)))
    };
    for own in [None, Some("https://bill.example"), Some(LISTED)] {
        assert_eq!(ask(own).await.headers()["grpc-status"], "14", "{own:?}");
    }
    for foreign in ["https://evil.example", "null"] {
        let response = ask(Some(foreign)).await;
        assert!(!response.headers().contains_key("grpc-status"), "{foreign}");
        assert!(text(response).await.contains("anonymous from 127.0.0.1"), "{foreign}");
    }
}

#[tokio::test]
async fn each_credential_is_looked_up_by_its_own_layer() {
    let stack = Stack::without_database(|settings| {
        settings.rate_limit.enabled = false;
        settings.jwt.secret = Secret::new("a secret of the tests, long enough");
    })
    .await;
    let ask = |token: &str| stack.ask(grpc_web(LOGIN).header(header::AUTHORIZATION, format!("Bearer {token}")));
    // A session and a key are asked of the database, which is away.
    for token in ["session-token", "rbk_0123456789"] {
        assert_eq!(ask(token).await.headers()["grpc-status"], "14", "{token}");
    }
    // A bad signature is seen without it; the cookie beside it does not stand in.
    let both =
        grpc_web(LOGIN).header(header::COOKIE, "rustbill_session=x").header(header::AUTHORIZATION, "Bearer a.b.c");
    for response in [ask("a.b.c").await, stack.ask(both).await] {
        assert!(text(response).await.contains("anonymous"));
    }
}

#[tokio::test]
async fn the_client_is_the_peer_or_whom_a_trusted_proxy_names() {
    let ask = async |stack: &Stack, forwarded: &str| {
        text(stack.ask(grpc_web(LOGIN).header("x-forwarded-for", forwarded)).await).await
    };
    let direct = Stack::without_database(|_| ()).await;
    assert!(ask(&direct, "203.0.113.1").await.contains("anonymous from 127.0.0.1"));
    let behind = Stack::without_database(|settings| {
        settings.server.trusted_proxies = vec![IpAddr::from([127, 0, 0, 1]).into()];
    })
    .await;
    assert!(ask(&behind, "192.0.2.66, 203.0.113.1").await.contains("anonymous from 203.0.113.1"));
}

#[tokio::test]
async fn every_answer_returns_the_identifiers_of_its_request() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let stack = Stack::without_database(|_| ()).await;
    for path in [LOGIN, "/nothing", "/admin"] {
        let own = stack.ask(grpc_web(path).header("x-request-id", "mine-1").header("traceparent", PARENT)).await;
        assert_eq!(own.headers()["x-request-id"], "mine-1", "{path}");
        let trace = own.headers()["traceparent"].to_str().unwrap();
        assert!(trace.starts_with(&PARENT[..36]) && trace != PARENT, "{trace}");
        let bad = stack.ask(grpc_web(path).header("x-request-id", "not sane")).await;
        assert_eq!(bad.headers()["x-request-id"].len(), 36, "{path}");
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn lines_of_every_layer_carry_the_identifiers_and_no_credential() {
    let stack = Stack::without_database(|_| ()).await;
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // The test's runtime has this one thread, which also runs the request's task.
    let logging = tracing::subscriber::set_default(subscriber);
    let request = grpc_web(LOGIN).header("x-request-id", "mine-1").header(header::AUTHORIZATION, "Bearer se.cr.et");
    stack.ask(request).await;
    drop(logging);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {text}"));
    for part in ["a credential was refused", "done"] {
        assert!(line(part).contains("request_id=\"mine-1\"") && line(part).contains("trace_id="), "{text}");
    }
    assert!(line("done").contains("actor=\"anonymous\""), "{text}");
    assert!(!text.contains("se.cr.et"), "{text}");
}

/// The layer in front of handlers of our own: slow ones, and one that panics.
async fn start_layer(places: usize, router: Router) -> (SocketAddr, Admission) {
    let admission = Admission::new(places);
    let app = router.layer(from_fn_with_state(admission.clone(), concurrency::admit));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, admission)
}

#[tokio::test]
async fn a_request_goes_on_when_its_client_has_gone() {
    let signals: [Arc<Notify>; 3] = std::array::from_fn(|_| Arc::default());
    let [started, go_on, done] = signals.clone();
    let slow = axum::routing::get(move || async move {
        let [begin, go, finish] = signals;
        begin.notify_one();
        go.notified().await;
        finish.notify_one();
    });
    let (address, admission) = start_layer(1, Router::new().route("/", slow)).await;
    let client = tokio::spawn(reqwest::get(format!("http://{address}/")));
    started.notified().await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    go_on.notify_one();
    tokio::time::timeout(Duration::from_secs(30), done.notified()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), admission.drained()).await.unwrap();
}

#[tokio::test]
async fn a_panic_is_an_answer_and_gives_its_place_back() {
    let spoiled = axum::routing::get(|| async {
        let broken = String::from_utf8(vec![0xff]).expect("on purpose");
        drop(broken);
    });
    let router = Router::new().route("/panic", spoiled).route("/fine", axum::routing::get(|| async { "fine" }));
    let (address, _) = start_layer(1, router).await;
    for _ in 0..3 {
        let response = reqwest::get(format!("http://{address}/panic")).await.unwrap();
        assert_eq!(response.status(), 500);
    }
    let fine = reqwest::get(format!("http://{address}/fine")).await.unwrap();
    assert_eq!(fine.text().await.unwrap(), "fine");
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_in_line() {
    const REQUESTS: usize = 8;
    const PLACES: usize = 2;
    // Each request says that it runs and stays until it may go, so that one place too many would show.
    let (running, mut runs) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let slow = axum::routing::get(move || async move {
        running.send(()).unwrap();
        held.acquire().await.unwrap().forget();
    });
    let (address, _) = start_layer(PLACES, Router::new().route("/", slow)).await;
    let requests: Vec<_> = (0..REQUESTS).map(|_| tokio::spawn(reqwest::get(format!("http://{address}/")))).collect();
    for _ in 0..PLACES {
        runs.recv().await.unwrap();
    }
    for _ in PLACES..REQUESTS {
        assert!(runs.try_recv().is_err(), "more requests run than there are places");
        gate.add_permits(1);
        runs.recv().await.unwrap();
    }
    gate.add_permits(PLACES);
    for request in requests {
        assert!(request.await.unwrap().unwrap().status().is_success());
    }
}
