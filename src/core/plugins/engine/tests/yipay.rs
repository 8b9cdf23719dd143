//! `plugins/gateway-yipay.rn` without a network; `tests/it/yipay.rs` has the rest.

use super::*;

const YIPAY: &str = include_str!("../../../../../plugins/gateway-yipay.rn");
const KEY: &str = "secret";

fn with(work: impl FnOnce(&mut Bench) + Send + 'static) {
    on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Gateway, YIPAY);
        work(&mut bench);
    });
}

/// The settings with more fields.
fn merged(more: &Value) -> Value {
    let mut merged = json!({"api_url": "https://pay.example.com", "pid": "1001", "key": KEY, "mode": "page", "type": "",
        "default_return_url": "https://shop.example/", "refund_wait": 300});
    for (name, value) in more.as_object().unwrap() {
        merged[name] = value.clone();
    }
    merged
}

fn reply(bench: &Bench, status: u16, body: &Value) {
    let answer = json!({"status": status, "headers": {}, "body": body.to_string()});
    bench.world.lock().unwrap().reply = Ok(answer.to_string());
}

/// A query string with the signature over `signed`, which the test writes out as the protocol says.
fn notice(query: &str, signed: &str) -> Value {
    let sign = super::super::pure::md5_hex(&format!("{signed}{KEY}"));
    merged(&json!({"payload": format!("{query}&sign={sign}&sign_type=MD5")}))
}

