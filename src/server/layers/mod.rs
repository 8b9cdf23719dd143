//! What every request passes before a service sees it: one file a layer, from outside in.
//!
//! | file | does |
//! |---|---|
//! | `concurrency.rs` | gives the request its identifiers, reads its body, waits in line for a place, goes on in a task |
//! | `health.rs` | answers `/health` and `/ready`, which waited for no place |
//! | `rate_limit.rs` | finds out the client's address; counts logins and registrations by it |
//! | `admin_ui.rs` | answers below `[server].admin_path` |
//! | `cors.rs` | lets the pages of `[server].allowed_origins` read answers |
//! | `session.rs` | session cookies and session tokens, unless a foreign page sent the cookie |
//! | `jwt.rs` | access tokens |
//! | `api_key.rs` | API keys |
//! | `log_context.rs` | writes who calls into the log's context |
//! | `GrpcWebLayer` | turns gRPC-Web into gRPC and the answer back; around the services only |
//!
//! The three that recognise somebody handle their own kind of credential and refuse nobody.

mod admin_ui;
mod api_key;
mod client;
mod concurrency;
mod cors;
mod health;
mod jwt;
mod log_context;
mod rate_limit;
mod session;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use tonic_web::GrpcWebLayer;
use tower::ServiceBuilder;

pub(super) use self::concurrency::{Admission, STREAMING};
use self::rate_limit::RateLimit;
use super::{callback, web_fallback};
use crate::core::{app::App, error::Result};

/// The services inside all layers, of which the first is the outermost.
///
/// # Errors
/// `config.invalid` for an origin that no header can hold.
pub(super) fn stack(app: &App, admission: Admission, services: Router) -> Result<Router> {
    let cors = cors::layer(&app.settings.server)?;
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(admission, concurrency::admit))
        .layer(from_fn_with_state(app.clone(), health::answer))
        .layer(from_fn_with_state(RateLimit::new(app, cors.clone()), rate_limit::limit))
        .layer(from_fn_with_state(app.clone(), admin_ui::answer))
        .layer(cors)
        .layer(from_fn_with_state(app.clone(), session::recognise))
        .layer(from_fn_with_state(app.clone(), jwt::recognise))
        .layer(from_fn_with_state(app.clone(), api_key::recognise))
        .layer(from_fn(log_context::name_caller));
    // It answers plain HTTP/1.1 with 400, so it is around those alone who speak gRPC.
    let services = services.layer(GrpcWebLayer::new());
    Ok(Router::new().merge(services).merge(callback::routes(app)).fallback(web_fallback::unknown).layer(layers))
}

#[cfg(test)]
mod tests;
