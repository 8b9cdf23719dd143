//! What a newcomer gets wrong: each slip is told with its place and with what would be right.

use std::fs;

use rustbill::core::{
    actor::Actor,
    plugins::{Kind, Outcome, Script, examine},
};
use serde_json::json;

use super::{failures, guide::script_of_the_guide, tried};
use crate::support::cli::{checked, fails, json_of, ok, rustbill, text};

const LAB: &str = "provider-lab.rn";
const CHAT: &str = "notifier-chat.rn";
const PRICE: &str = "    \"3.00\"\n}";

/// The provider of the guide with one thing changed.
fn lab(from: &str, to: &str) -> String {
    let script = script_of_the_guide(LAB);
    assert!(script.contains(from), "{from}");
    script.replacen(from, to, 1)
}

/// What is changed, into what, where that is noticed, and words of what is said.
const SLIPS: &[(&str, &str, (u32, u32), &str)] = &[
    ("\"ERROR: no machine is free\"", "\"ERROR: no machine is free", (54, 5), "close it with `\"`"),
    (
        "::json_get(merged, \"order_id\")",
        ".json_get(merged, \"order_id\")",
        (42, 17),
        "write `rustbill_host::json_get(json, path)`",
    ),
    ("rustbill_host::json_get", "rustbil_host::json_get", (42, 17), "did you mean `rustbill_host::json_get`?"),
    (
        "rustbill_host::json_get(merged, \"order_id\")",
        "JSON.parse(merged).order_id",
        (42, 17),
        "rustbill_host::json_parse(text)",
    ),
    ("    \"ERROR: no machine is free\"", "    return Error(\"none\");", (54, 12), "write `Err(\"why\")`"),
    ("made(kept)", "maed(kept)", (46, 16), "did you mean `made`?"),
    ("made(kept)", "made(keept)", (46, 21), "did you mean `kept`?"),
    ("made(kept)", "made(kept, 1)", (46, 16), "`made` is given 2 of 1 argument; `made` is declared on line 89"),
    ("(`order:${order}`);\n    if", "(`order:${order}`)\n    if", (45, 5), "end the statement before this with `;`"),
    ("fn made(number) {", "fn made(number)", (90, 5), "write `{` before this"),
    ("`lab-${number}`, status", "`lab-${number}` status", (90, 67), "a comma"),
    ("if kept != \"\"", "if rustbill_host::now() = \"\"", (45, 8), "compare with `==`"),
    ("// provider-lab.rn:", "# provider-lab.rn:", (1, 1), "comments begin with `//`"),
    ("for number in 1..count + 1 {", "for number = 1; number < 9; number++ {", (48, 16), "write `for i in 0..3 { … }`"),
    ("made(kept)", "made(f\"{kept}\")", (46, 22), "`` `text ${name}` ``"),
    ("type: \"object\",\n", "type = \"object\",\n", (9, 14), "write `key: value`"),
    (
        "    #{\n        type: \"object\",",
        "    \"hello\" }\nfn other() { #{\n        type: \"object\",",
        (7, 1),
        "return `#{ type: \"object\"",
    ),
    ("properties: #{", "props: #{", (7, 1), "return `#{ type: \"object\""),
    ("type: \"integer\"", "type: \"int\"", (11, 13), "has the type `int`; did you mean `integer`?"),
    (
        "type: \"integer\", description: \"How many there are\", default_value: \"20\", minimum: \"1\", maximum: \"50\"",
        "type: \"string\", default_value: 5",
        (11, 13),
        "does not fit it",
    ),
    ("default_value: \"20\"", "default_value: \"many\"", (11, 13), "does not fit it"),
    (
        "        properties: #{",
        "        required: [\"machine\"],\n        properties: #{",
        (10, 20),
        "did you mean `machines`?",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_is_told_with_its_place_and_with_advice() {
    let mut wrong = Vec::new();
    for (from, to, place, words) in SLIPS {
        let script = Script { kind: Kind::FirstPartyProvider, name: LAB.to_owned(), source: lab(from, to) };
        let found = examine(&Actor::local(), env!("CARGO_BIN_EXE_rustbill").into(), &script).await.unwrap();
        let is_told = found.issues.iter().any(|issue| {
            (issue.line, issue.column) == *place && !issue.advice.is_empty() && issue.to_string().contains(words)
        });
        if !is_told || !found.warnings.is_empty() {
            wrong.push(format!("{to}: {:?} {:?}", found.issues, found.warnings));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_a_running_script_is_told_with_its_place_and_with_advice() {
    let price = |body: &str| format!("    {body}\n}}");
    for (from, to, check, words) in [
        (
            "groups: [],",
            "grups: [],".to_owned(),
            "spec_template",
            "nobody reads the key `grups`; did you mean `groups`?",
        ),
        (
            "    rustbill_host::json_stringify(#{ instance_id: `lab-${number}`, status: \"running\", ip_address: \
             `192.0.2.${number}` })",
            "    \"{\\\"instance_id\\\": \\\"lab\\\", \\\"status\\\": running}\"".to_owned(),
            "create_instance",
            "the text is no JSON: line 1, column 34",
        ),
        (PRICE, price("let y = rustbill_host::json_parse(\"{}\"); y.prise"), "query_price", "has no key `prise`"),
        (PRICE, price("rustbill_host::now() as f64"), "query_price", "`text.parse::<f64>().unwrap_or(0.0)`"),
        (PRICE, price("let y = \"x\".parse::<i64>()?; y"), "query_price", "`query_price` begins on line 36"),
        (PRICE, price("query_price(_merged, _unused)"), "query_price", "a function that calls itself without end"),
    ] {
        let said = failures(&tried(Kind::FirstPartyProvider, LAB, &lab(from, &to), None).await);
        let is_told = said.iter().any(|why| why.starts_with(&format!("{check}: ")) && why.contains(words));
        assert!(is_told, "{to}: {said:#?}");
    }
    let script = lab(PRICE, &price("rustbill_host::json_parse(\"{bad\")"));
    let found = tried(Kind::FirstPartyProvider, LAB, &script, None).await;
    let check = found.checks.iter().find(|check| check.check == "query_price").unwrap();
    assert!(check.detail.contains("at 37:5") && check.detail.contains("line 1, column 2"), "{check:?}");
}

/// The limit of a call is 15 s, and a script is called 30 times.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_hangs_is_called_once() {
    let script = lab(PRICE, "    loop {}\n}");
    let found = tried(Kind::FirstPartyProvider, LAB, &script, None).await;
    let mut said = failures(&found);
    // That a call took long is told as well.
    said.retain(|why| !why.starts_with("limits: "));
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].starts_with("query_price: ") && said[0].contains("begins on line 36"), "{said:#?}");
    let odd = found.checks.iter().find(|check| check.check == "query_price: odd arguments").unwrap();
    assert!(odd.outcome == Outcome::Skipped && odd.detail.contains("not called again"), "{odd:?}");
}

#[test]
fn the_command_line_helps_a_newcomer() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let plugins = home.join("plugins");
    fs::create_dir_all(&plugins).unwrap();

    // A script that does not compile is shown as `plugin check` shows it, and a broken form fails.
    fs::write(home.join("provider-odd.rn"), lab("type: \"integer\"", "type: \"int\"")).unwrap();
    for command in ["check", "test"] {
        let args = ["plugin", command, "provider-odd.rn"];
        let tested = rustbill(home, &args);
        checked(&args, &tested, 2);
        let said = text(&tested.stdout);
        assert!(
            said.contains("11 |             machines") && said.contains("advice: did you mean `integer`?"),
            "{said}"
        );
    }

    // Files with settings are named.
    let script = lab("    \"true\"", "    Err(\"the switch is off\")");
    let script = script + "\nfn admin_no(_merged, _unused) {\n    Err(\"not today\")\n}\n";
    fs::write(plugins.join(LAB), &script).unwrap();
    for (name, held, words) in [
        ("bad.json", "\n{bad", "`bad.json` is no JSON: line 2"),
        ("list.json", "[]", "`list.json` holds no JSON object"),
    ] {
        fs::write(home.join(name), held).unwrap();
        let create = ["plugin", "create", "--plugin", "provider-lab", "--name", "Lab", "--config-file", name];
        assert!(fails(home, &create, 2).contains(words), "{words}");
        let said = fails(home, &["plugin", "test", "plugins/provider-lab.rn", "--config-file", name], 2);
        assert!(said.contains(words), "{said}");
    }

    // Nobody knows how an interface is that was never asked; one that is not well is told of when it is enabled.
    let made = json_of(home, &["plugin", "create", "--plugin", "provider-lab", "--name", "Lab"]);
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["is_healthy"], json!(false));
    let listed = ok(home, &["plugin", "interfaces", "--output", "csv"]);
    assert!(listed.trim_end().ends_with(",false,,,"), "{listed}");
    let args = ["plugin", "update", id, "--enable"];
    let enabled = rustbill(home, &args);
    checked(&args, &enabled, 0);
    let said = text(&enabled.stderr);
    assert!(said.contains("warning: ") && said.contains("the switch is off"), "{said}");

    // A text is printed as it is, to the last digit; a refusal of the script is no fault of the program.
    assert_eq!(ok(home, &["plugin", "call", id, "query_price"]).trim_end(), "3.00");
    assert_eq!(json_of(home, &["plugin", "call", id, "query_price"]), json!("3.00"));
    assert!(fails(home, &["plugin", "call", id, "made"], 2).contains("takes 1 parameter"));
    assert!(fails(home, &["plugin", "call", id, "admin_no"], 2).contains("not today"));

    let chat = script_of_the_guide(CHAT).replace("[\"order_paid\", \"order_provisioned\"]", "[]");
    fs::write(plugins.join(CHAT), chat).unwrap();
    ok(home, &["plugin", "scan"]);
    let settings = ["--set", "room_url=http://192.0.2.1/", "--set", "token=x", "--enable"];
    ok(home, &[&["plugin", "create", "--plugin", "notifier-chat", "--name", "Chat"], settings.as_slice()].concat());
    assert!(ok(home, &["notify", "list"]).contains("all but verification_code"));
}
