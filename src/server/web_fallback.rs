//! The answer to what nobody knows.

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use tonic::Status;

/// Clients of gRPC need a gRPC status: a bare 404 tells them nothing.
pub(super) async fn unknown(request: Request) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_grpc = |value: &&HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    let Some(content_type) = content_type.filter(is_grpc).cloned() else {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    };
    let service = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let mut response = Status::unimplemented(format!("there is no service `{service}`")).into_http();
    // A gRPC-Web client wants its own kind back; the status is in the headers, which both read.
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
