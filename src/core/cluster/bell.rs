//! Hears the other servers: that they left an event, that a role has become free.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::EVENT_BELL;
use crate::core::{app::App, error::Result};

/// Rung by whoever gives roles back.
pub(super) const ROLES: &str = "rustbill_roles";
/// The wait before listening again where that is not possible now. Whoever hears nothing looks by itself meanwhile.
const AGAIN: Duration = Duration::from_secs(5);

/// Listens until it is aborted; ends at once on SQLite, where nobody rings.
pub(super) async fn listen(app: App, roles: Arc<Notify>) {
    loop {
        match hear(&app, &roles).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "other servers can't be heard; looking now and then instead"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn hear(app: &App, roles: &Notify) -> Result<()> {
    let Some(mut listener) = app.database.listen(&[EVENT_BELL, ROLES]).await? else { return Ok(()) };
    // What was rung before is not heard.
    app.wake.notify_one();
    loop {
        match listener.next().await?.as_deref() {
            Some(ROLES) => roles.notify_one(),
            Some(_) => app.wake.notify_one(),
            None => {
                roles.notify_one();
                app.wake.notify_one();
            }
        }
    }
}
