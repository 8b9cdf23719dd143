//! `provider-rustbill.rn` against an upstream that answers what a test says.

mod ends;
mod limit;

use super::*;

const SCRIPT: &str = include_str!("../../../../../plugins/provider-rustbill.rn");
const ORDER: &str = "01a1-ours";
const THERE: &str = "01a1-there";

/// What the upstream answers, by RPC; the last answer of several stays.
#[derive(Default)]
struct Upstream {
    answers: HashMap<&'static str, Vec<Result<String, String>>>,
    /// RPC, request and headers of each call.
    calls: Vec<(String, Value, Value)>,
    state: HashMap<String, String>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Upstream>>);

impl Outside for Shared {
    fn request(&mut self, function: HostFunction, arguments: Vec<String>) -> Result<String, String> {
        let mut upstream = self.0.lock().unwrap();
        let state = &mut upstream.state;
        match function {
            HostFunction::StateGet => Ok(state.get(&arguments[0]).cloned().unwrap_or_default()),
            HostFunction::StateSet => {
                state.insert(arguments[0].clone(), arguments[1].clone());
                Ok(String::new())
            }
            HostFunction::StateClaim => {
                Ok(state.entry(arguments[0].clone()).or_insert_with(|| arguments[1].clone()).clone())
            }
            HostFunction::StateDelete => {
                state.remove(&arguments[0]);
                Ok(String::new())
            }
            HostFunction::GrpcCall => {
                assert_eq!(arguments[0], "https://up.example");
                let rpc = arguments[1].rsplit_once('/').unwrap().1.to_owned();
                let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
                upstream.calls.push((rpc.clone(), json(&arguments[2]), json(&arguments[3])));
                let answers = upstream.answers.get_mut(rpc.as_str()).unwrap_or_else(|| panic!("no answer for {rpc}"));
                if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
            }
            other => panic!("{other:?}"),
        }
    }

    fn log(&mut self, _level: &str, _text: &str) {}
}

struct Desk {
    machine: Machine,
    upstream: Shared,
}

impl Desk {
    /// An upstream that sells one product for 29.00 to a customer with 100.00, and nothing remembered.
    fn fresh(&self) {
        *self.upstream.0.lock().unwrap() = Upstream::default();
        self.answer("GetBalance", ok(&json!({ "balance": "100.00", "credit_limit": "0.00" })));
        self.answer("GetProduct", ok(&json!({ "product": product("p1", "29.00") })));
        self.answer("CreateOrder", ok(&json!({ "order": order("pending") })));
        self.answer("GetOrder", ok(&json!({ "order": order("pending") })));
        self.answer("PayOrder", ok(&json!({ "payment": {} })));
        self.answer("ListOrders", ok(&json!({ "orders": [], "meta": { "total_pages": 0 } })));
        let server = json!({ "id": "srv", "order_id": THERE, "status": "running", "ip_address": "192.0.2.1",
            "created_at": "2026-11-21T00:00:00Z" });
        self.answer("ListInstances", ok(&json!({ "instances": [server], "meta": { "total_pages": 1 } })));
        let shown = json!({ "instance": server, "sections": [{ "title": "S" }], "actions": [{ "id": "a" }] });
        self.answer("GetInstance", ok(&shown));
    }

    fn call(&mut self, function: &str, more: &Value) -> Result<Returned, CallError> {
        let mut merged = json!({ "api_url": "https://up.example", "api_key": "rbk_1" });
        merged.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.machine.call(&(Kind::UpstreamProvider, "h".into()), function, &merged.to_string())
    }

    fn text(&mut self, function: &str, more: &Value) -> Result<String, String> {
        self.call(function, more).unwrap().into_text()
    }

    fn json(&mut self, function: &str, more: &Value) -> Value {
        self.call(function, more).unwrap().into_json().unwrap()
    }

    /// A failure, as opposed to an error that is returned.
    fn failure(&mut self, function: &str, more: &Value) -> String {
        self.call(function, more).unwrap_err().to_string()
    }

