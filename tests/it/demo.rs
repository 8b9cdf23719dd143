//! `rustbill demo`: the main path of the product, from outside, with the real program.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// How long the demo may take to end after it was asked to.
const STOP_MAX: Duration = Duration::from_secs(30);

fn rustbill(directory: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rustbill"));
    // Only what it needs: the developer's own configuration has no say here.
    command.env_clear().env("TMPDIR", directory).env("NO_COLOR", "1").current_dir(directory);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
}

#[test]
fn the_demo_sells_a_server_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let output = rustbill(directory.path()).args(["demo", "--exit"]).output().unwrap();
    assert_success(&output);
    let shown = text(&output.stdout);
    for part in [
        "with SQLite",
        "operator logs in as admin",
        "4 plugins: ",
        "operator runs `rustbill user create`",
        "operator tops up the balance: 0.00 + 100.00 = 100.00 CNY",
        "customer pays 29.00 CNY from the balance",
        "server fra-1 is delivered: running at 192.0.2.10",
        "webhook order_provisioned arrives, and its signature is right",
        "| Please transfer 290.00 CNY to:",
        "operator confirms the transfer of 290.00 CNY",
        "server fra-2 is delivered: running at 198.51.100.20",
        "1 invoice written",
        "over 319.00 CNY: paid",
        "ledger and balance agree: 2 rows, 71.00 CNY",
        "\nOrders\n",
        "\nInstances\n",
        "\nLedger\n",
        "\nInvoice INV-",
        "everything went well",
    ] {
        assert!(shown.contains(part), "`{part}` is missing in:\n{shown}");
    }
    assert!(shown.is_ascii() && shown.lines().all(|line| line.len() <= 80), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains("FAIL"), "{shown}");
    assert_eq!(text(&output.stderr), "", "nothing went wrong behind the scenes");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "the scratch directory is gone");
}

#[test]
fn a_program_reads_one_object() {
    let directory = tempfile::tempdir().unwrap();
    let output = rustbill(directory.path()).args(["demo", "--exit", "--output", "json"]).output().unwrap();
    assert_success(&output);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["balance"], "71.00");
    assert_eq!(summary["orders"].as_array().unwrap().len(), 2);
    assert_eq!(summary["addresses"][0], "192.0.2.10");
}

#[test]
fn a_step_that_fails_names_itself() {
    let directory = tempfile::tempdir().unwrap();
    let url = "postgres://nobody:hidden@127.0.0.1:1/none";
    let output = rustbill(directory.path()).args(["demo", "--exit", "--database-url", url]).output().unwrap();
    assert_eq!(output.status.code(), Some(8), "unavailable");
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert!(shown.contains("FAIL server starts"), "{shown}");
    assert!(said.contains("error: the step `server starts` failed: "), "{said}");
    assert!(!said.contains("hidden"), "{said}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "the scratch directory is gone");
}

/// The demo serves until Ctrl-C, the line that it shows works in another shell, and then it cleans up.
#[test]
fn the_command_line_works_while_the_demo_serves() {
    let directory = tempfile::tempdir().unwrap();
    let mut demo =
        rustbill(directory.path()).arg("demo").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let shown: Vec<String> = lines.take_while(|line| !line.starts_with("Serving until Ctrl-C")).collect();
    let line = shown.iter().find(|line| line.ends_with(" order list"));
    let listed = line.map(|line| Command::new("sh").args(["-c", line]).env_clear().output().unwrap());
    Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap();

    let started = Instant::now();
    let status = loop {
        if let Some(status) = demo.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < STOP_MAX, "it did not end:\n{}", shown.join("\n"));
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    demo.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success(), "{status}\n{}\n{said}", shown.join("\n"));
    let listed = listed.expect("a line to try");
    assert_success(&listed);
    assert_eq!(text(&listed.stdout).matches("active").count(), 2, "{}", text(&listed.stdout));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "the scratch directory is gone");
}
