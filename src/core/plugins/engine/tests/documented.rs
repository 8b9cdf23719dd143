//! What the authors' documentation shows must run as it stands there. The code is the documentation's; the comments are
//! ours.

use super::*;

/// The five functions that a gateway needs beside those of a test.
const GATEWAY_REST: &str = r"
fn initialize(config, _unused) { Ok(()) }
fn health_check(config, _unused) { Ok(true) }
";

fn gateway(source: &str) -> String {
    format!("{source}\n{GATEWAY_REST}")
}

fn run<T: Send + 'static>(kind: Kind, source: &str, work: impl FnOnce(&mut Bench) -> T + Send + 'static) -> T {
    let source = source.to_owned();
    on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(kind, &source);
        work(&mut bench)
    })
}

/// What a body of statements from the syntax section evaluates to.
fn value(body: &str) -> Value {
    match send(body).unwrap() {
        Returned::Plain(value) | Returned::Ok(value) => value,
        Returned::Err(error) => panic!("{body}: {error}"),
    }
}

/// A gateway in the form of the documentation: objects, `Some` and `None`, errors in three ways, memory, signatures.
const GATEWAY: &str = r#"
fn version(_config, _unused) {
    "1.0.0"
}

fn config_schema(_config, _unused) {
    #{
        type: "object",
        required: ["api_url", "api_key", "merchant_id"],
        properties: #{
            api_url: #{type: "string", description: "API endpoint", default_value: "https://api.example.com"},
            api_key: #{type: "string", description: "API key", format: "password"},
            merchant_id: #{type: "string", description: "Merchant"},
            timeout: #{type: "integer", description: "Timeout (seconds)", default_value: "30", minimum: "1", maximum: "300"},
            currency: #{type: "string", description: "Currency", enum: ["CNY", "USD", "EUR"], default_value: "CNY"},
            sandbox: #{type: "boolean", description: "Sandbox", default_value: "false"},
        },
    }
}

async fn create_payment(merged, _unused) {
    let api_url = rustbill_host::json_get(merged, "api_url");
    let pid = rustbill_host::json_get(merged, "merchant_id");
    let key = rustbill_host::json_get(merged, "api_key");
    let payment_id = rustbill_host::json_get(merged, "payment_id");
    let amount = rustbill_host::json_get(merged, "amount");
    let params = `pid=${pid}&type=alipay&out_trade_no=${payment_id}`;
    let sign = rustbill_host::md5_hex(`${params}${key}`);
    rustbill_host::log_info(`Webhook sent to ${api_url}`);
    #{
        gateway_payment_id: payment_id,
        payment_url: Some(`${api_url}?${params}&sign=${sign}`),
        qr_code: None,
        instructions: None,
    }
}

async fn query_payment(merged, _unused) {
    #{
        payment_id: rustbill_host::json_get(merged, "payment_id"),
        gateway_tx_id: None,
        status: "success",
        paid_at: None,
        raw_response: Some("as the gateway sent it"),
    }
}

async fn handle_callback(merged, _unused) {
    let payment_id = rustbill_host::json_get(merged, "payment_id");
    if payment_id == "" {
        rustbill_host::log_error(`Payment signature mismatch for ${payment_id}`);
        return Err("something went wrong");
    }
    let cached = rustbill_host::state_get(`cb:${payment_id}`);
    if cached != "" {
        // It was done before.
        return `{"status":"duplicate"}`;
    }
    rustbill_host::state_set(`cb:${payment_id}`, "1");
    let json = rustbill_host::json_stringify(#{
        payment_id: "123",
        status: "success",
    });
    json
}

async fn refund(merged, _unused) {
    let val = rustbill_host::json_get(merged, "amount");
    if val == "" {
        return "ERROR:missing required field";
    }
    rustbill_host::json_stringify(#{
        payment_id,
        status: "refunded",
    })
}
"#;

