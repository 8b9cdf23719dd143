//! Looks for invoices that were not paid in time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::turns::Turns;
use crate::core::{actor::Actor, app::App, invoices};

/// How often it looks: a day that is over at midnight is noticed within the hour.
const PERIOD: Duration = Duration::from_hours(1);

pub(super) async fn look_now_and_then(app: App, shutdown: CancellationToken) {
    let actor = Actor::system("billing");
    let mut turns = Turns::every(PERIOD, shutdown);
    while turns.next().await {
        match invoices::mark_overdue(&app, &actor).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "invoices are overdue"),
            Err(error) => tracing::error!(%error, "overdue invoices could not be looked for"),
        }
    }
}