    fn answers(&self, rpc: &'static str, answers: Vec<Result<String, String>>) {
        self.upstream.0.lock().unwrap().answers.insert(rpc, answers);
    }

    fn answer(&self, rpc: &'static str, answer: String) {
        self.answers(rpc, vec![Ok(answer)]);
    }

    /// The RPCs that were called since the last time.
    fn calls(&self) -> Vec<(String, Value, Value)> {
        std::mem::take(&mut self.upstream.0.lock().unwrap().calls)
    }

    fn names(&self) -> Vec<String> {
        self.calls().into_iter().map(|(rpc, ..)| rpc).collect()
    }

    fn state(&self, key: &str) -> Option<String> {
        self.upstream.0.lock().unwrap().state.get(key).cloned()
    }

    fn remember(&self, key: &str, value: &str) {
        self.upstream.0.lock().unwrap().state.insert(key.to_owned(), value.to_owned());
    }
}

fn with(work: impl FnOnce(&mut Desk) + Send + 'static) {
    on_large_stack(move || {
        let upstream = Shared::default();
        let mut machine = Machine::new(Limits::default(), Box::new(upstream.clone())).unwrap();
        machine.load((Kind::UpstreamProvider, "h".into()), "test", SCRIPT).unwrap();
        let mut desk = Desk { machine, upstream };
        desk.fresh();
        work(&mut desk);
    });
}

fn ok(body: &Value) -> String {
    json!({ "code": 0, "status": "OK", "message": "", "error_code": "", "body": body }).to_string()
}

fn error(status: &str, error_code: &str) -> String {
    json!({ "code": 3, "status": status, "message": "words", "error_code": error_code }).to_string()
}

fn product(id: &str, price: &str) -> Value {
    json!({ "id": id, "name": "Small", "description": "d", "price_per_month": price, "interface_id": "if",
        "specs": { "region": "eu", "api_url": "https://evil.example", "upstream_product": "further-up" },
        "billing_cycles": { "monthly": price } })
}

fn order(status: &str) -> Value {
    json!({ "id": THERE, "status": status, "notes": format!("reseller order {ORDER}"), "created_at": "", "product_name": "" })
}

fn wanted() -> Value {
    json!({ "order_id": ORDER, "product_id": "ours", "billing_cycle": "monthly",
        "server_spec": { "upstream_product": "p1", "region": "eu", "cpu_cores": "2", "disk_gb": "big", "gpu": "1" } })
}

#[test]
fn it_inspects_clean_and_checks_its_settings() {
    let inspected = inspect(Kind::UpstreamProvider, SCRIPT).unwrap();
    assert!(inspected.has_admin_page);
    assert_eq!(inspected.config_schema["properties"]["api_key"]["format"], "password");
    with(|desk| {
        assert!(desk.text("initialize", &json!({})).is_ok());
        assert!(desk.text("initialize", &json!({ "api_url": "up.example" })).unwrap_err().contains("`api_url`"));
        assert!(desk.text("initialize", &json!({ "api_key": "" })).unwrap_err().contains("`api_key`"));
        assert_eq!(desk.text("health_check", &json!({ "low_balance": 100 })), Ok("true".to_owned()));
        let low = desk.text("health_check", &json!({ "low_balance": 101 })).unwrap_err();
        assert!(low.contains("only 100.00") && low.contains("101"), "{low}");
        desk.answer("GetBalance", ok(&json!({ "balance": "-3.50", "credit_limit": "10.00" })));
        assert!(desk.text("health_check", &json!({ "low_balance": 7 })).unwrap_err().contains("only 6.50"));
        desk.answer("GetBalance", error("UNAUTHENTICATED", "auth.required"));
        assert!(desk.text("health_check", &json!({})).unwrap_err().contains("does not accept the API key"));
        assert!(desk.text("get_upstream_balance", &json!({})).is_err());
    });
}

