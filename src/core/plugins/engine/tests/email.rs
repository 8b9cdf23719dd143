//! `notifier-email` without a mail server.

use super::*;

const EMAIL: &str = include_str!("../../../../../plugins/notifier-email.rn");

fn settings() -> Value {
    json!({"smtp_host": "smtp.example.com", "smtp_port": 465, "encryption": "ssl", "username": "shop", "password": "hunter2",
        "from": "Shop <shop@example.com>", "reply_to": "help@example.com", "subject_prefix": "[Shop]", "language": "en",
        "default_to": "", "ca": "", "allow_plain_login": false})
}

/// The settings with the fields of a call.
fn with(fields: &Value) -> Value {
    let mut merged = settings();
    merged.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    merged
}

fn on_bench(work: impl FnOnce(&mut Bench) + Send + 'static) {
    on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Notifier, EMAIL);
        work(&mut bench);
    });
}

/// The two arguments of the last mail.
fn mailed(bench: &Bench) -> (Value, Value) {
    let (function, arguments) = bench.world.lock().unwrap().requests.pop().unwrap();
    assert_eq!(function, HostFunction::SmtpTry);
    (serde_json::from_str(&arguments[0]).unwrap(), serde_json::from_str(&arguments[1]).unwrap())
}

#[test]
fn it_inspects_clean_and_hides_the_password() {
    let inspected = inspect(Kind::Notifier, EMAIL).unwrap();
    assert!(inspected.has_admin_page);
    let schema = inspected.config_schema;
    assert_eq!(schema["properties"]["password"]["format"], "password");
    assert_eq!(schema["required"], json!(["smtp_host", "from"]));
    on_bench(move |bench| {
        let events = bench.json("supported_events", &settings());
        assert!(events.as_array().unwrap().contains(&json!("verification_code")));
        assert_eq!(bench.json("templates", &settings()), json!({}));
        let named = &schema["properties"]["templates"]["items"]["properties"]["event"]["enum"];
        assert_eq!(named, &events, "each of them may have words of the operator's own");
        for event in events.as_array().unwrap() {
            let merged =
                with(&json!({"language": "zh", "event_type": event, "event_id": "e1", "recipient": "a@b.example",
                "title": "English", "body": "b", "data": {}}));
            bench.text("send", &merged).unwrap();
            let subject = mailed(bench).1["subject"].as_str().unwrap().to_owned();
            assert!(!subject.contains("English"), "{event} has no Chinese text");
        }
    });
}

#[test]
fn the_operators_words_take_the_place_of_all_others() {
    on_bench(|bench| {
        let own = json!([{"event": "order_paid", "title": "Thanks for {{product_name}}"},
            {"event": "order_provisioned", "title": "Ready", "body": "At {{ip_address}}", "html": "<p>{{ip_address}}</p>"}]);
        let settings = with(&json!({"templates": own}));
        let expected = json!({"order_paid": {"title": "Thanks for {{product_name}}", "body": "", "html": ""},
            "order_provisioned": {"title": "Ready", "body": "At {{ip_address}}", "html": "<p>{{ip_address}}</p>"}});
        assert_eq!(bench.json("templates", &settings), expected);
        let mut sent = |event: &str, language: &str| {
            let merged = with(&json!({"templates": own, "language": language, "event_type": event, "event_id": "e1",
                "recipient": "a@b.example", "title": "As given", "body": "given text", "data": {"product_name": "云"},
                "html": if event == "order_provisioned" { "<p>192.0.2.1</p>" } else { "" }}));
            bench.text("send", &merged).unwrap();
            let mail = mailed(bench).1;
            ["subject", "body", "html"].map(|field| mail[field].as_str().unwrap().to_owned())
        };
        // The server filled them in already.
        for language in ["en", "zh"] {
            let [subject, body, html] = sent("order_provisioned", language);
            assert_eq!([subject.as_str(), &body, &html], ["[Shop] As given", "given text", "<p>192.0.2.1</p>"]);
        }
        let [subject, body, html] = sent("order_paid", "zh");
        assert!(
            subject == "[Shop] As given" && body.starts_with("已支付") && html.contains("As given"),
            "{subject} {body}"
        );
        assert!(sent("invoice_issued", "zh")[0].contains("账单"));
    });
}

#[test]
fn a_mail_says_what_the_server_says_in_text_and_html() {
    on_bench(|bench| {
        let merged = with(&json!({"event_type": "ticket_replied", "event_id": "e1", "delivery_id": "d1",
            "recipient": "ann@example.com", "title": "New reply: <b>\"Tom\" & co</b>", "body": "one\ntwo\n\n<script>",
            "data": {"code": null}}));
        assert_eq!(bench.call("send", &merged), Ok(Returned::Ok(Value::Null)));
        let (server, mail) = mailed(bench);
        assert_eq!(server["smtp_host"], "smtp.example.com");
        assert_eq!((&server["smtp_port"], &server["password"]), (&json!("465"), &json!("hunter2")));
        assert_eq!(server.as_object().unwrap().len(), 8, "nothing but what the mail server needs");
        assert_eq!(mail["to"], "ann@example.com");
        assert_eq!(mail["subject"], "[Shop] New reply: <b>\"Tom\" & co</b>");
        assert_eq!((&mail["body"], &mail["message_id"]), (&json!("one\ntwo\n\n<script>"), &json!("d1")));
        assert_eq!(mail["reply_to"], "help@example.com");
        let html = mail["html"].as_str().unwrap();
        assert!(html.contains("New reply: &lt;b&gt;&quot;Tom&quot; &amp; co&lt;/b&gt;"), "{html}");
        assert!(html.contains(">one<br>two</p>") && html.contains(">&lt;script&gt;</p>"), "{html}");
        assert!(!html.contains("<script>") && !html.contains("letter-spacing") && !html.contains("hunter2"));
    });
}

