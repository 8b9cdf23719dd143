//! Asks interfaces whether they are well.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::turns::Turns;
use crate::core::{actor::Actor, app::App, plugins};

/// How often it looks for interfaces that are due.
const LOOK: Duration = Duration::from_secs(15);

pub(super) async fn check_now_and_then(app: App, shutdown: CancellationToken) {
    let actor = Actor::system("health");
    let mut turns = Turns::every(LOOK, shutdown);
    while turns.next().await {
        match plugins::check_due(&app, &actor).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "plugin interfaces asked for their health"),
            Err(error) => tracing::error!(%error, "plugin interfaces could not be asked for their health"),
        }
    }
}
