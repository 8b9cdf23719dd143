//! What people read.

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::ticket::News;
use crate::core::{
    customers::Customer,
    error::{Error, Result},
    event::EventType,
    instances::Instance,
    invoices::Invoice,
    orders::Order,
};

/// What an event is about, as far as it is known.
#[derive(Default)]
pub(super) struct Subject {
    pub(super) customer: Option<Customer>,
    pub(super) order: Option<Order>,
    pub(super) instance: Option<Instance>,
    pub(super) invoice: Option<Invoice>,
    pub(super) ticket: Option<News>,
    pub(super) reason: String,
    pub(super) code: Option<Code>,
}

/// A verification code and whom it is for.
#[derive(serde::Deserialize)]
pub(super) struct Code {
    pub(super) recipient: String,
    #[serde(rename = "code")]
    digits: String,
    purpose: String,
    minutes: i64,
    /// Seconds since 1970.
    good_until: i64,
}

impl Code {
    /// Reads the payload of the event.
    pub(super) fn read(payload: &Value) -> Result<Self> {
        // Without the cause, which could show the payload.
        Self::deserialize(payload)
            .map_err(|_| Error::internal("notification.payload", "the event of a verification code is malformed"))
    }
}

/// A message: title, body, and the same as data for programs.
pub(super) struct Message {
    pub(super) title: String,
    pub(super) body: String,
    pub(super) data: Value,
}

/// Writes the message of an event.
pub(super) fn compose(event: EventType, subject: &Subject) -> Message {
    let product = subject.order.as_ref().map_or("", |order| order.product_name.as_str());
    let amount =
        subject.order.as_ref().map_or_else(String::new, |order| format!("{} {}", order.total_amount, order.currency));
    let number = subject.invoice.as_ref().and_then(|invoice| invoice.invoice_number.as_deref()).unwrap_or_default();
    let due = subject.invoice.as_ref().map_or_else(String::new, |invoice| {
        format!("{} {}, due on {}", invoice.total_amount, invoice.currency, invoice.due_date)
    });
    let ticket_title = subject.ticket.as_ref().map_or("", |news| news.ticket.title.as_str());
    let (title, sentence) = match event {
        EventType::OrderCreated => {
            (format!("Order received: {product}"), format!("The order is waiting for the payment of {amount}."))
        }
        EventType::OrderPaid => {
            (format!("Payment received: {product}"), format!("{amount} was paid. The server is being made."))
        }
        EventType::OrderProvisioned => {
            let address = subject
                .instance
                .as_ref()
                .map(|instance| instance.ip_address.as_str())
                .filter(|address| !address.is_empty());
            let sentence = match address {
                Some(address) => format!("The server runs at {address}."),
                None => "The server runs.".to_owned(),
            };
            (format!("Server ready: {product}"), sentence)
        }
        EventType::OrderCancelled => (
            format!("Order cancelled: {product}"),
            "The order was cancelled; what was paid is on the balance.".to_owned(),
        ),
        // For the worker only; nobody is told.
        EventType::OrderEnded => (format!("Order ended: {product}"), "The order came to its end.".to_owned()),
        EventType::RefundRequested => ("Refund requested".to_owned(), "Money is to be given back.".to_owned()),
        EventType::OrderSuspended => (format!("Order suspended: {product}"), "The server is stopped.".to_owned()),
        EventType::OrderResumed => (format!("Order resumed: {product}"), "The server is started again.".to_owned()),
        EventType::InstanceTerminated => (format!("Server ended: {product}"), "The server was given back.".to_owned()),
        EventType::TicketAssigned => {
            let assignee = subject.ticket.as_ref().and_then(|news| news.assignee.as_deref());
            let sentence = match assignee {
                Some(name) => format!("{name} takes care of the ticket now."),
                None => "Nobody takes care of the ticket any more.".to_owned(),
            };
            (format!("Ticket assigned: {ticket_title}"), sentence)
        }
        EventType::TicketReplied => {
            let reply = subject.ticket.as_ref().and_then(|news| news.reply.as_ref());
            let content = reply.map_or_else(String::new, |reply| reply.content.clone());
            (format!("New reply: {ticket_title}"), content)
        }
        EventType::InvoiceIssued => (format!("Invoice {number}"), format!("A new invoice of {due}.")),
        EventType::InvoiceOverdue => {
            (format!("Invoice {number} is overdue"), format!("An invoice was not paid in time: {due}."))
        }
        EventType::VerificationCode => ("Verification code".to_owned(), code_sentence(subject.code.as_ref())),
    };
    let mut body = sentence;
    if let Some(order) = &subject.order {
        body = format!("{body}\n\nOrder: {}", order.id);
    }
    if let Some(news) = &subject.ticket {
        body = format!("{body}\n\nTicket: {}", news.ticket.id);
    }
    Message { title: one_line(&title), body, data: data(subject) }
}

/// A title in one line: a stranger's line break must not begin a new header of a mail.
pub(super) fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn code_sentence(code: Option<&Code>) -> String {
    let Some(Code { digits, purpose, minutes, .. }) = code else { return String::new() };
    let what = if purpose == "password_reset" { "set a new password" } else { "finish your registration" };
    format!(
        "{digits} is your code to {what}. It is good for {minutes} minutes.\n\nIf you did not ask for it, ignore this message."
    )
}

fn data(subject: &Subject) -> Value {
    if let Some(Code { digits, purpose, minutes, good_until, .. }) = &subject.code {
        return json!({ "code": digits, "purpose": purpose, "minutes": minutes, "good_until": good_until });
    }
    let ticket = subject.ticket.as_ref().map(|news| &news.ticket);
    let reply = subject.ticket.as_ref().and_then(|news| news.reply.as_ref());
    let order_currency = subject.order.as_ref().map(|order| &order.currency);
    let invoice_currency = subject.invoice.as_ref().map(|invoice| &invoice.currency);
    json!({
        "customer_id": subject.customer.as_ref().map(|customer| customer.id),
        "customer_name": subject.customer.as_ref().map(|customer| &customer.name),
        "order_id": subject.order.as_ref().map(|order| order.id),
        "product_name": subject.order.as_ref().map(|order| &order.product_name),
        "amount": subject.order.as_ref().map(|order| order.total_amount),
        "currency": order_currency.or(invoice_currency),
        "status": subject.order.as_ref().map(|order| order.status),
        "instance_id": subject.instance.as_ref().map(|instance| instance.id),
        "ip_address": subject.instance.as_ref().map(|instance| &instance.ip_address),
        "invoice_id": subject.invoice.as_ref().map(|invoice| invoice.id),
        "invoice_number": subject.invoice.as_ref().and_then(|invoice| invoice.invoice_number.as_ref()),
        "invoice_amount": subject.invoice.as_ref().map(|invoice| invoice.total_amount),
        "due_date": subject.invoice.as_ref().map(|invoice| invoice.due_date.to_string()),
        "ticket_id": ticket.map(|ticket| ticket.id),
        "ticket_title": ticket.map(|ticket| &ticket.title),
        "ticket_status": ticket.map(|ticket| ticket.status),
        "ticket_priority": ticket.map(|ticket| ticket.priority),
        "reply_id": reply.map(|reply| reply.id),
        "reason": subject.reason,
    })
}
