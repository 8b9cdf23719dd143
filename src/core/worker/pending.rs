//! A provider that has made a server which is not ready yet.
//!
//! `create_instance` answered with an identifier and a status such as `pending`. From then on it is not asked again:
//! the same event comes back every few seconds and asks `get_instance_status` until the server runs. What the event
//! needs to know for that is in its payload, so that any server of ours can go on with it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::provision::Made;
use crate::core::{
    app::App,
    error::{Error, Result},
    instances::{self, InstanceStatus},
    orders::Order,
    outbox::Claim,
    plugins::{self, FAILED, Interface, REFUSED},
    text,
    time::Timestamp,
};

/// The longest wait for a server. After it the order goes the way of one whose server can't be made.
const WAIT_MAX: TimeDelta = TimeDelta::hours(24);
/// The wait before the first question; each further one waits a second longer.
const ASK_FIRST: TimeDelta = TimeDelta::seconds(2);
/// The longest wait between two questions.
const ASK_MAX: TimeDelta = TimeDelta::seconds(30);
/// Characters of what a provider says.
const WORDS_MAX: usize = 300;

/// The fields of the payload.
const SINCE: &str = "waiting_since";
const ASKED: &str = "asked";

/// How far the waiting got.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Seconds since 1970 at which the provider said that the server is being made.
    since: i64,
    /// How often it was asked since then.
    asked: i32,
}

impl Waiting {
    /// The waiting that an event is in, if it is in any.
    pub(super) fn of(claim: &Claim) -> Option<Self> {
        let since = claim.payload.get(SINCE)?.as_i64()?;
        let asked = claim.payload.get(ASKED).and_then(Value::as_i64).and_then(|asked| i32::try_from(asked).ok());
        Some(Self { since, asked: asked.unwrap_or_default() })
    }

    /// The next one: when to ask, and the payload until then.
    pub(super) fn next(claim: &Claim, at: Timestamp) -> (TimeDelta, Value) {
        let waiting = Self::of(claim);
        let since = waiting.map_or_else(|| at.unix_seconds(), |waiting| waiting.since);
        let asked = waiting.map_or(0, |waiting| waiting.asked.saturating_add(1));
        let mut payload = claim.payload.clone();
        if let Value::Object(fields) = &mut payload {
            fields.insert(SINCE.to_owned(), json!(since));
            fields.insert(ASKED.to_owned(), json!(asked));
        }
        ((ASK_FIRST + TimeDelta::seconds(asked.into())).min(ASK_MAX), payload)
    }

    fn is_too_long(self, at: Timestamp) -> bool {
        at.unix_seconds() - self.since >= WAIT_MAX.num_seconds()
    }
}

/// Asks how the server that is being made is.
///
/// # Errors
/// [`REFUSED`] when there will be none: the provider says that it is gone or broken, or it took too long. [`FAILED`] for an
/// answer that says nothing, an error of the script's among them: the question is asked again.
pub(super) async fn ask(app: &App, interface: &Interface, order: &Order, waiting: Waiting) -> Result<Made> {
    const FUNCTION: &str = "get_instance_status";
    let name = &interface.display_name;
    let instance_id = order.provider_instance_id.clone();
    let known = instances::store::find_by_order(&app.database, order.id).await?;
    let known_address = known.map(|instance| instance.ip_address).unwrap_or_default();
    let business = json!({
        "instance_id": instance_id, "order_id": order.id, "customer_id": order.customer_id,
        "product_id": order.product_id, "product_name": order.product_name,
        "instance_status": InstanceStatus::Provisioning, "ip_address": known_address, "server_spec": order.server_spec.0,
    });
    let answer = match app.plugins.call(interface, FUNCTION, business).await?.into_json() {
        Ok(answer) => answer,
        // It is no answer to whether there is a server.
        Err(words) => {
            let words = text::shown(&words, WORDS_MAX);
            return Err(Error::internal(FAILED, format!("`{name}` answered: {words}")));
        }
    };
    let status = plugins::answer_status(&answer).trim();
    let ip_address = match plugins::answer_text(&answer, "ip_address").trim() {
        "" => known_address,
        address => address.to_owned(),
    };
    // Unlike in the answer of `create_instance`, a word that is not known does not mean that it runs.
    let status = match status.to_lowercase().as_str() {
        "running" => InstanceStatus::Running,
        "" => return Err(Error::internal(FAILED, format!("`{name}` answered `{FUNCTION}` without a status"))),
        word => match InstanceStatus::from_provider(word) {
            InstanceStatus::Running => InstanceStatus::Provisioning,
            known => known,
        },
    };
    match status {
        InstanceStatus::Terminated | InstanceStatus::Error => Err(Error::internal(
            REFUSED,
            format!("`{name}` says that the server `{instance_id}`, which was being made, is {status}"),
        )),
        InstanceStatus::Provisioning if waiting.is_too_long(app.clock.now()) => Err(Error::internal(
            REFUSED,
            format!("the server `{instance_id}` was not ready after {} hours", WAIT_MAX.num_hours()),
        )),
        InstanceStatus::Provisioning
        | InstanceStatus::Running
        | InstanceStatus::Stopped
        | InstanceStatus::Suspended => Ok(Made { instance_id, status, ip_address }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{event::EventType, id::Id, time::Clock};

    #[test]
    fn the_waits_grow_up_to_a_bound_and_the_beginning_is_kept() {
        let start = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap()).now();
        let mut claim = Claim {
            id: Id::generate(),
            event_type: EventType::OrderPaid,
            subject_id: Id::generate(),
            order_id: None,
            payload: json!({ "payment_id": "p" }),
            attempt: 1,
            failures: 0,
            worker: Id::generate(),
            fence: None,
            created_at: start,
        };
        assert!(Waiting::of(&claim).is_none());
        let mut at = start;
        let mut waits = Vec::new();
        for _ in 0..40 {
            let (wait, payload) = Waiting::next(&claim, at);
            claim.payload = payload;
            waits.push(wait.num_seconds());
            at = at.plus(wait);
        }
        assert_eq!(waits[..4], [2, 3, 4, 5]);
        assert_eq!(waits[39], ASK_MAX.num_seconds());
        assert_eq!(claim.payload["payment_id"], "p");
        let waiting = Waiting::of(&claim).unwrap();
        assert_eq!((waiting.since, waiting.asked), (start.unix_seconds(), 39));
        assert!(!waiting.is_too_long(at) && waiting.is_too_long(start.plus(WAIT_MAX)));
    }
}