#[test]
fn an_order_is_placed_claimed_and_paid_once() {
    with(|desk| {
        let made = desk.json("create_instance", &wanted());
        assert_eq!((&made["instance_id"], &made["status"]), (&json!(THERE), &json!("pending")));
        let calls = desk.calls();
        let names: Vec<&str> = calls.iter().map(|(rpc, ..)| rpc.as_str()).collect();
        assert_eq!(names, ["GetProduct", "GetBalance", "CreateOrder", "GetOrder", "PayOrder"]);
        let expected = json!({ "product_id": "p1", "billing_cycle": "monthly", "notes": "reseller order 01a1-ours",
            "server_spec": { "region": "eu", "cpu_cores": 2, "extra_specs": { "disk_gb": "big", "gpu": "1" } } });
        assert_eq!(calls[2].1, expected);
        assert!(calls[2].2["idempotency-key"].as_str().unwrap().starts_with("rb-01a1-ours-"));
        assert_eq!(calls[4].1, json!({ "order_id": THERE }));
        assert_eq!(calls[4].2, json!({ "authorization": "Bearer rbk_1", "idempotency-key": "rb-pay-01a1-there" }));
        assert_eq!(desk.state(&format!("order:{ORDER}")).as_deref(), Some(THERE));
        // Asked again it looks, and neither orders nor pays.
        desk.answer("GetOrder", ok(&json!({ "order": order("provisioning") })));
        assert_eq!(desk.json("create_instance", &wanted())["status"], "pending");
        assert_eq!(desk.names(), ["GetOrder"]);
        desk.answer("GetOrder", ok(&json!({ "order": order("active") })));
        let made = desk.json("create_instance", &wanted());
        assert_eq!((&made["status"], &made["ip_address"]), (&json!("running"), &json!("192.0.2.1")));
        assert_eq!(desk.names(), ["GetOrder", "ListInstances", "GetInstance"]);
        let asked = json!({ "instance_id": THERE, "order_id": ORDER });
        assert_eq!(desk.json("get_instance_status", &asked), json!({ "status": "running", "ip_address": "192.0.2.1" }));
        assert_eq!(desk.names(), ["GetOrder", "GetInstance"], "the server is remembered");
    });
}

#[test]
fn a_lost_answer_is_found_again_and_never_ordered_twice() {
    with(|desk| {
        desk.answers("CreateOrder", vec![Err("POST up.example failed".to_owned())]);
        assert!(desk.failure("create_instance", &wanted()).contains("POST up.example failed"));
        desk.calls();
        let other = json!({ "id": "other", "status": "pending", "notes": format!("reseller order {ORDER}") });
        let stranger = json!({ "id": "stranger", "status": "paid", "notes": "reseller order" });
        let pages = vec![
            Ok(ok(&json!({ "orders": [stranger, other], "meta": { "total_pages": 2 } }))),
            Ok(ok(&json!({ "orders": [order("paid")], "meta": { "total_pages": 2 } }))),
        ];
        desk.answers("ListOrders", pages);
        desk.answer("GetOrder", ok(&json!({ "order": order("paid") })));
        assert_eq!(desk.json("create_instance", &wanted())["instance_id"], THERE);
        assert_eq!(desk.names(), ["ListOrders", "ListOrders", "GetOrder"]);
        desk.fresh();
        // It did not arrive: the same call is sent again, with the same key.
        desk.answers("CreateOrder", vec![Err("lost".to_owned()), Ok(ok(&json!({ "order": order("pending") })))]);
        desk.failure("create_instance", &wanted());
        desk.json("create_instance", &wanted());
        let keys: Vec<Value> =
            desk.calls().into_iter().filter(|(rpc, ..)| rpc == "CreateOrder").map(|(_, _, headers)| headers).collect();
        assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
        desk.fresh();
        // Its payment was lost: the order is looked at before it is paid again.
        desk.answers("PayOrder", vec![Err("lost".to_owned())]);
        desk.failure("create_instance", &wanted());
        desk.calls();
        let asked = json!({ "order_id": ORDER, "instance_id": "" });
        assert!(desk.failure("terminate_instance", &asked).contains("may still arrive"));
        desk.answer("GetOrder", ok(&json!({ "order": order("paid") })));
        desk.calls();
        desk.json("create_instance", &wanted());
        assert_eq!(desk.names(), ["GetOrder"]);
    });
}

