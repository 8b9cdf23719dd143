//! Stopping the server in order to be started again.

use serde_json::json;

use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    error::Result,
    id::Id,
};

/// Asks the server that this [`App`] belongs to for an orderly end, after which its process manager starts it again.
/// Requests that run, this one too, are answered before. For administrators.
///
/// # Errors
/// PermissionDenied for others.
pub async fn restart(app: &App, actor: &Actor) -> Result<()> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let detail = json!({});
    // A server has no row that could be named: the entry names the request.
    let entry =
        audit::Entry { action: "server.restart", target_type: "server", target_id: Id::generate(), detail: &detail };
    audit::record(&mut tx, app.clock.now(), actor, entry).await?;
    tx.commit().await?;
    tracing::info!(actor = actor.name(), "a restart was asked for");
    app.restart.cancel();
    Ok(())
}
