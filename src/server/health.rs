//! `/health`: the process answers. `/ready`: it can do its work.

use axum::{Router, extract::State, http::StatusCode, routing::get};

use crate::core::{app::App, error::Result};

pub(super) fn routes(app: App) -> Router {
    Router::new().route("/health", get(async || "OK")).route("/ready", get(ready)).with_state(app)
}

async fn ready(State(app): State<App>) -> (StatusCode, String) {
    match check(&app).await {
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
