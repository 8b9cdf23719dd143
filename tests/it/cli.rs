//! The command line of the real program on a SQLite file of its own, without a server.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use crate::support::cli::{
    SECRET, UNKNOWN, checked, command, fails, id, json_of, make_customer, make_product, make_stock, ok, rustbill, text,
    with_input,
};

#[test]
fn an_operator_sells_a_server_offline() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let interface = make_stock(home);
    let product = make_product(home, &interface);
    let customer = make_customer(home);
    assert!(json_of(home, &["plugin", "health", &interface])["is_healthy"].as_bool().unwrap());

    let user = ["user", "create", "--username", "ann", "--email", "ann@example.com", "--customer", &customer];
    with_input(home, &[&user[..], &["--password-stdin"]].concat(), &format!("{SECRET}\n"), 0);
    assert_eq!(json_of(home, &["user", "list", "--customer", &customer])["items"][0]["username"], "ann");

    let row = json_of(home, &["customer", "adjust-balance", &customer, "--amount", "50.00", "--description", "Cash"]);
    assert_eq!((&row["balance_before"], &row["balance_after"]), (&json!("0.00"), &json!("50.00")));
    json_of(home, &["customer", "adjust-balance", &customer, "--amount=-5"]);
    assert_eq!(json_of(home, &["customer", "show", &customer])["balance"], "45.00");

    let order = json_of(home, &["order", "create", "--customer", &customer, "--product", &product]);
    assert_eq!((&order["status"], &order["total_amount"]), (&json!("pending"), &json!("29.00")));
    assert_eq!(order["payment"], Value::Null);
    let order = id(&order);
    let payment = json_of(home, &["order", "pay", &order]);
    assert_eq!((&payment["status"], &payment["amount"]), (&json!("success"), &json!("29.00")));
    assert_eq!(json_of(home, &["order", "show", &order])["status"], "paid");
    assert!(fails(home, &["order", "pay", &order], 2).contains("can't become paid"));

    let ledger = json_of(home, &["customer", "transactions", &customer]);
    let amounts: Vec<&str> =
        ledger["items"].as_array().unwrap().iter().map(|row| row["amount"].as_str().unwrap()).collect();
    assert_eq!(amounts, ["-29.00", "-5.00", "50.00"]);
    assert_eq!(json_of(home, &["payment", "list", "--order", &order])["items"][0]["id"], payment["id"]);
    assert_eq!(json_of(home, &["instance", "list"])["total"], 0, "a server delivers what is paid");

    // The last command closed the database: everything is in the one file.
    assert!(home.join("rustbill.db").exists() && !home.join("rustbill.db-wal").exists());
}

