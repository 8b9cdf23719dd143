//! Runs the real program as an operator would, with a data directory of its own and nothing else of this environment.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

/// A well-formed identifier of nothing.
pub(crate) const UNKNOWN: &str = "0190a5b0-7c1e-7000-8000-000000000001";
/// Written into an interface's settings and given to users; must never be printed.
pub(crate) const SECRET: &str = "hunter2-do-not-print";

/// The program with these arguments, in and with `home`; no terminal, no input.
pub(crate) fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rustbill"));
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("RUSTBILL_HOME", home)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(crate) fn rustbill(home: &Path, args: &[&str]) -> Output {
    command(home, args).output().unwrap()
}

/// What was printed, as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Checks the exit code and that nothing secret was printed.
pub(crate) fn checked(args: &[&str], output: &Output, code: i32) -> String {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "rustbill {args:?}\n{stdout}\n{stderr}");
    assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "rustbill {args:?}\n{stdout}\n{stderr}");
    assert!(!stderr.contains("panicked"), "rustbill {args:?}\n{stderr}");
    if code == 0 { stdout } else { stderr }
}

/// What a command that must succeed printed.
pub(crate) fn ok(home: &Path, args: &[&str]) -> String {
    checked(args, &rustbill(home, args), 0)
}

/// The JSON form of the same.
pub(crate) fn json_of(home: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&ok(home, &[args, &["--output", "json"]].concat())).unwrap()
}

/// What a command that must fail with this code said.
pub(crate) fn fails(home: &Path, args: &[&str], code: i32) -> String {
    let said = checked(args, &rustbill(home, args), code);
    assert!(said.contains("error: "), "rustbill {args:?}: {said}");
    said
}

/// The identifier of a thing.
pub(crate) fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

/// An interface with one server in stock.
pub(crate) fn make_stock(home: &Path) -> String {
    let config = json!({ "servers": [{ "id": "s1", "address": "192.0.2.1", "region": "ber", "cpu_cores": 2, "password": SECRET }] });
    fs::write(home.join("stock.json"), config.to_string()).unwrap();
    let args = ["plugin", "create", "--plugin", "provider-stock", "--name", "Rack", "--config-file", "stock.json"];
    let made = json_of(home, &[&args[..], &["--enable"]].concat());
    assert_eq!((&made["enabled"], &made["is_healthy"]), (&json!(true), &json!(true)));
    assert_eq!(made["config"]["servers"][0]["password"], "********");
    id(&made)
}

/// A product for 29.00 a month.
pub(crate) fn make_product(home: &Path, interface: &str) -> String {
    let args = ["product", "create", "--name", "Small", "--interface", interface, "--price", "29"];
    let more = ["--cycle", "monthly=29.00", "--cycle", "yearly=290.00", "--spec", "cpu_cores=2"];
    let made = json_of(home, &[&args[..], &more].concat());
    assert_eq!(made["billing_cycles"], json!({ "monthly": "29.00", "yearly": "290.00" }));
    id(&made)
}

/// The customer Ann.
pub(crate) fn make_customer(home: &Path) -> String {
    id(&json_of(home, &["customer", "create", "--name", "Ann", "--email", "ann@example.com"]))
}

/// Runs with this on stdin.
pub(crate) fn with_input(home: &Path, args: &[&str], input: &str, code: i32) -> String {
    let mut child = command(home, args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    checked(args, &child.wait_with_output().unwrap(), code)
}

/// Runs with JSON as the output; gives stdout where it must succeed (code 0), else what it said.
pub(crate) fn run_json(home: &Path, args: &[&str], code: i32) -> String {
    let args = [args, &["--output", "json"]].concat();
    checked(&args, &rustbill(home, &args), code)
}
