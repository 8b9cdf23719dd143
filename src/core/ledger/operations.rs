//! Writing the ledger.

use super::{model::Posting, store};
use crate::core::{database::Tx, error::Result, id::Id, time::Timestamp};

/// Writes a transaction and its entries, as part of the transaction of what it describes. Two statements, however many
/// entries there are. Gives back the transaction's identifier.
///
/// What it tells of must be written before: foreign keys hold it to that.
///
/// # Errors
/// When the database refuses it; then what it describes must not happen either.
pub async fn post(tx: &mut Tx, at: Timestamp, posting: &Posting) -> Result<Id> {
    let id = Id::generate();
    store::insert(tx, at, id, posting).await?;
    store::insert_entries(tx, id, posting).await?;
    Ok(id)
}
