//! The worker by hand: one event at a time, for a simulation that decides itself when anything happens.

use super::{claim, handle, release_claims};
use crate::core::{app::App, error::Result, id::Id};

/// Claims one event that is due and handles it to its end: done, put back for later, or given up. `false` when none is due.
///
/// # Errors
/// When the database can't be used.
pub async fn step(app: &App, worker: Id) -> Result<bool> {
    let claims = claim(app, worker, 1).await?;
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
    release_claims(app).await
}
