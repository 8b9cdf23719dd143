//! Looks for orders that nobody paid in time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shift::Shift;
use crate::core::{
    actor::Actor,
    app::App,
    cluster::{Role, Roles},
    settlement,
};

/// How often it looks.
const PERIOD: Duration = Duration::from_mins(1);

pub(super) async fn look_now_and_then(app: App, roles: Roles, shutdown: CancellationToken) {
    let actor = Actor::system("worker");
    let mut shift = Shift::of(Role::EventWorker, roles, PERIOD, shutdown);
    while let Some(fence) = shift.next().await {
        match settlement::cancel_unpaid(&app, &actor.clone().with_fence(fence)).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "orders were cancelled because nobody paid them"),
            Err(error) => tracing::error!(%error, "unpaid orders could not be looked for"),
        }
    }
}
