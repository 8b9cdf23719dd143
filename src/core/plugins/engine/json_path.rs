//! The paths of `json_get`, such as `meta.addresses[0].address`.

use serde_json::Value as Json;

/// Finds the value at `path`; the empty path is the document itself.
pub(super) fn find<'a>(document: &'a Json, path: &str) -> Option<&'a Json> {
    let mut value = document;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !key.is_empty() {
            value = step(value, key)?;
        }
        for index in indices.split('[').skip(1) {
            value = step(value, index.strip_suffix(']')?)?;
        }
    }
    Some(value)
}

/// A number reaches into an array, as in a JSON pointer; anything else is a key.
fn step<'a>(value: &'a Json, key: &str) -> Option<&'a Json> {
    match value {
        Json::Object(fields) => fields.get(key),
        Json::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

/// The value as the text that `json_get` returns: null counts as absent.
pub(super) fn text(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Reads JSON, also such as the documentation builds by hand: with raw line breaks and tabs inside its strings.
pub(super) fn parse(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&escape_controls(text)).ok())
}

fn escape_controls(text: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '"' if !escaped => inside = !inside,
            '\n' if inside => {
                out.push_str("\\n");
                continue;
            }
            '\r' if inside => {
                out.push_str("\\r");
                continue;
            }
            '\t' if inside => {
                out.push_str("\\t");
                continue;
            }
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths() {
        let document = json!({"a": {"b": [{"c": 1.5}, "x", true, null]}, "s": "t"});
        let get = |path| text(find(&document, path));
        assert_eq!(get("a.b[0].c"), "1.5");
        assert_eq!(get("a.b[1]"), "x");
        assert_eq!(get("a.b[2]"), "true");
        assert_eq!(get("a.b[3]"), "");
        assert_eq!(get("a.b[0]"), "{\"c\":1.5}");
        assert_eq!(get("s"), "t");
        for absent in ["x", "a.b[9]", "a.b[x]", "s.t", "a.b[0"] {
            assert_eq!(get(absent), "", "{absent}");
        }
        assert_eq!(text(find(&json!([[1, 2]]), "[0][1]")), "2");
    }

    #[test]
    fn raw_line_breaks() {
        let pem = parse("{\"cert\":\"a\nb\",\n\"n\":\"q\\\"\t\"}").unwrap();
        assert_eq!(pem, json!({"cert": "a\nb", "n": "q\"\t"}));
        assert_eq!(parse("{\"a\":\"b\"c\"}"), None);
    }
}
