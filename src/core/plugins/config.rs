//! Settings of an interface against the form that its script gives: defaults, checks, masked secrets.
//!
//! The form is JSON Schema as the authors' documentation writes it: bounds may be texts (`minimum: "1"`), defaults are
//! called `default_value` and are texts whatever the type, secrets have `format: "password"`.

mod known;
mod secrecy;

use jsonschema::{
    JsonType, ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::{Map, Value};

pub(super) use self::known::closed;
pub(super) use self::secrecy::{keep_secrecy, lift_secrecy};
use crate::core::error::{Error, Result};

/// What stands in place of a secret. Sent back unchanged, it keeps the stored value.
pub(super) const MASK: &str = "********";

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn is_secret(property: &Value) -> bool {
    property.get("format").and_then(Value::as_str) == Some("password")
}

/// Whether a property inside an array's items, or an object's own properties, is secret somewhere.
fn mask_value(property: &Value, value: &Value) -> Value {
    if is_secret(property) && value.as_str() != Some("") {
        return Value::from(MASK);
    }
    match (value, property.get("items")) {
        (Value::Array(items), Some(of)) => Value::Array(items.iter().map(|item| mask_value(of, item)).collect()),
        (Value::Object(_), _) if property.get("properties").is_some() => mask(property, value),
        _ => value.clone(),
    }
}

/// The settings with every secret replaced by [`MASK`], also those inside lists. A text that the form does not know may
/// be a secret under a mistyped name, and is masked too.
pub(super) fn mask(schema: &Value, config: &Value) -> Value {
    let Some(config) = config.as_object() else { return config.clone() };
    let known = schema.get("properties").and_then(Value::as_object);
    let masked = config.iter().map(|(key, value)| {
        let shown = match known.and_then(|known| known.get(key)) {
            Some(property) => mask_value(property, value),
            None if value.as_str() == Some("") => value.clone(),
            None => Value::from(MASK),
        };
        (key.clone(), shown)
    });
    Value::Object(masked.collect())
}

/// Reads what a form sent as the types that the form's fields have: a number that was typed is a number.
fn read_types(schema: &Value, config: &mut Map<String, Value>) {
    for (key, property) in properties(schema) {
        if let Some(given) = config.get_mut(key) {
            *given = typed(type_of(property), given.clone());
        }
    }
}

pub(super) fn type_of(property: &Value) -> &str {
    property.get("type").and_then(Value::as_str).unwrap_or("string")
}

/// Puts the stored secrets back where an update brought the mask.
///
/// # Errors
/// `plugin.config` for a mask that stands for no stored secret, as in a new item of a list.
pub(super) fn keep_secrets(schema: &Value, stored: &Value, mut update: Value) -> Result<Value> {
    if let Some(fields) = update.as_object_mut() {
        read_types(schema, fields);
        secrecy::restore(schema, stored, fields);
    }
    restore(schema, stored, &mut update);
    match still_masked(&update, String::new()) {
        None => Ok(update),
        Some(place) => {
            Err(Error::invalid("plugin.config", format!("`{place}` is masked and there is no stored value to keep"))
                .hint("write the secret itself"))
        }
    }
}

/// The same for a part of the settings, however deep.
fn restore(form: &Value, stored: &Value, given: &mut Value) {
    match given {
        Value::String(text) if text == MASK && stored.is_string() => *given = stored.clone(),
        Value::Object(fields) => {
            for (key, value) in fields {
                let form = form.get("properties").and_then(|known| known.get(key)).unwrap_or(&Value::Null);
                // A part of such a secret, put beside something new, would not be secret any more.
                if secrecy::is_kept(form) {
                    continue;
                }
                restore(form, stored.get(key).unwrap_or(&Value::Null), value);
            }
        }
        Value::Array(items) => {
            let form = form.get("items").unwrap_or(&Value::Null);
            let stored = stored.as_array().map(Vec::as_slice).unwrap_or_default();
            let is_as_long = stored.len() == items.len();
            for (place, item) in items.iter_mut().enumerate() {
                let original = original_of(form, stored, item, if is_as_long { Some(place) } else { None });
                restore(form, original.unwrap_or(&Value::Null), item);
            }
        }
        _ => {}
    }
}

/// Which stored item an item of a list was: the one with the same `id`; else the one that looks the same, at its own place
/// first; else, in a list that is as long as before, the one at its place.
fn original_of<'a>(form: &Value, stored: &'a [Value], item: &Value, place: Option<usize>) -> Option<&'a Value> {
    if let Some(id) = item.get("id") {
        let mut same = stored.iter().filter(|original| original.get("id") == Some(id));
        if let (Some(only), None) = (same.next(), same.next()) {
            return Some(only);
        }
    }
    let at_its_place = place.and_then(|place| stored.get(place));
    let looks_the_same = |original: &&Value| mask_value(form, original) == *item;
    at_its_place.filter(looks_the_same).or_else(|| stored.iter().find(looks_the_same)).or(at_its_place)
}

