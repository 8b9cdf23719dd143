//! From an event to its deliveries, and a delivery.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};

use super::{
    template,
    text::{Code, Subject, compose},
    ticket,
};
use crate::core::{
    app::App,
    customers,
    database::Tx,
    error::{Error, Kind as ErrorKind, Result},
    event::EventType,
    id::Id,
    instances, invoices, orders,
    outbox::{self, Claim, NewEvent},
    plugins::{self, Interface, Kind},
    time::Timestamp,
};

/// The field of a delivery's payload that names its notifier.
const DELIVER_TO: &str = "deliver_to";

/// Whether an event is the telling of another one.
#[must_use]
pub fn is_delivery(claim: &Claim) -> bool {
    claim.payload.get(DELIVER_TO).is_some()
}

/// Who listens to an event. Asked outside of any transaction, since it calls scripts.
async fn listeners(app: &App, event: EventType) -> Result<Vec<Interface>> {
    let asked = plugins::store::interfaces(&app.database, Some(Kind::Notifier.as_db().to_owned()))
        .await?
        .into_iter()
        .filter(|interface| interface.enabled)
        .map(|interface| listens(app, event, interface));
    // All at once, so that one that is slow keeps nobody waiting longer than it must.
    Ok(join_all(asked).await.into_iter().flatten().collect())
}

/// The notifier, if it listens to the event.
async fn listens(app: &App, event: EventType, interface: Interface) -> Option<Interface> {
    match supported_events(app, &interface).await {
        Ok(answer) => hears(&answer, event).then_some(interface),
        // One notifier that is broken must not keep the others from hearing.
        Err(error) => {
            tracing::warn!(notifier = %interface.display_name, %error, "a notifier could not be asked for its events");
            None
        }
    }
}

/// Asks a notifier which events it wants to hear.
pub(super) async fn supported_events(app: &App, interface: &Interface) -> Result<Value> {
    app.plugins.call_json_remembered(interface, "supported_events").await
}

/// Whether anybody would be told of an event.
///
/// # Errors
/// When the database can't be used.
pub async fn has_listener(app: &App, event: EventType) -> Result<bool> {
    Ok(!listeners(app, event).await?.is_empty())
}

/// An empty list means every event but codes, which are for one person's eyes.
pub(super) fn hears(answer: &Value, event: EventType) -> bool {
    let names: Vec<&str> = answer.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() {
        return event != EventType::VerificationCode && !event.is_internal();
    }
    names.iter().any(|name| EventType::from_plugin_name(name) == Some(event))
}

/// What is to be told of an event: prepared outside of the transaction in which the deliveries are then written.
///
/// # Errors
/// When the database can't be used. A notifier that can't be asked is passed over, with a warning in the log.
pub async fn fan_out(app: &App, claim: &Claim) -> Result<Vec<NewEvent>> {
    let listening = listeners(app, claim.event_type).await?;
    if listening.is_empty() {
        return Ok(Vec::new());
    }
    let subject = load(app, claim).await?;
    // An order that was deleted before its event came: there is nobody to tell, and nothing to tell of.
    if claim.order_id.is_some() && subject.order.is_none() {
        return Ok(Vec::new());
    }
    if ticket::is_of_ticket(claim.event_type) && subject.ticket.is_none() {
        return Ok(Vec::new());
    }
    let message = compose(claim.event_type, &subject);
    let recipients = recipients(&subject, app.settings.server.notify_email.trim());
    let mut deliveries = Vec::new();
    for interface in &listening {
        for recipient in &recipients {
            deliveries.push(NewEvent {
                event_type: claim.event_type,
                // A subject of its own: deliveries do not wait for each other.
                subject_id: Id::generate(),
                order_id: claim.order_id,
                payload: json!({
                    DELIVER_TO: interface.id,
                    "event_id": claim.id,
                    "occurred_at": claim.created_at,
                    "recipient": recipient,
                    "title": message.title,
                    "body": message.body,
                    "data": message.data,
                }),
            });
        }
    }
    Ok(deliveries)
}

