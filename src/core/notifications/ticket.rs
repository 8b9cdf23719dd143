//! Events of tickets: what they are about, and who is told. Internal notes leave no event, and none is ever told.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::core::{
    app::App,
    customers::Customer,
    error::Result,
    event::EventType,
    id::Id,
    identity,
    outbox::Claim,
    tickets::{self, Reply, Ticket},
};

/// What happened to a ticket.
pub(super) struct News {
    pub(super) ticket: Ticket,
    /// Of a reply: the reply.
    pub(super) reply: Option<Reply>,
    /// Of an assignment: the name of whoever has it now.
    pub(super) assignee: Option<String>,
    /// The administrators whom it concerns and who have an address.
    pub(super) administrators: BTreeSet<String>,
}

impl News {
    /// Whom to tell. The operator hears for administrators without an address.
    pub(super) fn recipients<'a>(&'a self, customer: Option<&'a Customer>, operator: &'a str) -> BTreeSet<&'a str> {
        let mut recipients: BTreeSet<&str> = self.administrators.iter().map(String::as_str).collect();
        if self.reply.as_ref().is_some_and(|reply| !reply.author_is_customer) {
            recipients.extend(customer.map(|customer| customer.email.as_str()));
        } else if recipients.is_empty() {
            recipients.insert(operator);
        }
        recipients
    }
}

/// Whether an event is one of a ticket.
pub(super) const fn is_of_ticket(event: EventType) -> bool {
    matches!(event, EventType::TicketAssigned | EventType::TicketReplied)
}

/// Finds what an event is about; nothing when it was deleted meanwhile.
pub(super) async fn load(app: &App, claim: &Claim) -> Result<Option<News>> {
    let Some(ticket) = tickets::store::find(&app.database, claim.subject_id).await? else { return Ok(None) };
    let mut news = News { ticket, reply: None, assignee: None, administrators: BTreeSet::new() };
    if claim.event_type == EventType::TicketReplied {
        let Some(id) = field(claim, "reply_id")? else { return Ok(None) };
        let reply = tickets::store::find_reply(&app.database, &news.ticket, id).await?;
        let Some(reply) = reply.filter(|reply| !reply.is_internal) else { return Ok(None) };
        let concerned = if reply.author_is_customer {
            news.ticket.assignee_user_id
        } else {
            // Who opened the ticket in the customer's name wants to know as well, unless it was the one who answered.
            news.ticket.creator_user_id.filter(|creator| Some(*creator) != reply.user_id)
        };
        add(app, &mut news, concerned).await?;
        news.reply = Some(reply);
    } else {
        let (old, new) = (field(claim, "old_assignee_id")?, field(claim, "new_assignee_id")?);
        add(app, &mut news, old).await?;
        news.assignee = add(app, &mut news, new).await?;
    }
    Ok(Some(news))
}

/// The identifier in a field of the payload.
fn field(claim: &Claim, name: &'static str) -> Result<Option<Id>> {
    claim.payload.get(name).and_then(Value::as_str).map(|text| Id::parse(name, text)).transpose()
}

/// Adds an administrator's address, and says the name. Who was disabled meanwhile is not told any more.
async fn add(app: &App, news: &mut News, administrator: Option<Id>) -> Result<Option<String>> {
    let Some(id) = administrator else { return Ok(None) };
    let Some(user) = identity::administrator(&app.database, id).await? else { return Ok(None) };
    if user.is_active && !user.email.is_empty() {
        news.administrators.insert(user.email);
    }
    Ok(Some(if user.display_name.is_empty() { user.username } else { user.display_name }))
}
