//! Use cases of tickets.

use serde_json::{Value, json};

use super::{
    model::{Author, Priority, Reply, Ticket, TicketStatus},
    store,
};
use crate::core::{
    actor::{Actor, Permission, Role, Scope},
    app::App,
    audit, customers,
    database::Tx,
    error::{Error, Result},
    event::EventType,
    id::Id,
    identity,
    outbox::{self, NewEvent},
    page::{Page, PageRequest},
    text::{self, NAME_MAX, NOTE_MAX},
    time::Timestamp,
};

/// Replies and notes of a ticket: whoever reads it gets them all at once.
const REPLIES_MAX: i64 = 1000;

/// A ticket to be opened.
#[derive(Clone, Debug, Default)]
pub struct NewTicket {
    /// Whose; a customer may leave itself unnamed.
    pub customer_id: Option<Id>,
    /// The subject.
    pub title: String,
    /// What is wrong.
    pub description: String,
    /// How much it hurries; medium when nobody says.
    pub priority: Option<Priority>,
}

/// What a list of tickets is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct TicketFilter {
    /// One customer's.
    pub customer_id: Option<Id>,
    /// In one state.
    pub status: Option<TicketStatus>,
    /// Of one priority.
    pub priority: Option<Priority>,
    /// Of one assignee.
    pub assignee_user_id: Option<Id>,
}

/// What to change of a ticket.
#[derive(Clone, Debug, Default)]
pub struct TicketUpdate {
    /// Another state.
    pub status: Option<TicketStatus>,
    /// Another priority.
    pub priority: Option<Priority>,
    /// Another assignee, or nobody any more.
    pub assignee_user_id: Option<Option<Id>>,
    /// Another description.
    pub description: Option<String>,
}

/// A reply to be written.
#[derive(Clone, Debug)]
pub struct NewReply {
    /// The ticket.
    pub ticket_id: Id,
    /// The text.
    pub content: String,
    /// Whether it is a note that customers do not see.
    pub is_internal: bool,
}

/// Opens a ticket: a customer for itself, an administrator for a customer.
///
/// # Errors
/// NotFound for an unknown customer; `permission.foreign` when a customer names another one; InvalidArgument for
/// fields that break their rules.
pub async fn create(app: &App, actor: &Actor, new: &NewTicket) -> Result<Ticket> {
    let customer_id = actor.one_customer(new.customer_id)?;
    let title = text::required("title", &new.title, NAME_MAX)?;
    let description = text::optional("description", &new.description, NOTE_MAX)?;
    let mut tx = app.database.begin().await?;
    customers::lock(&mut tx, customer_id).await?;
    let at = app.clock.now();
    let ticket = Ticket {
        id: Id::generate(),
        customer_id,
        title,
        description,
        status: TicketStatus::Pending,
        priority: new.priority.unwrap_or(Priority::Medium),
        assignee_user_id: None,
        creator_user_id: administrator(actor),
        created_at: at,
        updated_at: at,
        replies: Vec::new(),
    };
    store::insert(&mut tx, &ticket).await?;
    record(&mut tx, at, actor, "ticket.create", ticket.id, &json!({ "after": summary(&ticket) })).await?;
    tx.commit().await?;
    Ok(ticket)
}

/// A page of tickets without their replies; customers see their own.
///
/// # Errors
/// PermissionDenied for another customer's.
pub async fn list(app: &App, actor: &Actor, filter: TicketFilter, page: PageRequest) -> Result<Page<Ticket>> {
    let filter = TicketFilter { customer_id: actor.scope()?.narrow(filter.customer_id)?, ..filter };
    store::list(&app.database, &filter, page).await
}

/// One ticket with its replies. Customers do not see the notes of the administrators.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<Ticket> {
    let scope = actor.scope()?;
    let mut ticket = store::find(&app.database, id).await?.ok_or_else(|| Error::not_found("ticket", id))?;
    actor.require_customer(ticket.customer_id)?;
    ticket.replies = store::replies(&app.database, &ticket, scope == Scope::All).await?;
    Ok(ticket)
}

/// Changes a ticket. For administrators. A new assignee is told, and so is the former one.
///
/// # Errors
/// NotFound, also for an unknown assignee; `ticket.wrong_state` for a move that the states do not allow;
/// `ticket.assignee` for a disabled user; `ticket.no_change` for none; InvalidArgument for fields that break their
/// rules.
pub async fn update(app: &App, actor: &Actor, id: Id, change: &TicketUpdate) -> Result<Ticket> {
    actor.require(Permission::Admin)?;
    let TicketUpdate { status, priority, assignee_user_id, description } = change;
    if status.is_none() && priority.is_none() && assignee_user_id.is_none() && description.is_none() {
        return Err(Error::invalid(
            "ticket.no_change",
            "nothing to change, expected `status`, `priority`, `assignee_user_id` or `description`",
        ));
    }
    let description =
        description.as_deref().map(|description| text::optional("description", description, NOTE_MAX)).transpose()?;
    let mut tx = app.database.begin().await?;
    let before = store::lock(&mut tx, id).await?;
    let at = app.clock.now();
    let mut ticket = Ticket { updated_at: at, ..before.clone() };
    if let Some(status) = *status {
        before.status.check_move(status)?;
        ticket.status = status;
    }
    if let Some(priority) = *priority {
        ticket.priority = priority;
    }
    if let Some(description) = description {
        ticket.description = description;
    }
    if let Some(assignee) = *assignee_user_id
        && assignee != before.assignee_user_id
    {
        if let Some(assignee) = assignee {
            require_assignable(&mut tx, assignee).await?;
        }
        ticket.assignee_user_id = assignee;
        let payload = json!({ "old_assignee_id": before.assignee_user_id, "new_assignee_id": assignee });
        announce(&mut tx, at, EventType::TicketAssigned, &ticket, payload).await?;
    }
    store::save(&mut tx, &ticket).await?;
    let mut detail = audit::change(summary(&before), summary(&ticket));
    detail["description_changed"] = json!(before.description != ticket.description);
    record(&mut tx, at, actor, "ticket.update", id, &detail).await?;
    ticket.replies = store::replies(&mut tx, &ticket, true).await?;
    tx.commit().await?;
    app.wake.notify_one();
    Ok(ticket)
}

