//! `/callback/{gateway_interface_id}`: notices of gateways, which speak plain HTTP.

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};

use super::status;
use crate::core::{
    actor::Actor,
    app::App,
    error::{Error, Kind, Result},
    id::Id,
    settlement::{self, Notice, PAYLOAD_MAX},
};

/// The answer is the text of a script; no browser shall take it for a page.
const HEADERS: [(HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// The route.
pub(super) fn routes(app: &App) -> Router {
    Router::new()
        .route("/callback/{gateway_interface_id}", get(take).post(take))
        .layer(DefaultBodyLimit::max(PAYLOAD_MAX))
        .with_state(app.clone())
}

async fn take(
    State(app): State<App>,
    Path(gateway): Path<String>,
    RawQuery(query): RawQuery,
    actor: Option<Extension<Actor>>,
    body: Bytes,
) -> Response {
    let actor = actor.map_or_else(|| Actor::anonymous("unknown"), |Extension(actor)| actor);
    match handle(&app, &actor, &gateway, query.as_deref().unwrap_or_default(), &body).await {
        Ok(reply) => (HEADERS, reply).into_response(),
        Err(error) => {
            let status: StatusCode = status::http_status(&error);
            (status, HEADERS, format!("fail: {}\n", error.public_message())).into_response()
        }
    }
}

/// A gateway repeats its notice until it hears the right text, so it hears that the second time too.
async fn handle(app: &App, actor: &Actor, gateway: &str, query: &str, body: &[u8]) -> Result<String> {
    let gateway = Id::parse("gateway_interface_id", gateway)?;
    let body = std::str::from_utf8(body)
        .map_err(|_| Error::invalid("payment.payload", "the body is no UTF-8 text, expected a form or JSON"))?;
    let notice = if body.is_empty() { Notice { payload: query, query: "" } } else { Notice { payload: body, query } };
    let answer = settlement::handle_callback(app, actor, gateway, notice).await?;
    let reply = answer.reply.clone();
    match answer.payment() {
        Ok(_) => Ok(reply),
        Err(error) if error.kind() == Kind::AlreadyExists => Ok(reply),
        Err(error) => Err(error),
    }
}
