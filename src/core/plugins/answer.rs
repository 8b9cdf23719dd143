//! Reads what scripts answer, where the contract promises a text. Slices that take more, such as numbers in the place of
//! texts, read that for themselves.

use serde_json::Value;

/// The text at `name`; empty where there is none.
pub(crate) fn answer_text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The word of `get_instance_status` for how a server is, which stands alone or as `status` in an object; empty where
/// there is none.
pub(crate) fn answer_status(answer: &Value) -> &str {
    answer.as_str().unwrap_or_else(|| answer_text(answer, "status"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_stands_alone_or_in_an_object() {
        for (answer, status, address) in [
            (json!("running"), "running", ""),
            (json!({ "status": "stopped", "ip_address": "192.0.2.1" }), "stopped", "192.0.2.1"),
            (json!({ "status": 1, "ip_address": null }), "", ""),
            (json!(["running"]), "", ""),
            (Value::Null, "", ""),
        ] {
            assert_eq!((answer_status(&answer), answer_text(&answer, "ip_address")), (status, address), "{answer}");
        }
    }
}
