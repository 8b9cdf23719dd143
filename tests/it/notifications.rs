//! Channels: what they want, and messages by hand.

use std::collections::HashMap;

use rustbill::{
    core::{
        actor::{Actor, Role},
        id::Id,
        notifications, plugins,
    },
    server::grpc::protocol::rustbill as proto,
};
use serde_json::json;
use tonic::{Code, Request, Status};

use crate::{
    on_both,
    support::{
        cli::rustbill,
        database::TestDatabase,
        receiver::Receiver,
        server::{InProcess, admin_token, channel, customer_token, with_token},
        world::World,
    },
};
use proto::{
    common::EmptyRequest,
    notification::{
        NotificationResult, SendNotificationRequest, notification_service_client::NotificationServiceClient,
    },
};

/// A notifier that wants these events, as the literal of a list, and posts what it is told.
fn notifier(events: &str) -> String {
    format!(
        "fn version(_c, _u) {{ \"1.0.0\" }}\n\
         fn config_schema(_c, _u) {{ #{{ type: \"object\", properties: #{{ url: #{{ type: \"string\" }} }} }} }}\n\
         fn initialize(_m, _u) {{ Ok(()) }}\n\
         fn health_check(_m, _u) {{ Ok(true) }}\n\
         fn templates(_m, _u) {{ #{{}} }}\n\
         fn supported_events(_m, _u) {{ {events} }}\n\
         async fn send(merged, _u) {{\n\
             let body = rustbill_host::json_stringify(#{{ event_type: rustbill_host::json_get(merged, \"event_type\") }});\n\
             rustbill_host::http_request(\"POST\", rustbill_host::json_get(merged, \"url\"), body, \"{{}}\").await;\n\
             Ok(())\n\
         }}\n"
    )
}

fn good() -> SendNotificationRequest {
    SendNotificationRequest {
        event_type: "test".to_owned(),
        title: "Hello".to_owned(),
        body: "Does this arrive?".to_owned(),
        ..SendNotificationRequest::default()
    }
}

fn refused<T: std::fmt::Debug>(what: &str, code: Code, names: &str, result: Result<T, Status>) {
    let status = result.expect_err(what);
    assert_eq!(status.code(), code, "{what}: {status}");
    assert!(status.message().contains(names), "{what}: `{}` does not name {names}", status.message());
}

/// Which channels were asked, and whether they sent, in the order of their identifiers.
fn outcomes(mut results: Vec<NotificationResult>) -> Vec<(String, bool)> {
    results.sort_by(|one, other| one.channel_id.cmp(&other.channel_id));
    results.into_iter().map(|result| (result.channel_id, result.success)).collect()
}

