//! The answer to what nobody knows.

use axum::{
    extract::Request,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use tonic::Status;

use super::status::ClientKind;

/// Clients of gRPC need a gRPC status: a bare 404 tells them nothing.
pub(super) async fn unknown(request: Request) -> Response {
    let kind = ClientKind::of(request.headers());
    if matches!(kind, ClientKind::Plain) {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    }
    let service = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    kind.refuse(Status::unimplemented(format!("there is no service `{service}`")))
}
