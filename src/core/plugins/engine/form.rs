//! What no interface could be made with: settings of a kind that there is none of, defaults that their own setting does
//! not take, and a setting that is required and that nobody can give.

use std::ops::Range;

use serde_json::Value as Json;

use super::super::config::{closed, plain_schema, type_of, typed};
use super::lexer::{TokenKind, lex};
use crate::core::text;

/// What a setting may be.
const TYPES: [&str; 6] = ["string", "integer", "number", "boolean", "array", "object"];
/// How alike a type must be, from 0 to 1, to be meant.
const ALIKE_MIN: f64 = 0.7;
/// Characters that are shown of what JSON Schema complains of.
const WORDS_MAX: usize = 160;

/// Something wrong with a setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The setting; empty for the form as a whole.
    pub(super) name: String,
    /// What is wrong.
    pub(super) message: String,
    /// What would be right.
    pub(super) advice: String,
}

/// Everything that is wrong with a form.
pub(super) fn problems(schema: &Json) -> Vec<Problem> {
    let mut found = Vec::new();
    // Parts may point at each other, so one part alone is judged only when the whole makes no sense.
    let whole = jsonschema::validator_for(&plain_schema(schema)).err().map(|cause| cause.to_string());
    collect(schema, "", whole.is_none(), &mut found);
    if let Some(known) = closed(schema) {
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        for name in required.filter(|name| !known.contains_key(*name)) {
            let nearest = text::nearest(name, known.keys().map(String::as_str), 0.0, str::to_lowercase);
            found.push(Problem {
                name: name.to_owned(),
                message: format!("`required` names `{name}`, which is no setting of the form"),
                advice: format!("nobody can fill it in; did you mean `{}`?", nearest.unwrap_or_default()),
            });
        }
    }
    if let (Some(words), true) = (whole, found.is_empty()) {
        found.push(Problem {
            name: String::new(),
            message: format!("the form is no JSON Schema: {}", text::shown(&words, WORDS_MAX)),
            advice: "docs/plugins.md lists what a setting may have".to_owned(),
        });
    }
    found
}

fn collect(schema: &Json, before: &str, is_sound: bool, found: &mut Vec<Problem>) {
    for (key, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        let name = format!("{before}{key}");
        if let Some((message, advice)) = odd_type(&name, property) {
            found.push(Problem { name, message, advice });
            continue;
        }
        let known = found.len();
        collect(property, &format!("{name}."), is_sound, found);
        if let Some(items) = property.get("items") {
            collect(items, &format!("{name}[]."), is_sound, found);
        }
        // What is wrong further inside says it better than the whole.
        if found.len() == known
            && let Some((message, advice)) = odd_rest(&name, property, is_sound, before.is_empty())
        {
            found.push(Problem { name, message, advice });
        }
    }
}

fn odd_type(name: &str, property: &Json) -> Option<(String, String)> {
    let is_known = |word: &Json| word.as_str().is_some_and(|word| TYPES.contains(&word));
    let kind = property.get("type")?;
    let is_fine = match kind {
        Json::Array(kinds) => kinds.iter().all(|kind| is_known(kind) || kind.as_str() == Some("null")),
        kind => is_known(kind),
    };
    if is_fine {
        return None;
    }
    let shown = kind.as_str().map_or_else(|| kind.to_string(), str::to_owned);
    let nearest = text::nearest(&shown, TYPES, ALIKE_MIN, str::to_lowercase);
    let meant = nearest.map(|nearest| format!("did you mean `{nearest}`? ")).unwrap_or_default();
    let shown = text::shown(&shown, text::SHOWN_MAX);
    Some((format!("the setting `{name}` has the type `{shown}`"), format!("{meant}write one of {}", TYPES.join(", "))))
}

