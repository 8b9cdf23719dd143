//! SQL of the outbox.

use serde_json::Value;
use sqlx::types::Json;

use super::{Claim, LEASE, NewEvent, backoff};
use crate::core::{
    database::{Source, Tx},
    error::{Error, Result},
    event::EventType,
    id::Id,
    time::Timestamp,
};

/// Writes an event; it is there when the transaction commits. Ring `App::wake` afterwards.
///
/// # Errors
/// When the database refuses it.
pub async fn enqueue(tx: &mut Tx, at: Timestamp, event: NewEvent) -> Result<Id> {
    let id = Id::generate();
    tx.q("INSERT INTO event_queue (id, event_type, payload, status, order_id, subject_id, attempts, available_at, last_error, created_at, updated_at) \
          VALUES ($1, $2, $3, 'pending', $4, $5, 0, $6, '', $6, $6)")
        .bind(id)
        .bind(event.event_type)
        .bind(Json(event.payload))
        .bind(event.order_id)
        .bind(event.subject_id)
        .bind(at)
        .execute_one()
        .await?;
    Ok(id)
}

#[derive(sqlx::FromRow)]
struct EventRow {
    id: Id,
    event_type: EventType,
    payload: Json<Value>,
    order_id: Option<Id>,
    subject_id: Id,
    attempts: i64,
}

/// Claims up to `limit` events that are due, oldest first, none whose subject has an older open event.
///
/// # Errors
/// When the database can't be used.
pub async fn claim(tx: &mut Tx, at: Timestamp, worker: Id, limit: i64) -> Result<Vec<Claim>> {
    let rows: Vec<EventRow> = tx
        .q_skip_locked(
            "SELECT id, event_type, payload, order_id, subject_id, attempts FROM event_queue AS event \
             WHERE ((status = 'pending' AND available_at <= $1) OR (status = 'processing' AND claimed_until < $1)) \
             AND NOT EXISTS (SELECT 1 FROM event_queue AS older WHERE older.subject_id = event.subject_id \
                             AND older.status IN ('pending', 'processing') AND older.id < event.id) \
             ORDER BY available_at, id LIMIT $2",
        )
        .bind(at)
        .bind(limit)
        .lock()
        .all()
        .await?;
    let mut claims = Vec::with_capacity(rows.len());
    for row in rows {
        let attempt = row.attempts + 1;
        tx.q("UPDATE event_queue SET status = 'processing', attempts = $2, claimed_by = $3, claimed_until = $4, updated_at = $5 WHERE id = $1")
            .bind(row.id)
            .bind(attempt)
            .bind(worker)
            .bind(at.plus(LEASE))
            .bind(at)
            .execute_one()
            .await?;
        claims.push(Claim {
            id: row.id,
            event_type: row.event_type,
            subject_id: row.subject_id,
            order_id: row.order_id,
            payload: row.payload.0,
            attempt,
            worker,
        });
    }
    Ok(claims)
}

/// The claim is not ours any more: the lease ran out and another worker has the event.
fn lost(claim: &Claim) -> Error {
    Error::unavailable("event.claim_lost", format!("event `{}` was taken over by another worker", claim.id))
}

/// Ends an event, in the transaction of what its handler did. Fails when the claim is gone, so that nothing is done
/// twice.
///
/// # Errors
/// `event.claim_lost`.
pub async fn finish(tx: &mut Tx, at: Timestamp, claim: &Claim) -> Result<()> {
    let updated = tx
        .q("UPDATE event_queue SET status = 'done', claimed_by = NULL, claimed_until = NULL, last_error = '', updated_at = $4 \
            WHERE id = $1 AND status = 'processing' AND claimed_by = $2 AND attempts = $3")
        .bind(claim.id)
        .bind(claim.worker)
        .bind(claim.attempt)
        .bind(at)
        .execute()
        .await?;
    if updated == 1 { scrub(tx, claim).await } else { Err(lost(claim)) }
}

/// Takes a code out of an event that is over: nobody needs it there any more.
async fn scrub(tx: &mut Tx, claim: &Claim) -> Result<()> {
    if claim.event_type != EventType::VerificationCode {
        return Ok(());
    }
    tx.q("UPDATE event_queue SET payload = $2 WHERE id = $1")
        .bind(claim.id)
        .bind(Json(serde_json::json!({})))
        .execute_one()
        .await
}

/// Makes the claim last longer.
///
/// # Errors
/// `event.claim_lost`.
pub async fn renew(tx: &mut Tx, at: Timestamp, claim: &Claim) -> Result<()> {
    let updated = tx
        .q("UPDATE event_queue SET claimed_until = $4 WHERE id = $1 AND status = 'processing' AND claimed_by = $2 AND attempts = $3")
        .bind(claim.id)
        .bind(claim.worker)
        .bind(claim.attempt)
        .bind(at.plus(LEASE))
        .execute()
        .await?;
    if updated == 1 { Ok(()) } else { Err(lost(claim)) }
}

/// Puts an event back after a failed attempt, to be tried again after a while.
///
/// # Errors
/// `event.claim_lost`.
pub async fn retry_later(tx: &mut Tx, at: Timestamp, claim: &Claim, problem: &str) -> Result<()> {
    set_aside(tx, at, claim, "pending", at.plus(backoff(claim.attempt)), problem).await
}

/// Marks an event as failed for good; an operator decides what becomes of it.
///
/// # Errors
/// `event.claim_lost`.
pub async fn give_up(tx: &mut Tx, at: Timestamp, claim: &Claim, problem: &str) -> Result<()> {
    set_aside(tx, at, claim, "failed", at, problem).await?;
    scrub(tx, claim).await
}

async fn set_aside(
    tx: &mut Tx,
    at: Timestamp,
    claim: &Claim,
    status: &'static str,
    available: Timestamp,
    problem: &str,
) -> Result<()> {
    let updated = tx
        .q("UPDATE event_queue SET status = $4, available_at = $5, last_error = $6, claimed_by = NULL, claimed_until = NULL, updated_at = $7 \
            WHERE id = $1 AND status = 'processing' AND claimed_by = $2 AND attempts = $3")
        .bind(claim.id)
        .bind(claim.worker)
        .bind(claim.attempt)
        .bind(status)
        .bind(available)
        .bind(problem.to_owned())
        .bind(at)
        .execute()
        .await?;
    if updated == 1 { Ok(()) } else { Err(lost(claim)) }
}

/// Frees all claims. Only for a start on a database that no other server uses: whoever held them is gone.
///
/// # Errors
/// When the database can't be used.
pub async fn release_all(tx: &mut Tx, at: Timestamp) -> Result<u64> {
    tx.q("UPDATE event_queue SET status = 'pending', claimed_by = NULL, claimed_until = NULL, updated_at = $1 WHERE status = 'processing'")
        .bind(at)
        .execute()
        .await
}

/// Whether any event waits or is being worked on.
///
/// # Errors
/// When the database can't be used.
pub async fn has_open(source: impl Source<'_>) -> Result<bool> {
    let open = source
        .q("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE status IN ('pending', 'processing')")
        .scalar::<i64>()
        .await?;
    Ok(open > 0)
}
