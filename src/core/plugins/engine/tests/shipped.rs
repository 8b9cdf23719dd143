//! The scripts of `plugins/` that need no network.

use super::*;

const BANK: &str = include_str!("../../../../../plugins/gateway-banktransfer.rn");
const WEBHOOK: &str = include_str!("../../../../../plugins/notifier-webhook.rn");
pub(super) const STOCK: &str = include_str!("../../../../../plugins/provider-stock.rn");

/// Fingerprints as operators write them, and whether they are some.
pub(super) fn fingerprints() -> Vec<(String, bool)> {
    let digits = "0123456789abcdefABCDEF0123456789".repeat(2);
    let colons = "aF:".repeat(32);
    vec![
        (String::new(), true),
        (digits.clone(), true),
        (colons.trim_end_matches(':').to_owned(), true),
        (format!("{digits}0"), false),
        ("AB:CD".to_owned(), false),
        (digits.replace('f', "g"), false),
        ("é".repeat(32), false),
    ]
}

pub(super) fn with(kind: Kind, source: &'static str, work: impl FnOnce(&mut Bench) + Send + 'static) {
    on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(kind, source);
        work(&mut bench);
    });
}

/// The names of an object schema's properties in their order.
fn fields(schema: &Value) -> Vec<String> {
    let properties = schema["properties"].as_object().unwrap();
    let mut names: Vec<String> = properties.keys().cloned().collect();
    names.sort_by_key(|name| properties[name]["x-order"].as_i64().unwrap());
    names
}

#[test]
fn all_inspect_clean() {
    for (kind, source, version, has_page) in [
        (Kind::Gateway, BANK, "1.1.0", true),
        (Kind::Notifier, WEBHOOK, "1.1.0", false),
        (Kind::FirstPartyProvider, STOCK, "1.2.0", true),
    ] {
        let inspected = inspect(kind, source).unwrap();
        assert_eq!((inspected.version.as_str(), inspected.has_admin_page), (version, has_page));
    }
    let bank = inspect(Kind::Gateway, BANK).unwrap().config_schema;
    assert_eq!(fields(&bank), ["bank_name", "account_name", "account_number", "instructions"]);
    let webhook = inspect(Kind::Notifier, WEBHOOK).unwrap().config_schema;
    assert_eq!(fields(&webhook), ["url", "secret"]);
    assert_eq!(webhook["properties"]["secret"]["format"], "password");
    let stock = inspect(Kind::FirstPartyProvider, STOCK).unwrap().config_schema;
    let server = fields(&stock["properties"]["servers"]["items"]);
    assert_eq!(server[0], "id");
    assert_eq!(server[10], "password");
}

