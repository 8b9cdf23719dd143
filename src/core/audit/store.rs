//! SQL of the operation log.

use sqlx::types::Json;

use super::{
    Entry,
    model::{Head, LogFilter, OperationLog},
};
use crate::core::{
    actor::Actor,
    cluster,
    database::{Database, Query, Tx},
    error::{Error, Result},
    id::Id,
    idempotency,
    page::{Page, PageRequest},
    time::Timestamp,
};

const SELECT: &str = "SELECT id, actor_type, actor_id, actor_name, action, target_type, target_id, detail, source, created_at, \
                      position, hash FROM operation_logs";

/// Writes an entry, marks the idempotency key that the actor acts under, and proves the role that it acts in: every change
/// comes through here in its own transaction.
///
/// # Errors
/// When the database refuses it, the key is another call's by now, or the role another server's; then the change it
/// describes must not happen either.
pub async fn record(tx: &mut Tx, at: Timestamp, actor: &Actor, entry: Entry<'_>) -> Result<()> {
    if let Some(reservation) = actor.reservation() {
        idempotency::mark_applied(tx, reservation).await?;
    }
    cluster::prove(tx, actor.fence()).await?;
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

fn narrowed<'e>(query: Query<'e>, filter: &LogFilter) -> Query<'e> {
    query
        .push(" WHERE 1 = 1")
        .filter(" AND actor_id = ", filter.actor_id.map(|id| id.to_string()))
        .filter(" AND action = ", filter.action.clone())
        .filter(" AND target_type = ", filter.target_type.clone())
        .filter(" AND target_id = ", filter.target_id.map(|id| id.to_string()))
}

/// A page of entries.
pub(super) async fn list(database: &Database, filter: &LogFilter, page: PageRequest) -> Result<Page<OperationLog>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs"), filter);
    let rows = narrowed(database.q(SELECT), filter).push(" ORDER BY created_at DESC, id DESC");
    page.fetch(count, rows).await
}

/// Whether there is something to seal.
pub(super) async fn has_unsealed(database: &Database) -> Result<bool> {
    let found = database.q("SELECT CAST(1 AS BIGINT) FROM operation_logs WHERE position IS NULL LIMIT 1");
    found.scalar_opt::<i64>().await.map(|found| found.is_some())
}

/// How many entries are not sealed.
pub(super) async fn count_unsealed(database: &Database) -> Result<i64> {
    database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE position IS NULL").scalar().await
}

/// The oldest entries that are not sealed, in the order in which they are.
pub(super) async fn unsealed(tx: &mut Tx, limit: i64) -> Result<Vec<OperationLog>> {
    tx.q(SELECT).push(" WHERE position IS NULL ORDER BY created_at, id").push_bind(" LIMIT ", limit).all().await
}

/// Gives an entry its place.
pub(super) async fn seal(tx: &mut Tx, id: Id, place: &Head) -> Result<()> {
    tx.q("UPDATE operation_logs SET position = $2, hash = $3 WHERE id = $1 AND position IS NULL")
        .bind(id)
        .bind(place.position)
        .bind(place.hash.clone())
        .execute_one()
        .await
}

/// The recorded end of the chain; none when somebody removed it.
pub(super) async fn head(database: &Database) -> Result<Option<Head>> {
    database.q("SELECT position, hash FROM operation_log_head WHERE id = 1").opt().await
}

/// The recorded end, held until the transaction ends: one seals at a time.
pub(super) async fn lock_head(tx: &mut Tx) -> Result<Head> {
    let head = tx.q_for_update("SELECT position, hash FROM operation_log_head WHERE id = 1").lock().opt().await?;
    head.ok_or_else(|| Error::internal("audit.head", "the record of the operation log's end is gone"))
}

/// Moves the recorded end.
pub(super) async fn set_head(tx: &mut Tx, head: &Head) -> Result<()> {
    tx.q("UPDATE operation_log_head SET position = $1, hash = $2 WHERE id = 1")
        .bind(head.position)
        .bind(head.hash.clone())
        .execute_one()
        .await
}

/// The highest position of an entry; 0 without any.
pub(super) async fn last_position(database: &Database) -> Result<i64> {
    database.q("SELECT CAST(COALESCE(MAX(position), 0) AS BIGINT) FROM operation_logs").scalar().await
}

/// The next sealed entries behind a position, none behind `last`.
pub(super) async fn sealed(database: &Database, after: i64, last: i64, limit: i64) -> Result<Vec<OperationLog>> {
    database
        .q(SELECT)
        .push_bind(" WHERE position > ", after)
        .push_bind(" AND position <= ", last)
        .push_bind(" ORDER BY position LIMIT ", limit)
        .all()
        .await
}
