//! `provider-incus` where it needs no server, or the same answer to everything. The rest is tested against a real one.

use super::shipped::fingerprints;
use super::*;

const INCUS: &str = include_str!("../../../../../plugins/provider-incus.rn");

fn with(work: impl FnOnce(&mut Bench) + Send + 'static) {
    on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::FirstPartyProvider, INCUS);
        work(&mut bench);
    });
}

impl Bench {
    /// What the server answers from now on.
    fn answers(&self, status: u16, body: &Value) {
        self.world.lock().unwrap().reply = Ok(json!({ "status": status, "body": body.to_string() }).to_string());
    }

    fn fails(&mut self, function: &str, merged: &Value) -> String {
        match self.call(function, merged) {
            Err(CallError::Script { message, .. }) => message,
            other => panic!("{function} did not fail: {other:?}"),
        }
    }
}

/// A machine, its state and the list of operations in one, as the same answer is given to every question.
fn everything() -> Value {
    let address =
        |family: &str, scope: &str, address: &str| json!({ "family": family, "scope": scope, "address": address });
    json!({ "metadata": {
        "status": "Running",
        "config": { "volatile.eth0.hwaddr": "00:16:3e:00:00:01", "limits.cpu": "<b>2</b>" },
        "network": {
            "docker0": { "hwaddr": "02:42:00:00:00:01", "addresses": [address("inet", "global", "172.17.0.1")] },
            "eth0": { "hwaddr": "00:16:3e:00:00:01", "addresses": [
                address("inet6", "global", "2001:db8::7"),
                address("inet", "link", "169.254.0.7"),
                address("inet", "global", "203.0.113.7"),
            ] },
            "lo": { "hwaddr": "", "addresses": [address("inet", "local", "127.0.0.1")] },
        },
        "memory": { "usage": 5_242_880 },
    } })
}

#[test]
fn it_inspects_clean() {
    let inspected = inspect(Kind::FirstPartyProvider, INCUS).unwrap();
    assert_eq!(inspected.version, "1.0.1");
    assert!(inspected.has_admin_page);
    assert_eq!(inspected.config_schema["required"], json!(["api_url", "cert_pem", "key_pem"]));
    assert_eq!(inspected.config_schema["properties"]["key_pem"]["format"], "password");
}

#[test]
fn prices_are_summed_in_whole_cents() {
    with(|bench| {
        let spec = json!({ "cpu_cores": "2", "memory_gb": "4", "disk_gb": "50" });
        for (core, memory, disk, amount) in [
            ("5", "1.5", "0.05", "18.50"),
            ("0.00", "0", "0.019", "0.50"),
            ("1.01", "0.01", "0", "2.06"),
            ("", "x", "0.00", "0.00"),
        ] {
            let config = json!({
                "server_spec": spec, "price_core": core, "price_memory": memory, "price_disk": disk, "currency": "EUR",
            });
            let price = bench.json("query_price", &config);
            assert_eq!((&price["amount"], &price["currency"]), (&json!(amount), &json!("EUR")), "{config}");
        }
        assert!(bench.world.lock().unwrap().requests.is_empty());
    });
}

