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
use bytes::BytesMut;
use futures::StreamExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::task::TaskTracker;
use tonic::Status;
use tracing::Instrument as _;

use super::{BODY_MAX_BYTES, status};

/// How long a client may take to send its request.
const BODY_READ_MAX: Duration = Duration::from_secs(20);
/// Requests that are read, wait or are worked on at once; further ones are turned away.
const REQUESTS_MAX: usize = 2048;
/// Bytes that any request may hold while it waits. Larger bodies share [`LARGE_BODIES_MAX`] places, so that memory is
/// bounded and clients that send slowly keep nobody from sending little.
const SMALL_BODY_BYTES: usize = 64 * 1024;
/// Larger bodies that are held at once.
const LARGE_BODIES_MAX: usize = 32;
/// Services whose clients wait for an answer before they have sent everything.
pub(super) const STREAMING: &str = "/grpc.reflection.";

/// The places, and who has one.
#[derive(Clone)]
pub(super) struct Admission {
    places: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    large_bodies: Arc<Semaphore>,
    running: TaskTracker,
}

impl Admission {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS))),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_MAX)),
            running: TaskTracker::new(),
        }
    }

    /// Waits until no request runs; to be called when none can come any more.
    pub(super) async fn drained(&self) {
        self.running.close();
        self.running.wait().await;
    }

    /// Reads the body, with the place that a large one takes until it was worked on.
    async fn read(&self, request: Request) -> Result<(Request, Option<OwnedSemaphorePermit>), Status> {
        let (parts, body) = request.into_parts();
        let reading = async {
            let mut frames = body.into_data_stream();
            let mut read = BytesMut::new();
            let mut place = None;
            while let Some(frame) = frames.next().await {
                let frame = frame.map_err(|cause| {
                    tracing::debug!(%cause, "a request's body can't be read");
                    Status::invalid_argument("the request can't be read")
                })?;
                if read.len() + frame.len() > BODY_MAX_BYTES {
                    return Err(Status::invalid_argument(format!("the request is larger than {BODY_MAX_BYTES} bytes")));
                }
                if place.is_none() && read.len() + frame.len() > SMALL_BODY_BYTES {
                    place = Arc::clone(&self.large_bodies).acquire_owned().await.ok();
                }
                read.extend_from_slice(&frame);
            }
            Ok((read.freeze(), place))
        };
        match tokio::time::timeout(BODY_READ_MAX, reading).await {
            Ok(read) => read.map(|(bytes, place)| (Request::from_parts(parts, Body::from(bytes)), place)),
            Err(_) => Err(Status::deadline_exceeded(format!(
                "the request did not arrive within {} s",
                BODY_READ_MAX.as_secs()
            ))),
        }
    }
}

/// The layer.
pub(super) async fn detach(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let Ok(_request) = Arc::clone(&admission.requests).try_acquire_owned() else {
        return Status::unavailable("the server has too many requests, try again later").into_http();
    };
    let (request, large_body) = if request.uri().path().starts_with(STREAMING) {
        (request, None)
    } else {
        match admission.read(request).await {
            Ok(read) => read,
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
        drop((place, large_body));
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
