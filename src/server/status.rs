//! The one table from the core's errors to gRPC codes and HTTP statuses.

use axum::http::{HeaderName, Response, StatusCode};
use tonic::{Code, Status, metadata::MetadataValue};

use crate::core::error::{Error, Kind};

/// The metadata field with the stable code of an error.
pub const ERROR_CODE: &str = "error-code";

const fn table(kind: Kind) -> (Code, StatusCode) {
    match kind {
        Kind::InvalidArgument => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
        Kind::NotFound => (Code::NotFound, StatusCode::NOT_FOUND),
        Kind::AlreadyExists => (Code::AlreadyExists, StatusCode::CONFLICT),
        Kind::PermissionDenied => (Code::PermissionDenied, StatusCode::FORBIDDEN),
        Kind::Unauthenticated => (Code::Unauthenticated, StatusCode::UNAUTHORIZED),
        Kind::Internal => (Code::Internal, StatusCode::INTERNAL_SERVER_ERROR),
        Kind::Unimplemented => (Code::Unimplemented, StatusCode::NOT_IMPLEMENTED),
        Kind::Unavailable => (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// The HTTP status for an error, on the routes that are not gRPC.
#[must_use]
pub fn http_status(error: &Error) -> StatusCode {
    log(error);
    table(error.kind()).1
}

impl From<Error> for Status {
    /// Logs the error with its causes and tells the caller what it may know; so `?` works in a service.
    fn from(error: Error) -> Self {
        log(&error);
        let mut status = Self::new(table(error.kind()).0, error.public_message());
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
}