#[test]
fn only_what_the_settings_leave_open_is_a_choice() {
    with(|bench| {
        assert_eq!(bench.json("spec_template", &json!({})), json!({ "groups": [], "fields": [] }));
        let form =
            bench.json("spec_template", &json!({ "disk_choices": "10, 20,", "images": [{ "alias": "debian/13" }] }));
        let fields = form["fields"].as_array().unwrap();
        let keys: Vec<&str> = fields.iter().map(|field| field["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["disk_gb", "os"]);
        assert_eq!(fields[0]["options"][1]["label"], "20 GB");
        assert_eq!(fields[1]["options"][0]["label"], "debian/13");
    });
}

#[test]
fn nothing_is_certain_without_an_answer() {
    with(|bench| {
        let order = json!({ "order_id": "o1", "api_url": "https://h/" });
        bench.world.lock().unwrap().reply = Ok(json!({ "status": 0, "error": "connection refused" }).to_string());
        assert_eq!(bench.text("health_check", &order), Err("connection refused".to_owned()));
        for function in ["create_instance", "terminate_instance", "get_instance_status", "execute_action"] {
            let why = bench.fails(function, &order);
            assert!(why.contains("connection refused"), "{function}: {why}");
        }
        bench.answers(403, &json!({ "error": "not authorized" }));
        for function in ["create_instance", "terminate_instance"] {
            assert!(bench.fails(function, &order).contains("not authorized"), "{function}");
        }
        bench.answers(500, &json!({ "error": "database is locked" }));
        assert!(bench.fails("create_instance", &order).contains("database is locked"));
        // The address is written once, whatever it ends with.
        let world = bench.world.lock().unwrap();
        assert!(
            world.requests.iter().all(|(_, arguments)| arguments[1].starts_with("https://h/1.0")),
            "{:?}",
            world.requests
        );
    });
}

#[test]
fn a_server_that_does_not_trust_us_is_told_of_with_the_remedy() {
    with(|bench| {
        bench.answers(200, &json!({ "metadata": { "auth": "untrusted" } }));
        let why = bench.text("health_check", &json!({})).unwrap_err();
        assert!(why.contains("incus config trust add-certificate"), "{why}");
        assert!(bench.text("initialize", &json!({ "api_url": "http://h" })).is_err());
        assert_eq!(bench.text("initialize", &json!({ "api_url": "https://h" })), Ok(String::new()));
    });
}

#[test]
fn the_address_is_that_of_the_machines_own_card() {
    with(|bench| {
        bench.answers(200, &everything());
        let asked = json!({ "order_id": "o1", "instance_id": "rb-o1" });
        let status = bench.json("get_instance_status", &asked);
        assert_eq!(status, json!({ "status": "running", "ip_address": "203.0.113.7" }));
        let mut without = everything();
        without["metadata"]["network"]["eth0"]["addresses"].as_array_mut().unwrap().truncate(2);
        bench.answers(200, &without);
        assert_eq!(bench.json("get_instance_status", &asked)["ip_address"], "2001:db8::7");
        without["metadata"]["network"] = Value::Null;
        bench.answers(200, &without);
        assert_eq!(bench.json("get_instance_status", &asked)["ip_address"], "");
    });
}

#[test]
fn a_machine_that_runs_without_an_address_is_waited_for_and_not_for_ever() {
    with(|bench| {
        let mut without = everything();
        without["metadata"]["network"] = json!({});
        bench.answers(200, &without);
        let order = json!({ "order_id": "o1", "address_wait": 120 });
        assert_eq!(bench.json("create_instance", &order)["status"], "pending");
        bench.world.lock().unwrap().state.insert("up:rb-o1".to_owned(), "1".to_owned());
        let answer = bench.json("create_instance", &order);
        assert_eq!((&answer["status"], &answer["ip_address"]), (&json!("running"), &json!("")));
    });
}

#[test]
fn what_a_machine_is_called_does_not_leave_its_place() {
    with(|bench| {
        bench.answers(404, &json!({ "error": "not found" }));
        let asked = json!({ "instance_id": "../1.0/profiles/default?x", "project": "a&b", "api_url": "https://h" });
        assert_eq!(bench.text("get_instance_status", &asked), Ok("terminated".to_owned()));
        let world = bench.world.lock().unwrap();
        assert_eq!(world.requests[0].1[1], "https://h/1.0/instances/..%2F1.0%2Fprofiles%2Fdefault%3Fx?project=a%26b&");
    });
}

#[test]
fn sections_and_pages_escape_what_the_server_says() {
    with(|bench| {
        let mut listed = json!({ "metadata": [
            { "name": "<i>", "status": "Running", "location": "none", "config": { "user.rustbill.interface": "t" } },
            { "name": "other", "status": "Running", "location": "none", "config": {} },
        ] });
        bench.answers(200, &listed);
        bench.world.lock().unwrap().state.insert("tag".to_owned(), "t".to_owned());
        let page = bench.json("admin_page", &json!({}));
        let html = page["html"].as_str().unwrap();
        assert!(html.contains("&lt;i&gt;") && !html.contains("<i>") && !html.contains("other"), "{html}");
        let machines = bench.json("admin_machines", &json!({}));
        assert_eq!(machines.as_array().map(Vec::len), Some(1));
        listed["metadata"] = json!([]);
        bench.answers(200, &listed);
        assert_eq!(bench.json("admin_machines", &json!({})), json!([]));

        bench.answers(200, &everything());
        let sections = bench.json("instance_detail_sections", &json!({ "instance_id": "rb-o1" }));
        let fields = sections[0]["fields"].as_array().unwrap();
        assert!(fields.iter().any(|field| field["key"] == "Address" && field["value"] == "203.0.113.7"), "{fields:?}");
        assert_eq!(sections[1]["fields"][0]["value"], "5");
        let actions = bench.json("instance_actions", &json!({ "instance_id": "rb-o1", "snapshots_max": 0 }));
        let names: Vec<&str> =
            actions.as_array().unwrap().iter().map(|action| action["id"].as_str().unwrap()).collect();
        assert_eq!(names, ["start", "restart", "stop", "force_stop"]);
        assert_eq!((&actions[0]["enabled"], &actions[2]["enabled"]), (&json!(false), &json!(true)));
    });
}

#[test]
fn a_machine_that_was_asked_for_without_an_answer_may_still_begin() {
    with(|bench| {
        let order = json!({ "order_id": "o1", "api_url": "https://h" });
        let asked = |bench: &Bench| bench.world.lock().unwrap().state.get("asked:rb-o1").cloned();
        let remember = |bench: &Bench, at: i64, times: i64| {
            let entry = json!({ "at": at, "times": times }).to_string();
            bench.world.lock().unwrap().state.insert("asked:rb-o1".to_owned(), entry);
        };
        bench.answers(404, &json!({ "error": "not found" }));
        // It is noted before the server hears of it, and forgotten when the server said no.
        assert!(bench.text("create_instance", &order).unwrap_err().contains("not found"));
        assert_eq!(asked(bench), None);
        let requests = std::mem::take(&mut bench.world.lock().unwrap().requests);
        let place = |wanted: HostFunction, argument: &str| {
            let found =
                requests.iter().position(|(function, arguments)| *function == wanted && arguments[0] == argument);
            found.unwrap_or_else(|| panic!("{argument}: {requests:?}"))
        };
        assert!(place(HostFunction::StateSet, "asked:rb-o1") < place(HostFunction::HttpRequestWithCert, "POST"));
        // Whoever ends the order a moment later must not take it for gone.
        bench.answers(404, &json!({ "error": "not found" }));
        remember(bench, 9_999_999_999, 1);
        assert!(bench.fails("terminate_instance", &order).contains("may still be made"));
        remember(bench, 1, 1);
        assert_eq!(bench.text("terminate_instance", &order), Ok(String::new()));
        assert_eq!(asked(bench), None);
        // One that never answers is not asked for ever, so that the order can end.
        remember(bench, 1, 5);
        assert!(bench.fails("create_instance", &order).contains("no answer came"));
        let world = bench.world.lock().unwrap();
        assert!(!world.requests.iter().any(|(_, arguments)| arguments[0] == "POST"), "{:?}", world.requests);
    });
}

#[test]
fn what_the_host_says_of_certificates_names_the_settings() {
    with(|bench| {
        let merged = json!({ "api_url": "https://h/" });
        let said = "set it as `fingerprint`, or set `ca`; `cert` and `key`";
        bench.world.lock().unwrap().reply = Ok(json!({ "status": 0, "error": said }).to_string());
        let ours = "set it as `server_fingerprint`, or set `ca_pem`; `cert_pem` and `key_pem`";
        assert_eq!(bench.text("health_check", &merged), Err(ours.to_owned()));
        assert!(bench.fails("create_instance", &json!({ "api_url": "https://h/", "order_id": "o" })).contains(ours));
    });
}

#[test]
fn a_malformed_fingerprint_can_not_be_enabled() {
    with(|bench| {
        for (text, fits) in fingerprints() {
            let answer = bench.text("initialize", &json!({ "api_url": "https://h", "server_fingerprint": text }));
            assert_eq!(answer.is_ok(), fits, "{text}: {answer:?}");
            assert!(fits || answer.unwrap_err().starts_with("`server_fingerprint` is not 64"), "{text}");
        }
    });
}
