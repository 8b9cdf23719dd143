//! What a provider's script says of a server: its sections, its actions, the answer to an action. Whatever is too long or
//! makes no sense is left out or cut, so that one strange section does not hide the others.

use reqwest::Url;
use serde_json::Value;

use crate::core::text::{self, NAME_MAX};

/// Sections of a page.
const SECTIONS_MAX: usize = 20;
/// Labelled values of a section.
const FIELDS_MAX: usize = 100;
/// Characters of a labelled value.
const VALUE_MAX: usize = 2_000;
/// Bytes of a section's HTML.
const HTML_MAX: usize = 256 * 1024;
/// Bytes of a section's data.
const DATA_MAX: usize = 64 * 1024;
/// Characters of an address.
const URL_MAX: usize = 2_000;
/// Bytes of all sections together; what comes after that is left out.
const PAGE_MAX: usize = 1024 * 1024;
/// Actions of a server.
const ACTIONS_MAX: usize = 50;
/// Characters of an action's name.
pub(super) const ACTION_MAX: usize = 64;
/// Characters of a question or of an answer.
const WORDS_MAX: usize = 500;
/// Bytes of what an action returns.
const RETURNED_MAX: usize = 64 * 1024;

/// A section of a server's page.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// Labelled values.
    pub fields: Vec<DetailField>,
    /// HTML as the script wrote it, for a sandboxed frame only; may be empty.
    pub content_html: String,
    /// A lower-case word, such as `properties` or `iframe`.
    pub kind: String,
    /// The position, ascending.
    pub order: i32,
    /// A page to show in a frame, http or https; may be empty.
    pub iframe_url: String,
    /// JSON; may be empty.
    pub data_json: String,
}

/// A labelled value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DetailField {
    /// The label.
    pub key: String,
    /// The value.
    pub value: String,
    /// What it is.
    pub value_type: ValueType,
}

crate::text_enum! {
    /// How to show a labelled value.
    ValueType, "value_type" {
        /// As it is.
        Text = "text",
        /// A number.
        Number = "number",
        /// `true` or `false`.
        Boolean = "boolean",
        /// A date or a time.
        Date = "date",
        /// An address that may become a link, http or https.
        Url = "url",
        /// Hidden until somebody asks for it.
        Secret = "secret",
    }
}

/// Something that the provider can do with a server.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Action {
    /// Its name.
    pub id: String,
    /// The text of the button.
    pub label: String,
    /// How the button looks.
    pub style: Style,
    /// The question to ask first; may be empty.
    pub confirmation: String,
    /// Whether it can be used now.
    pub enabled: bool,
}

crate::text_enum! {
    /// How a button looks.
    Style, "style" {
        /// The usual thing to do.
        Primary = "Primary",
        /// One among others.
        Default = "Default",
        /// Something to think about.
        Danger = "Danger",
    }
}

/// What an action answered.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Answer {
    /// Whether it worked.
    pub success: bool,
    /// What the provider says to whoever asked.
    pub message: String,
    /// What it returned; may be empty.
    pub data: String,
}