/// Where a mask is left, if anywhere.
fn still_masked(value: &Value, place: String) -> Option<String> {
    let below = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    match value {
        Value::String(text) if text == MASK => Some(place),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| still_masked(value, below(key))),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| still_masked(item, below(&index.to_string())))
        }
        _ => None,
    }
}

/// Checks settings against the form and fills in its defaults. `stored` are those before the change, if there are any.
///
/// # Errors
/// `plugin.config`, naming each setting that does not fit, but never a value, which may be a secret.
pub(super) fn complete(schema: &Value, stored: &Value, config: Value) -> Result<Value> {
    let Value::Object(mut config) = config else {
        return Err(Error::invalid(
            "plugin.config",
            "`config_json` is no object, expected something like `{\"key\": \"value\"}`",
        ));
    };
    read_types(schema, &mut config);
    for (key, property) in properties(schema) {
        if !config.contains_key(key)
            && let Some(default) = property.get("default_value").or_else(|| property.get("default"))
        {
            config.insert(key.clone(), typed(type_of(property), default.clone()));
        }
    }
    let empty = required(schema).filter(|key| config.get(*key).and_then(Value::as_str) == Some(""));
    let mut problems: Vec<String> = empty.map(|key| format!("`{key}`: is empty, and it is required")).collect();
    problems.extend(known::unknown(schema, stored, &config));
    let config = Value::Object(config);
    let plain = plain_schema(schema);
    let validator = jsonschema::validator_for(&plain).map_err(|cause| {
        Error::internal("plugin.schema", "the plugin's config_schema is no JSON Schema").caused_by(cause.to_string())
    })?;
    // Stored settings that the form does not know may stay, so that this was looked at above.
    let is_told = |error: &ValidationError<'_>| {
        matches!(error.kind(), ValidationErrorKind::AdditionalProperties { .. })
            && error.instance_path().as_str().is_empty()
            && known::closed(&plain).is_some()
    };
    problems.extend(validator.iter_errors(&config).filter(|error| !is_told(error)).map(|error| {
        let place = error.instance_path().to_string();
        let place = place.trim_start_matches('/').replace('/', ".");
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let place = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
                format!("`{place}`: is missing, and it is required")
            }
            // Only integers and texts are exact; a number with a fraction was a floating-point number when it came here.
            ValidationErrorKind::Type { kind } if error.instance().is_number() && wants_text(kind) => {
                format!("`{place}`: is a number, and a text is expected; put it into quotes, such as \"9.50\"")
            }
            _ if place.is_empty() => format!("the settings: {}", error.masked_with("the value")),
            _ => format!("`{place}`: {}", error.masked_with("the value")),
        }
    }));
    if problems.is_empty() { Ok(config) } else { Err(Error::invalid("plugin.config", problems.join("; "))) }
}

/// Reads a text as the type that the form wants; what can't be read is left for the check to refuse.
pub(super) fn typed(kind: &str, value: Value) -> Value {
    let Value::String(text) = &value else { return value };
    match kind {
        "integer" => text.trim().parse::<i64>().map_or(value, Value::from),
        "number" => serde_json::from_str::<serde_json::Number>(text.trim()).map_or(value, Value::Number),
        "boolean" => text.trim().parse::<bool>().map_or(value, Value::from),
        "array" | "object" => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    }
}

/// Whether a text is the only type that fits.
fn wants_text(kind: &TypeKind) -> bool {
    matches!(kind, TypeKind::Single(JsonType::String))
}