#[test]
fn a_bank_transfer_is_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let interface = make_stock(home);
    let (product, customer) = (make_product(home, &interface), make_customer(home));
    let args = ["plugin", "create", "--plugin", "gateway-banktransfer", "--name", "Bank", "--set", "bank_name=ICBC"];
    let said = fails(home, &args, 2);
    assert!(said.contains("account_name") && said.contains("account_number"), "{said}");
    let more = ["--set", "account_name=Shop", "--set", "account_number=6222", "--enable"];
    let bank = id(&json_of(home, &[&args[..], &more].concat()));

    let place = ["order", "create", "--customer", &customer, "--product", &product, "--gateway", &bank];
    let placed = json_of(home, &place);
    assert_eq!((&placed["status"], &placed["payment"]["status"]), (&json!("pending"), &json!("pending")));
    assert!(placed["payment"]["instructions"].as_str().unwrap().contains("6222"));
    assert!(ok(home, &place).contains("Payment:"));
    let recharge = json_of(home, &["balance", "recharge", &customer, "--amount", "10", "--gateway", &bank]);
    assert_eq!((&recharge["purpose"], &recharge["status"]), (&json!("recharge"), &json!("pending")));
    assert_eq!(json_of(home, &["payment", "query", &id(&recharge)])["status"], "pending", "a bank can't be asked");
    json_of(home, &["payment", "confirm", &id(&recharge)]);
    json_of(home, &["balance", "adjust", &customer, "--amount=-2.50"]);
    assert_eq!(json_of(home, &["balance", "show", &customer])["balance"], "7.50");
    assert_eq!(json_of(home, &["balance", "list", &customer, "--type", "recharge"])["items"][0]["amount"], "10.00");
    fails(home, &["balance", "show", UNKNOWN], 3);
    fails(home, &["balance", "recharge", &customer, "--amount=-1", "--gateway", &bank], 2);

    // Money leaves when somebody says so.
    let recharge = id(&recharge);
    assert!(fails(home, &["payment", "refund", &recharge], 2).contains("--yes"));
    let given = json_of(home, &["payment", "refund", &recharge, "--amount", "4", "--yes"]);
    assert_eq!((&given["refunded_amount"], &given["status"]), (&json!("4.00"), &json!("success")));
    assert!(fails(home, &["payment", "refund", &recharge, "--amount", "6.01", "--yes"], 2).contains("6.00"));
    assert!(fails(home, &["payment", "refund", &recharge, "--yes"], 2).contains("balance of 3.50"));
    json_of(home, &["balance", "adjust", &customer, "--amount", "2.50"]);
    assert_eq!(json_of(home, &["payment", "refund", &recharge, "--yes"])["status"], "refunded");
    assert_eq!(json_of(home, &["balance", "show", &customer])["balance"], "0.00");
    fails(home, &["payment", "refund", UNKNOWN, "--yes"], 3);
    fails(home, &["payment", "query", UNKNOWN], 3);
    let payment = id(&placed["payment"]);
    let booked = json_of(home, &["payment", "confirm", &payment, "--transaction", "17", "--note", "seen"]);
    assert_eq!((&booked["status"], &booked["gateway_tx_id"]), (&json!("success"), &json!("17")));
    assert_eq!(json_of(home, &["order", "show", placed["id"].as_str().unwrap()])["status"], "paid");
    fails(home, &["payment", "confirm", &payment], 2);
}

#[test]
fn an_invoice_is_written_and_issued() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let customer = make_customer(home);
    let args = ["invoice", "create", "--customer", &customer, "--from", "2026-01-01", "--to", "2026-01-31"];
    let items = ["--due", "2026-02-14", "--item", "Setup;1;100.00", "--item", "Hours; at night;3;40", "--tax", "28.60"];
    let draft = json_of(home, &[&args[..], &items].concat());
    assert_eq!((&draft["amount"], &draft["total_amount"]), (&json!("220.00"), &json!("248.60")));
    assert_eq!((&draft["status"], &draft["invoice_number"]), (&json!("draft"), &Value::Null));
    let draft = id(&draft);
    let issued = json_of(home, &["invoice", "issue", &draft]);
    assert!(issued["invoice_number"].as_str().unwrap().ends_with("-000001"));
    fails(home, &["invoice", "issue", &draft], 2);

    let shown = ok(home, &["invoice", "show", &draft]);
    assert!(shown.contains("Hours; at night") && shown.contains("POSITION"), "{shown}");
    let csv = ok(home, &["invoice", "show", &draft, "--output", "csv"]);
    assert!(csv.ends_with("\"Setup;1;100.00\nHours; at night;3;40.00\"\n"), "{csv}");
    assert_eq!(json_of(home, &["invoice", "generate", "--from", "2026-01-01", "--to", "2026-01-31"])["invoices"], 0);
}

#[test]
fn the_documented_lines_work_on_a_bare_machine() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    assert!(ok(home, &["plugin", "list"]).contains("stock"));
    let create = ["user", "create", "--username", "admin2", "--password", SECRET, "--role", "admin"];
    let made = rustbill(home, &create);
    assert!(text(&made.stderr).contains("visible to others"));
    checked(&create, &made, 0);
    assert!(ok(home, &["user", "list"]).contains("admin2"));
    assert!(ok(home, &["db", "status"]).contains("initial"));
    for noun in ["user", "customer", "plugin", "product", "order", "payment", "invoice"] {
        assert!(ok(home, &[noun, "--help"]).contains("Examples:"), "{noun}");
    }
    assert!(ok(home, &["--help"]).contains("Exit codes:"));
}

