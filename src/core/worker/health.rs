//! Asks interfaces whether they are well.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shift::Shift;
use crate::core::{
    actor::Actor,
    app::App,
    cluster::{Role, Roles},
    plugins,
};

/// How often it looks for interfaces that are due.
const LOOK: Duration = Duration::from_secs(15);

pub(super) async fn check_now_and_then(app: App, roles: Roles, shutdown: CancellationToken) {
    let actor = Actor::system("health");
    let mut shift = Shift::of(Role::EventWorker, roles, LOOK, shutdown);
    while let Some(fence) = shift.next().await {
        let actor = actor.clone().with_fence(fence);
        match plugins::check_due(&app, &actor).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "plugin interfaces asked for their health"),
            Err(error) => tracing::error!(%error, "plugin interfaces could not be asked for their health"),
        }
    }
}