#[test]
fn describes_its_settings() {
    let inspected = inspect(Kind::Gateway, YIPAY).unwrap();
    assert!(inspected.has_admin_page);
    let schema = inspected.config_schema;
    assert_eq!(schema["properties"]["key"]["format"], "password");
    assert_eq!(schema["required"], json!(["api_url", "pid", "key", "default_return_url"]));
    with(|bench| {
        assert_eq!(bench.call("initialize", &merged(&json!({}))), Ok(Returned::Ok(Value::Null)));
        for (wrong, part) in [
            (json!({"key": ""}), "`key`"),
            (json!({"api_url": "pay.example.com"}), "`api_url`"),
            (json!({"api_url": "https://pay.example.com/?a=b"}), "`api_url`"),
            (json!({"mode": "api"}), "`type`"),
            (json!({"type": "wxpay", "allowed_types": "alipay, qqpay"}), "`allowed_types`"),
        ] {
            let error = bench.text("initialize", &merged(&wrong)).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    });
}

#[test]
fn an_address_is_signed_as_the_protocol_says() {
    with(|bench| {
        let call = json!({"payment_id": "p-1", "amount": "29.00", "currency": "CNY", "description": "VPS A&B <汉>",
            "return_url": "https://shop.example/?a=b&c", "notify_url": "https://b.example/callback/i", "type": "alipay"});
        let payment = bench.json("create_payment", &merged(&call));
        let signed = "money=29.00&name=VPS A B  汉&notify_url=https://b.example/callback/i&out_trade_no=p-1&pid=1001\
                      &return_url=https://shop.example/?a=b&c&type=alipay";
        let sign = super::super::pure::md5_hex(&format!("{signed}{KEY}"));
        let url = payment["payment_url"].as_str().unwrap();
        assert!(url.starts_with("https://pay.example.com/submit.php?pid=1001&type=alipay&out_trade_no=p-1&"), "{url}");
        assert!(url.contains(&format!("&sign={sign}&sign_type=MD5")), "{url}");
        assert!(url.contains("return_url=https%3A%2F%2Fshop.example%2F%3Fa%3Db%26c&"), "{url}");
        for (more, part) in [
            (json!({"currency": "EUR"}), "CNY, not EUR"),
            (json!({"notify_url": ""}), "server.external_url"),
            (json!({"amount": "0.00"}), "amount"),
            (json!({"amount": "1e2"}), "amount"),
        ] {
            let mut wrong = call.clone();
            wrong.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let error = bench.text("create_payment", &merged(&wrong)).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(bench.world.lock().unwrap().requests.is_empty(), "nothing was asked of the platform");
    });
}

#[test]
fn answers_of_the_platform_are_not_followed_blindly() {
    with(|bench| {
        let call = merged(
            &json!({"payment_id": "p-1", "amount": "29.00", "notify_url": "https://b.example/", "mode": "api", "type": "alipay"}),
        );
        reply(bench, 200, &json!({"code": 1, "trade_no": "T1", "urlscheme": "weixin://dl/business/?t=1"}));
        assert_eq!(bench.json("create_payment", &call)["payment_url"], "weixin://dl/business/?t=1");
        for answer in
            [json!({"code": 1, "payurl": "javascript:alert(1)"}), json!({"code": 1}), json!({"code": -1, "msg": "no"})]
        {
            reply(bench, 200, &answer);
            assert!(bench.text("create_payment", &call).is_err(), "{answer}");
        }
        let ask = merged(&json!({"payment_id": "p-1"}));
        for (answer, status) in [
            (json!({"code": 1, "out_trade_no": "p-1", "status": 0}), "pending"),
            (json!({"code": "1", "out_trade_no": "p-1", "status": "1", "money": "29.00", "trade_no": "T"}), "success"),
            (json!({"code": 1, "out_trade_no": "p-1", "status": 2}), "refunded"),
            (json!({"code": -1, "msg": "订单号不存在"}), "pending"),
        ] {
            reply(bench, 200, &answer);
            assert_eq!(bench.json("query_payment", &ask)["status"], status);
        }
        for answer in [
            json!({"code": 1, "out_trade_no": "p-2", "status": 1}),
            json!({"code": 1, "out_trade_no": "p-1", "status": 1, "pid": "1002"}),
            json!({"code": 1, "out_trade_no": "p-1", "status": 7}),
            json!({"code": -3, "msg": "key"}),
            json!("<html>"),
        ] {
            reply(bench, 200, &answer);
            assert!(bench.text("query_payment", &ask).is_err(), "{answer}");
        }
    });
}

#[test]
fn a_notice_counts_as_far_as_it_is_signed() {
    with(|bench| {
        let query = |money: &str| {
            let signed = format!(
                "a1=x&a=z&money={money}&out_trade_no=p-1&pid=1001&trade_no=T1&trade_status=TRADE_SUCCESS&type=alipay"
            );
            // PHP sorts by the name alone, in which `a` comes before `a1`.
            let sorted = signed.replace("a1=x&a=z", "a=z&a1=x");
            notice(&format!("{signed}&param="), &sorted)
        };
        let report = bench.json("handle_callback", &query("29.00"));
        assert_eq!((&report["payment_id"], &report["gateway_tx_id"]), (&json!("p-1"), &json!("T1")));
        assert_eq!(
            (&report["amount"], &report["status"], &report["response"]),
            (&json!("29.00"), &json!("success"), &json!("success"))
        );
        for money in ["29", "29.5", "0.01"] {
            assert_eq!(bench.json("handle_callback", &query(money))["amount"], money);
        }
        for money in ["-1.00", "1.", ".5", "1.005", "1,00", "1e2", "+1", " 1", "0x1", "9999999999999.00", "1.0.0"] {
            assert!(bench.text("handle_callback", &query(&money.replace('+', "%2B"))).is_err(), "{money}");
        }
        let mut keyless = query("29.00");
        keyless["key"] = json!("");
        assert!(bench.text("handle_callback", &keyless).unwrap_err().contains("`key`"));
        // Twenty are kept, newest first. Strangers push none of them out; what they say is shown as text.
        let page = bench.json("admin_page", &merged(&json!({})));
        let list = |page: &Value| {
            let html = page["html"].as_str().unwrap().to_owned();
            html.split("Last notices").nth(1).unwrap().split("</table>").next().unwrap().to_owned()
        };
        let before = list(&page);
        assert!(before.contains("refused") && before.contains("p-1"), "{before}");
        for _ in 0..30 {
            bench.text("handle_callback", &merged(&json!({"payload": "<b>=1&<b>=2"}))).unwrap_err();
        }
        assert_eq!(list(&bench.json("admin_page", &merged(&json!({})))), before);
        let counted: Value = serde_json::from_str(&bench.world.lock().unwrap().state["strangers"]).unwrap();
        assert!(counted["count"].as_i64().unwrap() >= 30, "{counted}");
        for _ in 0..30 {
            bench.json("handle_callback", &query("29.00"));
        }
        let kept: Value = serde_json::from_str(&bench.world.lock().unwrap().state["notices"]).unwrap();
        assert_eq!(kept.as_array().unwrap().len(), 20);
        let page = bench.json("admin_page", &merged(&json!({})));
        let html = page["html"].as_str().unwrap();
        assert!(html.contains("&lt;b&gt;") && !html.contains("<b>") && !html.contains(KEY), "{html}");
    });
}