/// Whom to tell: the customer and the operator, unless the event knows better.
fn recipients<'a>(subject: &'a Subject, operator: &'a str) -> BTreeSet<&'a str> {
    let customer = subject.customer.as_ref();
    let mut recipients = match (&subject.code, &subject.ticket) {
        // For one person's eyes; the operator's address gets everything but these.
        (Some(code), _) => BTreeSet::from([code.recipient.as_str()]),
        (None, Some(news)) => news.recipients(customer, operator),
        (None, None) => customer.map(|customer| customer.email.as_str()).into_iter().chain([operator]).collect(),
    };
    recipients.remove("");
    recipients
}

async fn load(app: &App, claim: &Claim) -> Result<Subject> {
    let reason = claim.payload.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut subject = Subject { reason, ..Subject::default() };
    if claim.event_type == EventType::VerificationCode {
        subject.code = Some(Code::read(&claim.payload)?);
    }
    if let Some(order_id) = claim.order_id {
        subject.order = orders::store::find(&app.database, order_id).await?;
        subject.instance = instances::store::find_by_order(&app.database, order_id).await?;
    } else if matches!(claim.event_type, EventType::InvoiceIssued | EventType::InvoiceOverdue) {
        subject.invoice = invoices::store::find_head(&app.database, claim.subject_id).await?;
    } else if ticket::is_of_ticket(claim.event_type) {
        subject.ticket = ticket::load(app, claim).await?;
    }
    let customer_id = subject
        .order
        .as_ref()
        .map(|order| order.customer_id)
        .or(subject.invoice.as_ref().map(|invoice| invoice.customer_id))
        .or(subject.ticket.as_ref().map(|news| news.ticket.customer_id));
    if let Some(customer_id) = customer_id {
        subject.customer = customers::store::find(&app.database, customer_id).await?;
    }
    Ok(subject)
}

/// Hands a delivery to its notifier. One that is gone or disabled meanwhile has nothing to tell any more.
///
/// # Errors
/// What the notifier says; the delivery is then tried again later.
pub async fn deliver(app: &App, claim: &Claim) -> Result<()> {
    let malformed =
        || Error::internal("notification.payload", format!("the delivery `{}` names no notifier", claim.id));
    let notifier = claim.payload.get(DELIVER_TO).and_then(Value::as_str).ok_or_else(malformed)?;
    let Some(interface) = plugins::store::find(&app.database, Id::parse(DELIVER_TO, notifier)?)
        .await?
        .filter(|interface| interface.enabled)
    else {
        return Ok(());
    };
    let field = |name: &str| claim.payload.get(name).cloned().unwrap_or_default();
    let good_until = claim.payload.pointer("/data/good_until").and_then(Value::as_i64);
    if claim.event_type == EventType::VerificationCode
        && good_until.is_none_or(|end| end <= app.clock.now().unix_seconds())
    {
        // It opens nothing any more, and its reader would only wonder.
        return Ok(());
    }
    let mut business = json!({
        "event_type": claim.event_type,
        // The same however often it is tried, so that the receiver knows it again.
        "delivery_id": claim.id,
        "event_id": field("event_id"),
        "occurred_at": field("occurred_at"),
        "title": field("title"),
        "body": field("body"),
        "recipient": field("recipient"),
        "data": field("data"),
    });
    template::apply(app, &interface, claim.event_type, &mut business).await?;
    let sent = app.plugins.call_json(&interface, "send", business).await.map(|_| ());
    if claim.event_type == EventType::VerificationCode {
        // What a notifier says may quote what it was given, and goes into the log and the event's record.
        let words = format!("the notifier `{}` could not deliver a code", interface.display_name);
        return sent.map_err(|error| match error.kind() {
            ErrorKind::Unavailable => Error::unavailable("notification.failed", words),
            _ => Error::internal("notification.failed", words),
        });
    }
    sent
}

/// Writes deliveries.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn write(tx: &mut Tx, at: Timestamp, deliveries: Vec<NewEvent>) -> Result<()> {
    for delivery in deliveries {
        outbox::enqueue(tx, at, delivery).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_hears_everything_but_codes() {
        assert!(hears(&json!([]), EventType::OrderPaid));
        for unheard in
            [EventType::VerificationCode, EventType::OrderEnded, EventType::OrderSuspended, EventType::OrderResumed]
        {
            assert!(!hears(&json!([]), unheard), "{unheard}");
        }
        assert!(hears(&json!(["order.paid", "nonsense"]), EventType::OrderPaid));
        assert!(!hears(&json!(["order.paid"]), EventType::OrderCreated));
    }
}
