//! Settings that the form does not know: most likely a slip in a name, which would go unnoticed.

use serde_json::{Map, Value};

use crate::core::text;

/// A sentence for each setting that the form does not know, with the name that was probably meant. A form without
/// properties, or with `additionalProperties`, takes whatever it gets. What is stored already stays: a form that was newer
/// or older may have known it.
pub(super) fn unknown(schema: &Value, stored: &Value, config: &Map<String, Value>) -> Vec<String> {
    let Some(properties) = closed(schema) else { return Vec::new() };
    let is_new = |(key, value): &(&String, &Value)| !properties.contains_key(*key) && stored.get(*key) != Some(*value);
    let told = |(key, _): (&String, &Value)| {
        // The form has properties, so one of them is the nearest.
        let names = properties.keys().map(String::as_str);
        let nearest = text::nearest(key, names, 0.0, str::to_lowercase).unwrap_or_default();
        format!("`{}`: there is no such setting; did you mean `{nearest}`?", text::shown(key, text::SHOWN_MAX))
    };
    config.iter().filter(is_new).map(told).collect()
}

/// The properties of a form that takes nothing else, so that this is the place where others are refused.
pub(in crate::core::plugins) fn closed(schema: &Value) -> Option<&Map<String, Value>> {
    let properties = schema.get("properties").and_then(Value::as_object).filter(|known| !known.is_empty())?;
    let is_open = match schema.get("additionalProperties") {
        None | Some(Value::Bool(false)) => schema.get("patternProperties").is_some(),
        Some(_) => true,
    };
    if is_open { None } else { Some(properties) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(schema: &Value, stored: &Value, config: &Value) -> String {
        unknown(schema, stored, config.as_object().unwrap()).join("; ")
    }

    #[test]
    fn a_slip_in_a_name_is_told_with_the_name_that_was_meant() {
        let form = json!({ "properties": { "account_name": {}, "bank_name": {}, "instructions": {}, "url": {} } });
        for (slip, meant) in
            [("acount", "account_name"), ("bankname", "bank_name"), ("URL", "url"), ("instr", "instructions")]
        {
            let said = told(&form, &Value::Null, &json!({ slip: "hunter2", "url": "x" }));
            assert_eq!(said, format!("`{slip}`: there is no such setting; did you mean `{meant}`?"));
        }
    }

    #[test]
    fn what_is_stored_and_what_a_form_leaves_open_is_taken() {
        let form = json!({ "properties": { "url": {} } });
        let stored = json!({ "old": "x" });
        assert_eq!(told(&form, &stored, &json!({ "old": "x", "url": "y" })), "");
        assert!(told(&form, &stored, &json!({ "old": "z" })).contains("`old`"));
        let open = json!({ "properties": { "url": {} }, "additionalProperties": true });
        for form in [open, json!({ "properties": {} }), json!({})] {
            assert_eq!(told(&form, &Value::Null, &json!({ "more": 1 })), "", "{form}");
        }
        let closed = json!({ "properties": { "url": {} }, "additionalProperties": false });
        assert!(told(&closed, &Value::Null, &json!({ "more": 1 })).contains("`more`"));
    }
}