#[test]
fn bank_transfer() {
    with(Kind::Gateway, BANK, |bench| {
        let config = json!({"bank_name": "B", "account_name": "N", "account_number": "1-2", "instructions": "Mo-Fr",
            "payment_id": "p1", "amount": "12.00", "currency": "CNY"});
        let payment = bench.json("create_payment", &config);
        assert_eq!(payment["gateway_payment_id"], "p1");
        assert_eq!(payment["payment_url"], Value::Null);
        let text = payment["instructions"].as_str().unwrap();
        for part in ["12.00 CNY", "reference: p1", "1-2", "Mo-Fr"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(bench.json("query_payment", &config)["status"], "pending");
        let refund = bench.json("refund", &config);
        assert_eq!(refund["status"], "refunded");
        assert!(refund["raw_response"].as_str().unwrap().contains("by hand"));
        assert_eq!(
            bench.text("handle_callback", &config),
            Err("bank transfers have no callbacks, an administrator confirms them".into())
        );
        assert_eq!(bench.call("initialize", &config), Ok(Returned::Ok(Value::Null)));
        assert_eq!(bench.call("health_check", &config), Ok(Returned::Ok(json!(true))));
        let incomplete = json!({"bank_name": "B", "payment_id": "p1"});
        for function in ["initialize", "health_check", "create_payment"] {
            assert!(bench.text(function, &incomplete).unwrap_err().contains("`account_name`"));
        }
    });
}

#[test]
fn bank_transfers_back_are_listed_until_they_are_done() {
    with(Kind::Gateway, BANK, |bench| {
        let refund = |id: &str, amount: &str| {
            json!({"bank_name": "B", "account_name": "N", "account_number": "1", "refund_id": id, "payment_id": "p<1>",
                "gateway_tx_id": "statement 17", "amount": amount, "currency": "CNY"})
        };
        let list = |bench: &mut Bench| bench.json("admin_list", &json!({})).as_array().unwrap().clone();
        assert!(list(bench).is_empty());
        for (id, amount) in [("r1", "12.00"), ("r2", "3.00"), ("r1", "12.00")] {
            assert_eq!(bench.json("refund", &refund(id, amount))["status"], "refunded");
        }
        let owed = list(bench);
        assert_eq!(owed.len(), 2, "{owed:?}");
        assert_eq!((&owed[0]["amount"], &owed[1]["amount"]), (&json!("12.00 CNY"), &json!("3.00 CNY")));
        let page = bench.json("admin_page", &json!({}));
        let html = page["html"].as_str().unwrap();
        assert!(html.contains("p&lt;1&gt;") && html.contains("statement 17") && !html.contains("p<1>"), "{html}");
        assert_eq!(bench.json("admin_transferred", &json!({"number": 1}))["is_done"], true);
        for number in ["1", "3", "x", ""] {
            assert!(bench.text("admin_transferred", &json!({"number": number})).is_err(), "{number}");
        }
        assert_eq!(list(bench).len(), 1);
        // Asked once more after it was done, it is not owed again; a number that was taken meanwhile is passed over.
        bench.world.lock().unwrap().state.insert("owed:3".to_owned(), json!({"refund_id": "other"}).to_string());
        bench.json("refund", &refund("r1", "12.00"));
        bench.json("refund", &refund("r3", "1.00"));
        assert_eq!(bench.world.lock().unwrap().state["refund:r3"], "4");
        assert_eq!(list(bench).iter().map(|one| one["number"].clone()).collect::<Vec<_>>(), [2, 3, 4]);
    });
}

#[test]
fn a_bank_transfer_back_that_was_cut_off_is_listed_once() {
    with(Kind::Gateway, BANK, |bench| {
        let refund = |id: &str| json!({"refund_id": id, "payment_id": "p1", "amount": "12.00", "currency": "CNY"});
        bench.json("refund", &refund("r1"));
        let begun: Vec<(HostFunction, Vec<String>)> = std::mem::take(&mut bench.world.lock().unwrap().requests);
        let is_write = |function: HostFunction| matches!(function, HostFunction::StateSet | HostFunction::StateClaim);
        let writes: Vec<&Vec<String>> =
            begun.iter().filter(|(function, _)| is_write(*function)).map(|(_, arguments)| arguments).collect();
        assert!(writes.len() >= 3, "{writes:?}");
        for kept in 0..=writes.len() {
            // The call ended after so many writes; another refund comes before it is asked again.
            let state = writes[..kept].iter().map(|arguments| (arguments[0].clone(), arguments[1].clone())).collect();
            bench.world.lock().unwrap().state = state;
            for id in ["r2", "r1", "r2", "r1"] {
                assert_eq!(bench.json("refund", &refund(id))["status"], "refunded");
            }
            let owed = bench.json("admin_list", &json!({}));
            let mut ids: Vec<&str> =
                owed.as_array().unwrap().iter().filter_map(|one| one["refund_id"].as_str()).collect();
            ids.sort_unstable();
            assert_eq!(ids, ["r1", "r2"], "after {kept} writes: {owed}");
        }
    });
}

#[test]
fn webhook() {
    with(Kind::Notifier, WEBHOOK, |bench| {
        let reply = |bench: &Bench, status: u16| {
            let json = json!({"status": status, "headers": {}, "body": "no 汉".repeat(200)}).to_string();
            bench.world.lock().unwrap().reply = Ok(json);
        };
        let merged = json!({"url": "https://h/x", "secret": "s", "event_type": "order_paid", "title": "t \"q\"",
            "delivery_id": "d1", "event_id": "e1", "occurred_at": "2026-01-01T00:00:00Z", "body": "b\n", "recipient": "r", "data": "{\"id\": [1, null, 2.5]}"});
        reply(bench, 204);
        assert_eq!(bench.call("send", &merged), Ok(Returned::Ok(Value::Null)));
        let (function, arguments) = bench.world.lock().unwrap().requests.pop().unwrap();
        assert_eq!(function, HostFunction::HttpRequest);
        assert_eq!(arguments[..2], ["POST", "https://h/x"]);
        let body: Value = serde_json::from_str(&arguments[2]).unwrap();
        assert_eq!(body["title"], "t \"q\"");
        assert_eq!(body["data"], json!({"id": [1, null, 2.5]}));
        let headers: Value = serde_json::from_str(&arguments[3]).unwrap();
        assert_eq!(
            (&headers["X-RustBill-Event"], &headers["X-RustBill-Delivery"]),
            (&json!("order_paid"), &json!("d1"))
        );
        assert_eq!((&body["delivery_id"], &body["event_id"]), (&json!("d1"), &json!("e1")));
        assert_eq!(body["occurred_at"], "2026-01-01T00:00:00Z");
        let signed = format!("{}.{}", headers["X-RustBill-Timestamp"].as_str().unwrap(), arguments[2]);
        let expected = super::super::pure::hmac_sha256_hex("s", &signed).unwrap();
        assert_eq!(headers["X-RustBill-Signature"], format!("sha256={expected}"));

        for status in [199, 301, 404, 500] {
            reply(bench, status);
            let error = bench.text("send", &merged).unwrap_err();
            assert!(error.contains(&status.to_string()), "{error}");
        }
        reply(bench, 200);
        let plain = json!({"url": "https://h/x", "event_type": "e"});
        assert!(bench.text("send", &plain).is_ok());
        let (_, arguments) = bench.world.lock().unwrap().requests.pop().unwrap();
        assert!(!arguments[3].contains("Signature"));
        assert!(bench.text("send", &json!({"url": "ftp://h"})).is_err());
        assert!(bench.text("health_check", &json!({})).is_err());
        assert_eq!(bench.json("supported_events", &json!({})), json!([]));
        assert_eq!(bench.json("templates", &json!({})), json!({}));
    });
}

fn stock_servers() -> Value {
    json!([
        {"id": "a", "address": "192.0.2.1", "region": "tokyo", "cpu_cores": 2, "memory_gb": 4, "disk_gb": 40,
         "bandwidth_mbps": 100, "os": "Debian 13", "username": "root", "password": "<p&w>"},
        {"id": "b", "address": "192.0.2.2", "region": "paris", "cpu_cores": 4, "memory_gb": 8, "disk_gb": 80,
         "bandwidth_mbps": 100, "os": "Debian 13", "username": "root", "password": "x"},
        {"id": "c", "address": "192.0.2.3", "region": "paris", "cpu_cores": 4, "memory_gb": 8, "disk_gb": 80,
         "bandwidth_mbps": 100, "os": "Debian 13", "username": "root", "password": "y"}
    ])
}

/// The configuration with more fields.
pub(super) fn stock(more: &Value) -> Value {
    let mut merged = json!({"servers": stock_servers()});
    for (key, value) in more.as_object().unwrap() {
        merged[key] = value.clone();
    }
    merged
}

#[test]
fn stock_sells_each_server_once() {
    with(Kind::FirstPartyProvider, STOCK, |bench| {
        let tokyo = |order: &str| stock(&json!({"order_id": order, "region": "tokyo", "cpu_cores": "0", "os": ""}));
        let first = bench.json("create_instance", &tokyo("o1"));
        assert_eq!(first["instance_id"], "a");
        assert_eq!(first["status"], "running");
        assert_eq!(first["ip_address"], "192.0.2.1");
        assert_eq!(bench.json("create_instance", &tokyo("o1"))["instance_id"], "a");
        assert_eq!(
            bench.text("create_instance", &tokyo("o2")),
            Err("no free server in stock for region tokyo with the wanted specification".into())
        );
        let instance = |order: &str| stock(&json!({"instance_id": "a", "order_id": order}));
        assert_eq!(bench.text("get_instance_status", &instance("")), Ok("running".into()));
        assert_eq!(bench.text("terminate_instance", &instance("o2")), Ok(String::new()));
        assert_eq!(bench.text("get_instance_status", &instance("")), Ok("running".into()));
        for _ in 0..2 {
            assert_eq!(bench.text("terminate_instance", &instance("o1")), Ok(String::new()));
            assert_eq!(bench.text("get_instance_status", &instance("")), Ok("terminated".into()));
        }
        assert!(bench.text("create_instance", &tokyo("o2")).is_err(), "it still has its last customer's password");
        let release = stock(&json!({"server": "a"}));
        assert_eq!(bench.json("admin_release", &release)["released"], "a");
        assert_eq!(bench.json("create_instance", &tokyo("o2"))["instance_id"], "a");
    });
}

#[test]
fn stock_of_the_longest_list() {
    with(Kind::FirstPartyProvider, STOCK, |bench| {
        let server = |i: usize| json!({"id": format!("s{i}"), "address": "192.0.2.1", "region": "r"});
        let list = |length: usize| (0..length).map(server).collect::<Vec<_>>();
        for i in 0..149 {
            bench.world.lock().unwrap().state.insert(format!("server:s{i}"), "other".to_owned());
        }
        let merged = json!({"servers": list(150), "order_id": "o", "region": "r"});
        assert_eq!(bench.text("initialize", &merged), Ok(String::new()));
        assert_eq!(bench.json("create_instance", &merged)["instance_id"], "s149");
        let error = bench.text("initialize", &json!({"servers": list(151)})).unwrap_err();
        assert!(error.contains("more than 150"), "{error}");
    });
}

#[test]
fn stock_orders_race_for_one_server() {
    // Both orders see the server free; the state store lets one of them have it.
    let world = Arc::new(Mutex::new(None));
    let threads: Vec<_> = ["o1", "o2"]
        .into_iter()
        .map(|order| {
            let world = Arc::clone(&world);
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    let mut bench = Bench::new(Limits::default());
                    bench.load(Kind::FirstPartyProvider, STOCK);
                    let shared = Arc::clone(world.lock().unwrap().get_or_insert_with(|| Arc::clone(&bench.world)));
                    bench.machine = Machine::new(Limits::default(), Box::new(FakeHost(shared))).unwrap();
                    bench.load(Kind::FirstPartyProvider, STOCK);
                    let merged = stock(&json!({"order_id": order, "region": "tokyo"}));
                    bench.text("create_instance", &merged)
                })
                .unwrap()
        })
        .collect();
    let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
}

