//! Seals the operation log, about a second behind the changes that it tells of.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::turns::Turns;
use crate::core::{app::App, audit};

/// How often it looks without being rung.
const POLL: Duration = Duration::from_secs(1);

pub(super) async fn seal_now_and_then(app: App, shutdown: CancellationToken) {
    let mut turns = Turns::every(POLL, shutdown);
    while turns.next_or(app.seal.notified()).await {
        match audit::seal(&app).await {
            // There may be more.
            Ok(audit::SEAL_BATCH..) => app.seal.notify_one(),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the operation log could not be sealed"),
        }
    }
}
