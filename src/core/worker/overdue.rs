//! What comes with the calendar: invoices that were not paid in time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shift::Shift;
use crate::core::{
    actor::Actor,
    app::App,
    cluster::{Role, Roles},
    invoices,
};

/// How often it looks: a day that is over at midnight is noticed within the hour.
const PERIOD: Duration = Duration::from_hours(1);

pub(super) async fn look_now_and_then(app: App, roles: Roles, shutdown: CancellationToken) {
    let actor = Actor::system("billing");
    let mut shift = Shift::of(Role::Billing, roles, PERIOD, shutdown);
    while let Some(fence) = shift.next().await {
        let actor = actor.clone().with_fence(fence);
        run(&app, &actor).await;
    }
}

/// One turn of the holder of `billing`. The actor carries the proof of the role.
async fn run(app: &App, actor: &Actor) {
    match invoices::mark_overdue(app, actor).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "invoices are overdue"),
        Err(error) => tracing::error!(%error, "overdue invoices could not be looked for"),
    }
}
