//! Notices from gateways. Whoever sends one is a stranger: nothing counts but what the gateway's script says of it.

use serde_json::{Map, Value};

use super::report::{self, Booked, Report};
use crate::core::{
    actor::{Actor, Role},
    app::App,
    error::{Error, Kind as ErrorKind, Result},
    id::Id,
    payments::{self, Payment},
    plugins::{self, Interface, Kind, REFUSED},
    text::{self, SHOWN_MAX},
};

/// Bytes of a notice.
pub const PAYLOAD_MAX: usize = 64 * 1024;
/// Fields of a notice.
const FIELDS_MAX: usize = 200;
/// What a gateway hears unless its script asks for another text.
const REPLY: &str = "success";

/// What a gateway sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notice<'a> {
    /// The body, or the query string of a notice that has no body.
    pub payload: &'a str,
    /// The query string beside a body.
    pub query: &'a str,
}

/// What came of a notice.
#[derive(Debug)]
pub struct Answer {
    payment: Result<Payment>,
    /// The text that the gateway waits for; it repeats the notice until it hears it.
    pub reply: String,
}

impl Answer {
    /// The payment as it is now.
    ///
    /// # Errors
    /// `payment.handled` when the notice told nothing new.
    pub fn payment(self) -> Result<Payment> {
        self.payment
    }
}

/// Takes a notice that a payment changed. Anybody may send one; the gateway's script says whether it is true.
///
/// # Errors
/// NotFound for an interface that is no enabled gateway, and for an unknown payment; `payment.signature` when the script
/// refuses the notice; `payment.mismatch` when it is not about a payment of this gateway, or another amount or currency;
/// `payment.payload` for one that is too large; `payment.gateway` when the script fails. A notice that was handled before
/// is no error here: see [`Answer::payment`].
pub async fn handle_callback(app: &App, actor: &Actor, gateway: Id, notice: Notice<'_>) -> Result<Answer> {
    let interface = gateway_of(app, gateway).await?;
    let fields = fields(notice, &interface)?;
    let answer = app.plugins.call_json(&interface, "handle_callback", Value::Object(fields)).await;
    let report = match answer {
        Ok(answer) => Report::read(&answer).ok_or_else(|| failed(&interface))?,
        Err(error) if error.code() == REFUSED => {
            tracing::warn!(source = actor.source(), %gateway, %error, "a gateway's script refused a notice");
            return Err(Error::invalid("payment.signature", "the gateway's script did not accept the notice"));
        }
        Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
        Err(error) => return Err(failed(&interface).caused_by(error)),
    };
    let reply = if report.reply.is_empty() { REPLY.to_owned() } else { report.reply.clone() };
    if report.standing == report::Standing::Duplicate {
        return Ok(Answer { payment: Err(handled(&report.payment_id)), reply });
    }
    let payment_id = Id::parse("payment_id", &report.payment_id)
        .map_err(|_| report::mismatch("the gateway's script named no payment of ours"))?;
    let payment = payments::store::find(&app.database, payment_id).await?;
    let payment = payment.ok_or_else(|| Error::not_found("payment", payment_id))?;
    if payment.gateway_interface_id != Some(gateway) {
        return Err(report::mismatch(format!("the payment `{payment_id}` is not one of this gateway")));
    }
    let actor = as_program(actor);
    let payment = match report::book(app, &actor, &payment, gateway, &report).await? {
        Booked::Changed(payment) | Booked::Unchanged(payment) => Ok(payment),
        Booked::Known(payment) => Err(handled(&payment.id.to_string())),
    };
    Ok(Answer { payment, reply })
}

/// What does not exist, is of another kind or disabled looks the same to a stranger.
async fn gateway_of(app: &App, id: Id) -> Result<Interface> {
    match plugins::usable(&app.database, id, &[Kind::Gateway], "gateway_interface_id").await {
        Err(error) if error.kind() == ErrorKind::InvalidArgument => Err(Error::not_found("gateway", id)),
        other => other,
    }
}

/// The program acts, on a proof that came from this address.
fn as_program(actor: &Actor) -> Actor {
    let program = Actor::new(Role::System, "callback", actor.source());
    match actor.reservation() {
        Some(reservation) => program.with_reservation(reservation),
        None => program,
    }
}

fn handled(payment: &str) -> Error {
    let shown = text::shown(payment, SHOWN_MAX);
    Error::already_exists("payment.handled", format!("the notice about the payment `{shown}` was handled before"))
}

fn failed(interface: &Interface) -> Error {
    let name = &interface.display_name;
    Error::internal("payment.gateway", format!("the gateway `{name}` could not read the notice"))
}

/// What the script gets: `payload` as it came, and the notice's own fields under their names. None of them takes the name
/// of a setting, whether it is set or not: a stranger would choose the key that signatures are checked with.
fn fields(notice: Notice<'_>, interface: &Interface) -> Result<Map<String, Value>> {
    let bytes = notice.payload.len() + notice.query.len();
    if bytes > PAYLOAD_MAX {
        let message = format!("`payload` has {bytes} bytes, at most {PAYLOAD_MAX} are allowed");
        return Err(Error::invalid("payment.payload", message));
    }
    let mut fields = Map::new();
    form(notice.query, &mut fields);
    match serde_json::from_str(notice.payload) {
        Ok(Value::Object(own)) => fields.extend(own),
        _ => form(notice.payload, &mut fields),
    }
    if fields.len() > FIELDS_MAX {
        let message = format!("`payload` has {} fields, at most {FIELDS_MAX} are allowed", fields.len());
        return Err(Error::invalid("payment.payload", message));
    }
    let declared = interface.config_schema.0.get("properties").and_then(Value::as_object);
    let set = interface.config.0.as_object();
    let is_setting = |name: &str| {
        declared.is_some_and(|known| known.contains_key(name)) || set.is_some_and(|known| known.contains_key(name))
    };
    fields.retain(|name, _| !is_setting(name));
    fields.insert("payload".to_owned(), Value::from(notice.payload));
    Ok(fields)
}

/// The fields of a form or a query string; of those with one name the last one counts.
fn form(text: &str, fields: &mut Map<String, Value>) {
    let text = text.trim().trim_start_matches('?');
    if !text.contains('=') {
        return;
    }
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        fields.insert(name.into_owned(), Value::from(value));
    }
}
