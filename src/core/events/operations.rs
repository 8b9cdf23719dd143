//! Use cases of looking at events.

use serde::Serialize;
use serde_json::{Value, json};

use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    error::{Error, Result},
    id::Id,
    outbox::{Event, EventFilter, EventStatus, history_store as history},
    page::{Page, PageRequest},
};

/// An event with what its handler needs.
#[derive(Clone, Debug, Serialize)]
pub struct EventDetail {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// What its handler needs; nothing of a verification code, which is for one person's eyes.
    pub payload: Value,
}

/// A page of events, newest first. For administrators.
///
/// # Errors
/// PermissionDenied for others; when the database can't be used.
pub async fn list(app: &App, actor: &Actor, filter: &EventFilter, page: PageRequest) -> Result<Page<Event>> {
    actor.require(Permission::Admin)?;
    history::list(&app.database, filter, page).await
}

/// One event. For administrators.
///
/// # Errors
/// NotFound; PermissionDenied for others.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<EventDetail> {
    actor.require(Permission::Admin)?;
    let event = history::find(&app.database, id).await?.ok_or_else(|| Error::not_found("event", id))?;
    let payload = if event.is_secret() { json!({}) } else { history::payload(&app.database, id).await? };
    Ok(EventDetail { event, payload })
}

/// Makes an event due now that waits for its next attempt, or that was put aside; the latter begins anew to count its
/// failures. For administrators.
///
/// # Errors
/// NotFound; `event.wrong_state` for one that is over or worked on; `event.expired` for a verification code that was put
/// aside, since the code itself was removed; PermissionDenied for others.
pub async fn retry(app: &App, actor: &Actor, id: Id) -> Result<EventDetail> {
    actor.require(Permission::Admin)?;
    app.database.retry(|| make_due(app, actor, id)).await?;
    app.wake.notify_one();
    get(app, actor, id).await
}

async fn make_due(app: &App, actor: &Actor, id: Id) -> Result<()> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let event = history::lock(&mut tx, id).await?;
    let failures = match event.status {
        EventStatus::Pending => event.failures,
        EventStatus::Failed if event.is_secret() => {
            return Err(Error::invalid("event.expired", format!("the code of the event `{id}` was removed"))
                .hint("whoever waits for it asks for another one"));
        }
        EventStatus::Failed => 0,
        EventStatus::Processing | EventStatus::Done => {
            let is = event.status;
            return Err(Error::invalid(
                "event.wrong_state",
                format!("the event `{id}` is {is}, and only one that is pending or failed can be tried again"),
            ));
        }
    };
    history::make_due(&mut tx, at, id, failures).await?;
    let detail = json!({
        "event_type": event.event_type, "subject_id": event.subject_id,
        "before": { "status": event.status, "failures": event.failures },
        "after": { "status": EventStatus::Pending, "failures": failures },
    });
    let entry = audit::Entry { action: "event.retry", target_type: "event", target_id: id, detail: &detail };
    audit::record(&mut tx, at, actor, entry).await?;
    tx.commit().await
}
