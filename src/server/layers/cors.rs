//! Which pages of other origins may call: those of `[server].allowed_origins`, with cookies; no others.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, header},
    response::Response,
};
use tonic::Status;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::log_context::{REQUEST_ID, TRACEPARENT};
use crate::{
    core::{
        error::{Error, Result},
        settings::Server,
    },
    server::{
        idempotency::{KEY, REPLAYED},
        status::ERROR_CODE,
    },
};

/// How long a browser may remember what it was allowed.
const MAX_AGE: Duration = Duration::from_mins(10);

/// The layer. Without an origin in the list it allows nobody.
///
/// # Errors
/// `config.invalid` for an origin that no header can hold, or the wildcard, which does not go with cookies.
pub(super) fn layer(settings: &Server) -> Result<CorsLayer> {
    let origin = |origin: &String| match HeaderValue::from_str(origin) {
        Ok(value) if origin != "*" => Ok(value),
        _ => Err(Error::invalid("config.invalid", format!("`server.allowed_origins` has `{origin}`, not an origin"))),
    };
    let origins = settings.allowed_origins.iter().map(origin).collect::<Result<Vec<_>>>()?;
    let name = HeaderName::from_static;
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            name("x-grpc-web"),
            name("x-user-agent"),
            name("grpc-timeout"),
            name(KEY),
            REQUEST_ID,
            TRACEPARENT,
        ])
        .expose_headers([
            Status::GRPC_STATUS,
            name("grpc-message"),
            Status::GRPC_STATUS_DETAILS,
            name(ERROR_CODE),
            REPLAYED,
            header::RETRY_AFTER,
            REQUEST_ID,
            TRACEPARENT,
        ])
        .max_age(MAX_AGE))
}

/// The answer of a layer further out, with what lets a page read it.
pub(super) async fn readable(cors: &CorsLayer, request: Request, answer: Response) -> Response {
    let mut answer = Some(answer);
    let answering = service_fn(move |_: Request| {
        let answer = answer.take().unwrap_or_default();
        async { Ok::<_, Infallible>(answer) }
    });
    match cors.layer(answering).oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}
