//! Seals the operation log, about a second behind the changes that it tells of.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::core::{app::App, audit};

/// How often it looks without being rung.
const POLL: Duration = Duration::from_secs(1);

pub(super) async fn seal_now_and_then(app: App, shutdown: CancellationToken) {
    let mut tick = interval(POLL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = app.seal.notified() => {}
            _ = tick.tick() => {}
        }
        match audit::seal(&app).await {
            // There may be more.
            Ok(audit::SEAL_BATCH..) => app.seal.notify_one(),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the operation log could not be sealed"),
        }
    }
}
