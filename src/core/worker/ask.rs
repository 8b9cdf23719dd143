//! Asks gateways about payments whose notices did not come.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shift::Shift;
use crate::core::{
    actor::Actor,
    app::App,
    cluster::{Role, Roles},
    settlement,
};

/// How often it looks for payments that are due.
const PERIOD: Duration = Duration::from_secs(10);

pub(super) async fn ask_now_and_then(app: App, roles: Roles, shutdown: CancellationToken) {
    let actor = Actor::system("gateways");
    let mut shift = Shift::of(Role::EventWorker, roles, PERIOD, shutdown);
    while let Some(fence) = shift.next().await {
        let actor = actor.clone().with_fence(fence);
        match settlement::ask_due(&app, &actor).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "gateways were asked about pending payments"),
            Err(error) => tracing::error!(%error, "pending payments could not be looked for"),
        }
    }
}
