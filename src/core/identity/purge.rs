//! Forgetting what ended by itself.

use super::{code_store, session_store};
use crate::core::{app::App, error::Result};

/// Removes sessions, refresh tokens and verification codes whose time is over, a bounded number at once, and says how
/// many.
///
/// # Errors
/// When the database can't be used.
pub async fn purge(app: &App) -> Result<u64> {
    let at = app.clock.now();
    let mut purged = 0;
    for expired in [session_store::ENDED_SESSIONS, session_store::ENDED_REFRESH_TOKENS, code_store::ENDED] {
        purged += app.database.purge(at, expired).await?;
    }
    Ok(purged)
}
