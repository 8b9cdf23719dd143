//! Seals the operation log, about a second behind the changes that it tells of.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shift::Shift;
use crate::core::{
    app::App,
    audit,
    cluster::{Role, Roles},
};

/// How often it looks without being rung.
const POLL: Duration = Duration::from_secs(1);

pub(super) async fn seal_now_and_then(app: App, roles: Roles, shutdown: CancellationToken) {
    let mut shift = Shift::of(Role::EventWorker, roles, POLL, shutdown);
    while shift.next_or(|| app.seal.notified()).await.is_some() {
        match audit::seal(&app).await {
            // There may be more.
            Ok(audit::SEAL_BATCH..) => app.seal.notify_one(),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the operation log could not be sealed"),
        }
    }
}
