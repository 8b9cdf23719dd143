//! E-mail through a real mail server: what arrives, what is refused, and what happens when the server is away.

use rustbill::core::{
    accounts::{self, NewAccount},
    actor::Actor,
    customers,
    id::Id,
    identity::Purpose,
    notifications::{self, NewMessage},
    plugins::{self, Interface, InterfaceUpdate},
    secret::Secret,
    settlement,
};
use serde_json::{Value, json};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        mail::{LOGIN, MailServer, header},
        wait,
        world::{PASSWORD, World},
    },
};

const FILE: &str = "notifier-email.rn";
/// Characters that need encoding in a header and more than one line of it.
const TITLE: &str = "订单确认:云服务器 \"大\" <b> — 您的订单已经确认,我们正在为您准备服务器";

/// A script whose `send` hands its fields `config` and `email` to the documented function.
const RAW: &str = r#"
fn config_schema(_c, _u) { #{ type: "object", properties: #{} } }
fn initialize(_m, _u) { Ok(()) }
fn health_check(_m, _u) { Ok(true) }
fn templates(_m, _u) { #{} }
fn supported_events(_m, _u) { ["order_paid"] }
async fn send(merged, _u) {
    rustbill_host::smtp_send(rustbill_host::json_get(merged, "config"), rustbill_host::json_get(merged, "email")).await;
    "sent"
}
"#;

fn with(settings: &Value, more: &Value) -> Value {
    let mut settings = settings.clone();
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

/// Changes the settings, and says how the notifier is then.
async fn problem_with(world: &World, interface: &Interface, settings: &Value) -> Option<String> {
    let change = InterfaceUpdate { config_json: Some(settings.to_string()), ..InterfaceUpdate::default() };
    plugins::update(&world.app, &world.admin, interface.id, &change).await.unwrap();
    plugins::check_health(&world.app, &world.admin, interface.id).await.unwrap().error
}

/// Sends by hand; the problem, if there is one.
async fn send_to(world: &World, interface: &Interface, recipient: &str) -> Option<String> {
    let new = NewMessage {
        event_type: "test".to_owned(),
        title: TITLE.to_owned(),
        body: "您好 Ann,\n\n.a line that begins with a dot\n& a <tag>".to_owned(),
        recipient: recipient.to_owned(),
        channels: vec![interface.id],
        ..NewMessage::default()
    };
    notifications::send(&world.app, &world.admin, &new).await.unwrap().remove(0).error
}

async fn raw(world: &World) -> Interface {
    world.write_plugin("notifier-raw.rn", RAW);
    world.interface("notifier-raw.rn", json!({})).await
}

async fn smtp_send(world: &World, raw: &Interface, config: &Value, email: &Value) -> Result<Value, String> {
    let fields = json!({ "config": config, "email": email });
    world.app.plugins.call_json(raw, "send", fields).await.map_err(|error| error.to_string())
}

on_both! {
    async fn mails_arrive_whole_in_every_mode(world: World) {
        for mode in ["none", "starttls", "ssl"] {
            let server = MailServer::start(mode);
            let settings = with(&server.settings(), &json!({ "reply_to": "help@example.com", "subject_prefix": "[Shop]" }));
            let interface = world.interface(FILE, settings).await;
            assert!(interface.is_healthy, "{mode}: {:?}", interface.health_error);
            assert_eq!(send_to(&world, &interface, "ann@example.com").await, None, "{mode}");
            let mail = server.mail(0).await;
            assert_eq!((&mail["encrypted"], &mail["login"]), (&json!(mode != "none"), &json!(true)), "{mode}");
            assert_eq!((&mail["from"], &mail["to"]), (&json!("shop@example.com"), &json!(["ann@example.com"])));
            assert_eq!(header(&mail, "Subject"), format!("[Shop] {TITLE}"));
            assert_eq!(header(&mail, "From"), "云 Shop <shop@example.com>");
            assert_eq!(header(&mail, "To"), "ann@example.com");
            assert_eq!(header(&mail, "Reply-To"), "help@example.com");
            assert!(header(&mail, "Message-ID").ends_with("@example.com>"));
            assert!(!header(&mail, "Date").is_empty() && header(&mail, "MIME-Version").starts_with("1.0"));
            assert_eq!(mail["parts"], json!(["multipart/alternative", "text/plain", "text/html"]));
            assert_eq!((&mail["defects"], &mail["attachments"], &mail["ascii"]), (&json!([]), &json!(0), &json!(true)));
            assert!(mail["longest_line"].as_u64().unwrap() <= 998);
            let text = |part: &str| mail[part].as_str().unwrap().replace("\r\n", "\n");
            assert_eq!(text("plain").trim_end(), "您好 Ann,\n\n.a line that begins with a dot\n& a <tag>");
            assert!(text("html").contains("&amp; a &lt;tag&gt;") && text("html").contains("&lt;b&gt; —"), "{}", text("html"));
            // The health check and the login that went before sent nothing.
            assert_eq!(server.mails().len(), 1);
        }
    }

    async fn what_goes_wrong_is_said_without_secrets(world: World) {
        let server = MailServer::start("starttls");
        let good = server.settings();
        let interface = world.interface(FILE, good.clone()).await;
        for (what, change, words) in [
            ("a wrong password", json!({ "password": "not-the-password" }), "permanent: the mail server `localhost:"),
            ("a wrong password", json!({ "password": "not-the-password" }), "the login failed: permanent error (535)"),
            ("an authority of our own is unknown to the system", json!({ "ca": "" }), "permanent: "),
            ("a certificate for another name", json!({ "smtp_host": "127.0.0.1" }), "permanent: "),
            ("encryption from the first byte where it comes later", json!({ "encryption": "ssl" }), "connecting failed"),
            ("a place that may not be reached", json!({ "smtp_host": "127.0.0.2" }), "allow_private"),
            ("the address of secrets", json!({ "smtp_host": "169.254.169.254" }), "allow_private"),
            ("a name that is none", json!({ "smtp_host": "no.such.host.invalid" }), "temporary: the name `no.such.host.invalid`"),
            ("a sender that is none", json!({ "from": "nonsense" }), "`from`"),
        ] {
            let problem = problem_with(&world, &interface, &with(&good, &change)).await;
            // The sender is looked at when there is something to send.
            let problem = match problem {
                Some(problem) => problem,
                None => send_to(&world, &interface, "ann@example.com").await.expect(what),
            };
            assert!(problem.contains(words), "{what}: {problem}");
            assert!(!problem.contains(LOGIN.1) && !problem.contains("not-the-password"), "{what}: {problem}");
        }
        assert_eq!(problem_with(&world, &interface, &good).await, None);
        for (recipient, words) in [("nobody@example.com", "permanent: "), ("later@example.com", "temporary: "), ("nonsense", "`to`")] {
            let problem = send_to(&world, &interface, recipient).await.unwrap();
            assert!(problem.contains(words) && !problem.contains("@example.com"), "{recipient}: {problem}");
        }
        assert!(server.mails().is_empty());

        // No server that speaks in clear gets a mail that was to be encrypted.
        let clear = MailServer::start("none");
        let hopeful = with(&clear.settings(), &json!({ "encryption": "starttls" }));
        let problem = problem_with(&world, &interface, &hopeful).await.unwrap();
        assert!(problem.contains("permanent: ") && problem.contains("STARTTLS"), "{problem}");
        assert!(send_to(&world, &interface, "ann@example.com").await.is_some() && clear.mails().is_empty());
    }

    async fn administrators_send_a_test_from_the_page(world: World) {
        let server = MailServer::start("ssl");
        let interface = world.interface(FILE, with(&server.settings(), &json!({ "language": "zh" }))).await;
        let page = plugins::admin_page(&world.app, &world.admin, interface.id).await.unwrap();
        assert!(page.html.contains("admin_send_test") && page.html.contains("answers") && !page.html.contains(LOGIN.1));
        let call = async |arguments: &str| {
            plugins::call_action(&world.app, &world.admin, interface.id, "admin_send_test", arguments).await
        };
        assert_eq!(call(r#"{"to": "ann@example.com"}"#).await.unwrap(), json!({ "sent": true }));
        assert_eq!(header(&server.mail(0).await, "Subject"), "测试邮件");
        let error = call(r#"{"to": "nobody@example.com"}"#).await.unwrap_err();
        assert!(error.public_message().contains("permanent: "), "{error}");
        // A page that was tampered with can't send the login elsewhere.
        assert_eq!(call(r#"{"smtp_host": "evil.example"}"#).await.unwrap_err().code(), "plugin.arguments");
    }

    async fn a_server_that_goes_away_and_returns_gets_each_mail_once(world: World) {
        let mut server = MailServer::start("starttls");
        world.interface(FILE, server.settings()).await;
        let customer = world.customer().await;
        let provider = world.instant_provider().await;
        let product = world.product(&provider).await;
        server.kill();
        let order = world.order(&customer, &product).await;
        world.start_worker();
        wait::until("the mail could not be sent", async || {
            world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE failures > 0 AND last_error LIKE '%temporary%'").await == 1
        })
        .await;
        server.restart();
        let mail = server.mail(0).await;
        world.until_quiet().await;
        assert_eq!(server.mails().len(), 1, "once");
        assert_eq!(mail["to"], json!([customer.email]));
        assert_eq!(header(&mail, "Subject"), "Order received: VPS");
        assert!(mail["plain"].as_str().unwrap().contains(&order.id.to_string()));
        // The delivery's own identifier, the same at each attempt.
        let tried = world.db().q("SELECT id FROM event_queue WHERE failures > 0").scalars::<Id>().await.unwrap();
        assert_eq!(header(&mail, "Message-ID"), format!("<{}@example.com>", tried[0]));
    }

    async fn an_operators_words_take_the_place_of_ours(world: World) {
        let server = MailServer::start("none");
        let words = json!([{ "event": "order_created", "title": "Order of {{product_name}}",
            "body": "{{amount}} {{currency}}{{nonsense}} for {{customer_name}}", "html": "<p>{{ customer_name }}</p>" }]);
        world.interface(FILE, with(&server.settings(), &json!({ "templates": words }))).await;
        // A notifier whose templates fail hears what everybody hears.
        world.write_plugin("notifier-raw.rn", &RAW
            .replace(r"fn templates(_m, _u) { #{} }", r#"fn templates(_m, _u) { Err("broken") }"#)
            .replace(r#"["order_paid"]"#, r#"["order_created"]"#)
            .replace("rustbill_host::smtp_send(rustbill_host::json_get(merged, \"config\"), rustbill_host::json_get(merged, \"email\")).await;",
                "rustbill_host::state_set(\"title\", rustbill_host::json_get(merged, \"title\"));"));
        let broken = world.interface("notifier-raw.rn", json!({})).await;
        let new = customers::NewCustomer { name: "<Ann> {{amount}}".to_owned(), email: "ann@example.com".to_owned(), ..customers::NewCustomer::default() };
        let customer = customers::create(&world.app, &world.admin, &new).await.unwrap();
        let provider = world.instant_provider().await;
        let product = world.product(&provider).await;
        world.top_up(customer.id, "29.00").await;
        world.start_worker();
        let order = world.order(&customer, &product).await;
        let mail = server.mail(0).await;
        assert_eq!(header(&mail, "Subject"), "Order of VPS");
        let text = |part: &str| mail[part].as_str().unwrap().trim_end().to_owned();
        assert_eq!(text("plain"), "29.00 CNY for <Ann> {{amount}}");
        assert_eq!(text("html"), "<p>&lt;Ann&gt; {{amount}}</p>");
        wait::until("the broken one heard it too", async || {
            let sql = "SELECT value FROM plugin_state WHERE interface_id = $1 AND key = 'title'";
            let title = world.db().q(sql).bind(broken.id).scalar_opt::<String>().await.unwrap();
            title.is_some_and(|title| title == "Order received: VPS")
        })
        .await;
        // Events without words of his own are told as ever.
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        assert!(header(&server.mail(1).await, "Subject").contains("VPS") && !header(&server.mail(1).await, "Subject").contains("Order of"));
    }

    async fn a_code_that_came_by_mail_makes_an_account(world: World) {
        let server = MailServer::start("ssl");
        world.interface(FILE, server.settings()).await;
        world.start_worker();
        let nobody = Actor::anonymous("192.0.2.7");
        accounts::send_code(&world.app, &nobody, "new@example.com", Purpose::Registration).await.unwrap();
        let mail = server.mail(0).await;
        assert_eq!((&mail["to"], header(&mail, "Subject")), (&json!(["new@example.com"]), "Verification code".to_owned()));
        let code: String = mail["plain"].as_str().unwrap().chars().take_while(char::is_ascii_digit).collect();
        assert_eq!(code.len(), 6, "{}", mail["plain"]);
        assert!(mail["html"].as_str().unwrap().contains(&format!(">{code}</p>")));
        let account = NewAccount {
            username: "ann".to_owned(),
            email: "new@example.com".to_owned(),
            display_name: String::new(),
            password: Secret::new(PASSWORD),
            verification_code: code,
        };
        assert_eq!(accounts::register(&world.app, &nobody, account).await.unwrap().email, "new@example.com");
    }

    async fn scripts_send_as_the_authors_documentation_says(world: World) {
        let server = MailServer::start("ssl");
        let raw = raw(&world).await;
        let config = json!({ "smtp_host": "localhost", "smtp_port": server.port.to_string(), "from": "shop@example.com",
            "username": LOGIN.0, "password": LOGIN.1, "encryption": "ssl", "ca": server.authority });
        let email = json!({ "to": "ann@example.com", "subject": "订单确认", "body": "您的订单已确认...", "content_type": "text/plain" });
        assert_eq!(smtp_send(&world, &raw, &config, &email).await, Ok(json!("sent")));
        let mail = server.mail(0).await;
        assert_eq!((&mail["type"], header(&mail, "Subject")), (&json!("text/plain"), "订单确认".to_owned()));
        assert_eq!(mail["plain"].as_str().unwrap().trim_end(), "您的订单已确认...");
        let html = json!({ "to": ["ann@example.com", "Bob <bob@example.com>"], "subject": "s", "body": "<p>b</p>", "content_type": "text/html" });
        smtp_send(&world, &raw, &config, &html).await.unwrap();
        let mail = server.mail(1).await;
        assert_eq!((&mail["type"], &mail["to"]), (&json!("text/html"), &json!(["ann@example.com", "bob@example.com"])));
        for (field, value) in [("subject", "s\r\nBcc: eve@example.com"), ("to", "ann@example.com\r\nRCPT TO:<eve@example.com>")] {
            let problem = smtp_send(&world, &raw, &config, &with(&email, &json!({ field: value }))).await.unwrap_err();
            assert!(problem.contains("permanent: ") && problem.contains("line break"), "{problem}");
        }
        assert_eq!(server.mails().len(), 2);
    }

    async fn a_silent_or_dead_server_holds_nobody_up(world: World) {
        let raw = raw(&world).await;
        let email = json!({ "to": "ann@example.com", "subject": "s", "body": "b" });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Takes connections and says nothing.
        let config = json!({ "smtp_host": "127.0.0.1", "smtp_port": port, "from": "a@example.com", "encryption": "none", "timeout": 1 });
        let problem = smtp_send(&world, &raw, &config, &email).await.unwrap_err();
        assert!(problem.contains("temporary: ") && problem.contains("no answer within 1 s"), "{problem}");
        drop(listener);
        for _ in 0..4 {
            let problem = smtp_send(&world, &raw, &config, &email).await.unwrap_err();
            assert!(problem.contains("temporary: ") && problem.contains("connecting failed"), "{problem}");
        }
        let problem = smtp_send(&world, &raw, &config, &email).await.unwrap_err();
        assert!(problem.contains("temporary: ") && problem.contains("is left alone until"), "{problem}");
    }
}
