//! The house's rules, read from the source.

use std::path::{Path, PathBuf};

/// Lines of a file; most are far shorter.
const LINES_MAX: usize = 600;

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    assert!(!found.is_empty());
    found
}

fn violations(folder: &str, is_wrong: impl Fn(&Path, &str) -> bool) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for (path, text) in sources(folder) {
        let name = path.strip_prefix(root).unwrap();
        // Unit tests may look at what they please.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (line, number) in code.lines().zip(1..) {
            if is_wrong(name, line) {
                found.push(format!("{}:{number}: {}", name.display(), line.trim()));
            }
        }
    }
    found
}

#[test]
fn core_knows_no_adapter_and_no_surface() {
    let found = violations("src/core", |path, line| {
        // The one client of our own protocol: scripts call another RustBill through it.
        let is_client = path.ends_with("core/plugins/api/grpc.rs") && line.contains("prost::Message");
        !is_client
            && ["crate::server", "crate::cmd", "crate::tui", "clap::", "tonic::", "axum::", "prost::", "ratatui::"]
                .iter()
                .any(|word| line.contains(word) && !line.trim_start().starts_with("//"))
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn sql_is_in_the_database_layer_and_in_stores() {
    let found = violations("src", |path, line| {
        let name = path.to_string_lossy();
        let is_allowed = name.contains("core/database/") || name.ends_with("store.rs");
        let is_sql = ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE "].iter().any(|word| line.contains(word));
        is_sql && !is_allowed
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn only_the_plugin_engine_knows_rune() {
    let found = violations("src", |path, line| {
        (line.contains("use rune") || line.contains("rune::")) && !path.starts_with("src/core/plugins/engine")
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn adapters_do_not_know_each_other() {
    let found = violations("src/server", |_, line| line.contains("crate::cmd"));
    assert!(found.is_empty(), "{found:#?}");
    let found = violations("src/cmd", |path, line| {
        let name = path.to_string_lossy();
        let may = name.ends_with("cmd/serve.rs") || name.contains("cmd/demo") || name.ends_with("cmd/mod.rs");
        line.contains("crate::server") && !may
    });
    assert!(found.is_empty(), "{found:#?}");
}

/// Each slice may use those before it, never those behind.
#[test]
fn slices_import_in_one_direction() {
    const ORDER: [&str; 22] = [
        "cluster",
        "outbox",
        "idempotency",
        "audit",
        "events",
        "identity",
        "customers",
        "plugins",
        "catalogue",
        "products",
        "ledger",
        "balance",
        "payments",
        "instances",
        "orders",
        "invoices",
        "settlement",
        "control",
        "supply",
        "tickets",
        "dashboard",
        "reconciliation",
    ];
    let found = violations("src/core", |path, line| {
        let name = path.to_string_lossy();
        let Some(own) = ORDER.iter().position(|slice| name.contains(&format!("core/{slice}/"))) else { return false };
        let line = line.split("//").next().unwrap_or_default();
        ORDER[own + 1..].iter().chain(["worker", "notifications", "accounts"].iter()).any(|later| {
            line.contains(&format!("core::{later}")) || line.trim_start().starts_with(&format!("{later}::{{"))
        })
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_are_short() {
    let long: Vec<String> = ["src", "tests"]
        .iter()
        .flat_map(|folder| sources(folder))
        .filter(|(_, text)| text.lines().count() > LINES_MAX)
        .map(|(path, text)| format!("{}: {}", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn nothing_is_left_over() {
    let words = ["dbg", "todo", "unimplemented"].map(|word| format!("{word}!("));
    let found = violations("src", |_, line| {
        words.iter().any(|word| line.contains(word)) || line.contains("FIXME") || line.contains("XXX")
    });
    assert!(found.is_empty(), "{found:#?}");
}
