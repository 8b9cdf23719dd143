//! What a notifier promises.

use serde_json::{Value, json};

use super::{
    bench::{Answer, Bench},
    sample,
};
use crate::core::event::EventType;

/// Checks everything that only notifiers have.
pub(super) async fn check(bench: &mut Bench) {
    let answer = bench.call("supported_events", &json!({})).await;
    let mut events = Vec::new();
    bench.judge("supported_events", &answer, |value| {
        let Some(list) = value.as_array() else { return Err("it must be a list of names".to_owned()) };
        for name in list {
            let known = name.as_str().and_then(EventType::from_plugin_name).filter(|event| !event.is_internal());
            match known {
                Some(event) => events.push(event.as_str()),
                None => return Err(format!("`{name}` is no event")),
            }
        }
        Ok(if list.is_empty() { "all but verification_code".to_owned() } else { events.join(", ") })
    });
    let answer = bench.call("templates", &json!({})).await;
    bench.judge("templates", &answer, |value| match value {
        Value::Object(_) | Value::Null => Ok(String::new()),
        _ => Err("it must be an object, `#{}` for none".to_owned()),
    });
    if events.is_empty() {
        events.push("order_paid");
    }
    events.push("test");
    for event in events {
        let mut fields = sample::fields("send", &json!({}));
        fields["event_type"] = Value::from(event);
        if event == "verification_code" {
            fields["data"] = json!({ "code": "123456", "purpose": "registration", "minutes": 10 });
        }
        let answer = bench.call("send", &fields).await;
        if let Answer::Gave(Value::Bool(false)) = answer {
            bench.failed(&format!("send {event}"), "false counts as delivered: return an error");
            continue;
        }
        bench.judge(&format!("send {event}"), &answer, |_| Ok(String::new()));
    }
}
