//! A body that is announced as JSON and is none: nearly always JSON that a script made with a template.

use serde_json::Value;

use super::super::engine::{HostFunction, Scope};

/// Warns of it in the log, without a word of the body. The request is made all the same: only the receiver knows
/// whether it minds.
pub(super) fn warn(scope: &Scope, function: HostFunction, arguments: &[String]) {
    if is_broken(function, arguments) {
        let plugin = scope.plugin.as_str();
        tracing::warn!(plugin, "a request is announced as JSON and its body is none; build it with json_stringify");
    }
}

fn is_broken(function: HostFunction, arguments: &[String]) -> bool {
    let argument = |index: usize| arguments.get(index).map(String::as_str).unwrap_or_default();
    let (body, content_type) = match function {
        HostFunction::HttpPost | HostFunction::HttpPostWithHeaders => (argument(1), argument(2).to_owned()),
        HostFunction::HttpRequestWithCert => (argument(2), argument(3).to_owned()),
        HostFunction::HttpRequest => (argument(2), content_type(argument(3))),
        _ => return false,
    };
    let kind = content_type_of(&content_type);
    let is_json = kind == "application/json" || kind.ends_with("+json");
    is_json && !body.trim().is_empty() && serde_json::from_str::<serde::de::IgnoredAny>(body).is_err()
}

fn content_type_of(header: &str) -> String {
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The content type among headers as JSON; empty where there is none.
fn content_type(headers: &str) -> String {
    let Ok(Value::Object(headers)) = serde_json::from_str(headers) else { return String::new() };
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    found.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_bodies() {
        let broken = |function, arguments: &[&str]| {
            is_broken(function, &arguments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let headers = r#"{"content-type": "application/json; charset=utf-8"}"#;
        assert!(broken(HostFunction::HttpRequest, &["POST", "u", r#"{"a":"t "q""}"#, headers]));
        assert!(broken(HostFunction::HttpPost, &["u", "{", "application/problem+json"]));
        assert!(broken(HostFunction::HttpRequestWithCert, &["PUT", "u", "{a}", "application/json", "{}"]));
        assert!(!broken(HostFunction::HttpRequest, &["POST", "u", r#"{"a":[1]}"#, headers]));
        assert!(!broken(HostFunction::HttpRequest, &["GET", "u", "", headers]));
        assert!(!broken(HostFunction::HttpPost, &["u", "a=1", "application/x-www-form-urlencoded"]));
        assert!(!broken(HostFunction::StateSet, &["a", "b", "application/json"]));
    }
}