#[test]
fn the_chinese_texts_are_filled_from_the_data() {
    on_bench(|bench| {
        let mut subject_of = |event: &str, data: Value| {
            let merged =
                with(&json!({"language": "zh", "event_type": event, "event_id": "e1", "recipient": "a@b.example",
                "title": "English", "body": "as written", "data": data}));
            bench.text("send", &merged).unwrap();
            let mail = mailed(bench).1;
            let text = |field: &str| mail[field].as_str().unwrap().to_owned();
            let (subject, body, html) = (text("subject"), text("body"), text("html"));
            assert!(!format!("{subject}{body}").contains(['{', '}']), "{subject} {body}");
            assert!(html.contains("lang=\"zh\""));
            (subject, body, html)
        };
        let order = json!({"product_name": "云服务器 {code}", "amount": "29.00", "currency": "CNY", "order_id": "o1", "ip_address": "203.0.113.1"});
        let (subject, body, _) = subject_of(
            "order_paid",
            json!({"product_name": "云", "amount": "29.00", "currency": "CNY", "order_id": "o1"}),
        );
        assert_eq!(subject, "[Shop] 已收到付款:云");
        assert_eq!(body, "已支付 29.00 CNY,服务器正在开通。\n\n订单号:o1");
        assert!(subject_of("order_provisioned", order).1.contains("203.0.113.1"));
        let code = json!({"code": "012345", "purpose": "password_reset", "minutes": 10});
        let (_, body, html) = subject_of("verification_code", code);
        assert!(body.starts_with("012345 是您的重置密码验证码,10 分钟内有效。"), "{body}");
        assert!(html.contains(">012345</p>"));
        let ticket = json!({"ticket_id": "t1", "ticket_title": "Help"});
        assert_eq!(subject_of("ticket_replied", ticket.clone()).1, "as written");
        assert!(subject_of("ticket_assigned", ticket).1.ends_with("工单号:t1"));
        let invoice =
            json!({"invoice_number": "INV-1", "invoice_amount": "5.00", "currency": "CNY", "due_date": "2026-12-01"});
        assert!(subject_of("invoice_overdue", invoice).1.contains("5.00 CNY,到期日 2026-12-01"));
        // What somebody wrote by hand is sent as it is, whatever event it names.
        let by_hand = with(
            &json!({"language": "zh", "event_type": "order_paid", "recipient": "a@b.example", "title": "Hi", "body": "b", "data": {}}),
        );
        bench.text("send", &by_hand).unwrap();
        assert_eq!(mailed(bench).1["subject"], "[Shop] Hi");
    });
}

#[test]
fn problems_are_errors_in_the_servers_words() {
    on_bench(|bench| {
        let message = with(&json!({"event_type": "test", "recipient": "a@b.example", "title": "t", "body": "b"}));
        let problem = "permanent: the mail server `h:25`: the login failed: 535";
        bench.world.lock().unwrap().reply = Ok(problem.to_owned());
        for function in ["send", "health_check"] {
            assert_eq!(bench.text(function, &message), Err(problem.to_owned()));
        }
        assert_eq!(bench.text("admin_send_test", &with(&json!({"to": "a@b.example"}))), Err(problem.to_owned()));
        let page = bench.json("admin_page", &settings())["html"].as_str().unwrap().to_owned();
        assert!(page.contains("535") && !page.contains("hunter2"), "{page}");

        bench.world.lock().unwrap().reply = Ok(String::new());
        assert_eq!(bench.call("health_check", &settings()), Ok(Returned::Ok(json!(true))));
        assert!(bench.json("admin_page", &settings())["html"].as_str().unwrap().contains("admin_send_test"));
        assert_eq!(
            bench.call("admin_send_test", &with(&json!({"to": "a@b.example"}))),
            Ok(Returned::Ok(json!({"sent": true})))
        );
        assert_eq!(mailed(bench).1["to"], "a@b.example");
        assert!(bench.text("admin_send_test", &settings()).unwrap_err().contains("`to`"));
        assert!(bench.text("send", &with(&json!({"title": "t", "body": "b"}))).unwrap_err().contains("`default_to`"));
        bench.text("send", &with(&json!({"title": "t", "body": "b", "default_to": "ops@b.example"}))).unwrap();
        assert_eq!(mailed(bench).1["to"], "ops@b.example");
        for function in ["initialize", "send", "health_check"] {
            assert!(bench.text(function, &json!({"smtp_host": "h"})).unwrap_err().contains("`from`"), "{function}");
        }
    });
}