on_both! {
    async fn messages_by_hand(world: World) {
        let receiver = Receiver::start().await;
        let all = world.interface("notifier-webhook.rn", json!({ "url": receiver.url })).await;
        world.write_plugin("notifier-paid.rn", &notifier("[\"order.paid\", \"weather.changed\"]"));
        let paid = world.interface("notifier-paid.rn", json!({ "url": receiver.url })).await;
        let off = world.interface("notifier-webhook.rn", json!({ "url": receiver.url })).await;
        plugins::toggle(&world.app, &world.admin, off.id, false).await.unwrap();
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let admin = admin_token(&channel).await;
        let mut client = NotificationServiceClient::new(channel);

        let listed = client.list_notifiers(with_token(EmptyRequest {}, &admin)).await.unwrap().into_inner().notifiers;
        let listed: Vec<_> = listed.into_iter().map(|notifier| (notifier.channel_id, notifier.supported_events, notifier.is_healthy)).collect();
        let wanted = ["order_paid", "weather.changed"].map(str::to_owned).to_vec();
        assert_eq!(listed, [(all.id.to_string(), Vec::new(), true), (paid.id.to_string(), wanted, true)]);

        let operator = Actor::new(Role::Operator(Id::generate()), "bob", "127.0.0.1");
        assert_eq!(notifications::channels(&world.app, &operator).await.unwrap().len(), 2);

        let mut send = async |request: SendNotificationRequest| {
            outcomes(client.send_notification(with_token(request, &admin)).await.unwrap().into_inner().results)
        };
        let (all_id, paid_id, off_id) = (all.id.to_string(), paid.id.to_string(), off.id.to_string());
        let metadata = HashMap::from([("color".to_owned(), "red".to_owned())]);
        let named = SendNotificationRequest { channel_ids: vec![all_id.clone(), all_id.clone()], metadata, title: "Hello\n you".to_owned(), recipient: "ann@example.com".to_owned(), ..good() };
        assert_eq!(send(named).await, [(all_id.clone(), true)]);
        let got = receiver.received().pop().unwrap().json();
        assert_eq!((&got["event_type"], &got["title"], &got["body"]), (&json!("test"), &json!("Hello you"), &json!("Does this arrive?")));
        assert_eq!((&got["recipient"], &got["data"]), (&json!("ann@example.com"), &json!({ "color": "red" })));

        // A name that is no event concerns every channel; an event those that hear it; codes only those that say so.
        assert_eq!(send(good()).await, [(all_id.clone(), true), (paid_id.clone(), true)]);
        let of = |event: &str| SendNotificationRequest { event_type: event.to_owned(), ..good() };
        assert_eq!(send(of("order.paid")).await, [(all_id.clone(), true), (paid_id.clone(), true)]);
        assert!(receiver.received().iter().any(|request| request.json()["event_type"] == "order_paid"));
        assert_eq!(send(of("invoice_issued")).await, [(all_id.clone(), true)]);
        assert_eq!(send(of("verification_code")).await, []);

        let unknown = Id::generate().to_string();
        let to = |ids: [&String; 2]| SendNotificationRequest { channel_ids: ids.map(Clone::clone).to_vec(), ..good() };
        assert_eq!(send(to([&all_id, &unknown])).await, [(all_id.clone(), true), (unknown.clone(), false)]);
        assert_eq!(send(to([&paid_id, &off_id])).await, [(paid_id.clone(), true), (off_id, false)]);
        receiver.answer_with(500);
        let request = SendNotificationRequest { channel_ids: vec![all_id], ..good() };
        let failed = client.send_notification(with_token(request, &admin)).await.unwrap().into_inner().results.remove(0);
        assert!(!failed.success && failed.error_message.contains("500"), "{failed:?}");
        let logged = world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'notification.send'").await;
        assert_eq!(logged, 11, "one entry for each outcome");
        server.stop().await;
    }

    async fn bad_requests_and_strangers_send_nothing(world: World) {
        let receiver = Receiver::start().await;
        world.interface("notifier-webhook.rn", json!({ "url": receiver.url })).await;
        let customer = world.customer().await;
        let user = world.customer_user(&customer).await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let (admin, token) = (admin_token(&channel).await, customer_token(&channel, &user.username).await);
        let mut client = NotificationServiceClient::new(channel);
        for (what, bad, names) in [
            ("no event", SendNotificationRequest { event_type: String::new(), ..good() }, "`event_type`"),
            ("an event that would split a header", SendNotificationRequest { event_type: "a\nb".to_owned(), ..good() }, "`event_type`"),
            ("no title", SendNotificationRequest { title: " ".to_owned(), ..good() }, "`title`"),
            ("no body", SendNotificationRequest { body: String::new(), ..good() }, "`body`"),
            ("a long title", SendNotificationRequest { title: "x".repeat(201), ..good() }, "`title`"),
            ("a long recipient", SendNotificationRequest { recipient: "x".repeat(201), ..good() }, "`recipient`"),
            ("a malformed channel", SendNotificationRequest { channel_ids: vec!["7".to_owned()], ..good() }, "`channel_ids`"),
            ("many channels", SendNotificationRequest { channel_ids: (0..101).map(|_| Id::generate().to_string()).collect(), ..good() }, "`channel_ids`"),
            ("much metadata", SendNotificationRequest { metadata: (0..51).map(|key| (key.to_string(), String::new())).collect(), ..good() }, "`metadata`"),
        ] {
            refused(what, Code::InvalidArgument, names, client.send_notification(with_token(bad, &admin)).await);
        }
        refused("nobody", Code::Unauthenticated, "log in", client.send_notification(Request::new(good())).await);
        refused("a customer", Code::PermissionDenied, "administrator", client.send_notification(with_token(good(), &token)).await);
        refused("nobody", Code::Unauthenticated, "log in", client.list_notifiers(Request::new(EmptyRequest {})).await);
        refused("a customer", Code::PermissionDenied, "administrator", client.list_notifiers(with_token(EmptyRequest {}, &token)).await);
        assert!(receiver.received().is_empty());
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'notification.send'").await, 0);
        server.stop().await;
    }
}

#[test]
fn an_operator_tries_a_channel_from_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str], code: i32| {
        let output = rustbill(home.path(), &[args, &["--output", "json"]].concat());
        let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "rustbill {args:?}\n{out}\n{error}");
        if code == 0 { serde_json::from_str(&out).unwrap() } else { json!(error) }
    };
    // A port that nobody listens on: the attempt fails, which is an outcome.
    std::fs::write(home.path().join("hook.json"), r#"{ "url": "http://127.0.0.1:9/" }"#).unwrap();
    let args = ["plugin", "create", "--plugin", "notifier-webhook", "--name", "Hook", "--config-file", "hook.json"];
    let made = run(&[&args[..], &["--enable"]].concat(), 0);
    let listed = run(&["notify", "list"], 0);
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["name"]), (&made["id"], &json!("Hook")));
    // The outcomes are shown all the same, and the exit code tells that nobody got it.
    let args = ["notify", "send", "--title", "x", "--body", "y", "--data", "a=b", "--output", "json"];
    let output = rustbill(home.path(), &args);
    let (sent, said) = (
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!((output.status.code(), &sent[0]["channel_id"]), (Some(8), &made["id"]), "{said}");
    assert!(sent[0]["error"].is_string() && said.contains("1 of 1 channels failed"), "{sent}{said}");
    let nobody = ["notify", "send", "--title", "x", "--body", "y", "--event", "verification_code"];
    assert!(run(&nobody, 8).as_str().unwrap().contains("no enabled channel"));
    assert!(run(&["notify", "send", "--title", "", "--body", "y"], 2).as_str().unwrap().contains("`title`"));
}
