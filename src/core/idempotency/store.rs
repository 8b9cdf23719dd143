//! SQL of keys.

use super::model::{Kept, LEASE, LIFETIME};
use crate::core::{
    database::{Database, Expired, Tx},
    error::{Error, Result},
    id::Id,
    time::Timestamp,
};

const SELECT: &str = "SELECT id, request_hash, applied, lease_until, answer, expires_at FROM idempotency_keys \
                      WHERE scope = $1 AND key_hash = $2";

/// Marks a reservation as applied. To be called in the transaction of the change, so that both last or neither.
///
/// # Errors
/// `idempotency.lease_lost` when another attempt took the key over; then the change must not be made.
pub async fn mark_applied(tx: &mut Tx, id: Id) -> Result<()> {
    let marked = tx.q("UPDATE idempotency_keys SET applied = TRUE WHERE id = $1").bind(id).execute().await?;
    if marked == 1 {
        return Ok(());
    }
    Err(Error::unavailable("idempotency.lease_lost", "the call took too long, and another one with its key began"))
}

/// What is kept under a key.
pub(super) async fn find(database: &Database, scope: &str, key_hash: &str) -> Result<Option<Kept>> {
    database.q(SELECT).bind(scope.to_owned()).bind(key_hash.to_owned()).opt().await
}

/// The same, held until the transaction ends.
pub(super) async fn lock(tx: &mut Tx, scope: &str, key_hash: &str) -> Result<Option<Kept>> {
    tx.q_for_update(SELECT).bind(scope.to_owned()).bind(key_hash.to_owned()).lock().opt().await
}

/// Writes a reservation, if there is none; says whether it did.
pub(super) async fn insert(
    tx: &mut Tx,
    at: Timestamp,
    (scope, key_hash): (&str, &str),
    id: Id,
    request_hash: &str,
) -> Result<bool> {
    let written = tx
        .q("INSERT INTO idempotency_keys (scope, key_hash, id, request_hash, applied, lease_until, created_at, expires_at) \
            VALUES ($1, $2, $3, $4, FALSE, $5, $6, $7) ON CONFLICT (scope, key_hash) DO NOTHING")
        .bind(scope.to_owned())
        .bind(key_hash.to_owned())
        .bind(id)
        .bind(request_hash.to_owned())
        .bind(at.plus(LEASE))
        .bind(at)
        .bind(at.plus(LIFETIME))
        .execute()
        .await?;
    Ok(written == 1)
}

/// Makes a reservation another attempt's.
pub(super) async fn take_over(tx: &mut Tx, at: Timestamp, old: Id, new: Id, request_hash: &str) -> Result<()> {
    tx.q("UPDATE idempotency_keys SET id = $2, request_hash = $3, applied = FALSE, answer = NULL, lease_until = $4, created_at = $5, \
          expires_at = $6 WHERE id = $1")
        .bind(old)
        .bind(new)
        .bind(request_hash.to_owned())
        .bind(at.plus(LEASE))
        .bind(at)
        .bind(at.plus(LIFETIME))
        .execute_one()
        .await
}

/// Moves the end of a lease; says whether it is still held.
pub(super) async fn set_lease(tx: &mut Tx, id: Id, until: Timestamp) -> Result<bool> {
    let moved =
        tx.q("UPDATE idempotency_keys SET lease_until = $2 WHERE id = $1").bind(id).bind(until).execute().await?;
    Ok(moved == 1)
}

/// Keeps an answer and ends the lease.
pub(super) async fn set_answer(tx: &mut Tx, at: Timestamp, id: Id, answer: Vec<u8>) -> Result<()> {
    tx.q("UPDATE idempotency_keys SET answer = $2, lease_until = $3 WHERE id = $1")
        .bind(id)
        .bind(answer)
        .bind(at)
        .execute_one()
        .await
}

/// Whether a reservation's change was made.
pub(super) async fn is_applied(database: &Database, id: Id) -> Result<bool> {
    let found = database.q("SELECT applied FROM idempotency_keys WHERE id = $1").bind(id).scalar_opt::<bool>().await?;
    Ok(found.unwrap_or(false))
}

/// Removes a reservation that was not applied.
pub(super) async fn delete_unapplied(tx: &mut Tx, id: Id) -> Result<()> {
    tx.q("DELETE FROM idempotency_keys WHERE id = $1 AND applied = FALSE").bind(id).execute().await.map(|_| ())
}

/// Answers that nobody can ask for any more.
pub(super) const EXPIRED: Expired = Expired {
    look: "SELECT CAST(1 AS BIGINT) FROM idempotency_keys WHERE expires_at <= $1 AND lease_until <= $1 LIMIT 1",
    remove: "DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE expires_at <= $1 \
             AND lease_until <= $1 ORDER BY expires_at LIMIT $2)",
};
