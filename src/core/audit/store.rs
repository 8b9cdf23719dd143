//! SQL of the operation log.

use sqlx::types::Json;

use super::Entry;
use crate::core::{actor::Actor, database::Tx, error::Result, id::Id, time::Timestamp};

/// Writes an entry.
///
/// # Errors
/// When the database refuses it; then the change it describes must not happen either.
pub async fn record(tx: &mut Tx, at: Timestamp, actor: &Actor, entry: Entry<'_>) -> Result<()> {
    tx.q("INSERT INTO operation_logs (id, actor_type, actor_id, actor_name, action, target_type, target_id, detail, source, created_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
        .bind(Id::generate())
        .bind(actor.kind())
        .bind(actor.id().map(|id| id.to_string()).unwrap_or_default())
        .bind(actor.name().to_owned())
        .bind(entry.action)
        .bind(entry.target_type)
        .bind(entry.target_id.to_string())
        .bind(Json(entry.detail.clone()))
        .bind(actor.source().to_owned())
        .bind(at)
        .execute_one()
        .await
}