#[test]
fn results_are_for_people_programs_and_spreadsheets() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let customer = make_customer(home);
    json_of(home, &["customer", "create", "--name", "Lee, Bo", "--email", "bo@example.com"]);

    let table = ok(home, &["customer", "list"]);
    assert!(table.starts_with("ID ") && table.contains("CREDIT_LIMIT") && table.contains(&customer), "{table}");
    let listed = json_of(home, &["customer", "list", "--page-size", "1", "--page", "2"]);
    assert_eq!((&listed["total"], &listed["page"], &listed["page_size"]), (&json!(2), &json!(2), &json!(1)));
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(id(&listed["items"][0]), customer, "newest first");
    let created = listed["items"][0]["created_at"].as_str().unwrap();
    assert!(created.len() == 20 && created.ends_with('Z'), "{created}");
    let more = rustbill(home, &["customer", "list", "--page-size", "1"]);
    assert!(text(&more.stderr).contains("page 1 of 2"));

    let csv = ok(home, &["customer", "list", "--search", "lee", "--output", "csv"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(lines[0].starts_with("id,name,email,") && lines[1].contains("\"Lee, Bo\""), "{csv}");
    assert_eq!(json_of(home, &["plugin", "interfaces"])["items"], json!([]));
}

#[test]
fn each_kind_of_error_has_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let customer = make_customer(home);
    for (args, word) in [
        (["customer", "adjust-balance", &customer, "--amount", "1.001"], "`amount`"),
        (["customer", "adjust-balance", &customer, "--amount", "1e3"], "`amount`"),
        (["customer", "adjust-balance", &customer, "--amount", "0"], "`amount`"),
        (["customer", "adjust-balance", "me", "--amount", "1"], "expected a UUID"),
        (["invoice", "generate", "--from=2026-02-30", "--to", "2026-03-01"], "`from`"),
        (["order", "list", "--status", "new", "--page=1"], "pending"),
        (["product", "create", "--name=x", "--interface=x", "--price=-1"], "`price`"),
        (["user", "list", "--type", "root", "--page=1"], "admin"),
        (["plugin", "create", "--plugin", "theme/dark", "--name=x"], "gateway, notifier, provider, upstream"),
    ] {
        let said = fails(home, &args, 2);
        assert!(said.contains(word), "{args:?}: {said}");
    }
    fails(home, &["plugin", "update", UNKNOWN], 2);
    fails(home, &["user", "create", "--username", "x", "--role", "root", "--password", SECRET], 2);
    fails(home, &["order", "lst"], 2);
    for args in [
        ["customer", "show", UNKNOWN],
        ["customer", "transactions", UNKNOWN],
        ["user", "show", UNKNOWN],
        ["plugin", "show", UNKNOWN],
        ["plugin", "enable", UNKNOWN],
        ["product", "show", UNKNOWN],
        ["order", "pay", UNKNOWN],
        ["payment", "confirm", UNKNOWN],
        ["invoice", "issue", UNKNOWN],
    ] {
        assert!(fails(home, &args, 3).contains(UNKNOWN));
    }
    let said = fails(home, &["plugin", "create", "--plugin", "provider-moon", "--name", "x"], 3);
    assert!(said.contains("hint: `rustbill plugin list`"), "{said}");
    fails(home, &["customer", "create", "--name", "Twin", "--email", "ANN@example.com"], 4);
    let user = ["user", "create", "--username", "root", "--role", "admin", "--password", SECRET];
    ok(home, &user);
    fails(home, &user, 4);
    let args = ["user", "list"];
    let lost = command(home, &args).env("DATABASE_URL", "sqlite:///dev/null/x.db").output().unwrap();
    checked(&args, &lost, 8);
    let broken = command(home, &args).env("RUSTBILL_DB__URI", "x").output().unwrap();
    checked(&args, &broken, 2);
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let create = ["user", "create", "--username", "ann", "--role", "operator"];
    let said = fails(home, &create, 2);
    assert!(said.contains("--password-stdin") && said.contains("RUSTBILL_PASSWORD"), "{said}");
    with_input(home, &[&create[..], &["--password-stdin"]].concat(), "", 2);
    let by_variable = command(home, &create).env("RUSTBILL_PASSWORD", SECRET).output().unwrap();
    checked(&create, &by_variable, 0);
    assert_eq!(json_of(home, &["user", "list", "--role", "operator"])["total"], 1);
}

