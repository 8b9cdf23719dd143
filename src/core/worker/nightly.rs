//! Checks the books every night.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shift::Shift;
use crate::core::{
    app::App,
    cluster::{Role, Roles},
    reconciliation,
};

/// How often it looks whether the day's check is due.
const PERIOD: Duration = Duration::from_mins(10);

pub(super) async fn check_when_due(app: App, roles: Roles, shutdown: CancellationToken) {
    let mut shift = Shift::of(Role::Billing, roles, PERIOD, shutdown);
    while shift.next().await.is_some() {
        if let Err(error) = reconciliation::run_if_due(&app).await {
            tracing::error!(%error, "the books could not be checked");
        }
    }
}
