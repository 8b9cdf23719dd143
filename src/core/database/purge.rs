//! Removing rows whose time is over, without keeping anybody waiting.

use super::Database;
use crate::core::{error::Result, time::Timestamp};

/// Rows that one transaction removes: on SQLite other writers wait meanwhile.
const BATCH: i64 = 500;

/// Rows whose time is over.
#[derive(Clone, Copy, Debug)]
pub struct Expired {
    /// Finds a number when there are some at the moment `$1`.
    pub look: &'static str,
    /// Removes some at the moment `$1`, at most `$2`.
    pub remove: &'static str,
}

impl Database {
    /// Removes rows whose time is over, a bounded number at once, and says how many.
    ///
    /// # Errors
    /// When the database can't be used; what was removed before stays removed.
    pub async fn purge(&self, at: Timestamp, expired: Expired) -> Result<u64> {
        let mut purged = 0;
        // Looking costs a reader; only finding something costs the one writer of SQLite.
        while self.q(expired.look).bind(at).scalar_opt::<i64>().await?.is_some() {
            let removed = self
                .retry(|| async {
                    let mut tx = self.begin().await?;
                    let removed = tx.q(expired.remove).bind(at).bind(BATCH).execute().await?;
                    tx.commit().await?;
                    Ok(removed)
                })
                .await?;
            // Another server was faster.
            if removed == 0 {
                break;
            }
            purged += removed;
        }
        Ok(purged)
    }
}
