//! What was a secret stays one until its value is replaced, whatever the form of an edited script says.
//!
//! The rule: when an interface gets another form, each of its stored settings is compared as the old form shows it and as
//! the new one would. A setting of which anything would be shown that was masked so far gets `format: "password"` in the
//! interface's own copy of the form, as a whole, beside a mark. Once its value is replaced, the mark and the format go,
//! since who replaced it knows the new value.

use serde_json::{Map, Value, json};

use super::{MASK, is_secret, mask, mask_value};

/// The key of a property that says: it is a secret only because its stored value was one.
const KEPT: &str = "x-kept-secret";

/// Whether a property is a secret only because its stored value was one.
pub(super) fn is_kept(property: &Value) -> bool {
    property.get(KEPT).is_some()
}

/// The new form for an interface with these settings, which were shown by the old form so far.
pub(in crate::core::plugins) fn keep_secrecy(old: &Value, new: &Value, config: &Value) -> Value {
    let mut form = new.clone();
    let shown = mask(old, config);
    let Some(properties) = form.get_mut("properties").and_then(Value::as_object_mut) else { return form };
    for (key, property) in properties.iter_mut() {
        let (Some(shown), Some(stored)) = (shown.get(key), config.get(key)) else { continue };
        if reveals(shown, &mask_value(property, stored)) {
            keep(property);
        }
    }
    form
}

/// Whether the second of two views of one value shows something that the first one masks.
fn reveals(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (_, Value::String(text)) if text == MASK => false,
        (Value::String(text), _) => text == MASK,
        (Value::Object(before), Value::Object(after)) => {
            before.iter().any(|(key, value)| after.get(key).is_some_and(|after| reveals(value, after)))
        }
        (Value::Array(before), Value::Array(after)) => {
            before.iter().zip(after).any(|(before, after)| reveals(before, after))
        }
        _ => false,
    }
}

fn keep(property: &mut Value) {
    match property {
        Value::Object(fields) => {
            // What the script's own form says comes back when the value is replaced.
            let format = fields.get("format").cloned().unwrap_or(Value::Null);
            fields.insert(KEPT.to_owned(), format);
            fields.insert("format".to_owned(), json!("password"));
        }
        other => *other = json!({ "format": "password", KEPT: null }),
    }
}

/// The form after the settings were replaced: a value that is another one is as secret as the script's form says.
pub(in crate::core::plugins) fn lift_secrecy(form: &Value, before: &Value, after: &Value) -> Value {
    let mut form = form.clone();
    let Some(properties) = form.get_mut("properties").and_then(Value::as_object_mut) else { return form };
    for (key, property) in properties.iter_mut() {
        if before.get(key) == after.get(key) {
            continue;
        }
        if let Some(fields) = property.as_object_mut()
            && let Some(format) = fields.remove(KEPT)
        {
            match format {
                Value::Null => fields.remove("format"),
                format => fields.insert("format".to_owned(), format),
            };
        }
    }
    form
}

/// Puts the stored value back where an update brought the mask for one of these secrets, which may be of any type.
pub(super) fn restore(form: &Value, stored: &Value, update: &mut Map<String, Value>) {
    let properties = form.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (key, _) in properties.filter(|(_, property)| is_secret(property)) {
        if let (Some(given), Some(stored)) = (update.get_mut(key), stored.get(key))
            && given.as_str() == Some(MASK)
        {
            *given = stored.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{keep_secrets, mask},
        *,
    };

    fn form(properties: &Value) -> Value {
        json!({ "type": "object", "properties": properties })
    }

    /// What is shown after the form was replaced, one after the other.
    fn shown(forms: &[Value], config: &Value) -> Value {
        let (first, rest) = forms.split_first().unwrap();
        let last = rest.iter().fold(first.clone(), |old, new| keep_secrecy(&old, new, config));
        mask(&last, config)
    }

    #[test]
    fn no_row_of_forms_unmasks_what_was_masked() {
        let secret = form(&json!({ "key": { "type": "string", "format": "password" } }));
        let plain = form(&json!({ "key": { "type": "string" } }));
        let other = form(&json!({ "key": { "type": "string", "format": "uri" } }));
        let none = form(&json!({}));
        let config = json!({ "key": "hunter2" });
        for forms in [
            vec![secret.clone(), plain.clone()],
            vec![secret.clone(), other.clone()],
            vec![secret.clone(), none.clone(), plain.clone()],
            vec![secret.clone(), plain.clone(), none.clone(), other.clone(), plain.clone()],
            vec![none, plain.clone()],
        ] {
            assert_eq!(shown(&forms, &config), json!({ "key": MASK }), "{forms:?}");
        }
        assert_eq!(shown(&[plain.clone(), plain], &config), config, "what never was a secret is none");
    }

    #[test]
    fn secrets_inside_lists_and_objects_stay_too() {
        let item =
            |format: Value| json!({ "type": "object", "properties": { "id": { "type": "string" }, "pw": format } });
        let with = |format: Value| form(&json!({ "servers": { "type": "array", "items": item(format) } }));
        let secret = with(json!({ "type": "string", "format": "password" }));
        let config = json!({ "servers": [{ "id": "a", "pw": "hunter2" }] });
        for new in [with(json!({ "type": "string" })), form(&json!({ "servers": { "type": "array" } }))] {
            assert_eq!(shown(&[secret.clone(), new], &config), json!({ "servers": MASK }));
        }
        let again = keep_secrecy(&secret, &secret, &config);
        assert_eq!(again, secret, "the same form changes nothing");
        // The masked whole comes back as it is; a part of it beside something new does not.
        let kept = keep_secrecy(&secret, &with(json!({ "type": "string" })), &config);
        assert_eq!(keep_secrets(&kept, &config, json!({ "servers": MASK })).unwrap(), config);
        let part = json!({ "servers": [{ "id": "a", "pw": MASK, "more": 1 }] });
        assert_eq!(keep_secrets(&kept, &config, part).unwrap_err().code(), "plugin.config");
    }

    #[test]
    fn a_replaced_value_is_as_secret_as_the_form_says() {
        let old = form(&json!({ "key": { "format": "password" }, "url": {} }));
        let new = form(&json!({ "key": { "format": "uri" }, "url": {} }));
        let before = json!({ "key": "hunter2", "url": "a" });
        let kept = keep_secrecy(&old, &new, &before);
        let other = json!({ "key": "hunter2", "url": "b" });
        assert_eq!(lift_secrecy(&kept, &before, &other), kept, "another setting lifts nothing");
        assert_eq!(lift_secrecy(&kept, &before, &json!({ "key": "new", "url": "a" })), new);
        assert_eq!(lift_secrecy(&kept, &before, &json!({ "url": "a" })), new);
    }
}
