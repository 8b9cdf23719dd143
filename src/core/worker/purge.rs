//! Forgets what nobody can ask for any more.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::core::{app::App, idempotency};

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
        match idempotency::purge(&app).await {
            Ok(0) => {}
            Ok(purged) => tracing::debug!(purged, "answers to idempotency keys expired"),
            Err(error) => tracing::error!(%error, "expired idempotency keys could not be removed"),
        }
    }
}
