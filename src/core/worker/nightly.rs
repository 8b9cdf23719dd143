//! Checks the books every night.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::turns::Turns;
use crate::core::{app::App, reconciliation};

/// How often it looks whether the day's check is due. Of several servers one runs it.
const PERIOD: Duration = Duration::from_mins(10);

pub(super) async fn check_when_due(app: App, shutdown: CancellationToken) {
    let mut turns = Turns::every(PERIOD, shutdown);
    while turns.next().await {
        if let Err(error) = reconciliation::run_if_due(&app).await {
            tracing::error!(%error, "the books could not be checked");
        }
    }
}
