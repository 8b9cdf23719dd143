//! A place in line, and a task of its own, for every request but probes.
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

use super::{health, log_context::Ids};
use crate::server::{BODY_MAX_BYTES, status};

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
pub(in crate::server) const STREAMING: &str = "/grpc.reflection.";

/// The places, and who has one.
#[derive(Clone)]
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    large_bodies: Arc<Semaphore>,
    running: TaskTracker,
}

impl Admission {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS))),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_MAX)),
            running: TaskTracker::new(),
        }
    }

    /// Waits until no request runs; to be called when none can come any more.
    pub(crate) async fn drained(&self) {
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

    /// Reads the request, waits for a place and works on it there.
    async fn work(&self, request: Request, next: Next) -> Result<Response, Status> {
        let Ok(_request) = Arc::clone(&self.requests).try_acquire_owned() else {
            return Err(Status::unavailable("the server has too many requests, try again later"));
        };
        let (request, large_body) =
            if request.uri().path().starts_with(STREAMING) { (request, None) } else { self.read(request).await? };
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            return Err(Status::unavailable("the server is stopping"));
        };
        let work = async move {
            let started = Instant::now();
            let response = next.run(request).await;
            drop((place, large_body));
            let status = status::of_response(&response);
            tracing::debug!(elapsed_ms = started.elapsed().as_millis(), %status, "done");
            response
        };
        self.running.spawn(work.in_current_span()).await.map_err(|stopped| {
            tracing::error!("a request's task ended early: {stopped}");
            Status::internal("the server failed on this request; its log says more")
        })
    }
}

/// The layer.
pub(crate) async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    if health::is_probe(request.uri().path()) {
        return next.run(request).await;
    }
    let ids = Ids::of(request.headers());
    let span = ids.span(request.uri().path());
    let kind = status::ClientKind::of(request.headers());
    let worked = admission.work(request, next).instrument(span).await;
    let mut response = worked.unwrap_or_else(|status| kind.refuse(status));
    ids.stamp(response.headers_mut());
    response
}
