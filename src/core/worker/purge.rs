//! Forgets what nobody can ask for any more.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::core::{app::App, error::Result, idempotency, identity};

/// How often it looks.
const PERIOD: Duration = Duration::from_mins(5);

pub(super) async fn purge_now_and_then(app: App, shutdown: CancellationToken) {
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
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