#[test]
fn only_a_certain_no_is_returned() {
    let certain = [
        ("GetProduct", error("NOT_FOUND", "not_found"), "words"),
        ("GetBalance", error("UNAUTHENTICATED", "auth.required"), "does not accept the API key"),
        ("GetBalance", ok(&json!({ "balance": "28.99", "credit_limit": "0.00" })), "28.99 can be spent there, 29.00"),
        ("CreateOrder", error("INVALID_ARGUMENT", "spec.unknown"), "spec.unknown"),
        ("PayOrder", error("INVALID_ARGUMENT", "balance.insufficient"), "does not suffice"),
        ("PayOrder", error("INVALID_ARGUMENT", "customer.inactive"), "customer.inactive"),
        ("GetOrder", ok(&json!({ "order": order("cancelled") })), "is cancelled"),
        ("GetOrder", error("NOT_FOUND", "not_found"), "was deleted"),
    ];
    let uncertain = [
        ("GetProduct", error("UNAVAILABLE", "")),
        ("GetBalance", error("INTERNAL", "")),
        ("CreateOrder", error("UNAVAILABLE", "idempotency.in_progress")),
        ("CreateOrder", error("ALREADY_EXISTS", "idempotency.answer_lost")),
        ("GetOrder", error("UNAUTHENTICATED", "auth.required")),
        ("PayOrder", error("INVALID_ARGUMENT", "order.wrong_state")),
        ("PayOrder", error("ALREADY_EXISTS", "idempotency.answer_lost")),
    ];
    with(|desk| {
        for (rpc, answer, said) in certain {
            desk.fresh();
            desk.answer(rpc, answer);
            let words = desk.text("create_instance", &wanted()).unwrap_err();
            assert!(words.contains(said), "{rpc}: {words}");
            let paid = desk.names().iter().filter(|name| *name == "PayOrder").count();
            assert_eq!(paid, usize::from(rpc == "PayOrder"));
        }
        for (rpc, answer) in uncertain {
            desk.fresh();
            desk.answer(rpc, answer);
            desk.failure("create_instance", &wanted());
        }
        desk.fresh();
        let mut other = wanted();
        other["billing_cycle"] = json!("yearly");
        assert!(desk.text("create_instance", &other).unwrap_err().contains("yearly"));
        other["server_spec"] = json!({ "region": "eu" });
        assert!(desk.text("create_instance", &other).unwrap_err().contains("upstream_product"));
        assert!(desk.text("create_instance", &json!({})).unwrap_err().contains("order_id"));
        assert_eq!(desk.state(&format!("begun:{ORDER}")), None);
        assert!(!desk.names().contains(&"CreateOrder".to_owned()));
    });
}

#[test]
fn products_carry_their_cost_and_nothing_that_could_redirect_us() {
    with(|desk| {
        let list = json!({ "products": [product("p1", "29.00")], "meta": { "total_pages": 1 } });
        desk.answer("ListProducts", ok(&list));
        desk.answer("QueryPrice", ok(&json!({ "amount": "29.00", "currency": "EUR" })));
        let field = |key: &str, options: Value| {
            json!({ "key": key, "label": key, "field_type": "select", "display_order": 1, "options": options, "unit": "",
                "description": "", "icon": "", "required": true, "default_value": "x" })
        };
        let option = |value: &str| json!({ "value": value, "label": value });
        let providers = json!([
            { "spec_template": { "fields": [field("os", json!([option("a")])), field("api_key", json!([]))], "groups": [] } },
            { "spec_template": { "fields": [], "groups": [{ "fields": [field("os", json!([option("a"), option("b")]))] }] } },
        ]);
        desk.answer("ListProviders", ok(&json!({ "providers": providers })));
        assert_eq!(desk.json("spec_template", &json!({}))["fields"].as_array().unwrap().len(), 6);
        let found = desk.json("sync_products", &json!({}));
        assert_eq!(found[0]["specs"], json!({ "region": "eu", "upstream_product": "p1" }));
        assert_eq!((&found[0]["price"], &found[0]["currency"]), (&json!("29.00"), &json!("EUR")));
        let template = desk.json("spec_template", &json!({}));
        assert_eq!(template["fields"].as_array().unwrap().len(), 1, "{template}");
        assert_eq!(template["fields"][0]["options"], json!([option("a"), option("b")]));
        assert_eq!(template["fields"][0].get("default_value"), None);
        // The shop itself may ask without a product.
        let asked = json!({ "server_spec": { "region": "eu", "cpu_cores": "0" }, "product_id": "" });
        assert_eq!(
            desk.json("query_price", &asked),
            json!({ "amount": "29.00", "currency": "EUR", "billing_cycle": "monthly" })
        );
        let other = json!({ "server_spec": { "region": "us" }, "product_id": "" });
        assert!(desk.text("query_price", &other).unwrap_err().contains("sells no server like this"));
    });
}

