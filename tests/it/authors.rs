//! Somebody writes a plugin with nothing but docs/plugins.md: every script and every command there works, what comes
//! along does what the page asks of a script, and mistakes are explained.

mod guide;
mod slips;

use std::{fs, path::Path};

use rustbill::core::{
    actor::Actor,
    plugins::{Conformance, Kind, Outcome, Sandbox, Script, conform, scaffold},
};
use serde_json::{Value, json};

use crate::support::cli::{UNKNOWN, checked, fails, json_of, ok, rustbill, text, with_input};

async fn tried(kind: Kind, name: &str, source: &str, config: Option<Value>) -> Conformance {
    let script = Script { kind, name: name.to_owned(), source: source.to_owned() };
    let program = env!("CARGO_BIN_EXE_rustbill").into();
    conform(&Actor::local(), program, &script, Sandbox { config, network: None }).await.unwrap()
}

/// The checks that failed, with their reasons.
fn failures(found: &Conformance) -> Vec<String> {
    let failed = found.checks.iter().filter(|check| check.outcome == Outcome::Failed);
    failed.map(|check| format!("{}: {}", check.check, check.detail)).collect()
}

/// Without the network scripts of remote systems can't be judged in all, but none may fall over.
#[tokio::test(flavor = "multi_thread")]
async fn every_script_that_comes_along_conforms() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins")).unwrap() {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        let Some((kind, _)) = Kind::from_file_name(&name) else { continue };
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        wrong.extend(failures(&tried(kind, &name, &source, None).await).iter().map(|why| format!("{name}: {why}")));
        seen += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_template_conforms() {
    for (kind, id) in [
        (Kind::Gateway, "bank"),
        (Kind::Notifier, "chat"),
        (Kind::FirstPartyProvider, "rack"),
        (Kind::UpstreamProvider, "rustbill"),
    ] {
        let made = scaffold(kind, id).unwrap();
        assert_eq!(Kind::from_file_name(&made.file_name), Some((kind, id.to_owned())));
        let found = tried(kind, &made.file_name, &made.source, None).await;
        assert_eq!(failures(&found), Vec::<String>::new(), "{kind}");
        assert!(found.count(Outcome::Ok) > 10, "{found:?}");
    }
}

/// The template with one thing changed, and the check that must notice.
#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_promise_is_noticed() {
    let gateway = scaffold(Kind::Gateway, "bank").unwrap().source;
    let notifier = scaffold(Kind::Notifier, "chat").unwrap().source;
    let provider = scaffold(Kind::FirstPartyProvider, "rack").unwrap().source;
    let cases = [
        (Kind::Gateway, &gateway, "fn refund(", "fn refunds(", "compiles"),
        (Kind::Gateway, &gateway, "\"0.1.0\"", "\"first\"", "version"),
        (Kind::Gateway, &gateway, "payment_url: Some(url)", "payment_url: None", "create_payment"),
        (Kind::Gateway, &gateway, "status: \"pending\", paid", "status: \"waiting\", paid", "query_payment"),
        (
            Kind::Gateway,
            &gateway,
            "|| !rustbill_host::constant_time_equals(",
            "&& !rustbill_host::constant_time_equals(",
            "handle_callback refuses a forged notice",
        ),
        (Kind::Notifier, &notifier, "[\"order_paid\",", "[\"order_flown\",", "supported_events"),
        (
            Kind::Notifier,
            &notifier,
            "let url = rustbill",
            "let first = merged.nothing; let url = rustbill",
            "send: odd arguments",
        ),
        (
            Kind::Notifier,
            &notifier,
            "let url = rustbill",
            "rustbill_host::state_set(rustbill_host::random_hex(8), \"x\"); let url = rustbill",
            "the state does not grow",
        ),
        (
            Kind::Notifier,
            &notifier,
            "let url = rustbill",
            "for i in 0..120 { rustbill_host::state_get(\"x\"); } let url = rustbill",
            "limits",
        ),
        (
            Kind::FirstPartyProvider,
            &provider,
            "`rb-${order_id}`);\n    rustbill_host::state_set",
            "\"one\");\n    rustbill_host::state_set",
            "create_instance for another order",
        ),
        (
            Kind::FirstPartyProvider,
            &provider,
            "state_claim(`order:${order_id}`, `rb-${order_id}`)",
            "random_hex(8)",
            "create_instance twice for one order",
        ),
        (Kind::FirstPartyProvider, &provider, "field_type: \"slider\"", "field_type: \"knob\"", "spec_template"),
        (Kind::FirstPartyProvider, &provider, "label: \"Stop\"", "label: \"\"", "instance_actions"),
    ];
    for (kind, template, from, to, check) in cases {
        assert!(template.contains(from), "{from}");
        let found = tried(kind, "script.rn", &template.replacen(from, to, 1), None).await;
        let said = failures(&found);
        assert!(said.iter().any(|why| why.starts_with(&format!("{check}: "))), "{to}: {said:#?}");
    }
    let found = tried(Kind::Notifier, "script.rn", &notifier, Some(json!({ "url": 5 }))).await;
    assert!(failures(&found)[0].starts_with("form: "), "{found:?}");
}

