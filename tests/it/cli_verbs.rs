//! The verbs that move, correct and end things, with the real program, on a database of its own and without a server.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::cli::{
    UNKNOWN, checked, command, fails, id, json_of, make_customer, make_product, make_stock, ok, rustbill, text,
    with_input,
};

/// An upstream provider that can do everything.
const UPSTREAM: &str = include_str!("scripts/provider-upstream.rn");

/// Refused while nobody can be asked, and nothing is done.
fn must_be_confirmed(home: &Path, args: &[&str]) {
    assert!(fails(home, args, 2).contains("hint: add `--yes`"), "{args:?}");
}

fn status(home: &Path, args: &[&str]) -> String {
    json_of(home, args)["status"].as_str().unwrap().to_owned()
}

fn amounts(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|row| row["amount"].as_str().unwrap()).collect()
}

#[test]
fn orders_are_moved_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let (product, customer) = (make_product(home, &make_stock(home)), make_customer(home));
    json_of(home, &["balance", "adjust", &customer, "--amount", "100"]);
    let place = || id(&json_of(home, &["order", "create", "--customer", &customer, "--product", &product]));

    let order = place();
    let table = ok(home, &["order", "update", &order, "--notes", "Called"]);
    assert!(table.starts_with("id ") && table.contains("Called"), "{table}");
    fails(home, &["order", "update", &order], 2);
    let resume = ["order", "resume", &order];
    assert!(fails(home, &resume, 2).contains("the order is pending,"));
    json_of(home, &["order", "pay", &order]);
    assert!(fails(home, &resume, 2).contains("the order is paid,"));
    assert_eq!(status(home, &["order", "update", &order, "--status", "provisioning"]), "provisioning");
    // An order that waits for its server has the name of none: going on is not a way to become active.
    json_of(home, &["order", "update", &order, "--provider-instance", "vm-1"]);
    assert!(fails(home, &resume, 2).contains("the order is provisioning,"));
    assert_eq!(json_of(home, &["order", "show", &order])["status"], "provisioning");
    assert_eq!(status(home, &["order", "update", &order, "--status", "active"]), "active");
    assert!(fails(home, &resume, 2).contains("the order is active,"));
    assert_eq!(status(home, &["order", "suspend", &order]), "suspended");
    assert_eq!(json_of(home, &["instance", "list"])["items"][0]["status"], "suspended");
    assert_eq!(status(home, &resume), "active");
    fails(home, &["order", "cancel", &order, "--yes"], 2);
    must_be_confirmed(home, &["order", "complete", &order]);
    assert_eq!(status(home, &["order", "complete", &order, "--yes"]), "completed");

    let second = place();
    json_of(home, &["order", "pay", &second]);
    must_be_confirmed(home, &["order", "cancel", &second]);
    assert_eq!(json_of(home, &["order", "show", &second])["status"], "paid");
    assert_eq!(status(home, &["order", "cancel", &second, "-y"]), "cancelled");
    assert_eq!(json_of(home, &["balance", "show", &customer])["balance"], "71.00");
    assert!(fails(home, &["order", "delete", &second, "--yes"], 2).contains("1 payment"));

    let third = place();
    must_be_confirmed(home, &["order", "terminate", &third]);
    fails(home, &["order", "terminate", &third, "--yes"], 2);
    must_be_confirmed(home, &["order", "delete", &third]);
    assert_eq!(json_of(home, &["order", "delete", &third, "--yes"])["deleted"], true);
    fails(home, &["order", "show", &third], 3);
    for verb in ["cancel", "complete", "terminate", "delete"] {
        fails(home, &["order", verb, UNKNOWN, "--yes"], 3);
    }
    for verb in ["suspend", "resume"] {
        fails(home, &["order", verb, UNKNOWN], 3);
    }
}

