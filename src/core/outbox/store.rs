//! SQL of the outbox.

use chrono::TimeDelta;
use serde_json::Value;
use sqlx::types::Json;

use super::{BACKOFF_MAX, Claim, LEASE, NewEvent, PROBLEM_MAX, backoff_with_jitter};
use crate::core::{
    cluster::{self, EVENT_BELL},
    database::{Source, Tx},
    error::{Error, Result},
    event::EventType,
    id::Id,
    text::shown,
    time::Timestamp,
};

/// Writes an event; it is there when the transaction commits. Ring `App::wake` afterwards; servers on other machines hear
/// of it by themselves.
///
/// # Errors
/// When the database refuses it.
pub async fn enqueue(tx: &mut Tx, at: Timestamp, event: NewEvent) -> Result<Id> {
    let id = Id::generate();
    tx.q("INSERT INTO event_queue (id, event_type, payload, status, order_id, subject_id, attempts, failures, available_at, last_error, created_at, updated_at) \
          VALUES ($1, $2, $3, 'pending', $4, $5, 0, 0, $6, '', $6, $6)")
        .bind(id)
        .bind(event.event_type)
        .bind(Json(event.payload))
        .bind(event.order_id)
        .bind(event.subject_id)
        .bind(at)
        .execute_one()
        .await?;
    tx.notify(EVENT_BELL).await?;
    Ok(id)
}

/// Writes an event that its writer handles itself, right after the commit: the claim is the writer's. If it dies, a worker
/// takes the event over like any other.
///
/// # Errors
/// When the database refuses it.
pub async fn enqueue_claimed(tx: &mut Tx, at: Timestamp, event: NewEvent) -> Result<Claim> {
    let claim = Claim {
        id: enqueue(tx, at, event.clone()).await?,
        event_type: event.event_type,
        subject_id: event.subject_id,
        order_id: event.order_id,
        payload: event.payload,
        attempt: 1,
        failures: 0,
        created_at: at,
        worker: Id::generate(),
        fence: None,
    };
    mark_claimed(tx, at, claim.id, claim.attempt, claim.worker).await?;
    Ok(claim)
}

async fn mark_claimed(tx: &mut Tx, at: Timestamp, event: Id, attempt: i64, worker: Id) -> Result<()> {
    tx.q("UPDATE event_queue SET status = 'processing', attempts = $2, claimed_by = $3, claimed_until = $4, updated_at = $5 WHERE id = $1")
        .bind(event)
        .bind(attempt)
        .bind(worker)
        .bind(at.plus(LEASE))
        .bind(at)
        .execute_one()
        .await
}

#[derive(sqlx::FromRow)]
struct EventRow {
    id: Id,
    /// Not yet read: another version of the program may have written one that this one does not know.
    event_type: String,
    payload: Json<Value>,
    order_id: Option<Id>,
    subject_id: Id,
    attempts: i64,
    failures: i64,
    created_at: Timestamp,
}

/// Claims up to `limit` events that are due, oldest first, none whose subject has an older open event.
///
/// # Errors
/// When the database can't be used.
pub async fn claim(tx: &mut Tx, at: Timestamp, worker: Id, limit: i64) -> Result<Vec<Claim>> {
    let rows: Vec<EventRow> = tx
        .q_skip_locked(
            "SELECT id, event_type, payload, order_id, subject_id, attempts, failures, created_at FROM event_queue AS event \
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
        let Ok(event_type) = EventType::parse(&row.event_type) else {
            postpone_unknown(tx, at, &row).await?;
            continue;
        };
        let attempt = row.attempts + 1;
        mark_claimed(tx, at, row.id, attempt, worker).await?;
        claims.push(Claim {
            id: row.id,
            event_type,
            subject_id: row.subject_id,
            order_id: row.order_id,
            payload: row.payload.0,
            attempt,
            failures: row.failures,
            created_at: row.created_at,
            worker,
            fence: None,
        });
    }
    Ok(claims)
}

/// Leaves an event to a version of the program that knows it, and does not let it stop the others.
async fn postpone_unknown(tx: &mut Tx, at: Timestamp, row: &EventRow) -> Result<()> {
    tracing::warn!(event = %row.id, kind = row.event_type, "an event of a kind that this version does not know is left for later");
    tx.q("UPDATE event_queue SET available_at = $2, updated_at = $3 WHERE id = $1")
        .bind(row.id)
        .bind(at.plus(BACKOFF_MAX))
        .bind(at)
        .execute_one()
        .await
}

/// The claim is not ours any more: the lease ran out and another worker has the event.
fn lost(claim: &Claim) -> Error {
    Error::unavailable("event.claim_lost", format!("event `{}` was taken over by another worker", claim.id))
}