#[test]
fn users_and_keys_are_managed_offline() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let customer = make_customer(home);
    ok(home, &["user", "create", "--username", "admin", "--role", "admin", "--password", SECRET]);
    ok(home, &["user", "passwd", "admin", "--new-password", SECRET]);
    with_input(home, &["user", "reset-password", "Admin", "--password-stdin"], &format!("{SECRET}\n"), 0);
    fails(home, &["user", "passwd", "admin", "--new-password", "12345"], 2);
    fails(home, &["user", "passwd", "nobody", "--new-password", SECRET], 3);
    let said = fails(home, &["user", "delete", "admin", "--yes"], 2);
    assert!(said.contains("last active administrator"), "{said}");
    fails(home, &["user", "update", "admin", "--active", "false"], 2);
    fails(home, &["user", "update", "admin"], 2);
    let twin = ["user", "create", "--username", "admin", "--email", "a@example.com", "--customer", &customer];
    ok(home, &[&twin[..], &["--password", SECRET]].concat());
    let said = fails(home, &["user", "show", "admin"], 2);
    assert!(said.contains("hint: "), "{said}");
    let update = ["user", "update", "admin", "--type", "customer", "--display-name", "Ann", "--active", "false"];
    let changed = json_of(home, &update);
    assert_eq!((&changed["display_name"], &changed["is_active"]), (&json!("Ann"), &json!(false)));
    ok(home, &["user", "delete", "admin", "--type", "customer", "--yes"]);
    assert_eq!(json_of(home, &["user", "show", "admin"])["role"], "admin");

    let create = ["apikey", "create", "--customer", &customer, "--name", "Shop"];
    let made = json_of(home, &[&create[..], &["--days", "30"]].concat());
    let key = made["api_key"].as_str().unwrap();
    assert!(key.starts_with("rbk_") && key.starts_with(made["key_prefix"].as_str().unwrap()));
    let listed = ok(home, &["apikey", "list", "--customer", &customer, "--output", "json"]);
    assert!(!listed.contains(key) && listed.contains("Shop"), "{listed}");
    assert_eq!(json_of(home, &["apikey", "revoke", &id(&made)])["enabled"], false);
    fails(home, &["apikey", "revoke", UNKNOWN], 3);
    fails(home, &["apikey", "create", "--customer", UNKNOWN, "--name", "x"], 3);
    fails(home, &["apikey", "create", "--customer", &customer, "--name", " "], 2);
}

