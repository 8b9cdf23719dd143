//! A script's form as rows, and what is odd about it.

use serde::Serialize;
use serde_json::Value;

use super::super::engine::Issue;

/// Parts of a name that promise a secret.
const SECRET_WORDS: [&str; 5] = ["password", "secret", "token", "api_key", "private_key"];

/// A setting of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name; `servers[].id` for what is inside a list.
    pub name: String,
    /// Its type, by JSON Schema.
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it is masked everywhere.
    pub secret: bool,
    /// What holds where nothing is given.
    pub default: Option<String>,
    /// What the operator reads.
    pub description: String,
}

/// The settings in the order of the form.
pub(super) fn settings(schema: &Value) -> Vec<Setting> {
    let mut found = Vec::new();
    collect(schema, "", &mut found);
    found
}

fn collect(schema: &Value, before: &str, found: &mut Vec<Setting>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let mut properties: Vec<_> = properties.iter().collect();
    properties.sort_by_key(|(_, property)| property.get("x-order").and_then(Value::as_i64));
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let text = |property: &Value, key: &str| property.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for (key, property) in properties {
        let name = format!("{before}{key}");
        let default = property.get("default_value").or_else(|| property.get("default"));
        found.push(Setting {
            kind: text(property, "type"),
            required: required.contains(&key.as_str()),
            secret: text(property, "format") == "password",
            default: default.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            description: text(property, "description"),
            name: name.clone(),
        });
        collect(property, &format!("{name}."), found);
        if let Some(items) = property.get("items") {
            collect(items, &format!("{name}[]."), found);
        }
    }
}

/// What is odd about a form.
pub(super) fn warnings(schema: &Value) -> Vec<Issue> {
    let mut found = Vec::new();
    for setting in settings(schema) {
        let name = &setting.name;
        let last = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
        if setting.kind == "string" && !setting.secret && SECRET_WORDS.iter().any(|word| last.contains(word)) {
            let issue =
                Issue::whole_file(format!("the setting `{name}` looks like a secret and is shown to everybody"));
            found.push(issue.advised("add `format: \"password\"`"));
        }
        if setting.kind.is_empty() {
            let issue = Issue::whole_file(format!("the setting `{name}` has no type and counts as a text"));
            found.push(issue.advised("add `type: \"string\"`, or what it is"));
        }
    }
    let known = schema.get("properties");
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if known.is_none_or(|known| known.get(name).is_none()) {
            let issue = Issue::whole_file(format!("`required` names `{name}`, which is no setting of the form"));
            found.push(issue.advised("nobody can fill it in: correct the name"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_and_oddities() {
        let schema = json!({ "type": "object", "required": ["url", "urll"], "properties": {
            "api_token": { "type": "string", "x-order": 1 }, "url": { "x-order": 0, "default": 5 },
            "list": { "type": "array", "x-order": 2, "items": { "type": "object", "properties": {
                "password": { "type": "string", "format": "password" } } } },
        } });
        let rows = settings(&schema);
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["url", "api_token", "list", "list[].password"]);
        assert!(rows[0].required && rows[0].default.as_deref() == Some("5") && rows[3].secret);
        let said: Vec<String> = warnings(&schema).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "the setting `url` has no type and counts as a text; add `type: \"string\"`, or what it is",
                "the setting `api_token` looks like a secret and is shown to everybody; add `format: \"password\"`",
                "`required` names `urll`, which is no setting of the form; nobody can fill it in: correct the name",
            ]
        );
    }
}