#[test]
fn stock_describes_itself() {
    with(Kind::FirstPartyProvider, STOCK, |bench| {
        let config = stock(&json!({}));
        let text = json!({"servers": stock_servers().to_string()});
        assert_eq!(bench.json("spec_template", &config), bench.json("spec_template", &text));
        let template = bench.json("spec_template", &config);
        assert_eq!(template["fields"][0]["key"], "region");
        assert_eq!(template["fields"][0]["options"].as_array().unwrap().len(), 2);
        assert_eq!(template["fields"][1]["options"][0]["label"], "2 cores");
        let mut priced = config.clone();
        for server in priced["servers"].as_array_mut().unwrap() {
            server["price"] = json!("9.50");
        }
        let products = bench.json("sync_products", &priced);
        assert_eq!(products.as_array().unwrap().len(), 2);
        assert_eq!(products[1]["stock"], 2);
        assert_eq!(products[1]["cpu_cores"], 4);
        assert_eq!(bench.text("health_check", &config), Ok("true".into()));
        assert!(bench.text("health_check", &json!({"servers": []})).is_err());
        assert_eq!(bench.text("initialize", &config), Ok(String::new()));
        let twice = json!({"servers": [{"id": "a"}, {"id": "a"}]});
        assert_eq!(bench.text("initialize", &twice), Err("two servers have the id a".into()));
        let refusal = bench.json("execute_action", &config);
        assert_eq!(refusal["success"], false);
        assert!(refusal["message"].as_str().unwrap().contains("ask support"));
        assert_eq!(bench.json("instance_actions", &config), json!([]));

        let instance = stock(&json!({"instance_id": "a"}));
        assert_eq!(bench.json("instance_detail_sections", &instance), json!([]));
        bench.json("create_instance", &stock(&json!({"order_id": "o1", "region": "tokyo"})));
        let sections = bench.json("instance_detail_sections", &instance);
        assert!(sections[0]["content_html"].as_str().unwrap().contains("&lt;p&amp;w&gt;"));
        let data: Value = serde_json::from_str(sections[0]["data_json"].as_str().unwrap()).unwrap();
        assert_eq!(data["password"], "<p&w>");
    });
}
