//! A request is one message in one frame. Anything else was cut off or never was gRPC; tonic would call that a fault of
//! the server, and it is the sender's mistake.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    middleware::Next,
    response::Response,
};
use tonic::Status;

use super::{BODY_MAX_BYTES, layers::STREAMING};

/// Bytes before each message: whether it is compressed, and its length.
const FRAME_HEADER_BYTES: usize = 5;

/// The layer. The body was read by `layers/concurrency.rs` already.
pub(super) async fn one_message(request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(STREAMING) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let checked = match to_bytes(body, BODY_MAX_BYTES).await {
        Ok(bytes) => check(&bytes).map(|()| bytes),
        Err(cause) => {
            tracing::debug!(%cause, "a request's body can't be read");
            Err(Status::invalid_argument("the request can't be read"))
        }
    };
    match checked {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(status) => status.into_http(),
    }
}

fn check(body: &[u8]) -> Result<(), Status> {
    let Some((header, message)) = body.split_first_chunk::<FRAME_HEADER_BYTES>() else {
        return Err(Status::invalid_argument("the request carries no message"));
    };
    let [compressed, length @ ..] = *header;
    if compressed > 1 {
        return Err(Status::invalid_argument(format!("the request's frame has the unknown flag {compressed}")));
    }
    let length = u32::from_be_bytes(length);
    if usize::try_from(length) != Ok(message.len()) {
        let arrived = message.len();
        return Err(Status::invalid_argument(format!(
            "the request announces a message of {length} bytes and has {arrived}"
        )));
    }
    Ok(())
}