#[test]
fn a_gateway() {
    // One name of the documentation's return example is a local variable there.
    let source = gateway(&GATEWAY.replace("        payment_id,\n", "        payment_id: \"p\",\n"));
    let inspected = inspect(Kind::Gateway, &source).unwrap();
    assert_eq!(inspected.version, "1.0.0");
    let form = &inspected.config_schema["properties"];
    assert_eq!(form["currency"]["enum"], json!(["CNY", "USD", "EUR"]));
    assert_eq!((&form["timeout"]["minimum"], &form["timeout"]["x-order"]), (&json!("1"), &json!(3)));
    run(Kind::Gateway, &source, |bench| {
        let merged =
            json!({"api_url": "https://a", "merchant_id": "1", "api_key": "k", "payment_id": "p", "amount": "1.00"});
        let made = bench.json("create_payment", &merged);
        let sign = super::super::pure::md5_hex("pid=1&type=alipay&out_trade_no=pk");
        assert_eq!(made["payment_url"], format!("https://a?pid=1&type=alipay&out_trade_no=p&sign={sign}"));
        assert_eq!((&made["gateway_payment_id"], &made["qr_code"]), (&json!("p"), &Value::Null));
        let found = bench.json("query_payment", &merged);
        assert_eq!((&found["status"], &found["raw_response"]), (&json!("success"), &json!("as the gateway sent it")));
        assert_eq!(bench.json("handle_callback", &merged), json!({"payment_id": "123", "status": "success"}));
        assert_eq!(bench.json("handle_callback", &merged), json!({"status": "duplicate"}));
        assert_eq!(bench.text("handle_callback", &json!({})), Err("something went wrong".to_owned()));
        assert_eq!(bench.json("refund", &merged), json!({"payment_id": "p", "status": "refunded"}));
        assert_eq!(bench.text("refund", &json!({})), Err("missing required field".to_owned()));
        assert_eq!(bench.call("health_check", &merged), Ok(Returned::Ok(json!(true))));
        assert_eq!(bench.call("initialize", &merged), Ok(Returned::Ok(Value::Null)));
        assert_eq!(bench.world.lock().unwrap().logs.len(), 2);
    });
}

/// A notifier in the form of the documentation.
const NOTIFIER: &str = r#"
fn config_schema(config, _unused) { `{"type":"object","properties":{}}` }
fn initialize(config, _unused) { Ok(()) }

