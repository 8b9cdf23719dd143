//! What a provider promises.

use serde_json::{Value, json};

use super::{
    bench::{Answer, Bench},
    sample,
};
use crate::core::{plugins::Kind, text};

const FIELD_TYPES: [&str; 10] =
    ["slider", "integer", "number", "text", "string", "select", "radio", "region", "os_options", "boolean"];
const STATUSES: [&str; 7] = ["running", "stopped", "terminated", "pending", "creating", "suspended", "error"];
const STYLES: [&str; 3] = ["Primary", "Default", "Danger"];
const SECTION_KINDS: [&str; 2] = ["properties", "iframe"];

const TEMPLATE_KEYS: [&str; 2] = ["fields", "groups"];
const GROUP_KEYS: [&str; 3] = ["key", "label", "fields"];
const FIELD_KEYS: [&str; 13] = [
    "key",
    "label",
    "field_type",
    "required",
    "options",
    "min",
    "max",
    "step",
    "default_value",
    "unit",
    "description",
    "icon",
    "display_order",
];
/// How alike two keys must be, from 0 to 1, for the one to be meant by the other.
const ALIKE_MIN: f64 = 0.85;

/// A judgement of an answer.
type Judged = Result<String, String>;

/// Checks everything that only providers have.
pub(super) async fn check(bench: &mut Bench) {
    let template = bench.call("spec_template", &json!({})).await;
    bench.judge("spec_template", &template, form);
    let wish = match &template {
        Answer::Gave(template) => sample::wish(template),
        _ => json!({}),
    };
    let answer = bench.call("sync_products", &json!({})).await;
    bench.judge("sync_products", &answer, products);
    let answer = bench.call("query_price", &sample::fields("query_price", &wish)).await;
    bench.judge("query_price", &answer, |value| amount(value, "amount"));

    let made = server(bench, &wish).await;
    let id = made.as_deref().unwrap_or("i-1");
    let fields = sample::server(id, &wish);
    for (function, judge) in [
        ("get_instance_status", status as fn(&Value) -> Judged),
        ("instance_actions", actions),
        ("instance_detail_sections", sections),
        ("execute_action", action),
    ] {
        let answer = bench.call(function, &fields).await;
        if function == "execute_action"
            && let Answer::Refused(words) = &answer
        {
            bench.ok("execute_action", &format!("it refuses to stop the server: {words}"));
            continue;
        }
        bench.judge(function, &answer, judge);
    }
    terminate(bench, &fields, made.is_some()).await;
    if bench.kind == Kind::UpstreamProvider {
        upstream(bench).await;
    }
}

/// Makes a server, asks for it once more, and makes another one.
async fn server(bench: &mut Bench, wish: &Value) -> Option<String> {
    let mut fields = sample::fields("create_instance", wish);
    let first = bench.call("create_instance", &fields).await;
    bench.judge("create_instance", &first, created);
    let id = |answer: &Answer| match answer {
        Answer::Gave(value) => value["instance_id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned),
        _ => None,
    };
    let made = id(&first);
    let again = id(&bench.call("create_instance", &fields).await);
    fields["order_id"] = json!("0190a5b0-7c1e-7000-8000-000000000099");
    let other = id(&bench.call("create_instance", &fields).await);
    let check = "create_instance twice for one order";
    match (&made, again) {
        (None, _) => bench.skipped(check, "the first call made no server"),
        (Some(made), Some(again)) if *made == again => bench.ok(check, "the same server"),
        (Some(made), again) => {
            let again = again.unwrap_or_else(|| "no server".to_owned());
            bench.failed(check, &format!("first `{made}`, then `{again}`: take `order_id` as the key"));
        }
    }
    let check = "create_instance for another order";
    match (&made, other) {
        (Some(made), Some(other)) if *made == other => {
            bench.failed(check, &format!("two orders got the one server `{made}`"));
        }
        (Some(_), Some(_)) => bench.ok(check, "another server"),
        _ => bench.skipped(check, "there are no two servers"),
    }
    made
}

async fn terminate(bench: &mut Bench, fields: &Value, is_made: bool) {
    for check in ["terminate_instance", "terminate_instance again"] {
        match bench.call("terminate_instance", fields).await {
            Answer::Refused(words) if is_made && check == "terminate_instance" => {
                bench.failed(check, &format!("an error says that there is no server, and there is one: {words}"));
            }
            Answer::Refused(words) => bench.ok(check, &format!("there is no such server: {words}")),
            answer => bench.judge(check, &answer, |_| Ok(String::new())),
        }
    }
}

async fn upstream(bench: &mut Bench) {
    let answer = bench.call("sync_upstream_instances", &json!({})).await;
    bench.judge("sync_upstream_instances", &answer, |value| {
        let list = list(value, "instances")?;
        match list.iter().find(|server| !is_text(server, "instance_id")) {
            Some(server) => Err(format!("`{server}` has no `instance_id`")),
            None => Ok(format!("{} servers", list.len())),
        }
    });
    let answer = bench.call("import_upstream_instance", &sample::fields("import_upstream_instance", &json!({}))).await;
    bench.judge("import_upstream_instance", &answer, created);
    let answer = bench.call("get_upstream_balance", &json!({})).await;
    bench.judge("get_upstream_balance", &answer, |value| amount(value, "balance"));
}

fn is_text(value: &Value, key: &str) -> bool {
    value[key].as_str().is_some_and(|text| !text.is_empty())
}

/// A list, or an object that has it under this name.
fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>, String> {
    let found = value.as_array().or_else(|| value.get(name)?.as_array());
    found.ok_or_else(|| format!("it must be a list, or an object with the list `{name}`"))
}

fn one_of(value: &Value, key: &str, words: &[&str]) -> Result<(), String> {
    match value[key].as_str() {
        Some(word) if words.iter().any(|known| known.eq_ignore_ascii_case(word)) => Ok(()),
        _ => Err(format!("`{key}` must be one of {}", words.join(", "))),
    }
}

/// A key that nobody reads is most likely a slip, where it is like one that is read and is not there.
fn known_keys(value: &Value, known: &[&str]) -> Result<(), String> {
    for key in value.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| !known.contains(&key.as_str()))
    {
        let missing = known.iter().copied().filter(|known| value.get(known).is_none());
        if let Some(meant) = text::nearest(key, missing, ALIKE_MIN, str::to_lowercase) {
            return Err(format!("nobody reads the key `{key}`; did you mean `{meant}`?"));
        }
    }
    Ok(())
}