/// A text at `name`; null and absent are empty, numbers and the like as JSON writes them.
fn text_at(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn short(value: &Value, name: &str, max: usize) -> String {
    text::shown(text_at(value, name).trim(), max)
}

fn whole(value: &Value, name: &str, max: usize) -> String {
    Some(text_at(value, name)).filter(|text| text.len() <= max).unwrap_or_default()
}

/// `true` and `"true"`, as scripts write both.
fn bool_at(value: &Value, name: &str) -> Option<bool> {
    match value.get(name)? {
        Value::Bool(is) => Some(*is),
        Value::String(word) => word.trim().to_lowercase().parse().ok(),
        _ => None,
    }
}

fn is_web_address(address: &str) -> bool {
    address.chars().count() <= URL_MAX && Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.as_array().into_iter().flatten().filter(|item| item.is_object())
}

/// The sections in a script's answer, in their order.
pub(super) fn sections(answer: &Value) -> Vec<Section> {
    let mut found: Vec<Section> = items(answer).take(SECTIONS_MAX).zip(1..).map(section).collect();
    found.sort_by_key(|section| section.order);
    let mut left = PAGE_MAX;
    found.retain(|section| match left.checked_sub(section.bytes()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    });
    found
}

impl Section {
    fn bytes(&self) -> usize {
        let fields: usize = self.fields.iter().map(|field| field.key.len() + field.value.len()).sum();
        fields + self.title.len() + self.content_html.len() + self.data_json.len() + self.iframe_url.len()
    }
}

fn section((value, place): (&Value, i32)) -> Section {
    let iframe_url = Some(text_at(value, "iframe_url").trim().to_owned()).filter(|address| is_web_address(address));
    let order = value.get("order").and_then(|order| match order {
        Value::Number(number) => number.as_i64().and_then(|number| i32::try_from(number).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    });
    let kind = text_at(value, "kind").trim().to_lowercase();
    let is_word = |word: &str| {
        (1..=40).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
    };
    let usual = if iframe_url.is_some() { "iframe" } else { "properties" };
    let data_json = whole(value, "data_json", DATA_MAX);
    Section {
        title: short(value, "title", NAME_MAX),
        fields: value.get("fields").map(fields).unwrap_or_default(),
        content_html: whole(value, "content_html", HTML_MAX),
        kind: if is_word(&kind) { kind } else { usual.to_owned() },
        order: order.unwrap_or(place),
        iframe_url: iframe_url.unwrap_or_default(),
        data_json: if serde_json::from_str::<Value>(&data_json).is_ok() { data_json } else { String::new() },
    }
}

fn fields(list: &Value) -> Vec<DetailField> {
    let field = |item: &Value| {
        let key = short(item, "key", NAME_MAX);
        let value = short(item, "value", VALUE_MAX);
        let value_type = ValueType::parse(text_at(item, "value_type").trim()).unwrap_or(ValueType::Text);
        let is_no_link = value_type == ValueType::Url && !is_web_address(&value);
        DetailField { key, value, value_type: if is_no_link { ValueType::Text } else { value_type } }
    };
    items(list).map(field).filter(|field| !field.key.is_empty()).take(FIELDS_MAX).collect()
}

/// The actions in a script's answer; of two with one name the first.
pub(super) fn actions(answer: &Value) -> Vec<Action> {
    let mut found: Vec<Action> = Vec::new();
    for item in items(answer) {
        let id = text_at(item, "id").trim().to_owned();
        let is_fit = !id.is_empty() && id.chars().count() <= ACTION_MAX && !id.chars().any(char::is_control);
        if !is_fit || found.iter().any(|action| action.id == id) {
            continue;
        }
        let label = Some(short(item, "label", NAME_MAX)).filter(|label| !label.is_empty());
        let style = text_at(item, "style");
        let style = Style::ALL.iter().find(|known| known.as_str().eq_ignore_ascii_case(style.trim()));
        found.push(Action {
            label: label.unwrap_or_else(|| id.clone()),
            id,
            style: style.copied().unwrap_or(Style::Default),
            confirmation: short(item, "confirmation", WORDS_MAX),
            enabled: bool_at(item, "enabled").unwrap_or(true),
        });
        if found.len() == ACTIONS_MAX {
            break;
        }
    }
    found
}

impl Answer {
    /// Reads what `execute_action` returned; `None` when it does not say whether it worked.
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let success = bool_at(answer, "success")?;
        let data = whole(answer, "data", RETURNED_MAX);
        Some(Self { success, message: short(answer, "message", WORDS_MAX), data })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sections_are_read_within_bounds() {
        let answer = json!([
            { "title": "Console", "iframe_url": "https://x.example/c", "order": 9, "kind": "iframe" },
            { "title": "Bad", "iframe_url": "javascript:alert(1)", "order": "2", "kind": "<b>", "data_json": "{" },
            { "title": "a\u{1b}[2Jb", "content_html": "<b>x</b>", "data_json": { "a": 1 }, "order": 1.5e300, "fields": [
                { "key": "Disk", "value": 20, "value_type": "number" },
                { "key": "Panel", "value": "file:///etc", "value_type": "url" },
                { "key": "", "value": "lost" },
                { "key": "Root", "value": "x", "value_type": "secret" },
                { "key": "Odd", "value": null, "value_type": "blink" },
            ] },
            "no section",
        ]);
        let found = sections(&answer);
        let shown: Vec<_> =
            found.iter().map(|section| (section.title.as_str(), section.kind.as_str(), section.order)).collect();
        assert_eq!(shown, [("Bad", "properties", 2), ("a[2Jb", "properties", 3), ("Console", "iframe", 9)]);
        assert_eq!((found[0].iframe_url.as_str(), found[0].data_json.as_str()), ("", ""));
        assert_eq!((found[1].content_html.as_str(), found[1].data_json.as_str()), ("<b>x</b>", "{\"a\":1}"));
        let types: Vec<_> = found[1].fields.iter().map(|field| (field.key.as_str(), field.value_type)).collect();
        let expected = [
            ("Disk", ValueType::Number),
            ("Panel", ValueType::Text),
            ("Root", ValueType::Secret),
            ("Odd", ValueType::Text),
        ];
        assert_eq!(types, expected);

        let many = Value::from(vec![json!({ "content_html": "x".repeat(HTML_MAX) }); 100]);
        assert_eq!(sections(&many).len(), PAGE_MAX / HTML_MAX);
        let long = sections(&json!([{ "title": "x".repeat(1_000), "content_html": "x".repeat(HTML_MAX + 1) }]));
        assert_eq!((long[0].title.chars().count(), long[0].content_html.len()), (NAME_MAX + 1, 0));
        let none = json!({ "title": "no list" });
        assert!(sections(&none).is_empty() && sections(&Value::Null).is_empty());
    }

    #[test]
    fn actions_are_read_within_bounds() {
        let answer = json!([
            { "id": "start", "label": "Boot", "style": "primary", "enabled": "false" },
            { "id": "start", "label": "Again" },
            { "id": "", "label": "Nameless" },
            { "id": "wipe", "style": "Danger", "confirmation": "Sure?" },
            { "id": "odd", "style": 7, "enabled": null },
        ]);
        let found = actions(&answer);
        let shown: Vec<_> = found
            .iter()
            .map(|action| (action.id.as_str(), action.label.as_str(), action.style, action.enabled))
            .collect();
        let expected = [
            ("start", "Boot", Style::Primary, false),
            ("wipe", "wipe", Style::Danger, true),
            ("odd", "odd", Style::Default, true),
        ];
        assert_eq!(shown, expected);
        let many: Vec<Value> = (0..1_000).map(|number| json!({ "id": number })).collect();
        assert_eq!(actions(&Value::from(many)).len(), ACTIONS_MAX);
    }

    #[test]
    fn an_answer_says_whether_it_worked() {
        let read = |value: Value| Answer::read(&value).map(|answer| (answer.success, answer.message, answer.data));
        let ok = read(json!({ "success": true, "message": "done\u{7}", "data": { "a": 1 } }));
        assert_eq!(ok, Some((true, "done".to_owned(), "{\"a\":1}".to_owned())));
        assert_eq!(read(json!({ "success": "false" })), Some((false, String::new(), String::new())));
        assert_eq!(read(json!("ok")), None);
        assert_eq!(read(json!({ "message": "done" })), None);
    }
}