async fn send(merged, _unused) {
    let event_type = rustbill_host::json_get(merged, "event_type");
    let title = rustbill_host::json_get(merged, "title");
    let body = rustbill_host::json_get(merged, "body");
    let recipient = rustbill_host::json_get(merged, "recipient");
    let email = rustbill_host::json_stringify(#{to: recipient, subject: title, body, content_type: "text/plain"});
    rustbill_host::smtp_send(`{"smtp_host": "smtp.example.com", "smtp_port": "465"}`, email);
    rustbill_host::http_post("https://example.com/hook", event_type, "text/plain").await;
    Ok(())
}

fn supported_events(merged, _unused) {
    ["order.created", "order.paid", "order.cancelled", "instance.ready"]
}

fn templates(config, _unused) { #{} }
fn health_check(config, _unused) { Ok(true) }
"#;

#[test]
fn a_notifier() {
    assert_eq!(inspect(Kind::Notifier, NOTIFIER).unwrap().config_schema["properties"], json!({}));
    run(Kind::Notifier, NOTIFIER, |bench| {
        let message =
            json!({"event_type": "order.paid", "title": "t \"q\"", "body": "b", "recipient": "a@example.com"});
        assert_eq!(bench.call("send", &message), Ok(Returned::Ok(Value::Null)));
        assert_eq!(bench.json("supported_events", &json!({}))[3], "instance.ready");
        assert_eq!(bench.json("templates", &json!({})), json!({}));
        let world = bench.world.lock().unwrap();
        let email: Value = serde_json::from_str(&world.requests[0].1[1]).unwrap();
        assert_eq!(email["subject"], "t \"q\"");
        assert_eq!(world.requests[1].1, ["https://example.com/hook", "order.paid", "text/plain"]);
    });
}

/// An upstream provider in the form of the documentation: texts of JSON, words, errors by their prefix.
const PROVIDER: &str = r#"
fn config_schema(config, _unused) { #{type: "object", properties: #{}} }
fn initialize(config, _unused) { "" }

fn spec_template(config, _unused) {
    `{"groups":[{"key":"compute","label":"Compute","display_order":1,"icon":"cpu","fields":[
        {"key":"cpu","label":"CPU","field_type":"slider","required":true,"min":1,"max":8,"step":1,"default_value":"2","unit":"cores"}
    ]}],"fields":[]}`
}

fn sync_products(config, _unused) { [1, 2, 3] }
fn query_price(config, _unused) { "ERROR: something went wrong" }

async fn create_instance(merged, _unused) {
    let ip = "1.2.3.4";
    `{"instance_id": "provider-abc123", "status": "Running", "ip_address": "${ip}", "created_at": ""}`
}

async fn get_instance_status(merged, _unused) {
    let status = rustbill_host::json_get(merged, "status");
    if status == "running" {
        "active"
    } else if status == "stopped" {
        "inactive"
    } else {
        "unknown"
    }
}

fn terminate_instance(config, _unused) { "" }
fn execute_action(config, _unused) { `{"success": true, "message": "Instance started", "data": "..."}` }

async fn health_check(config_json, _unused) {
    let api_url = rustbill_host::json_get(config_json, "api_url");
    let cert_pem = rustbill_host::json_get(config_json, "cert_pem");
    let key_pem = rustbill_host::json_get(config_json, "key_pem");
    let cert_json = `{"cert":"${cert_pem}","key":"${key_pem}"}`;
    let resp = rustbill_host::http_request_with_cert("GET", `${api_url}/1.0`, "", "", cert_json);
    let status = rustbill_host::json_get(resp, "status"); // the HTTP status
    let body = rustbill_host::json_get(resp, "body"); // the body
    if status == "200" { "true" } else { "false" }
}

fn instance_detail_sections(config, _unused) {
    `[
        {"kind": "properties", "title": "Server Config", "order": 1, "content_html": "<div>...</div>", "iframe_url": null, "data_json": null},
        {"kind": "iframe", "title": "Console", "order": 2, "content_html": null, "iframe_url": "https://...", "data_json": null}
    ]`
}

fn instance_actions(config, _unused) {
    `[
        {"id": "start", "label": "Boot", "style": "Primary", "confirmation": "", "enabled": true},
        {"id": "stop", "label": "Shutdown", "style": "Default", "confirmation": "Force shutdown may cause data loss. Continue?", "enabled": true}
    ]`
}

fn sync_upstream_instances(config, _unused) { "[]" }
fn import_upstream_instance(config, _unused) { "{}" }
fn get_upstream_balance(config, _unused) { "{}" }
fn admin_page(config, _unused) { "<h1>Page</h1>" }
"#;

#[test]
fn a_provider() {
    let inspected = inspect(Kind::UpstreamProvider, PROVIDER).unwrap();
    assert_eq!((inspected.functions.len(), inspected.has_admin_page, inspected.version.as_str()), (16, true, "0.0.0"));
    assert!(inspect(Kind::FirstPartyProvider, PROVIDER).is_ok(), "twelve of them do for a provider of one's own");
    run(Kind::UpstreamProvider, PROVIDER, |bench| {
        assert_eq!(bench.json("spec_template", &json!({}))["groups"][0]["fields"][0]["default_value"], "2");
        assert_eq!(bench.json("create_instance", &json!({}))["ip_address"], "1.2.3.4");
        for (status, word) in [("running", "active"), ("stopped", "inactive"), ("", "unknown")] {
            assert_eq!(bench.text("get_instance_status", &json!({"status": status})).unwrap(), word);
        }
        assert_eq!(bench.text("query_price", &json!({})), Err("something went wrong".to_owned()));
        assert_eq!(bench.json("sync_products", &json!({})), json!([1, 2, 3]), "a list may be returned as it is");
        assert_eq!(bench.json("instance_detail_sections", &json!({}))[1]["kind"], "iframe");
        assert_eq!(bench.json("instance_actions", &json!({}))[1]["style"], "Default");
        assert_eq!(bench.json("execute_action", &json!({}))["success"], true);
        bench.world.lock().unwrap().reply = Ok("{\"status\": 200, \"headers\": {}, \"body\": \"ok\"}".to_owned());
        // A certificate has line breaks, which the template puts raw into the JSON.
        let config = json!({"api_url": "https://a", "cert_pem": "-----BEGIN\nx\n-----END", "key_pem": "k\n"});
        assert_eq!(bench.text("health_check", &config).unwrap(), "true");
        let world = bench.world.lock().unwrap();
        assert_eq!(world.requests[0].1[1], "https://a/1.0");
        let given = super::super::json_path::parse(&world.requests[0].1[4]).unwrap();
        assert_eq!(given["cert"], "-----BEGIN\nx\n-----END");
    });
}

#[test]
fn variables_and_numbers() {
    assert_eq!(
        value("let x = 42; let msg = \"hello\"; let flag = true; let nothing = (); [x, msg, flag, nothing]"),
        json!([42, "hello", true, null])
    );
    assert_eq!(
        value("let resource = \"r\"; let url = `https://api.example.com/v1/${resource}`; url"),
        json!("https://api.example.com/v1/r")
    );
    assert_eq!(
        value("let count: i64 = 100; let price: f64 = 29.99; #{count, price}"),
        json!({"count": 100, "price": 29.99})
    );
    assert_eq!(value("let n = \"42\".parse::<i64>().unwrap_or(0); n"), json!(42));
    assert_eq!(value("let n = \"x\".parse::<i64>().unwrap_or(0); n"), json!(0));
    assert_eq!(value("let n = \"1.5\".parse::<f64>().unwrap_or(0.0); n"), json!(1.5));
}

#[test]
fn conditions_and_loops() {
    assert_eq!(value("let count = 3; let mut i = 0; while i < count { i = i + 1; } i"), json!(3));
    assert_eq!(value("let s = 0; for i in 0..4 { s += i; } s"), json!(6));
    assert_eq!(value("match \"b\" { \"a\" => 1, \"b\" => 2, _ => 3 }"), json!(2));
    assert_eq!(value("loop { break 7; }"), json!(7));
}

#[test]
fn objects_lists_and_options() {
    assert_eq!(
        value("let obj = #{key: \"value\", count: 42, enabled: true}; obj"),
        json!({"key": "value", "count": 42, "enabled": true})
    );
    assert_eq!(value("let arr = [\"a\", \"b\", \"c\"]; arr"), json!(["a", "b", "c"]));
    assert_eq!(
        value("let maybe: Option = Some(\"present\"); let nothing: Option = None; #{maybe, nothing}"),
        json!({"maybe": "present", "nothing": null})
    );
    assert_eq!(value("let opt = None; let v = opt.unwrap_or(\"default\"); v"), json!("default"));
    assert_eq!(value("rustbill_host::json_stringify(#{a: Some(1), b: None})"), json!("{\"a\":1,\"b\":null}"));
    // Words that Rune keeps for itself are keys all the same.
    assert_eq!(
        value("#{type: 1, enum: 2, default: 3, not: 4, ref: 5, static: 6, in: 7}"),
        json!({"type": 1, "enum": 2, "default": 3, "not": 4, "ref": 5, "static": 6, "in": 7})
    );
}

#[test]
fn texts() {
    assert_eq!(value("let pos = \"hello world\".find(\"world\"); pos"), json!(6));
    assert_eq!(value("let pos = \"hello world\".find(\"moon\"); pos"), Value::Null);
    assert_eq!(value("let sub = \"hello\"[0:2]; sub"), json!("he"));
    assert_eq!(
        value("let q = \"a=1&b=2\"; let at = q.find(\"&\").unwrap(); [q[:at], q[at + 1:]]"),
        json!(["a=1", "b=2"])
    );
    assert_eq!(value("let id = 7; let combined = `prefix_${id}`; combined"), json!("prefix_7"));
    assert_eq!(
        value("let val = \"\"; if val == \"\" { /* empty */ } if val.is_empty() { return \"empty\"; } val"),
        json!("empty")
    );
    assert_eq!(value("let s = \"four\"; let n = s.len(); n"), json!(4));
}

#[test]
fn functions_with_and_without_await() {
    let more = "fn add(a, b) {\n    a + b\n}\n\
                async fn fetch_data(url) {\n    let resp = rustbill_host::http_get(url);\n    \
                rustbill_host::log_info(`Fetched ${url}`);\n    resp\n}\n\
                fn check(merged, _unused) {\n    let val = rustbill_host::json_get(merged, \"key\");\n    \
                if val == \"good\" {\n        \"OK\"\n    } else {\n        \"ERROR:bad value\"\n    }\n}\n";
    let body = "let plain = fetch_data(\"u\").await;\n let awaited = rustbill_host::http_get(\"u\").await;\n \
                rustbill_host::state_set(\"k\", \"v\");\n rustbill_host::state_set(\"k\", \"w\").await;\n \
                [add(1, 2), plain == awaited, rustbill_host::state_get(\"k\"), rustbill_host::state_get(\"k\").await]";
    let returned = send_with(Limits::default(), body, more, json!({}));
    assert_eq!(returned, Ok(Returned::Plain(json!([3, true, "w", "w"]))));
    run(Kind::Notifier, &notifier("1", more), |bench| {
        assert_eq!(bench.text("check", &json!({"key": "good"})), Ok("OK".to_owned()));
        assert_eq!(bench.text("check", &json!({"key": "x"})), Err("bad value".to_owned()));
    });
}

#[test]
fn paths_into_json() {
    let raw = json!({
        "products": [{"name": "small"}, {"name": "large"}],
        "meta": {"state": {"network": {"eth0": {"addresses": [{"address": "10.0.0.1"}]}}}},
        "arr": [5],
    });
    let get = |path: &str| {
        let body = format!("rustbill_host::json_get(merged, \"{path}\")");
        send_with(Limits::default(), &body, "", raw.clone()).unwrap().into_text().unwrap()
    };
    assert_eq!(get("products[0].name"), "small");
    assert_eq!(get("meta.state.network.eth0.addresses[0].address"), "10.0.0.1");
    assert_eq!((get("arr[0]"), get("arr[1]"), get("nothing.at.all")), ("5".to_owned(), String::new(), String::new()));
    let count = "let count = rustbill_host::json_array_len(merged, \"products\"); count";
    assert_eq!(send_with(Limits::default(), count, "", raw.clone()), Ok(Returned::Plain(json!(2))));
}

#[test]
fn mistakes_that_the_documentation_names_are_told() {
    let told = |source: &str| {
        inspect(Kind::Gateway, source).unwrap_err().iter().map(Issue::to_string).collect::<Vec<_>>().join("\n")
    };
    let source = gateway(&GATEWAY.replace("        payment_id,\n", ""));
    assert!(
        told(&source.replace("fn refund(merged, _unused)", "fn refund(merged)"))
            .contains("every plugin function takes 2")
    );
    assert!(
        told(&source.replace("create_payment", "createPayment")).contains("missing required function `create_payment`")
    );
    assert!(told(&source.replace("query_payment", "ask")).contains("missing required function `query_payment`"));
    assert!(told(&source.replace("type: \"object\",", "")).contains("type"));
    for (word, kind) in [("payment_gateway", Kind::Gateway), ("gateway", Kind::Gateway), ("notifier", Kind::Notifier)] {
        assert_eq!(Kind::from_db(word), Some(kind));
    }
}
