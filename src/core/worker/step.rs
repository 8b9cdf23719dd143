//! The worker by hand: one event at a time, for a simulation that decides itself when anything happens.

use super::{claim, handle};
use crate::core::{app::App, error::Result, id::Id, outbox};

/// Claims one event that is due and handles it to its end: done, put back for later, or given up. `false` when none is due.
///
/// # Errors
/// When the database can't be used.
pub async fn step(app: &App, worker: Id) -> Result<bool> {
    let claims = claim(app, worker, None, 1).await?;
    let is_found = !claims.is_empty();
    for claim in claims {
        handle::handle(app, &claim).await;
    }
    Ok(is_found)
}

/// What a start does on SQLite, whose one server is this one: whoever held a claim before is gone.
///
/// # Errors
/// When the database can't be used.
pub async fn recover(app: &App) -> Result<()> {
    let mut tx = app.database.begin().await?;
    outbox::release_all(&mut tx, app.clock.now()).await?;
    tx.commit().await
}