/// Ends an event, in the transaction of what its handler did. Fails when the claim or the role behind it is gone, so that
/// nothing is done twice.
///
/// # Errors
/// `event.claim_lost`; `cluster.role_lost`.
pub async fn finish(tx: &mut Tx, at: Timestamp, claim: &Claim) -> Result<()> {
    cluster::prove(tx, claim.fence.as_ref()).await?;
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

/// Proves that a claim still holds, in a transaction that does a part of its handler's work, and keeps it so until the
/// transaction ends.
///
/// # Errors
/// `event.claim_lost`; `cluster.role_lost`.
pub async fn hold(tx: &mut Tx, claim: &Claim) -> Result<()> {
    let held = tx
        .q_for_update(
            "SELECT id FROM event_queue WHERE id = $1 AND status = 'processing' AND claimed_by = $2 AND attempts = $3",
        )
        .bind(claim.id)
        .bind(claim.worker)
        .bind(claim.attempt)
        .lock()
        .scalar_opt::<Id>()
        .await?;
    if held.is_none() {
        return Err(lost(claim));
    }
    cluster::prove(tx, claim.fence.as_ref()).await
}

/// Makes the claim last longer.
///
/// # Errors
/// `event.claim_lost`.
pub async fn renew(tx: &mut Tx, at: Timestamp, claim: &Claim) -> Result<()> {
    cluster::prove(tx, claim.fence.as_ref()).await?;
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

/// Puts an event back, to be tried again after a while. `failures` is how often its handling failed by now.
///
/// # Errors
/// `event.claim_lost`.
pub async fn retry_later(tx: &mut Tx, at: Timestamp, claim: &Claim, failures: i64, problem: &str) -> Result<()> {
    set_aside(tx, at, claim, "pending", failures, at.plus(backoff_with_jitter(failures)), problem).await
}

/// Puts an event back that goes well and is not over: something that was begun elsewhere is asked for later. What was
/// found out so far is the new payload, and earlier failures count no more.
///
/// # Errors
/// `event.claim_lost`.
pub async fn ask_later(tx: &mut Tx, at: Timestamp, claim: &Claim, wait: TimeDelta, payload: Value) -> Result<()> {
    set_aside(tx, at, claim, "pending", 0, at.plus(wait), "").await?;
    tx.q("UPDATE event_queue SET payload = $2 WHERE id = $1").bind(claim.id).bind(Json(payload)).execute_one().await
}

/// Marks an event as failed for good; an operator decides what becomes of it.
///
/// # Errors
/// `event.claim_lost`.
pub async fn give_up(tx: &mut Tx, at: Timestamp, claim: &Claim, failures: i64, problem: &str) -> Result<()> {
    set_aside(tx, at, claim, "failed", failures, at, problem).await?;
    scrub(tx, claim).await
}

async fn set_aside(
    tx: &mut Tx,
    at: Timestamp,
    claim: &Claim,
    status: &'static str,
    failures: i64,
    available: Timestamp,
    problem: &str,
) -> Result<()> {
    cluster::prove(tx, claim.fence.as_ref()).await?;
    let updated = tx
        .q("UPDATE event_queue SET status = $4, failures = $5, available_at = $6, last_error = $7, claimed_by = NULL, claimed_until = NULL, \
            updated_at = $8 WHERE id = $1 AND status = 'processing' AND claimed_by = $2 AND attempts = $3")
        .bind(claim.id)
        .bind(claim.worker)
        .bind(claim.attempt)
        .bind(status)
        .bind(failures)
        .bind(available)
        .bind(shown(problem, PROBLEM_MAX))
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

/// Frees the claims of a worker that can't commit any more: its role is another's by now.
///
/// # Errors
/// When the database can't be used.
pub async fn release_of(tx: &mut Tx, at: Timestamp, worker: Id) -> Result<u64> {
    tx.q("UPDATE event_queue SET status = 'pending', claimed_by = NULL, claimed_until = NULL, updated_at = $1 \
          WHERE status = 'processing' AND claimed_by = $2")
        .bind(at)
        .bind(worker)
        .execute()
        .await
}

/// Whether there may be something to claim. Costs a look at an index, and no lock.
///
/// # Errors
/// When the database can't be used.
pub async fn has_due(source: impl Source<'_>, at: Timestamp) -> Result<bool> {
    let found = source
        .q("SELECT CAST(1 AS BIGINT) FROM event_queue WHERE status IN ('pending', 'processing') \
            AND ((status = 'pending' AND available_at <= $1) OR claimed_until < $1) LIMIT 1")
        .bind(at)
        .scalar_opt::<i64>()
        .await?;
    Ok(found.is_some())
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

/// Whether deliveries of an order's event were written: events of its type and order with a subject of their own.
///
/// # Errors
/// When the database can't be used.
pub async fn was_told(source: impl Source<'_>, event_type: EventType, order_id: Id) -> Result<bool> {
    let told = source
        .q("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE order_id = $1 AND event_type = $2 AND subject_id <> $1")
        .bind(order_id)
        .bind(event_type)
        .scalar::<i64>()
        .await?;
    Ok(told > 0)
}
