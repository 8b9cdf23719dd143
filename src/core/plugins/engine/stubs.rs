//! For each function of the contract one line that an author can paste and then fill.

/// The line for a function of the contract.
pub(super) fn of(name: &str) -> String {
    let (word, body) = match name {
        "config_schema" => ("fn", r#"#{ type: "object", required: [], properties: #{} }"#),
        "initialize" | "health_check" => ("fn", "Ok(true)"),
        "send" => ("async fn", "Ok(())"),
        "supported_events" => ("fn", "[]"),
        "templates" => ("fn", "#{}"),
        "create_payment" => (
            "async fn",
            r#"Ok(#{ gateway_payment_id: rustbill_host::json_get(merged, "payment_id"), payment_url: None, qr_code: None, instructions: None })"#,
        ),
        "query_payment" => {
            ("async fn", r#"Ok(#{ payment_id: rustbill_host::json_get(merged, "payment_id"), status: "pending" })"#)
        }
        "handle_callback" => ("async fn", r#"Err("not done yet")"#),
        "refund" | "create_instance" | "execute_action" | "import_upstream_instance" => {
            ("async fn", r#""ERROR: not done yet""#)
        }
        "spec_template" => ("fn", "rustbill_host::json_stringify(#{ groups: [], fields: [] })"),
        "sync_products" | "sync_upstream_instances" => ("async fn", r#""[]""#),
        "query_price" | "get_upstream_balance" => ("async fn", r#""0.00""#),
        "get_instance_status" => ("async fn", r#""running""#),
        "terminate_instance" => ("async fn", r#""""#),
        "instance_detail_sections" | "instance_actions" => ("fn", r#""[]""#),
        "version" => ("fn", r#""1.0.0""#),
        _ => ("fn", "()"),
    };
    let parameters = if body.contains("merged") { "merged, _unused" } else { "_merged, _unused" };
    format!("{word} {name}({parameters}) {{ {body} }}")
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    /// Otherwise a new function of the contract would be advised with an empty body.
    #[test]
    fn every_function_has_a_line_of_its_own() {
        for kind in Kind::ALL {
            for name in kind.required() {
                assert!(!of(name).contains("{ () }"), "{name}");
            }
        }
    }
}