fn form(value: &Value) -> Judged {
    let groups = value.get("groups").and_then(Value::as_array);
    let fields = value.get("fields").and_then(Value::as_array);
    if groups.is_none() && fields.is_none() {
        return Err("it must be an object with the lists `fields` and `groups`".to_owned());
    }
    known_keys(value, &TEMPLATE_KEYS)?;
    for group in groups.into_iter().flatten() {
        known_keys(group, &GROUP_KEYS)?;
    }
    let mut all: Vec<&Value> = fields.into_iter().flatten().collect();
    for group in groups.into_iter().flatten() {
        all.extend(group.get("fields").and_then(Value::as_array).into_iter().flatten());
    }
    let mut keys = Vec::new();
    for field in all {
        if !is_text(field, "key") || !is_text(field, "label") {
            return Err(format!("the field `{field}` needs `key` and `label`"));
        }
        known_keys(field, &FIELD_KEYS)?;
        one_of(field, "field_type", &FIELD_TYPES)?;
        let key = field["key"].as_str().unwrap_or_default();
        if keys.contains(&key) {
            return Err(format!("two fields have the key `{key}`"));
        }
        keys.push(key);
        for option in field.get("options").and_then(Value::as_array).into_iter().flatten() {
            if option.get("value").is_none() {
                return Err(format!("an option of `{key}` has no `value`"));
            }
        }
    }
    Ok(format!("{} fields", keys.len()))
}

fn products(value: &Value) -> Judged {
    let list = list(value, "products")?;
    if list.len() > 1_000 {
        return Err(format!("it has {} products, at most 1000 are taken", list.len()));
    }
    match list.iter().find(|product| !is_text(product, "name")) {
        Some(product) => Err(format!("the product `{product}` has no `name`")),
        None => Ok(format!("{} products", list.len())),
    }
}

/// An amount alone or in an object, as a text or a number.
fn amount(value: &Value, name: &str) -> Judged {
    let amount = if value.is_object() { &value[name] } else { value };
    let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
    if text.parse::<rust_decimal::Decimal>().is_err() {
        return Err(format!("`{name}` must be an amount such as \"29.00\""));
    }
    let is_code = |word: &str| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    if value["currency"].as_str().is_some_and(|currency| !is_code(currency)) {
        return Err("`currency` must be a code of three letters".to_owned());
    }
    Ok(text)
}

fn created(value: &Value) -> Judged {
    if !is_text(value, "instance_id") {
        return Err("`instance_id` must be a text that is not empty".to_owned());
    }
    if value.get("status").is_some() {
        let known: Vec<&str> = STATUSES.into_iter().chain(["provisioning", "starting", "failed"]).collect();
        one_of(value, "status", &known)?;
    }
    Ok(value["instance_id"].as_str().unwrap_or_default().to_owned())
}

fn status(value: &Value) -> Judged {
    let word = value.as_str().or_else(|| value.get("status")?.as_str()).unwrap_or_default();
    if STATUSES.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        return Ok(word.to_owned());
    }
    Err(format!("it must be one of {}", STATUSES.join(", ")))
}

fn actions(value: &Value) -> Judged {
    let list = list(value, "actions")?;
    for action in list {
        if !is_text(action, "id") || !is_text(action, "label") {
            return Err(format!("the action `{action}` needs `id` and `label`"));
        }
        if action.get("style").is_some() {
            one_of(action, "style", &STYLES)?;
        }
    }
    Ok(format!("{} actions", list.len()))
}

fn sections(value: &Value) -> Judged {
    let list = list(value, "sections")?;
    for section in list {
        if !is_text(section, "title") {
            return Err(format!("the section `{section}` has no `title`"));
        }
        one_of(section, "kind", &SECTION_KINDS)?;
        if let Some(url) = section["iframe_url"].as_str().filter(|url| !url.is_empty())
            && !url.starts_with("http")
        {
            return Err(format!("`iframe_url` must begin with https:// or http://, it is `{url}`"));
        }
        if let Some(data) = section["data_json"].as_str().filter(|data| !data.is_empty())
            && serde_json::from_str::<Value>(data).is_err()
        {
            return Err("`data_json` is no JSON".to_owned());
        }
    }
    Ok(format!("{} sections", list.len()))
}

fn action(value: &Value) -> Judged {
    match value["success"].as_bool() {
        Some(done) => Ok(format!("success: {done}")),
        None => Err("it must be an object with `success`, or an error".to_owned()),
    }
}
