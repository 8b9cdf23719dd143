//! The configuration schema of a script: its shape, and the order of its fields.
//!
//! Rune objects are hash maps and `JSONB` forgets order too, so the order in which the author wrote the fields is read
//! from the source and stored in the schema itself, as `x-order` of every property.

use serde_json::{Map, Value as Json};

use super::lexer::{Token, TokenKind, lex};

/// The key under which a property's place, from 0, is stored.
const ORDER_KEY: &str = "x-order";

/// Checks that a returned schema has the documented minimum and numbers its properties.
///
/// `source` is where the author wrote the fields: the JSON text itself or the script's function.
///
/// # Errors
/// What is wrong, and what would be right.
pub(super) fn complete(mut schema: Json, source: &str) -> Result<Json, (&'static str, &'static str)> {
    const WHOLE: &str = "return `#{ type: \"object\", properties: #{ … } }`";
    let Json::Object(fields) = &schema else {
        return Err(("`config_schema` must return an object or its JSON text", WHOLE));
    };
    if fields.get("type").and_then(Json::as_str) != Some("object") {
        return Err(("`config_schema` must return a schema with `type: \"object\"`", WHOLE));
    }
    if !fields.get("properties").is_some_and(Json::is_object) {
        return Err(("`config_schema` must return a schema with `properties`, which may be empty: `#{}`", WHOLE));
    }
    number(&mut schema, &mut written_objects(source));
    Ok(schema)
}

fn number(schema: &mut Json, written: &mut Vec<Vec<String>>) {
    let Json::Object(fields) = schema else { return };
    if let Some(Json::Object(properties)) = fields.get_mut("properties") {
        let order = order_of(properties, written);
        for (index, key) in order.iter().enumerate() {
            if let Some(Json::Object(property)) = properties.get_mut(key) {
                property.entry(ORDER_KEY).or_insert_with(|| Json::from(index));
            }
        }
        for key in &order {
            if let Some(property) = properties.get_mut(key) {
                number(property, written);
            }
        }
    }
    if let Some(items) = fields.get_mut("items") {
        number(items, written);
    }
}

/// The keys in the order of the object literal that has exactly these keys, or sorted when there is none.
fn order_of(properties: &Map<String, Json>, written: &mut Vec<Vec<String>>) -> Vec<String> {
    let same = |keys: &Vec<String>| keys.len() == properties.len() && keys.iter().all(|k| properties.contains_key(k));
    match written.iter().position(same) {
        // Taken out, so that a second object with the same keys finds the second literal.
        Some(index) => written.remove(index),
        None => properties.keys().cloned().collect(),
    }
}

/// The keys of every object literal in `source`, JSON or Rune, outermost first.
fn written_objects(source: &str) -> Vec<Vec<String>> {
    let tokens = lex(source);
    let mut objects: Vec<Vec<String>> = Vec::new();
    let mut open: Vec<Option<usize>> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::ObjectOpen | TokenKind::Open(b'{') => {
                open.push(Some(objects.len()));
                objects.push(Vec::new());
            }
            TokenKind::Open(_) | TokenKind::ExpressionOpen => open.push(None),
            TokenKind::Close(_) => {
                open.pop();
            }
            TokenKind::Word | TokenKind::Literal => {
                let before = index.checked_sub(1).and_then(|i| tokens.get(i));
                if let Some(Some(object)) = open.last()
                    && is_key(before, tokens.get(index + 1))
                    && let Some(keys) = objects.get_mut(*object)
                {
                    keys.push(key_text(token.text(source)));
                }
            }
            _ => {}
        }
    }
    objects
}

/// A key follows the opening brace or a comma, and a colon, comma or closing brace follows it.
fn is_key(before: Option<&Token>, after: Option<&Token>) -> bool {
    let begins = before
        .is_some_and(|token| token.is(b',') || matches!(token.kind, TokenKind::ObjectOpen | TokenKind::Open(b'{')));
    let ends = after.is_some_and(|token| token.is(b':') || token.is(b',') || token.kind == TokenKind::Close(b'}'));
    begins && ends
}

fn key_text(text: &str) -> String {
    match serde_json::from_str::<String>(text) {
        Ok(key) => key,
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn orders(schema: &Json) -> Vec<(String, i64)> {
        let properties = schema["properties"].as_object().unwrap();
        let mut list: Vec<_> =
            properties.iter().map(|(key, value)| (key.clone(), value[ORDER_KEY].as_i64().unwrap())).collect();
        list.sort_by_key(|(_, order)| *order);
        list
    }

    #[test]
    fn order_of_rune_objects() {
        let source = "fn config_schema(c, u) { let z = #{a: 1}; #{type: \"object\", properties: #{url: #{type: \"string\", \
                      description: \"x\"}, description: #{type: \"string\"}, \"default\": #{type: \"object\", \
                      properties: #{q: #{}, b: #{}}}}} }";
        let schema = json!({"type": "object", "properties": {"url": {}, "description": {},
            "default": {"type": "object", "properties": {"q": {}, "b": {}}}}});
        let done = complete(schema, source).unwrap();
        assert_eq!(orders(&done), [("url".into(), 0), ("description".into(), 1), ("default".into(), 2)]);
        assert_eq!(orders(&done["properties"]["default"]), [("q".into(), 0), ("b".into(), 1)]);
    }

    #[test]
    fn order_of_json_text_and_fallback() {
        let text = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}"#;
        let done = complete(serde_json::from_str(text).unwrap(), text).unwrap();
        assert_eq!(orders(&done), [("z".into(), 0), ("a".into(), 1)]);
        let done = complete(serde_json::from_str(text).unwrap(), "").unwrap();
        assert_eq!(orders(&done), [("a".into(), 0), ("z".into(), 1)]);
    }

    #[test]
    fn minimum() {
        assert!(complete(json!({"type": "object", "properties": {}}), "").is_ok());
        for bad in [json!([]), json!({"type": "object"}), json!({"type": "string", "properties": {}})] {
            assert!(complete(bad, "").is_err());
        }
    }
}
