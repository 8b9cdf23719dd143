//! The operation log: who changed what, when and from where, written in the transaction of the change itself.
//!
//! Secrets never get in: an operation records the fields that it changed, and leaves passwords, tokens and the
//! values of a plugin's secret settings out.

use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

use crate::core::{actor::Actor, database::Tx, error::Result, id::Id, time::Timestamp};

/// What was done to what.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Noun and verb, such as `order.pay`.
    pub action: &'static str,
    /// The noun of the target, such as `order`.
    pub target_type: &'static str,
    /// Which one.
    pub target_id: Id,
    /// What changed, as `{"before": …, "after": …}` or the new values.
    pub detail: &'a Value,
}

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

/// The detail of a change: what was and what is.
pub fn change(before: impl Serialize, after: impl Serialize) -> Value {
    serde_json::json!({ "before": before, "after": after })
}
