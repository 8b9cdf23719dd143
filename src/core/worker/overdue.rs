//! Looks for invoices that were not paid in time.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::core::{actor::Actor, app::App, invoices};

/// How often it looks: a day that is over at midnight is noticed within the hour.
const PERIOD: Duration = Duration::from_hours(1);

pub(super) async fn look_now_and_then(app: App, shutdown: CancellationToken) {
    let actor = Actor::system("billing");
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        match invoices::mark_overdue(&app, &actor).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "invoices are overdue"),
            Err(error) => tracing::error!(%error, "overdue invoices could not be looked for"),
        }
    }
}