/// The form as strict JSON Schema: bounds that are texts become numbers, an empty `enum` goes.
pub(super) fn plain_schema(schema: &Value) -> Value {
    const BOUNDS: [&str; 6] = ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"];
    match schema {
        Value::Object(fields) => {
            let plain: Map<String, Value> = fields
                .iter()
                .map(|(key, value)| {
                    let value = if BOUNDS.contains(&key.as_str()) {
                        typed("number", value.clone())
                    } else {
                        plain_schema(value)
                    };
                    (key.clone(), value)
                })
                .collect();
            Value::Object(plain)
        }
        Value::Array(items) => Value::Array(items.iter().map(plain_schema).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["api_url", "key"],
            "properties": {
                "api_url": { "type": "string" },
                "key": { "type": "string", "format": "password" },
                "timeout": { "type": "integer", "default_value": "30", "minimum": "1", "maximum": "300" },
                "sandbox": { "type": "boolean", "default_value": "false" },
                "servers": { "type": "array", "items": { "type": "object", "properties": { "id": { "type": "string" }, "password": { "type": "string", "format": "password" } } } }
            }
        })
    }

    #[test]
    fn fills_in_defaults_and_reads_what_a_form_sends() {
        let config = complete(&schema(), &Value::Null, json!({ "api_url": "x", "key": "k", "timeout": "60" })).unwrap();
        assert_eq!(config, json!({ "api_url": "x", "key": "k", "timeout": 60, "sandbox": false }));
    }

    #[test]
    fn an_amount_that_is_no_text_is_named_with_what_to_do() {
        let schema = json!({ "type": "object", "properties": { "servers": { "type": "array", "items": {
            "type": "object", "properties": { "price": { "type": "string" } } } } } });
        let config = json!({ "servers": [{ "price": "9.50" }, { "price": 19.99 }] });
        let error = complete(&schema, &Value::Null, config).unwrap_err().to_string();
        assert!(error.contains("`servers.1.price`") && error.contains("into quotes"), "{error}");
        assert!(!error.contains("19.99"), "{error}");
    }

    #[test]
    fn names_every_problem_and_no_secret() {
        let error =
            complete(&schema(), &Value::Null, json!({ "key": 7_654_321, "timeout": 1000 })).unwrap_err().to_string();
        assert!(error.contains("api_url") && error.contains("`key`") && error.contains("`timeout`"), "{error}");
        assert!(!error.contains("7654321"), "{error}");
        assert!(complete(&schema(), &Value::Null, json!([1])).is_err());
    }

    #[test]
    fn secrets_are_masked_also_in_lists_and_come_back() {
        let stored = json!({ "api_url": "x", "key": "k", "servers": [{ "id": "a", "password": "p" }, { "id": "b", "password": "q" }] });
        let masked = mask(&schema(), &stored);
        assert_eq!(masked["key"], MASK);
        assert_eq!(masked["servers"][1], json!({ "id": "b", "password": MASK }));
        assert_eq!(keep_secrets(&schema(), &stored, masked.clone()).unwrap(), stored);
        // A form sends a list as text.
        let mut as_text = masked;
        as_text["servers"] = Value::from(as_text["servers"].to_string());
        assert_eq!(keep_secrets(&schema(), &stored, as_text).unwrap(), stored);
    }

    #[test]
    fn items_that_differ_in_their_secrets_only_keep_their_own() {
        let stored = json!({ "servers": [{ "id": "a", "password": "p" }, { "id": "a", "password": "q" }] });
        assert_eq!(keep_secrets(&schema(), &stored, mask(&schema(), &stored)).unwrap(), stored);
    }

    #[test]
    fn an_item_that_is_changed_keeps_its_secret_and_a_new_one_needs_its_own() {
        let stored = json!({ "servers": [{ "id": "a", "ip": "1", "password": "p" }, { "id": "b", "ip": "2", "password": "q" }] });
        let change = json!({ "servers": [{ "id": "b", "ip": "9", "password": MASK }] });
        let kept = keep_secrets(&schema(), &stored, change).unwrap();
        assert_eq!(kept, json!({ "servers": [{ "id": "b", "ip": "9", "password": "q" }] }));
        let new = json!({ "servers": [{ "id": "a", "ip": "1", "password": MASK }, { "id": "c", "password": MASK }, { "id": "d", "password": MASK }] });
        let error = keep_secrets(&schema(), &stored, new).unwrap_err();
        assert!(error.to_string().contains("servers.1.password"), "{error}");
    }

    #[test]
    fn a_secret_under_a_mistyped_name_is_masked_too() {
        let stored = json!({ "api_url": "x", "kye": "hunter2" });
        let masked = mask(&schema(), &stored);
        assert_eq!(masked, json!({ "api_url": "x", "kye": MASK }));
        assert_eq!(keep_secrets(&schema(), &stored, masked).unwrap(), stored);
    }

    #[test]
    fn what_is_required_must_not_be_empty() {
        let error = complete(&schema(), &Value::Null, json!({ "api_url": "", "key": "k" })).unwrap_err();
        assert!(error.to_string().contains("`api_url`"), "{error}");
    }
}