#[test]
fn invoices_are_paid_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let customer = make_customer(home);
    let write = || {
        let args = ["invoice", "create", "--customer", &customer, "--from", "2026-01-01", "--to", "2026-01-31"];
        id(&json_of(home, &[&args[..], &["--due", "2026-02-14", "--item", "Setup;1;100.00"]].concat()))
    };
    let invoice = write();
    let update = ["invoice", "update", &invoice, "--notes", "As agreed", "--status", "issued"];
    let table = ok(home, &update);
    assert!(table.contains("As agreed") && table.contains("-000001") && table.contains("Setup"), "{table}");
    assert_eq!(status(home, &["invoice", "overdue", &invoice]), "overdue");
    assert!(fails(home, &["invoice", "pay", &invoice], 2).contains("balance"));
    json_of(home, &["balance", "adjust", &customer, "--amount", "100"]);
    let payment = json_of(home, &["invoice", "pay", &invoice]);
    assert_eq!((&payment["amount"], &payment["invoice_id"]), (&json!("100.00"), &json!(invoice)));
    assert_eq!(json_of(home, &["invoice", "show", &invoice])["status"], "paid");
    assert_eq!(json_of(home, &["balance", "show", &customer])["balance"], "0.00");
    fails(home, &["invoice", "cancel", &invoice, "--yes"], 2);

    let second = write();
    fails(home, &["invoice", "pay", &second, "--received"], 2);
    json_of(home, &["invoice", "issue", &second]);
    assert_eq!(status(home, &["invoice", "pay", &second, "--received"]), "paid");
    assert_eq!(json_of(home, &["payment", "list", "--invoice", &second])["items"][0]["status"], "success");

    let third = write();
    json_of(home, &["invoice", "issue", &third]);
    must_be_confirmed(home, &["invoice", "cancel", &third]);
    assert_eq!(json_of(home, &["invoice", "show", &third])["status"], "issued");
    assert_eq!(status(home, &["invoice", "cancel", &third, "--yes"]), "cancelled");
    fails(home, &["invoice", "delete", &third, "--yes"], 2);
    let fourth = write();
    must_be_confirmed(home, &["invoice", "delete", &fourth]);
    assert_eq!(json_of(home, &["invoice", "delete", &fourth, "--yes"])["deleted"], true);
    fails(home, &["invoice", "show", &fourth], 3);
    fails(home, &["invoice", "pay", UNKNOWN], 3);
}

#[test]
fn a_payment_is_given_back_and_a_key_makes_a_change_once() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let (product, customer) = (make_product(home, &make_stock(home)), make_customer(home));
    let adjust = ["balance", "adjust", &customer, "--amount", "40", "--idempotency-key", "cash-17"];
    // What was printed is kept under a key that needs the configuration's secret.
    assert!(fails(home, &adjust, 2).contains("RUSTBILL_JWT__SECRET"));
    let keyed = |args: &[&str]| command(home, args).env("RUSTBILL_JWT__SECRET", "s".repeat(40)).output().unwrap();
    let (first, again) = (keyed(&adjust), keyed(&adjust));
    assert_eq!((first.status.code(), again.status.code()), (Some(0), Some(0)));
    assert_eq!(first.stdout, again.stdout);
    assert!(text(&again.stderr).contains("ran before with this key"));
    assert_eq!(amounts(&json_of(home, &["balance", "list", &customer])), ["40.00"]);
    let other = ["balance", "adjust", &customer, "--amount", "41", "--idempotency-key", "cash-17"];
    assert!(checked(&other, &keyed(&other), 2).contains("another request"));

    let order = id(&json_of(home, &["order", "create", "--customer", &customer, "--product", &product]));
    let payment = id(&json_of(home, &["order", "pay", &order]));
    let asked = ok(home, &["payment", "query", &payment]);
    assert!(asked.starts_with("id ") && asked.contains("success"), "{asked}");
    must_be_confirmed(home, &["payment", "refund", &payment]);
    assert_eq!(json_of(home, &["payment", "show", &payment])["refunded_amount"], "0.00");
    let refunded = ok(home, &["payment", "refund", &payment, "--yes"]);
    assert!(refunded.contains("refunded"), "{refunded}");
    assert_eq!(json_of(home, &["order", "show", &order])["status"], "refunded");
    let ledger = ok(home, &["balance", "list", &customer]);
    assert!(ledger.starts_with("ID ") && ledger.contains("refund") && ledger.contains("-29.00"), "{ledger}");
    assert_eq!(amounts(&json_of(home, &["balance", "list", &customer])), ["29.00", "-29.00", "40.00"]);
    let figures = json_of(home, &["dashboard", "--days", "7"]);
    assert_eq!((&figures["counts"]["customers"], &figures["currency"]), (&json!(1), &json!("CNY")));
    assert_eq!(figures["revenue"].as_array().unwrap().len(), 7);
    let table = ok(home, &["dashboard"]);
    assert!(table.contains("revenue_this_month") && table.contains("ORDERS"), "{table}");
}

fn upstream(home: &Path) -> String {
    fs::create_dir_all(home.join("plugins")).unwrap();
    fs::write(home.join("plugins/provider-rustbill.rn"), UPSTREAM).unwrap();
    id(&json_of(home, &["plugin", "create", "--plugin", "provider-rustbill", "--name", "Upstream", "--enable"]))
}

