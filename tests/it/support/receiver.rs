//! A local HTTP server that keeps what it gets and can hold back its answers.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU16, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use tokio::sync::Notify;

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Clone, Default)]
struct Shared {
    received: Arc<Mutex<Vec<Received>>>,
    held: Arc<AtomicBool>,
    release: Arc<Notify>,
    status: Arc<AtomicU16>,
}

/// The server; it ends with the test.
pub(crate) struct Receiver {
    pub(crate) url: String,
    shared: Shared,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let shared = Shared::default();
        shared.status.store(200, Ordering::SeqCst);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// Keeps callers waiting from now on.
    pub(crate) fn hold(&self) {
        self.shared.held.store(true, Ordering::SeqCst);
    }

    /// Answers everybody who waits, and everybody from now on.
    pub(crate) fn release(&self) {
        self.shared.held.store(false, Ordering::SeqCst);
        self.shared.release.notify_waiters();
    }

    /// What to answer from now on.
    pub(crate) fn answer_with(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// What came with this event type.
    pub(crate) fn events(&self, event_type: &str) -> Vec<Received> {
        self.received().into_iter().filter(|request| request.json()["event_type"] == event_type).collect()
    }
}

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let released = shared.release.notified();
    shared.received.lock().unwrap().push(Received { headers, body });
    if shared.held.load(Ordering::SeqCst) {
        released.await;
    }
    (StatusCode::from_u16(shared.status.load(Ordering::SeqCst)).unwrap(), "ok")
}
