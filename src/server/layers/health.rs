//! `/health`: the process answers. `/ready`: it can do its work. Probes wait for no place, so that a busy server is not
//! taken for a dead one.

use axum::{
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::core::{app::App, error::Result};

const HEALTH: &str = "/health";
const READY: &str = "/ready";

/// Whether this layer answers.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, HEALTH | READY)
}

/// The layer.
pub(super) async fn answer(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !is_probe(path) {
        return next.run(request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    if path == HEALTH { "OK".into_response() } else { ready(&app).await.into_response() }
}

async fn ready(app: &App) -> (StatusCode, String) {
    match check(app).await {
        Ok(0) => (StatusCode::OK, "ready".to_owned()),
        Ok(pending) => (StatusCode::SERVICE_UNAVAILABLE, format!("{pending} migrations are pending")),
        Err(error) => {
            tracing::error!(code = error.code(), "not ready: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, error.public_message())
        }
    }
}

async fn check(app: &App) -> Result<usize> {
    app.database.ping().await?;
    Ok(app.database.migration_status().await?.pending())
}
