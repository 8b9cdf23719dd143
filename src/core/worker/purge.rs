//! Forgets what nobody can ask for any more.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::turns::Turns;
use crate::core::{app::App, error::Result, idempotency, identity};

/// How often it looks.
const PERIOD: Duration = Duration::from_mins(5);

pub(super) async fn purge_now_and_then(app: App, shutdown: CancellationToken) {
    let mut turns = Turns::every(PERIOD, shutdown);
    while turns.next().await {
        log("answers to idempotency keys", idempotency::purge(&app).await);
        log("sessions, refresh tokens and verification codes", identity::purge(&app).await);
    }
}

fn log(what: &str, purged: Result<u64>) {
    match purged {
        Ok(0) => {}
        Ok(purged) => tracing::debug!(purged, what, "expired and removed"),
        Err(error) => tracing::error!(%error, what, "expired and could not be removed"),
    }
}