/// The default, where it counts, which is at the top; the rest only where the form makes no sense.
fn odd_rest(name: &str, property: &Json, is_sound: bool, is_top: bool) -> Option<(String, String)> {
    let validator = match jsonschema::validator_for(&plain_schema(property)) {
        Ok(validator) => validator,
        Err(_) if is_sound => return None,
        Err(cause) => {
            let words = text::shown(&cause.to_string(), WORDS_MAX);
            let advice = "docs/plugins.md lists what a setting may have".to_owned();
            return Some((format!("the setting `{name}` makes no sense: {words}"), advice));
        }
    };
    let default = property.get("default_value").or_else(|| property.get("default")).filter(|_| is_top)?;
    let kind = type_of(property);
    let cause = validator.iter_errors(&typed(kind, default.clone())).next()?.to_string();
    let advice = match kind {
        "string" if !default.is_string() => {
            format!("write it as a text: `\"{}\"`", text::shown(&default.to_string(), 40))
        }
        _ => format!("write one that a setting of the type {kind} takes, or leave it out"),
    };
    Some((format!("the default of `{name}` does not fit it: {}", text::shown(&cause, WORDS_MAX)), advice))
}

/// Where in `source` the setting is written: in `span`, which is the form's own function, or anywhere.
pub(super) fn place_of(name: &str, source: &str, span: Range<usize>) -> Option<usize> {
    let last = name.rsplit('.').next().filter(|last| !last.is_empty())?;
    let tokens = lex(source);
    let named: Vec<usize> = (0..tokens.len())
        .filter(|index| {
            let token = tokens.get(*index);
            token.is_some_and(|token| {
                matches!(token.kind, TokenKind::Word | TokenKind::Literal)
                    && token.text(source).trim_matches('"') == last
            })
        })
        .collect();
    let opens = |index: &&usize| {
        let behind = |more: usize| tokens.get(**index + more);
        behind(1).is_some_and(|next| next.is(b':')) && behind(2).is_some_and(|next| next.kind == TokenKind::ObjectOpen)
    };
    let within = |index: &&usize| tokens.get(**index).is_some_and(|token| span.contains(&token.start));
    let found = named.iter().filter(within).find(opens).or_else(|| named.iter().find(within)).or_else(|| named.first());
    found.and_then(|index| tokens.get(*index)).map(|token| token.start)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_no_interface_could_be_made_with() {
        for (property, message, advice) in [
            (json!({ "type": "int" }), "has the type `int`", "did you mean `integer`? write one of string"),
            (json!({ "type": 5 }), "has the type `5`", "write one of string"),
            (json!({ "type": "string", "default_value": 5 }), "the default of `a`", "write it as a text: `\"5\"`"),
            (json!({ "type": "integer", "default_value": "five" }), "the default of `a`", "of the type integer"),
            (json!({ "type": "integer", "default": 9, "maximum": "5" }), "the default of `a`", "of the type integer"),
            (json!({ "type": "string", "pattern": "(" }), "the setting `a` makes no sense", "docs/plugins.md"),
            (
                json!({ "type": "array", "items": { "type": "object", "properties": { "b": { "type": "text" } } } }),
                "`a[].b` has the type `text`",
                "write one of",
            ),
        ] {
            let form = json!({ "type": "object", "properties": { "a": property } });
            let found = problems(&form);
            assert_eq!(found.len(), 1, "{form} {found:?}");
            assert!(found[0].message.contains(message) && found[0].advice.contains(advice), "{found:?}");
        }
        let form = json!({ "type": "object", "required": ["room_ur"], "properties": { "room_url": {}, "b": {} } });
        assert_eq!(problems(&form)[0].advice, "nobody can fill it in; did you mean `room_url`?");
    }

    #[test]
    fn sound_forms() {
        let form = json!({ "type": "object", "required": ["a", "more"], "additionalProperties": true, "properties": {
            "a": { "type": "integer", "default_value": "5", "minimum": "1" }, "b": { "default": "x" },
            "c": { "type": ["string", "null"] }, "d": { "type": "boolean", "default_value": "false" },
            "e": { "type": "array", "default_value": "[]", "items": { "type": "object" } },
        } });
        assert_eq!(problems(&form), []);
    }

    #[test]
    fn the_place_of_a_setting() {
        let source = "fn f() { port: 1 } fn config_schema() { #{ required: [\"port\"], properties: #{ port: #{} } } }";
        let begin = source.find("fn config").unwrap();
        assert_eq!(place_of("port", source, begin..source.len()), source.find("port: #"));
        assert_eq!(place_of("x", source, begin..source.len()), None);
    }
}