#[test]
fn secrets_stay_and_stay_hidden() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let interface = make_stock(home);
    for args in
        [vec!["plugin", "show", &interface], vec!["plugin", "interfaces"], vec!["plugin", "disable", &interface]]
    {
        for format in ["table", "json", "csv"] {
            ok(home, &[&args[..], &["--output", format]].concat());
        }
    }
    // What a program reads it may send back, mask and all.
    let shown = json_of(home, &["plugin", "show", &interface]);
    let update = ["plugin", "update", &interface, "--name", "Rack 2", "--config-file", "-"];
    with_input(home, &update, &shown["config"].to_string(), 0);
    fails(home, &["plugin", "update", &interface, "--set", &format!("servers={SECRET}")], 2);
    fails(home, &["plugin", "update", &interface, "--set", SECRET], 2);
    let mode = fs::metadata(home.join("rustbill.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_broken_script_is_a_warning_and_a_closed_pipe_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    fs::create_dir(home.join("plugins")).unwrap();
    fs::write(home.join("plugins/gateway-bad.rn"), "fn version(").unwrap();
    let scanned = rustbill(home, &["plugin", "scan"]);
    let stdout = checked(&["plugin", "scan"], &scanned, 0);
    assert!(stdout.contains("gateway-bad.rn") && stdout.contains("broken"), "{stdout}");
    assert!(text(&scanned.stderr).contains("warning: 1 file can't be used"));
    let listed = json_of(home, &["plugin", "list", "--type", "gateway"]);
    let bad = listed["items"].as_array().unwrap().iter().find(|found| found["plugin_id"] == "bad").unwrap();
    assert!(!bad["problem"].as_str().unwrap().is_empty());
    let said = fails(home, &["plugin", "create", "--plugin", "gateway-bad", "--name", "x"], 2);
    assert!(said.contains("gateway-bad.rn"), "{said}");

    let args = ["plugin", "list", "--output", "json"];
    let mut child = command(home, &args).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    checked(&args, &output, 0);
    let said = text(&output.stderr);
    assert!(said.lines().count() == 1 && said.contains("1 file can't be used"), "{said}");
}

#[test]
fn an_interface_that_is_not_well_says_so_once_and_by_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let args = [
        "plugin",
        "create",
        "--plugin",
        "provider-incus",
        "--name",
        "Far",
        "--set",
        "api_url=https://127.0.0.1:9",
        "--set",
        "cert_pem=",
        "--set",
        "key_pem=",
    ];
    let said = fails(home, &args, 2);
    assert!(said.contains("`cert_pem`") && !said.contains("config_json"), "{said}");
    let mail = ["plugin", "create", "--plugin", "notifier-webhook", "--name", "Hook"];
    let said = fails(home, &mail, 2);
    assert!(said.contains("`url`: is missing") && !said.contains("config_json"), "{said}");
    let said = fails(home, &[&mail[..], &["--set", "ulr=https://h"]].concat(), 2);
    assert!(said.contains("did you mean `url`?"), "{said}");

    // An enabling that fails names what was made.
    let bad = ["plugin", "create", "--plugin", "provider-kvm", "--name", "Cluster", "--enable", "--config-json"];
    let config = json!({
        "api_url": "https://127.0.0.1:9", "token_id": "a@pve!b", "token_secret": SECRET, "fingerprint": "AB:CD",
        "templates": [{ "os": "debian-13", "vmid": 9000 }],
    });
    let said = fails(home, &[&bad[..], &[&config.to_string()]].concat(), 2);
    let made = json_of(home, &["plugin", "interfaces"])["items"][0]["id"].as_str().unwrap().to_owned();
    assert!(said.contains(&format!("rustbill plugin update {made} --enable")), "{said}");
    assert!(said.contains("`fingerprint` is not 64 hexadecimal digits"), "{said}");

    // Which of this program's settings forbids the way is told, with its key, once and in the output only.
    let fingerprint = format!("fingerprint={}", "ab".repeat(32));
    ok(home, &["plugin", "update", &made, "--set", &fingerprint]);
    let unwell = rustbill(home, &["plugin", "health", &made]);
    let stderr = checked(&["plugin", "health"], &unwell, 8);
    let stdout = text(&unwell.stdout);
    assert!(stdout.contains("`plugins.allow_private`") && stdout.contains("loopback"), "{stdout}");
    assert_eq!(stderr, format!("error: the interface `{made}` is not well\n"));
    let told = json_of(home, &["plugin", "interfaces"])["items"][0]["health_error"].as_str().unwrap().to_owned();
    let table = ok(home, &["plugin", "interfaces"]);
    assert!(
        !table.contains(&told) && table.contains('…') && table.lines().all(|line| line.chars().count() < 250),
        "{table}"
    );
}
