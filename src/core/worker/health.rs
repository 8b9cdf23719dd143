//! Asks interfaces whether they are well.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::turns::Turns;
use crate::core::{actor::Actor, app::App, lock, plugins};

/// How often it looks for interfaces that are due.
const LOOK: Duration = Duration::from_secs(15);
/// What servers take turns by.
const LOCK: &str = "plugin-health";
/// How long one may look for all, should it end without saying so. Each interface is claimed in the database besides.
const LEASE: Duration = Duration::from_mins(1);

pub(super) async fn check_now_and_then(app: App, shutdown: CancellationToken) {
    let actor = Actor::system("health");
    let mut turns = Turns::every(LOOK, shutdown);
    while turns.next().await {
        // Another server looks for all of them; when nobody can be asked, looking anyway is right.
        let turn = match lock::try_take(&app, LOCK, LEASE).await {
            Ok(None) => continue,
            Ok(turn) => turn,
            Err(_) => None,
        };
        match plugins::check_due(&app, &actor).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "plugin interfaces asked for their health"),
            Err(error) => tracing::error!(%error, "plugin interfaces could not be asked for their health"),
        }
        drop(turn);
    }
}
