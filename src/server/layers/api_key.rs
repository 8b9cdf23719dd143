//! Programs of customers: the API key, as a bearer token.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use crate::{
    core::{app::App, identity::Credential},
    server::auth,
};

/// The layer.
pub(super) async fn recognise(State(app): State<App>, request: Request, next: Next) -> Response {
    auth::recognise(&app, request, next, |credential| matches!(credential, Credential::ApiKey(_))).await
}
