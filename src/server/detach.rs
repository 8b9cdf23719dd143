//! A place in line, and a task of its own, for every request.
//!
//! A client that goes away, or whose deadline passes, drops the future of its request. A request that began therefore
//! goes on in its own task: half an operation is worse than one whose answer nobody reads. Before that, while its body
//! arrives and while it waits for a place, it may be dropped.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::task::TaskTracker;
use tonic::Status;
use tracing::Instrument as _;

use super::{BODY_MAX_BYTES, status};

/// How long a client may take to send its request.
const BODY_READ_MAX: Duration = Duration::from_secs(20);
/// Bodies that are read at once: bounds the memory that slow clients hold, without taking places from others.
const BODIES_READ_MAX: usize = 128;
/// Services whose clients wait for an answer before they have sent everything.
const STREAMING: &str = "/grpc.reflection.";

/// The places, and who has one.
#[derive(Clone)]
pub(super) struct Admission {
    places: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    running: TaskTracker,
}

impl Admission {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS))),
            readers: Arc::new(Semaphore::new(BODIES_READ_MAX)),
            running: TaskTracker::new(),
        }
    }

    /// Waits until no request runs; to be called when none can come any more.
    pub(super) async fn drained(&self) {
        self.running.close();
        self.running.wait().await;
    }

    async fn read(&self, request: Request) -> Result<Request, Status> {
        let (parts, body) = request.into_parts();
        let _reader = self.readers.acquire().await;
        match tokio::time::timeout(BODY_READ_MAX, axum::body::to_bytes(body, BODY_MAX_BYTES)).await {
            Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
            Ok(Err(cause)) => {
                tracing::debug!(%cause, "a request's body can't be read");
                Err(Status::invalid_argument(format!(
                    "the request can't be read, or is larger than {BODY_MAX_BYTES} bytes"
                )))
            }
            Err(_) => Err(Status::deadline_exceeded(format!(
                "the request did not arrive within {} s",
                BODY_READ_MAX.as_secs()
            ))),
        }
    }
}

/// The layer.
pub(super) async fn detach(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let request = if request.uri().path().starts_with(STREAMING) {
        request
    } else {
        match admission.read(request).await {
            Ok(request) => request,
            Err(status) => return status.into_http(),
        }
    };
    let Ok(place) = Arc::clone(&admission.places).acquire_owned().await else {
        return Status::unavailable("the server is stopping").into_http();
    };
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", path);
    let work = async move {
        let started = Instant::now();
        let response = next.run(request).await;
        drop(place);
        tracing::debug!(elapsed_ms = started.elapsed().as_millis(), status = %status::of_response(&response), "done");
        response
    };
    match admission.running.spawn(work.instrument(span)).await {
        Ok(response) => response,
        Err(stopped) => {
            tracing::error!(path, "a request's task ended early: {stopped}");
            Status::internal("the server failed on this request; its log says more").into_http()
        }
    }
}