#[test]
fn a_new_script_is_written_once_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let said = ok(home, &["plugin", "new", "gateway", "my-bank"]);
    assert!(said.starts_with("wrote ./gateway-my-bank.rn") && said.contains("rustbill plugin check"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(home.join("gateway-my-bank.rn")).unwrap().permissions().mode();
        assert_eq!(mode & 0o133, 0, "{mode:o}");
    }
    let said = fails(home, &["plugin", "new", "payment_gateway", "my-bank"], 4);
    assert!(said.contains("stays as it is"), "{said}");
    fails(home, &["plugin", "new", "gateway", "../bank"], 2);
    fails(home, &["plugin", "new", "theme", "dark"], 2);
    fails(home, &["plugin", "new", "upstream", "moon"], 2);
    assert!(fails(home, &["plugin", "new", "notifier", "chat", "--dir", "nowhere"], 2).contains("no directory"));
    assert_eq!(json_of(home, &["plugin", "new", "upstream", "rustbill"])["plugin_type"], "upstream_provider");

    let said = ok(home, &["plugin", "check", "gateway-my-bank.rn"]);
    for part in ["gateway, version 0.1.0", "create_payment", "required", "merchant", "no problems"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let found = json_of(home, &["plugin", "check", "gateway-my-bank.rn"]);
    assert_eq!((&found["version"], &found["settings"][2]["secret"]), (&json!("0.1.0"), &json!(true)));
    ok(home, &["plugin", "test", "gateway-my-bank.rn"]);
    let tested = json_of(home, &["plugin", "test", "gateway-my-bank.rn"]);
    assert_eq!(tested["checks"][0], json!({ "check": "compiles", "outcome": "ok", "detail": "9 functions" }));
    // Nothing of this needs or makes a database.
    assert!(!home.join("rustbill.db").exists());
}

#[test]
fn mistakes_are_shown_with_a_caret_and_advice() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    ok(home, &["plugin", "new", "gateway", "bank"]);
    let script = fs::read_to_string(home.join("gateway-bank.rn")).unwrap();
    let script = script.replace("async fn create_payment(", "async fn createPayment(");
    fs::write(home.join("gateway-bank.rn"), script.replace("fn version(_config, _unused)", "fn version(_config)"))
        .unwrap();
    let args = ["plugin", "check", "gateway-bank.rn"];
    let checked_file = rustbill(home, &args);
    assert!(checked(&args, &checked_file, 2).contains("the script has 2 problems"));
    let said = text(&checked_file.stdout);
    for part in [
        "gateway-bank.rn:41:10: missing required function `create_payment` of a gateway plugin\n  \
         41 | async fn createPayment(merged, _unused) {\n     |          ^\n  \
         advice: rename `createPayment` to `create_payment`",
        "gateway-bank.rn:9:4: `version` takes 1 parameter, every plugin function takes 2",
        "advice: declare two: `fn version(merged, _unused)`",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(with_input(home, &["plugin", "check", "--type", "notifier", "-"], "fn version(", 2).contains("problem"));
    fails(home, &["plugin", "check", "--type", "theme", "gateway-bank.rn"], 2);
    for (name, bytes, words) in [
        ("missing-file.rn", None, "there is no file `missing-file.rn`"),
        ("gateway-bytes.rn", Some(b"\xff\xfe"), "`gateway-bytes.rn` is no UTF-8 text"),
    ] {
        if let Some(bytes) = bytes {
            fs::write(home.join(name), bytes).unwrap();
        }
        assert!(fails(home, &["plugin", "check", name], 2).contains(words), "{name}");
    }
    assert!(fails(home, &["plugin", "check", UNKNOWN], 2).contains("rustbill plugin health ID"));
    assert!(fails(home, &["plugin", "test", "gateway-bank.rn"], 2).contains("1 check failed"));

    // The server goes on without the file, and says so.
    fs::create_dir_all(home.join("plugins")).unwrap();
    fs::rename(home.join("gateway-bank.rn"), home.join("plugins/gateway-bank.rn")).unwrap();
    let listed = rustbill(home, &["plugin", "list"]);
    assert!(checked(&["plugin", "list"], &listed, 0).contains("missing required function `create_payment`"));
    assert!(text(&listed.stderr).contains("1 file can't be used"), "{}", text(&listed.stderr));
}

#[test]
fn what_compiles_and_fails_later_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    ok(home, &["plugin", "new", "notifier", "chat"]);
    let script = fs::read_to_string(home.join("notifier-chat.rn")).unwrap();
    let wrong = "async fn send(merged, _unused) { if helper(merged) == merged.title { return Ok(()); }\n";
    let script = script.replace("async fn send(merged, _unused) {\n", wrong);
    assert!(script.contains(wrong));
    fs::write(home.join("notifier-chat.rn"), script + "\nasync fn helper(merged) { merged }\n").unwrap();
    let said = ok(home, &["plugin", "check", "notifier-chat.rn"]);
    for part in ["write `helper(merged).await`", "write `rustbill_host::json_get(merged, \"title\")`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Nobody is asked about a call that can't be made.
#[test]
fn a_function_that_is_missing_is_named_before_the_question() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let create = ["plugin", "create", "--plugin", "gateway-banktransfer", "--name", "Bank", "--set", "bank_name=B"];
    let more = ["--set", "account_name=A", "--set", "account_number=1"];
    let made = json_of(home, &[create.as_slice(), more.as_slice()].concat());
    let id = made["id"].as_str().unwrap();
    let said = fails(home, &["plugin", "call", id, "helth_check"], 2);
    assert!(
        said.contains("defines no function `helth_check`") && said.contains("did you mean `health_check`?"),
        "{said}"
    );
    let said = fails(home, &["plugin", "call", id, "query_payment", "--args", "{title:1}"], 2);
    assert!(said.contains("`--args` is no JSON"), "{said}");
    // The short words are those of `plugin new`.
    let listed = json_of(home, &["plugin", "list", "--type", "provider"]);
    assert!(listed.to_string().contains("\"stock\"") && !listed.to_string().contains("banktransfer"), "{listed}");
}
