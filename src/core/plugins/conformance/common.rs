//! What every script is held to.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    bench::{Answer, Bench},
    sample,
};

/// How often a call is repeated to see whether something is left behind.
const REPETITIONS: usize = 20;
/// Characters of a very long text.
const LONG: usize = 100_000;
/// Host functions in one call above which the limit of 200 is near.
const ASKED_NEAR: usize = 100;
/// Duration of one call above which the limit of 15 s is near.
const LONGEST_NEAR: Duration = Duration::from_secs(8);
/// Functions that are looked at elsewhere, or take nothing that could be odd.
const PLAIN: [&str; 3] = ["config_schema", "templates", "supported_events"];

/// `initialize` and `health_check`.
pub(super) async fn initialize(bench: &mut Bench, given: bool) {
    for function in ["initialize", "health_check"] {
        match bench.call(function, &json!({})).await {
            Answer::Gave(value) if function == "health_check" && (value == json!(false) || value == json!("false")) => {
                bench.skipped(function, "it says that it is not well");
            }
            Answer::Gave(_) => bench.ok(function, ""),
            Answer::Refused(words) if given => bench.failed(function, &format!("it refused the settings: {words}")),
            Answer::Refused(words) => {
                bench.skipped(function, &format!("it refused made-up settings: {words}; give settings as a file"));
            }
            Answer::Stopped(why) => bench.skipped(function, &why),
            Answer::Broken(why) => bench.failed(function, &why),
        }
    }
}

/// The functions of the contract that take something.
fn functions(bench: &Bench) -> Vec<&'static str> {
    bench.kind.required().iter().copied().filter(|name| !PLAIN.contains(name)).collect()
}

/// Arguments that are missing, odd or very long must not make a function fall over. An error is fine.
pub(super) async fn odd_arguments(bench: &mut Bench) {
    let config = bench.config.clone();
    let nothing = json!({});
    for function in functions(bench) {
        let check = format!("{function}: odd arguments");
        if let Some(why) = bench.spent(function) {
            bench.skipped(&check, &why);
            continue;
        }
        let usual = sample::fields(function, &json!({}));
        let odd = texts_replaced(&usual, "\"quoted\" </script> \\ ${x} \u{6c49}\u{1f389}\n\t'");
        let long = texts_replaced(&usual, &"\u{6c49}x".repeat(LONG / 2));
        let cases = [
            ("no fields", &config, &nothing),
            ("no settings", &nothing, &usual),
            ("odd letters", &config, &odd),
            ("very long texts", &config, &long),
        ];
        let mut trouble = None;
        for (case, config, fields) in cases {
            bench.world.forget();
            if let Answer::Broken(why) = bench.call_with(config, function, fields).await {
                trouble.get_or_insert(format!("with {case}: {why}"));
            }
        }
        match trouble {
            None => bench.ok(&check, "none, missing, odd and very long ones"),
            Some(why) => bench.failed(&check, &why),
        }
    }
    bench.world.forget();
}

/// The fields with every text that is no identifier replaced.
fn texts_replaced(fields: &Value, with: &str) -> Value {
    let replaced = fields.as_object().into_iter().flatten().map(|(key, value)| {
        let is_id = key.ends_with("_id") || ["amount", "money", "total_amount", "currency"].contains(&key.as_str());
        (key.clone(), if value.is_string() && !is_id { Value::from(with) } else { value.clone() })
    });
    Value::Object(replaced.collect::<Map<_, _>>())
}

/// The same call again and again must not leave more and more in the state.
pub(super) async fn repetition(bench: &mut Bench) {
    let mut growing = Vec::new();
    for function in functions(bench) {
        if bench.spent(function).is_some() {
            continue;
        }
        bench.world.forget();
        let fields = sample::fields(function, &json!({}));
        bench.call(function, &fields).await;
        let first = bench.world.keys();
        for _ in 1..REPETITIONS {
            bench.call(function, &fields).await;
        }
        if bench.world.keys() > first {
            growing.push(format!("`{function}` left {first} keys after one call, {} after 20", bench.world.keys()));
        }
    }
    bench.world.forget();
    let check = "the state does not grow";
    match growing.as_slice() {
        [] => bench.ok(check, "20 calls of each function"),
        _ => bench.failed(check, &growing.join("; ")),
    }
}

/// No call came near a limit.
pub(super) fn limits(bench: &mut Bench) {
    let (asked, greedy) = bench.most_asked.clone();
    let (longest, slow) = bench.longest.clone();
    let check = "limits";
    if asked > ASKED_NEAR {
        bench.failed(check, &format!("one call of `{greedy}` asked the host {asked} times, and more than 200 end it"));
    } else if longest > LONGEST_NEAR {
        bench.failed(check, &format!("one call of `{slow}` took {} s, and 15 s end it", longest.as_secs()));
    } else {
        bench.ok(
            check,
            &format!("at most {asked} times in a call the host was asked; what is only computed is not counted"),
        );
    }
}
