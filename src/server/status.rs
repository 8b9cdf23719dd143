//! The one table from the core's errors to gRPC codes and HTTP statuses.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse as _,
};
use tonic::{Code, Status, metadata::MetadataValue};

use crate::core::error::{Error, Kind};

/// The metadata field with the stable code of an error.
pub const ERROR_CODE: &str = "error-code";

const fn code(kind: Kind) -> Code {
    match kind {
        Kind::InvalidArgument => Code::InvalidArgument,
        Kind::NotFound => Code::NotFound,
        Kind::AlreadyExists => Code::AlreadyExists,
        Kind::PermissionDenied => Code::PermissionDenied,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::TooMany => Code::ResourceExhausted,
        Kind::Internal => Code::Internal,
        Kind::Unimplemented => Code::Unimplemented,
        Kind::Unavailable => Code::Unavailable,
    }
}

/// The HTTP status of a code that is no success.
const fn http(code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        // Only the reading of a request has a deadline.
        Code::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The HTTP status for an error, on the routes that are not gRPC.
#[must_use]
pub fn http_status(error: &Error) -> StatusCode {
    log(error);
    http(code(error.kind()))
}

/// How a client reads answers.
pub(super) enum ClientKind {
    /// gRPC or gRPC-Web: a status in the headers, under the content type that it asked with.
    Grpc(HeaderValue),
    /// Anything else: an HTTP status and a text.
    Plain,
}

impl ClientKind {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE);
        let is_grpc = |value: &&HeaderValue| value.as_bytes().starts_with(b"application/grpc");
        content_type.filter(is_grpc).cloned().map_or(Self::Plain, Self::Grpc)
    }

    /// The answer of who turns a request away before a service sees it.
    pub(super) fn refuse(self, status: Status) -> Response<Body> {
        match self {
            Self::Plain => (http(status.code()), format!("{}\n", status.message())).into_response(),
            Self::Grpc(content_type) => {
                let mut response = status.into_http();
                // A gRPC-Web client wants its own kind back; the status is in the headers, which both read.
                response.headers_mut().insert(header::CONTENT_TYPE, content_type);
                response
            }
        }
    }
}

impl From<Error> for Status {
    /// Logs the error with its causes and tells the caller what it may know; so `?` works in a service.
    fn from(error: Error) -> Self {
        log(&error);
        let mut status = Self::new(code(error.kind()), error.public_message());
        if let Ok(code) = MetadataValue::try_from(error.code()) {
            status.metadata_mut().insert(ERROR_CODE, code);
        }
        status
    }
}

fn log(error: &Error) {
    match error.kind() {
        Kind::Internal | Kind::Unavailable => tracing::error!(code = error.code(), "{error}"),
        _ => tracing::debug!(code = error.code(), "{error}"),
    }
}

/// The gRPC code of an answer, for the log; the HTTP status of one that is no gRPC.
pub(super) fn of_response<B>(response: &Response<B>) -> String {
    match response.headers().get(HeaderName::from_static("grpc-status")) {
        Some(code) => format!("{:?}", Code::from_bytes(code.as_bytes())),
        None if response.status() == StatusCode::OK => "Ok".to_owned(),
        None => response.status().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_code_and_the_cause_stays_inside() {
        let cause = || std::io::Error::other("password of the database is hunter2");
        for (error, code, http) in [
            (Error::invalid("a.b", "m"), Code::InvalidArgument, 400),
            (Error::not_found("order", "7"), Code::NotFound, 404),
            (Error::already_exists("a.b", "m"), Code::AlreadyExists, 409),
            (Error::denied("a.b", "m"), Code::PermissionDenied, 403),
            (Error::unauthenticated("m"), Code::Unauthenticated, 401),
            (Error::too_many("a.b", "m"), Code::ResourceExhausted, 429),
            (Error::internal("a.b", "m").caused_by(cause()), Code::Internal, 500),
            (Error::unavailable("a.b", "m").caused_by(cause()), Code::Unavailable, 503),
        ] {
            assert_eq!(http_status(&error).as_u16(), http);
            let (stable, message) = (error.code(), error.public_message());
            let status = Status::from(error);
            assert_eq!((status.code(), status.message()), (code, message.as_str()));
            assert_eq!(status.metadata().get(ERROR_CODE).unwrap(), stable);
            assert!(!status.message().contains("hunter2"));
        }
    }

    #[test]
    fn a_refusal_is_in_the_words_of_its_client() {
        let refused = |kind: &'static str| {
            let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect();
            ClientKind::of(&headers).refuse(Status::unavailable("busy"))
        };
        for kind in ["application/grpc", "application/grpc-web+proto"] {
            let response = refused(kind);
            assert_eq!(response.status(), 200);
            assert_eq!(
                (&response.headers()["content-type"], &response.headers()["grpc-status"]),
                (&kind.parse().unwrap(), &"14".parse().unwrap())
            );
        }
        let response = refused("text/html");
        assert_eq!(response.status(), 503);
        assert!(!response.headers().contains_key("grpc-status"));
    }
}
