//! The words of a notifier's own, in place of those that the server has for an event.
//!
//! The script's `templates` answers with an object: under the name of an event another one, in which `title`, `body` and
//! `html` are texts, each of which may be missing. In them `{{name}}` stands for a value of the event.

use serde_json::Value;

use super::text::one_line;
use crate::core::{
    app::App,
    error::{Error, Kind, Result},
    event::EventType,
    plugins::{Interface, html_escape},
    text,
};

/// Characters of a title that was filled in. Mail servers take no longer subject.
const TITLE_MAX: usize = 500;
/// Bytes of a template that was filled in, beyond which the server's own words are sent.
const FILLED_MAX: usize = 256 * 1024;

/// Puts a notifier's own words into a message, where it has some for the event.
///
/// A script whose templates can't be used must not keep people from hearing: then the server's own words go out, and
/// the log says why.
///
/// # Errors
/// Unavailable when no script can be run now, so that the delivery is tried again.
pub(super) async fn apply(app: &App, interface: &Interface, event: EventType, message: &mut Value) -> Result<()> {
    let own = match app.plugins.call_json_remembered(interface, "templates").await {
        Ok(answer) => read(&answer, event),
        Err(error) if error.kind() == Kind::Unavailable => return Err(error),
        Err(error) => Err(error),
    };
    match own.and_then(|own| own.map(|own| own.filled(message)).transpose()) {
        Ok(None) => {}
        Ok(Some(words)) => {
            for (field, words) in words {
                message[field] = Value::String(words);
            }
        }
        Err(error) => {
            let notifier = interface.display_name.as_str();
            tracing::warn!(notifier, %event, %error, "a notifier's templates can't be used; the usual words are sent");
        }
    }
    Ok(())
}

/// The templates of one event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Own {
    title: Option<String>,
    body: Option<String>,
    html: Option<String>,
}

/// Looks an event up in what `templates` answered.
fn read(answer: &Value, event: EventType) -> Result<Option<Own>> {
    let unfit = |what: &str| Error::internal("notification.template", format!("`templates` answered {what}"));
    if answer.is_null() {
        return Ok(None);
    }
    let all = answer.as_object().ok_or_else(|| unfit("something that is no object"))?;
    let found = all.iter().find(|(name, _)| EventType::from_plugin_name(name) == Some(event));
    let Some((name, found)) = found else { return Ok(None) };
    let found = found.as_object().ok_or_else(|| unfit(&format!("for `{name}` something that is no object")))?;
    let field = |field: &str| match found.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(words)) if words.is_empty() => Ok(None),
        Some(Value::String(words)) => Ok(Some(words.clone())),
        Some(_) => Err(unfit(&format!("for `{name}` a `{field}` that is no text"))),
    };
    Ok(Some(Own { title: field("title")?, body: field("body")?, html: field("html")? }))
}

impl Own {
    /// The words with the values of a message, by the field that they go into.
    fn filled(self, message: &Value) -> Result<Vec<(&'static str, String)>> {
        let plain = |name: &str| value_of(message, name);
        let mut words = Vec::new();
        if let Some(title) = self.title {
            words.push(("title", text::shown(&one_line(&fill(&title, plain)?), TITLE_MAX)));
        }
        if let Some(body) = self.body {
            words.push(("body", fill(&body, plain)?));
        }
        if let Some(html) = self.html {
            words.push(("html", fill(&html, |name| html_escape(&value_of(message, name)))?));
        }
        Ok(words)
    }
}

/// A value of an event: of its data, else of the message itself. What an event does not have is empty.
fn value_of(message: &Value, name: &str) -> String {
    let found = message.get("data").and_then(|data| data.get(name)).or_else(|| {
        ["event_type", "title", "body", "recipient", "occurred_at"].contains(&name).then(|| message.get(name)).flatten()
    });
    match found {
        Some(Value::String(words)) => words.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Replaces every `{{name}}`, once: braces in a value are a stranger's and mean nothing.
fn fill(template: &str, value: impl Fn(&str) -> String) -> Result<String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            filled.push_str("{{");
            rest = after;
            continue;
        };
        filled.push_str(&value(name.trim()));
        if filled.len() > FILLED_MAX {
            break;
        }
        rest = behind;
    }
    filled.push_str(rest);
    if filled.len() > FILLED_MAX {
        let words = format!("a template becomes longer than {FILLED_MAX} bytes");
        return Err(Error::internal("notification.template", words));
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message() -> Value {
        json!({ "event_type": "order_paid", "title": "Paid", "body": "b", "recipient": "ann@example.com",
            "data": { "product_name": "<b>{{amount}} & co", "amount": "29.00", "due_date": null, "minutes": 10 } })
    }

    #[test]
    fn names_become_values_once_and_html_is_escaped() {
        let own = Own {
            title: Some("{{ product_name }}:\n{{amount}}".to_owned()),
            body: Some("{{minutes}}|{{due_date}}|{{nonsense}}|{{title}}|{{".to_owned()),
            html: Some("<p>{{product_name}}</p>".to_owned()),
        };
        let expected = [
            ("title", "<b>{{amount}} & co: 29.00"),
            ("body", "10|||Paid|{{"),
            ("html", "<p>&lt;b&gt;{{amount}} &amp; co</p>"),
        ];
        let filled = own.filled(&message()).unwrap();
        assert_eq!(filled, expected.map(|(field, words)| (field, words.to_owned())));
    }

    #[test]
    fn what_is_no_template_is_told() {
        let event = EventType::OrderPaid;
        assert_eq!(read(&json!({}), event).unwrap(), None);
        assert_eq!(read(&json!({ "order_created": { "title": 1 } }), event).unwrap(), None);
        let own = read(&json!({ "order.paid": { "title": "t", "body": "" } }), event).unwrap();
        assert_eq!(own, Some(Own { title: Some("t".to_owned()), ..Own::default() }));
        for wrong in [json!([]), json!({ "order_paid": "t" }), json!({ "order_paid": { "title": 1 } })] {
            assert_eq!(read(&wrong, event).unwrap_err().code(), "notification.template", "{wrong}");
        }
        let long = Own { body: Some("{{title}}".repeat(FILLED_MAX)), ..Own::default() };
        assert!(long.filled(&message()).is_err());
    }
}