/// Adds a reply, or a note of the administrators. A customer's reply reopens what was resolved, an administrator's
/// one begins the work; the other side is told. Notes are nobody's business but the administrators'.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's ticket; `ticket.internal` for a customer's note;
/// `ticket.closed`; `ticket.full`; InvalidArgument for an empty text or one that breaks its rules.
pub async fn reply(app: &App, actor: &Actor, new: &NewReply) -> Result<Reply> {
    let author = match (actor.scope()?, new.is_internal) {
        (Scope::All, false) => Author::Administrator,
        (Scope::All, true) => Author::Note,
        (Scope::Customer(_), false) => Author::Customer,
        (Scope::Customer(_), true) => {
            return Err(Error::denied("ticket.internal", "only an administrator may write internal notes"));
        }
    };
    let content = text::required("content", &new.content, NOTE_MAX)?;
    let mut tx = app.database.begin().await?;
    let before = store::lock(&mut tx, new.ticket_id).await?;
    actor.require_customer(before.customer_id)?;
    let status = before.status.after_reply(author)?;
    let count = store::count_replies(&mut tx, &before).await?;
    if count >= REPLIES_MAX {
        return Err(Error::invalid("ticket.full", format!("the ticket has {count} replies, more are not allowed"))
            .hint("open a new ticket"));
    }
    // Taken while the ticket is held, so that replies at the same moment keep their order.
    let at = app.clock.now();
    let reply = Reply {
        id: Id::generate(),
        ticket_id: before.id,
        customer_id: before.customer_id,
        user_id: user(actor),
        author_is_customer: author == Author::Customer,
        content,
        is_internal: author == Author::Note,
        created_at: at,
    };
    store::insert_reply(&mut tx, &reply).await?;
    let ticket = Ticket { status, updated_at: at, ..before.clone() };
    store::save(&mut tx, &ticket).await?;
    if author != Author::Note {
        announce(&mut tx, at, EventType::TicketReplied, &ticket, json!({ "reply_id": reply.id })).await?;
    }
    let mut detail = audit::change(json!({ "status": before.status }), json!({ "status": status }));
    detail["reply_id"] = json!(reply.id);
    detail["is_internal"] = json!(reply.is_internal);
    record(&mut tx, at, actor, "ticket.reply", ticket.id, &detail).await?;
    tx.commit().await?;
    app.wake.notify_one();
    Ok(reply)
}

/// Deletes a ticket with all its replies. For administrators.
///
/// # Errors
/// NotFound.
pub async fn delete(app: &App, actor: &Actor, id: Id) -> Result<()> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let ticket = store::lock(&mut tx, id).await?;
    store::delete(&mut tx, &ticket).await?;
    let detail = json!({ "before": summary(&ticket) });
    record(&mut tx, app.clock.now(), actor, "ticket.delete", id, &detail).await?;
    tx.commit().await
}

/// Refuses whoever can't take care of a ticket.
async fn require_assignable(tx: &mut Tx, id: Id) -> Result<()> {
    let user = identity::administrator(tx, id).await?.ok_or_else(|| Error::not_found("administrator", id))?;
    if user.is_active {
        return Ok(());
    }
    Err(Error::invalid(
        "ticket.assignee",
        format!("`assignee_user_id` names `{}`, who is disabled, expected an active administrator", user.username),
    ))
}

/// The user behind an actor; a key and the command line have none.
const fn user(actor: &Actor) -> Option<Id> {
    match actor.role() {
        Role::Admin(id) | Role::Operator(id) | Role::Customer { user_id: id, .. } => Some(id),
        Role::ApiKey { .. } | Role::Local | Role::System | Role::Anonymous => None,
    }
}

/// The administrator behind an actor.
const fn administrator(actor: &Actor) -> Option<Id> {
    match actor.role() {
        Role::Admin(id) | Role::Operator(id) => Some(id),
        Role::Customer { .. } | Role::ApiKey { .. } | Role::Local | Role::System | Role::Anonymous => None,
    }
}

async fn announce(tx: &mut Tx, at: Timestamp, event_type: EventType, ticket: &Ticket, payload: Value) -> Result<()> {
    let event = NewEvent { event_type, subject_id: ticket.id, order_id: None, payload };
    outbox::enqueue(tx, at, event).await.map(|_| ())
}

/// What the operation log keeps. Not what people write to each other: customers put passwords there.
fn summary(ticket: &Ticket) -> Value {
    json!({
        "customer_id": ticket.customer_id,
        "title": ticket.title,
        "status": ticket.status,
        "priority": ticket.priority,
        "assignee_user_id": ticket.assignee_user_id,
    })
}

async fn record(
    tx: &mut Tx,
    at: Timestamp,
    actor: &Actor,
    action: &'static str,
    ticket: Id,
    detail: &Value,
) -> Result<()> {
    audit::record(tx, at, actor, audit::Entry { action, target_type: "ticket", target_id: ticket, detail }).await
}
