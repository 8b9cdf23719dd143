//! Settings and arguments that are made up.

use serde_json::{Map, Value, json};

/// A payment, an order, a server and so on, whose identifiers are well formed and those of nothing.
const PAYMENT: &str = "0190a5b0-7c1e-7000-8000-000000000011";
const ORDER: &str = "0190a5b0-7c1e-7000-8000-000000000012";
const REFUND: &str = "0190a5b0-7c1e-7000-8000-000000000013";
const CUSTOMER: &str = "0190a5b0-7c1e-7000-8000-000000000014";
const PRODUCT: &str = "0190a5b0-7c1e-7000-8000-000000000015";

/// Settings that fit a form.
pub(super) fn settings(schema: &Value) -> Value {
    let mut made = Map::new();
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        // What has a default is left to it, so that the defaults are tried too.
        if property.get("default_value").or_else(|| property.get("default")).is_none() {
            made.insert(key.clone(), setting(key, property));
        }
    }
    Value::Object(made)
}

fn setting(key: &str, property: &Value) -> Value {
    if let Some(first) = property.get("enum").and_then(Value::as_array).and_then(|choices| choices.first()) {
        return first.clone();
    }
    let kind = property.get("type").and_then(Value::as_str).unwrap_or("string");
    match kind {
        "integer" | "number" => json!(bound(property, "minimum").unwrap_or(1).max(1)),
        "boolean" => json!(false),
        "array" => {
            let item = property.get("items").map(|items| setting(key, items));
            Value::Array(item.into_iter().collect())
        }
        "object" => {
            let mut made = settings(property);
            // In lists and objects nobody fills in defaults.
            for (key, property) in property.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if made.get(key).is_none() {
                    made[key] = setting(key, property);
                }
            }
            made
        }
        _ => Value::from(word(key, property)),
    }
}

fn word(key: &str, property: &Value) -> String {
    let name = key.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let mut text = if has(&["url", "endpoint"]) {
        "https://plugin-test.invalid".to_owned()
    } else if has(&["mail", "from", "sender"]) {
        "shop@plugin-test.invalid".to_owned()
    } else if has(&["port"]) {
        "443".to_owned()
    } else if has(&["host", "server", "domain"]) {
        "plugin-test.invalid".to_owned()
    } else if has(&["address", "ip"]) {
        "192.0.2.1".to_owned()
    } else {
        "test".to_owned()
    };
    let least = usize::try_from(bound(property, "minLength").unwrap_or(0)).unwrap_or(0);
    while text.chars().count() < least {
        text.push('x');
    }
    if let Some(most) = bound(property, "maxLength").and_then(|most| usize::try_from(most).ok()) {
        text = text.chars().take(most).collect();
    }
    text
}

/// A bound, which may be a text.
fn bound(property: &Value, key: &str) -> Option<i64> {
    let bound = property.get(key)?;
    bound.as_i64().or_else(|| bound.as_str()?.parse().ok())
}

/// The fields of a call of `function`, with `wish` as the specification of a server.
pub(super) fn fields(function: &str, wish: &Value) -> Value {
    match function {
        "send" => json!({
            "event_type": "order_paid", "title": "Order paid", "body": "29.00 CNY were paid.",
            "recipient": "ann@plugin-test.invalid",
            "data": { "order_id": ORDER, "customer_name": "Ann Lee", "amount": "29.00", "currency": "CNY" },
        }),
        "create_payment" => json!({
            "payment_id": PAYMENT, "order_id": ORDER, "invoice_id": "", "description": "Cloud S, monthly",
            "amount": "29.00", "money": "29.00", "currency": "CNY", "return_url": "https://shop.plugin-test.invalid/",
        }),
        "query_payment" => json!({
            "payment_id": PAYMENT, "gateway_payment_id": "g-1", "order_id": ORDER, "invoice_id": "", "amount": "29.00",
            "money": "29.00", "currency": "CNY",
        }),
        "handle_callback" => forged("success"),
        "refund" => json!({
            "payment_id": PAYMENT, "gateway_payment_id": "g-1", "gateway_tx_id": "t-1", "order_id": ORDER,
            "invoice_id": "", "refund_id": REFUND, "amount": "29.00", "money": "29.00", "total_amount": "29.00",
            "currency": "CNY", "reason": "a test",
        }),
        "create_instance" | "query_price" => {
            let mut fields = wish.as_object().cloned().unwrap_or_default();
            fields.insert("server_spec".to_owned(), wish.clone());
            if function == "create_instance" {
                let order = json!({ "order_id": ORDER, "customer_id": CUSTOMER, "product_id": PRODUCT,
                    "product_name": "Cloud S", "billing_cycle": "monthly" });
                fields.extend(order.as_object().cloned().unwrap_or_default());
            }
            Value::Object(fields)
        }
        "import_upstream_instance" => json!({ "instance_id": "up-1" }),
        "terminate_instance"
        | "get_instance_status"
        | "execute_action"
        | "instance_actions"
        | "instance_detail_sections" => server("i-1", wish),
        _ => json!({}),
    }
}

/// The fields of a server.
pub(super) fn server(instance: &str, wish: &Value) -> Value {
    json!({
        "instance_id": instance, "order_id": ORDER, "customer_id": CUSTOMER, "product_id": PRODUCT,
        "product_name": "Cloud S", "instance_status": "running", "ip_address": "192.0.2.10", "server_spec": wish,
        "action": "stop", "params": {},
    })
}

/// A notice whose signature a stranger guessed, with the names that gateways use and this word for a success.
pub(super) fn forged(word: &str) -> Value {
    let payload = format!(
        "payment_id={PAYMENT}&out_trade_no={PAYMENT}&payment={PAYMENT}&trade_no=t-1&status={word}&trade_status={word}\
         &money=29.00&amount=29.00&sign=00000000000000000000000000000000&sign_type=MD5"
    );
    json!({
        "payload": payload, "payment_id": PAYMENT, "out_trade_no": PAYMENT, "payment": PAYMENT, "trade_no": "t-1",
        "status": word, "trade_status": word, "money": "29.00", "amount": "29.00",
        "sign": "00000000000000000000000000000000", "sign_type": "MD5",
    })
}

/// Values for the fields of a provider's form: the default, the first choice, or the least number.
pub(super) fn wish(template: &Value) -> Value {
    let groups = template.get("groups").and_then(Value::as_array).into_iter().flatten();
    let lists = groups.chain([template]).filter_map(|group| group.get("fields").and_then(Value::as_array));
    let mut wish = Map::new();
    for field in lists.flatten() {
        let Some(key) = field.get("key").and_then(Value::as_str) else { continue };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let first = field.pointer("/options/0/value").filter(|_| field.get("required") == Some(&Value::Bool(true)));
        let value = field.get("default_value").or(first).or_else(|| field.get("min")).filter(|value| !value.is_null());
        wish.insert(key.to_owned(), Value::from(value.map(text).unwrap_or_default()));
    }
    Value::Object(wish)
}
