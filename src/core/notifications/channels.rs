//! Channels, as administrators look at them and try them out.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::{Value, json};

use super::{
    operations::{hears, supported_events},
    text::one_line,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    error::{Error, Result},
    event::EventType,
    id::Id,
    plugins::{self, Interface, Kind},
    text::{self, NAME_MAX, NOTE_MAX},
};

/// Characters of an event's name.
const EVENT_NAME_MAX: usize = 64;
/// Further values of a message.
const METADATA_MAX: usize = 50;
/// Channels that one call may name.
const CHANNELS_MAX: usize = 100;

/// An enabled channel.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Channel {
    /// Its interface.
    pub id: Id,
    /// The name to show.
    pub name: String,
    /// The events that it wants; none means all but codes.
    pub supported_events: Vec<String>,
    /// Whether the last check went well, and it could say what it wants.
    pub is_healthy: bool,
}

/// A message to be sent by hand.
#[derive(Clone, Debug, Default)]
pub struct NewMessage {
    /// The event's name; a name that is no event, such as `test`, concerns every channel.
    pub event_type: String,
    /// The subject.
    pub title: String,
    /// The text.
    pub body: String,
    /// Whom to; empty for the channel's own recipient.
    pub recipient: String,
    /// Further values for the channel.
    pub metadata: BTreeMap<String, String>,
    /// Which channels; none means all that hear the event.
    pub channels: Vec<Id>,
}

/// How one channel fared.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Outcome {
    /// The channel.
    pub channel_id: Id,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// The enabled channels and what they want to hear. For administrators.
///
/// # Errors
/// PermissionDenied for others.
pub async fn channels(app: &App, actor: &Actor) -> Result<Vec<Channel>> {
    let interfaces = plugins::visible(app, actor, &[Kind::Notifier]).await?;
    let asked = interfaces.iter().map(|interface| supported_events(app, interface));
    let answers = join_all(asked).await;
    Ok(interfaces
        .into_iter()
        .zip(answers)
        .map(|(interface, answer)| Channel {
            id: interface.id,
            name: interface.display_name,
            is_healthy: interface.is_healthy && answer.is_ok(),
            supported_events: answer.map(|answer| names(&answer)).unwrap_or_default(),
        })
        .collect())
}

/// The names that a channel gave, as the catalogue spells them, each once. What is no event of ours is shown as it
/// is: left out, it could leave the empty list that means all.
fn names(answer: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for given in answer.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let name =
            EventType::from_plugin_name(given).map_or_else(|| given.to_owned(), |event| event.as_str().to_owned());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Sends a message at once, and says how each channel fared. For administrators.
///
/// # Errors
/// InvalidArgument for fields that break their rules. That a channel fails is no error but its outcome.
pub async fn send(app: &App, actor: &Actor, new: &NewMessage) -> Result<Vec<Outcome>> {
    actor.require(Permission::Admin)?;
    let (event_name, message) = message(new)?;
    let enabled = plugins::visible(app, actor, &[Kind::Notifier]).await?;
    let outcomes = if new.channels.is_empty() {
        let event = EventType::parse(&event_name).ok();
        join_all(enabled.iter().map(|interface| send_if_heard(app, interface, event, &message))).await
    } else {
        let mut wanted = new.channels.clone();
        wanted.sort_unstable();
        wanted.dedup();
        join_all(wanted.into_iter().map(|id| send_to(app, &enabled, id, &message)))
            .await
            .into_iter()
            .map(Some)
            .collect()
    };
    let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    record(app, actor, &event_name, &message, &outcomes).await?;
    Ok(outcomes)
}

/// Checks a message: the event's name, and what the script gets.
fn message(new: &NewMessage) -> Result<(String, Value)> {
    let given = text::required("event_type", &new.event_type, EVENT_NAME_MAX)?;
    // It becomes a header of requests.
    if !given.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')) {
        return Err(Error::invalid(
            "notification.event_type",
            format!("`event_type` is `{given}`, expected a name such as `order_paid` or `test`"),
        ));
    }
    let event_name = EventType::from_plugin_name(&given).map_or(given, |event| event.as_str().to_owned());
    if new.metadata.len() > METADATA_MAX || new.channels.len() > CHANNELS_MAX {
        return Err(Error::invalid(
            "notification.too_many",
            format!(
                "`metadata` has {} values and `channel_ids` {}, at most {METADATA_MAX} and {CHANNELS_MAX} are allowed",
                new.metadata.len(),
                new.channels.len()
            ),
        ));
    }
    let mut data = BTreeMap::new();
    for (key, value) in &new.metadata {
        data.insert(text::required("metadata", key, NAME_MAX)?, text::optional("metadata", value, NOTE_MAX)?);
    }
    let message = json!({
        "event_type": event_name,
        "title": one_line(&text::required("title", &new.title, NAME_MAX)?),
        "body": text::required("body", &new.body, NOTE_MAX)?,
        "recipient": text::optional("recipient", &new.recipient, NAME_MAX)?,
        "data": data,
    });
    Ok((event_name, message))
}

/// Sends through a channel that hears the event; one that can't even say so has failed.
async fn send_if_heard(app: &App, interface: &Interface, event: Option<EventType>, message: &Value) -> Option<Outcome> {
    if let Some(event) = event {
        match supported_events(app, interface).await {
            Ok(answer) if hears(&answer, event) => {}
            Ok(_) => return None,
            Err(error) => return Some(Outcome { channel_id: interface.id, error: Some(error.to_string()) }),
        }
    }
    Some(call(app, interface, message).await)
}

/// Sends through a channel that was named.
async fn send_to(app: &App, enabled: &[Interface], id: Id, message: &Value) -> Outcome {
    match enabled.iter().find(|interface| interface.id == id) {
        Some(interface) => call(app, interface, message).await,
        None => Outcome { channel_id: id, error: Some(format!("there is no enabled notifier `{id}`")) },
    }
}

async fn call(app: &App, interface: &Interface, message: &Value) -> Outcome {
    let mut message = message.clone();
    message["delivery_id"] = json!(Id::generate());
    message["occurred_at"] = json!(app.clock.now());
    let error = app.plugins.call_json(interface, "send", message).await.err().map(|error| error.to_string());
    Outcome { channel_id: interface.id, error }
}

async fn record(app: &App, actor: &Actor, event_name: &str, message: &Value, outcomes: &[Outcome]) -> Result<()> {
    let mut tx = app.database.begin().await?;
    for outcome in outcomes {
        let detail = json!({
            "event_type": event_name,
            "title": message["title"],
            "recipient": message["recipient"],
            "success": outcome.error.is_none(),
        });
        let entry = audit::Entry {
            action: "notification.send",
            target_type: "plugin_interface",
            target_id: outcome.channel_id,
            detail: &detail,
        };
        audit::record(&mut tx, app.clock.now(), actor, entry).await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_catalogue() {
        assert_eq!(names(&json!(["order.paid", "order_paid", "weather.changed"])), ["order_paid", "weather.changed"]);
        assert!(names(&json!([])).is_empty() && names(&json!(null)).is_empty());
    }
}