#[test]
fn a_provider_is_asked_directly() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let up = upstream(home);
    let price = json_of(home, &["plugin", "price", &up, "--spec", "disk_gb=20"]);
    assert_eq!((&price["amount"], &price["billing_cycle"]), (&json!("20.01"), &json!("monthly")));
    assert!(ok(home, &["plugin", "price", &up, "--spec", "disk_gb=20"]).contains("20.01"));
    fails(home, &["plugin", "price", UNKNOWN], 3);
    let bought = json_of(home, &["plugin", "buy-server", &up, "--spec", "disk_gb=20"]);
    assert!(bought["provider_instance_id"].as_str().unwrap().starts_with("i-"), "{bought}");
    assert_eq!(json_of(home, &["plugin", "balance", &up])["balance"], "100.01");
    assert!(ok(home, &["plugin", "servers", &up]).contains("up-1"));
    assert_eq!(json_of(home, &["plugin", "servers", &up])["items"][0]["ip_address"], "203.0.113.8");
    assert_eq!(status(home, &["plugin", "server-status", &up, "up-1"]), "running");
    let taken = json_of(home, &["plugin", "import-server", &up, "up-1"]);
    assert_eq!((&taken["provider_instance_id"], &taken["status"]), (&json!("up-1"), &json!("running")));
    fails(home, &["plugin", "import-server", &up, "up-1"], 4);
    assert_eq!(json_of(home, &["instance", "list"])["total"], 1);
    // Without a server of its own a stock has no account elsewhere.
    fails(home, &["plugin", "balance", &make_stock(home)], 2);

    // The servers that customers have go the same way.
    let server = id(&taken);
    let customer = make_customer(home);
    let assigned = json_of(home, &["instance", "assign", &server, "--customer", &customer]);
    assert_eq!((id(&assigned), &assigned["customer_id"]), (server.clone(), &json!(customer)));
    assert!(
        fails(home, &["instance", "assign", &server, "--customer", &customer], 4).contains("belongs to the customer")
    );
    fails(home, &["instance", "assign", UNKNOWN, "--customer", &customer], 3);
    for verb in ["stop", "start", "restart"] {
        // This provider says so whatever was done.
        assert_eq!(status(home, &["instance", verb, &server]), "running");
    }
    assert!(ok(home, &["instance", "actions", &server]).contains("rescue"));
    assert_eq!(json_of(home, &["instance", "action", &server, "rescue"])["message"], "done");
    must_be_confirmed(home, &["instance", "terminate", &server]);
    json_of(home, &["instance", "terminate", &server, "--yes"]);
    fails(home, &["instance", "terminate", &server, "--yes"], 2);
    fails(home, &["instance", "stop", UNKNOWN], 3);

    // A list of products of one's own.
    let group = id(&json_of(home, &["group", "create", "--name", "Small"]));
    let list = r#"[{"name": "S1", "cost_price": "3.00", "specs": {"region": "eu"}}, {"name": "S2"}]"#;
    let import = ["product", "import", "--interface", &up, "--file", "-", "--output", "json"];
    let made: Value = serde_json::from_str(&with_input(home, &import, list, 0)).unwrap();
    assert_eq!(made["changed"], 2);
    assert!(with_input(home, &import, r#"[{"title": "S1"}]"#, 2).contains("title"));
    assert!(with_input(home, &import, r#"[{"name": "S3", "cost_price": "3.001"}]"#, 2).contains("items[0].cost_price"));
    let found = json_of(home, &["product", "list", "--interface", &up, "--active", "false"]);
    let ids: Vec<String> =
        found["items"].as_array().unwrap().iter().filter(|row| row["name"] != "Imported servers").map(id).collect();
    let [one, two] = [0, 1].map(|number: usize| ids[number].as_str());
    assert_eq!(json_of(home, &["product", "regroup", "--group", &group, one, two])["changed"], 2);
    assert_eq!(json_of(home, &["product", "show", one])["group_id"], json!(group));
    assert_eq!(json_of(home, &["product", "delete-several", one, two, "--yes"])["changed"], 2);
    fails(home, &["product", "delete-several", one, "--yes"], 3);
}

#[test]
fn a_script_is_read_edited_and_called() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let up = upstream(home);
    assert_eq!(ok(home, &["plugin", "page", &up]).trim_end(), "<p>Hello</p>");
    assert_eq!(json_of(home, &["plugin", "page", &up])["html"], "<p>Hello</p>");
    assert!(ok(home, &["plugin", "call", &up, "admin_hello"]).contains("world"));
    let called = json_of(home, &["plugin", "call", &up, "admin_list_instances", "--arguments", r#"{"filter":"eu"}"#]);
    assert_eq!(called, json!(["eu"]));
    must_be_confirmed(home, &["plugin", "call", &up, "create_instance", "--args", r#"{"order_id":"o-7"}"#]);
    let order = ["plugin", "call", &up, "create_instance", "--args", r#"{"order_id":"o-7"}"#, "--yes", "--trace"];
    let spent = rustbill(home, &order);
    assert!(checked(&order, &spent, 0).contains("i-"), "it made a server");
    let trace = text(&spent.stderr);
    assert!(trace.contains("trace: state_claim: ok") && !trace.contains("o-7"), "{trace}");
    let log = ok(home, &["audit", "list", "--output", "json"]);
    assert!(log.contains("plugin_interface.call") && log.contains("create_instance") && !log.contains("o-7"), "{log}");
    assert!(ok(home, &["plugin", "call", &up, "query_price", "--args", r#"{"disk_gb":"20"}"#]).contains("20.005"));
    fails(home, &["plugin", "call", &up, "no_such", "--yes"], 2);
    fails(home, &["plugin", "call", &up, "query_price", "--args", "[1]"], 2);
    assert!(fails(home, &["plugin", "call", &up, "admin_refuse"], 2).contains("not today"));

    assert_eq!(ok(home, &["plugin", "source", &up]).trim_end(), UPSTREAM.trim_end());
    let source = json_of(home, &["plugin", "source", &up]);
    let edited = UPSTREAM.replace("<p>Hello</p>", "<p>Edited</p>");
    fs::write(home.join("edited.rn"), &edited).unwrap();
    let hash = source["hash"].as_str().unwrap();
    let edit = ["plugin", "edit-source", &up, "edited.rn", "--hash", hash];
    assert_eq!(json_of(home, &edit)["script_edited"], true);
    assert!(ok(home, &["plugin", "page", &up]).contains("Edited"));
    fails(home, &edit, 2);
    with_input(home, &["plugin", "edit-source", &up, "-"], "pub fn version(", 2);
    assert!(ok(home, &["plugin", "page", &up]).contains("Edited"), "a script that does not compile is not taken");
    make_product(home, &up);
    assert!(fails(home, &["plugin", "delete", &up, "--yes"], 2).contains("product"));
    let stock = make_stock(home);
    must_be_confirmed(home, &["plugin", "delete", &stock]);
    assert_eq!(json_of(home, &["plugin", "delete", &stock, "--yes"])["deleted"], true);
    fails(home, &["plugin", "show", &stock], 3);
}

#[test]
fn the_record_of_operations_is_read_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let customer = make_customer(home);
    let listed = json_of(home, &["audit", "list", "--target-type", "customer", "--target-id", &customer]);
    assert_eq!((&listed["total"], &listed["items"][0]["action"]), (&json!(1), &json!("customer.create")));
    let table = ok(home, &["audit", "list", "--action", "customer.create"]);
    assert!(table.starts_with("CREATED_AT ") && table.contains(&customer), "{table}");
    assert_eq!(json_of(home, &["audit", "list", "--action", "order.fly"])["total"], 0);
    fails(home, &["audit", "list", "--actor", "me"], 2);
    // No server ran that would have sealed anything.
    let found = json_of(home, &["audit", "verify"]);
    assert_eq!((&found["intact"], &found["verified"]), (&json!(true), &json!(0)));
    assert!(found["unsealed"].as_u64().unwrap() >= 1, "{found}");
    assert!(ok(home, &["audit", "verify"]).contains("intact"));
}

#[test]
fn events_and_servers_are_looked_at_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let (product, customer) = (make_product(home, &make_stock(home)), make_customer(home));
    let order = id(&json_of(home, &["order", "create", "--customer", &customer, "--product", &product]));
    let listed =
        json_of(home, &["event", "list", "--subject", &order, "--status", "pending", "--type", "order_created"]);
    assert_eq!((&listed["total"], &listed["items"][0]["failures"]), (&json!(1), &json!(0)));
    let event = id(&listed["items"][0]);
    let table = ok(home, &["event", "list"]);
    assert!(table.starts_with("CREATED_AT ") && table.contains(&event), "{table}");
    let shown = json_of(home, &["event", "show", &event]);
    assert_eq!(
        (&shown["subject_id"], &shown["payload"], &shown["last_error"]),
        (&json!(order), &json!({}), &json!(""))
    );
    assert_eq!(json_of(home, &["event", "retry", &event])["status"], "pending");
    let log = json_of(home, &["audit", "list", "--action", "event.retry"]);
    assert_eq!(log["items"][0]["target_id"], json!(event));
    for verb in ["show", "retry"] {
        fails(home, &["event", verb, UNKNOWN], 3);
        fails(home, &["event", verb, "42"], 2);
    }
    fails(home, &["event", "list", "--status", "lost"], 2);
    let status = json_of(home, &["cluster", "status"]);
    assert_eq!((&status["servers"], status["roles"].as_array().unwrap().len()), (&json!([]), 3));
    assert!(ok(home, &["cluster", "status"]).contains("event_worker"));
}
