//! What a gateway promises.

use serde_json::{Value, json};

use super::{
    bench::{Answer, Bench},
    sample,
};

/// The words for how a payment stands.
const STATUSES: [&str; 4] = ["success", "failed", "pending", "refunded"];
/// Words for a success in the notices of gateways.
const SUCCESS_WORDS: [&str; 6] = ["paid", "completed", "1", "TRADE_SUCCESS", "SUCCESS", "success"];
/// Fields of an answer that are texts or nothing.
const TEXTS: [&str; 3] = ["payment_url", "qr_code", "instructions"];

/// Checks everything that only gateways have.
pub(super) async fn check(bench: &mut Bench) {
    let fields = sample::fields("create_payment", &json!({}));
    let answer = bench.call("create_payment", &fields).await;
    bench.judge("create_payment", &answer, payment);

    let fields = sample::fields("query_payment", &json!({}));
    let answer = bench.call("query_payment", &fields).await;
    bench.judge("query_payment", &answer, |value| standing(value, &fields));

    forged(bench).await;

    let fields = sample::fields("refund", &json!({}));
    let first = bench.call("refund", &fields).await;
    bench.judge("refund", &first, status);
    let again = bench.call("refund", &fields).await;
    let check = "refund twice for one refund_id";
    match (&first, &again) {
        (Answer::Gave(first), Answer::Gave(again)) if first.get("status") == again.get("status") => {
            bench.ok(check, "the same answer");
        }
        (Answer::Gave(_), Answer::Gave(again)) if again["status"] != json!("failed") => {
            bench.ok(check, "an answer that does not deny the first");
        }
        (Answer::Gave(first), Answer::Gave(_) | Answer::Refused(_)) if first["status"] != json!("failed") => {
            bench.failed(check, "the second answer says that no money left, after the first said that it did");
        }
        _ => bench.skipped(check, "the first call gave no money back"),
    }
}

/// A notice with a signature that can't be right is nothing that a gateway believes, whatever its word for a success.
async fn forged(bench: &mut Bench) {
    let check = "handle_callback refuses a forged notice";
    let mut last = Answer::Gave(Value::Null);
    for word in SUCCESS_WORDS {
        last = bench.call("handle_callback", &sample::forged(word)).await;
        if let Answer::Gave(value) = &last
            && value["status"] == json!("success")
        {
            bench.failed(check, "it believed a signature that a stranger guessed");
            return;
        }
    }
    match last {
        Answer::Gave(value) => match status(&value) {
            Ok(word) => bench.ok(check, &format!("it answers with the status {word}")),
            Err(why) => bench.failed(check, &format!("{why}; a forged notice is best answered with an error")),
        },
        Answer::Refused(words) => bench.ok(check, &words),
        Answer::Stopped(why) => bench.skipped(check, &why),
        Answer::Broken(why) => bench.failed(check, &why),
    }
}

fn payment(value: &Value) -> Result<String, String> {
    if !value.is_object() {
        return Err("it must be an object".to_owned());
    }
    if value["gateway_payment_id"].as_str().is_none_or(str::is_empty) {
        return Err("`gateway_payment_id` must be a text that is not empty".to_owned());
    }
    for name in TEXTS {
        if !matches!(value[name], Value::Null | Value::String(_)) {
            return Err(format!("`{name}` must be a text or None"));
        }
    }
    let ways: Vec<&str> =
        TEXTS.into_iter().filter(|name| value[name].as_str().is_some_and(|text| !text.is_empty())).collect();
    if ways.is_empty() {
        return Err("it tells the customer no way to pay: give `payment_url`, `qr_code` or `instructions`".to_owned());
    }
    if let Some(url) = value["payment_url"].as_str().filter(|url| !url.is_empty())
        && !url.starts_with("https://")
        && !url.starts_with("http://")
    {
        return Err("`payment_url` must begin with https:// or http://".to_owned());
    }
    Ok(ways.join(", "))
}

fn status(value: &Value) -> Result<String, String> {
    match value["status"].as_str() {
        Some(word) if STATUSES.contains(&word) => Ok(word.to_owned()),
        _ => Err(format!("`status` must be one of {}", STATUSES.join(", "))),
    }
}

fn standing(value: &Value, fields: &Value) -> Result<String, String> {
    if !value["payment_id"].is_null() && value["payment_id"] != fields["payment_id"] {
        return Err("`payment_id` is not the one that was asked for".to_owned());
    }
    if let Some(amount) = value.get("amount").filter(|amount| !amount.is_null())
        && !amount.is_string()
    {
        return Err("`amount` must be a text such as \"29.00\"".to_owned());
    }
    status(value)
}