#[test]
fn what_the_upstream_offers_is_passed_on() {
    with(|desk| {
        let asked =
            |action: &str| json!({ "instance_id": THERE, "order_id": ORDER, "action": action, "params": { "a": 1 } });
        desk.answer("StopInstance", ok(&json!({ "instance": {} })));
        assert_eq!(desk.json("execute_action", &asked("stop"))["success"], true);
        desk.answer("ExecuteInstanceAction", ok(&json!({ "success": false, "message": "m", "data": "d" })));
        assert_eq!(
            desk.json("execute_action", &asked("rescue")),
            json!({ "success": false, "message": "m", "data": "d" })
        );
        let (_, request, _) = desk.calls().pop().unwrap();
        assert_eq!(request, json!({ "id": "srv", "action": "rescue", "params_json": "{\"a\":1}" }));
        desk.answer("StopInstance", error("INVALID_ARGUMENT", "instance.wrong_state"));
        assert_eq!(desk.json("execute_action", &asked("stop"))["message"], "words");
        desk.answer("StopInstance", error("INTERNAL", "provider.refused"));
        assert_eq!(desk.json("execute_action", &asked("stop"))["success"], false);
        desk.answer("StopInstance", error("INTERNAL", "provider.failed"));
        assert!(desk.failure("execute_action", &asked("stop")).contains("provider.failed"));
        assert_eq!(desk.json("instance_actions", &asked("")), json!([{ "id": "a" }]));
        assert_eq!(desk.json("instance_detail_sections", &asked("")), json!([{ "title": "S" }]));
        assert_eq!(desk.json("sync_upstream_instances", &json!({}))[0]["instance_id"], THERE);
    });
}

#[test]
fn an_import_names_the_order_that_bought_the_server() {
    with(|desk| {
        desk.answer("GetOrder", ok(&json!({ "order": order("active") })));
        let asked = json!({ "instance_id": THERE });
        let told = desk.json("import_upstream_instance", &asked);
        assert_eq!(
            (&told["order_id"], &told["status"]),
            (&json!(""), &json!("running")),
            "a note alone proves nothing"
        );
        assert!(desk.state(&format!("imported:{THERE}")).is_some());
        desk.remember(&format!("order:{ORDER}"), THERE);
        assert_eq!(desk.json("import_upstream_instance", &asked)["order_id"], ORDER);
        desk.answer("GetOrder", ok(&json!({ "order": order("pending") })));
        assert!(desk.text("import_upstream_instance", &asked).unwrap_err().contains("not paid"));
        // The page tells ours from others.
        let list = json!({ "orders": [order("active"), { "id": "<x>", "notes": "", "status": "active", "product_name": "" }],
            "meta": {} });
        desk.answer("ListOrders", ok(&list));
        desk.answer("ListInvoices", ok(&json!({ "invoices": [] })));
        let page = desk.text("admin_page", &json!({ "low_balance": 200 })).unwrap();
        for part in ["100.00", "Less than 200", "Not matched here", "&lt;x&gt;", ORDER] {
            assert!(page.contains(part), "{page}");
        }
    });
}
