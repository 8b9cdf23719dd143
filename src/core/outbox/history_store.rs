//! SQL for looking at events, and for having one tried again.

use serde_json::Value;
use sqlx::types::Json;

use super::{Event, EventFilter, EventStatus};
use crate::core::{
    cluster::EVENT_BELL,
    database::{Database, Query, Source, Tx},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
    time::Timestamp,
};

const SELECT: &str = "SELECT id, event_type, status, subject_id, order_id, attempts, failures, last_error, available_at, claimed_by, \
                      claimed_until, created_at, updated_at FROM event_queue";

fn narrowed<'e>(query: Query<'e>, filter: &EventFilter) -> Query<'e> {
    query
        .push(" WHERE 1 = 1")
        .filter(" AND status = ", filter.status)
        .filter(" AND event_type = ", filter.event_type)
        .filter(" AND subject_id = ", filter.subject_id)
}

/// A page of events, newest first.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn list(database: &Database, filter: &EventFilter, page: PageRequest) -> Result<Page<Event>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue"), filter);
    let rows = narrowed(database.q(SELECT), filter).push(" ORDER BY created_at DESC, id DESC");
    page.fetch(count, rows).await
}

/// An event, without what its handler needs.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find(source: impl Source<'_>, id: Id) -> Result<Option<Event>> {
    source.q(SELECT).push_bind(" WHERE id = ", id).opt().await
}

/// What the handler of an event needs.
///
/// # Errors
/// When the database can't be used, or the event is gone.
pub(crate) async fn payload(source: impl Source<'_>, id: Id) -> Result<Value> {
    let found = source.q("SELECT payload FROM event_queue WHERE id = $1").bind(id).scalar::<Json<Value>>().await;
    found.map(|json| json.0)
}

/// An event, locked until the transaction ends.
///
/// # Errors
/// NotFound.
pub(crate) async fn lock(tx: &mut Tx, id: Id) -> Result<Event> {
    let event = tx.q_for_update(SELECT).push_bind(" WHERE id = ", id).lock().opt().await?;
    event.ok_or_else(|| Error::not_found("event", id))
}

/// Makes a locked event due now, with this many failures behind it.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn make_due(tx: &mut Tx, at: Timestamp, id: Id, failures: i64) -> Result<()> {
    tx.q("UPDATE event_queue SET status = $2, failures = $3, available_at = $4, updated_at = $4 WHERE id = $1")
        .bind(id)
        .bind(EventStatus::Pending)
        .bind(failures)
        .bind(at)
        .execute_one()
        .await?;
    tx.notify(EVENT_BELL).await
}
