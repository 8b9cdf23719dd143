//! Codes by e-mail: registering, and setting a forgotten password.

use chrono::TimeDelta;
use rustbill::{
    core::{
        accounts::{self, NewAccount},
        actor::Actor,
        error::Result,
        identity::{self, Credential, Purpose, User, UserKind},
        secret::Secret,
    },
    server::grpc::protocol::rustbill as proto,
};
use tonic::{Code, transport::Channel};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        receiver::Receiver,
        server::{InProcess, channel},
        wait,
        world::{PASSWORD, World, at_once, clock_at},
    },
};
use proto::identity::{
    RegisterRequest, ResetPasswordRequest, SendVerificationCodeRequest, identity_service_client::IdentityServiceClient,
};

const EMAIL: &str = "new@example.com";

fn nobody() -> Actor {
    Actor::anonymous("192.0.2.7")
}

/// A notifier that delivers codes to a receiver.
async fn mail(world: &World) -> Receiver {
    let receiver = Receiver::start().await;
    let script = include_str!("../../plugins/notifier-webhook.rn").replace("    []\n", "    [\"verification_code\"]\n");
    world.write_plugin("notifier-mail.rn", &script);
    world.interface("notifier-mail.rn", serde_json::json!({ "url": receiver.url })).await;
    receiver
}

async fn ask(world: &World, email: &str, purpose: Purpose) -> Result<()> {
    accounts::send_code(&world.app, &nobody(), email, purpose).await.map(drop)
}

/// The code of the latest of `count` mails.
async fn code(receiver: &Receiver, count: usize) -> String {
    let mail =
        wait::value("a code arrives", async || receiver.events("verification_code").get(count - 1).cloned()).await;
    let mail = mail.json();
    let code = mail["data"]["code"].as_str().unwrap().to_owned();
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    assert!(mail["body"].as_str().unwrap().contains(&code));
    code
}

fn account(username: &str, email: &str, code: &str) -> NewAccount {
    NewAccount {
        username: username.to_owned(),
        email: email.to_owned(),
        display_name: "Ann Lee".to_owned(),
        password: Secret::new(PASSWORD),
        verification_code: code.to_owned(),
    }
}

async fn register(world: &World, username: &str, email: &str, code: &str) -> Result<User> {
    accounts::register(&world.app, &nobody(), account(username, email, code)).await
}

async fn reset(world: &World, email: &str, code: &str, password: &str) -> Result<()> {
    identity::reset_forgotten_password(&world.app, &nobody(), email, code, password).await
}

/// Any code but this one.
fn other_than(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

async fn client(world: &World) -> (InProcess, IdentityServiceClient<Channel>) {
    let server = InProcess::start(world).await;
    let client = IdentityServiceClient::new(channel(&server.address).await);
    (server, client)
}

fn asking(email: &str, purpose: &str) -> SendVerificationCodeRequest {
    SendVerificationCodeRequest { email: email.to_owned(), purpose: purpose.to_owned() }
}

on_both! {
    async fn a_code_makes_a_customer_with_its_user(world: World) {
        let receiver = mail(&world).await;
        let deaf = Receiver::start().await;
        world.interface("notifier-webhook.rn", serde_json::json!({ "url": deaf.url })).await;
        world.start_worker();
        let (server, mut client) = client(&world).await;
        let sent = client.send_verification_code(asking(" New@Example.com ", "registration")).await.unwrap().into_inner();
        assert_eq!((sent.sent, sent.retry_after_secs), (true, 60));
        let code = code(&receiver, 1).await;
        assert_eq!(receiver.received()[0].json()["recipient"], EMAIL);
        let request = RegisterRequest {
            username: "Ann".to_owned(),
            email: EMAIL.to_owned(),
            display_name: "Ann Lee".to_owned(),
            password: PASSWORD.to_owned(),
            verification_code: code.clone(),
        };
        let made = client.register(request.clone()).await.unwrap().into_inner();
        let user = made.user.unwrap();
        assert_eq!((user.username.as_str(), user.email.as_str(), user.user_type.as_str()), ("ann", EMAIL, "customer"));
        assert_eq!(user.customer_id, made.customer_id);
        identity::login(&world.app, "::1", UserKind::Customer, "ann", PASSWORD).await.unwrap();
        let customers = world.db().q("SELECT name FROM customers").scalars::<String>().await.unwrap();
        assert_eq!(customers, ["Ann Lee"]);
        // It worked once.
        let again = client.register(RegisterRequest { username: "bo".to_owned(), ..request }).await.unwrap_err();
        assert_eq!(again.code(), Code::InvalidArgument);
        assert!(again.message().contains("verification_code"), "{again}");
        // The code is kept nowhere, and only who lists codes heard of it.
        world.until_quiet().await;
        for sql in ["SELECT CAST(payload AS TEXT) FROM event_queue", "SELECT CAST(detail AS TEXT) FROM operation_logs", "SELECT code_hash FROM verification_codes"] {
            let texts = world.db().q(sql).scalars::<String>().await.unwrap();
            assert!(!texts.is_empty() && texts.iter().all(|text| !text.contains(&code)), "{sql}: {texts:?}");
        }
        assert!(deaf.received().is_empty());
        server.stop().await;
    }

    async fn what_is_wrong_with_a_registration_is_said(world: World) {
        let (server, mut client) = client(&world).await;
        let none = client.send_verification_code(asking(EMAIL, "registration")).await.unwrap_err();
        assert_eq!(none.code(), Code::Internal);
        assert!(none.message().starts_with("no e-mail notifier is set up"), "{none}");
        let unknown = client.send_verification_code(asking("unknown@example.com", "password_reset")).await.unwrap_err();
        assert_eq!((unknown.code(), unknown.message()), (none.code(), none.message()));
        // One that hears everything hears no codes.
        let webhook = Receiver::start().await;
        world.interface("notifier-webhook.rn", serde_json::json!({ "url": webhook.url })).await;
        assert_eq!(client.send_verification_code(asking(EMAIL, "registration")).await.unwrap_err().code(), Code::Internal);
        for (email, purpose, names) in [("nonsense", "registration", "`email`"), ("", "registration", "`email`"), (EMAIL, "login", "`purpose`")] {
            let status = client.send_verification_code(asking(email, purpose)).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains(names), "{status}");
        }

        let receiver = mail(&world).await;
        world.start_worker();
        client.send_verification_code(asking(EMAIL, "registration")).await.unwrap();
        let soon = client.send_verification_code(asking(EMAIL, "registration")).await.unwrap_err();
        assert_eq!(soon.code(), Code::InvalidArgument);
        assert!(soon.message().contains("seconds"), "{soon}");
        let code = code(&receiver, 1).await;
        let user = world.customer_user(&world.customer().await).await;
        let good = RegisterRequest {
            username: "ann".to_owned(),
            email: EMAIL.to_owned(),
            display_name: String::new(),
            password: PASSWORD.to_owned(),
            verification_code: code.clone(),
        };
        let before = world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM customers").await;
        for (what, bad, names) in [
            ("a wrong code", RegisterRequest { verification_code: other_than(&code).to_owned(), ..good.clone() }, "verification_code"),
            ("no code", RegisterRequest { verification_code: String::new(), ..good.clone() }, "verification_code"),
            ("another address", RegisterRequest { email: "other@example.com".to_owned(), ..good.clone() }, "verification_code"),
            ("a short password", RegisterRequest { password: "12345".to_owned(), ..good.clone() }, "password"),
            ("no name", RegisterRequest { username: " ".to_owned(), ..good.clone() }, "username"),
            ("a name with blanks", RegisterRequest { username: "a b".to_owned(), ..good.clone() }, "username"),
            ("a malformed address", RegisterRequest { email: "x".to_owned(), ..good.clone() }, "email"),
            ("a taken name", RegisterRequest { username: user.username.to_uppercase(), ..good.clone() }, "taken"),
        ] {
            let status = client.register(bad).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status}");
            assert!(status.message().contains(names), "{what}: {status}");
        }
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM customers").await, before);
        // Who chose a taken name may choose another one with the same code.
        client.register(good).await.unwrap();

        // A registered address is told so only to who can read it.
        ask(&world, &user.email, Purpose::Registration).await.unwrap();
        let code = self::code(&receiver, 2).await;
        assert_eq!(register(&world, "cy", &user.email, other_than(&code)).await.unwrap_err().code(), "code.wrong");
        let error = register(&world, "cy", &user.email, &code).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (rustbill::core::error::Kind::AlreadyExists, "name.taken"));
        server.stop().await;
    }

    async fn a_forgotten_password_is_set_by_a_code(world: World) {
        let receiver = mail(&world).await;
        world.start_worker();
        let user = world.customer_user(&world.customer().await).await;
        let login = identity::login(&world.app, "::1", UserKind::Customer, &user.username, PASSWORD).await.unwrap();
        let identity::Grant::Tokens(tokens) = login.grant else { panic!("a customer gets tokens") };
        let (server, mut client) = client(&world).await;
        let known = client.send_verification_code(asking(&user.email, "password_reset")).await.unwrap().into_inner();
        let unknown = client.send_verification_code(asking("nobody@example.com", "password_reset")).await.unwrap().into_inner();
        assert_eq!(known, unknown);
        let (known, unknown) = (
            client.send_verification_code(asking(&user.email, "password_reset")).await.unwrap_err(),
            client.send_verification_code(asking("nobody@example.com", "password_reset")).await.unwrap_err(),
        );
        assert_eq!((known.code(), unknown.code()), (Code::InvalidArgument, Code::InvalidArgument));
        let code = code(&receiver, 1).await;
        let request = |email: &str, code: &str, password: &str| ResetPasswordRequest {
            email: email.to_owned(),
            verification_code: code.to_owned(),
            new_password: password.to_owned(),
        };
        let wrong = client.reset_password(request(&user.email, other_than(&code), "next password")).await.unwrap_err();
        let stranger = client.reset_password(request("nobody@example.com", &code, "next password")).await.unwrap_err();
        let nowhere = client.reset_password(request("never@example.com", &code, "next password")).await.unwrap_err();
        for status in [&stranger, &nowhere] {
            assert_eq!((status.code(), status.message()), (wrong.code(), wrong.message()));
        }
        let short = client.reset_password(request(&user.email, &code, "12345")).await.unwrap_err();
        assert!(short.code() == Code::InvalidArgument && short.message().contains("new_password"), "{short}");
        // A code for the one is none for the other.
        assert_eq!(register(&world, "x", &user.email, &code).await.unwrap_err().code(), "code.wrong");
        client.reset_password(request(&user.email, &code, "next password")).await.unwrap();
        assert!(client.reset_password(request(&user.email, &code, "third password")).await.is_err());
        assert!(identity::login(&world.app, "::1", UserKind::Customer, &user.username, PASSWORD).await.is_err());
        identity::login(&world.app, "::1", UserKind::Customer, &user.username, "next password").await.unwrap();
        assert_eq!(identity::refresh(&world.app, "::1", tokens.refresh.reveal()).await.unwrap_err().code(), "refresh_token.invalid");
        assert!(identity::authenticate(&world.app, Credential::of_bearer(tokens.access.reveal()), "::1").await.is_err());
        world.until_quiet().await;
        assert_eq!(receiver.events("verification_code").len(), 1, "nobody else was written to");
        server.stop().await;
    }

    async fn many_at_once_get_one_code_and_one_account(world: World) {
        let receiver = mail(&world).await;
        world.start_worker();
        let sent = at_once(8, |_| {
            let app = world.app.clone();
            async move { accounts::send_code(&app, &nobody(), EMAIL, Purpose::Registration).await }
        })
        .await;
        assert_eq!(sent.iter().filter(|result| result.is_ok()).count(), 1, "{sent:?}");
        assert!(sent.iter().filter_map(|result| result.as_ref().err()).all(|error| error.code() == "code.too_soon"), "{sent:?}");
        let code = code(&receiver, 1).await;
        let made = at_once(8, |index| {
            let (app, code) = (world.app.clone(), code.clone());
            async move { accounts::register(&app, &nobody(), account(&format!("ann{index}"), EMAIL, &code)).await }
        })
        .await;
        assert_eq!(made.iter().filter(|result| result.is_ok()).count(), 1, "{made:?}");
        assert!(made.iter().filter_map(|result| result.as_ref().err()).all(|error| error.code() == "code.wrong"), "{made:?}");
        world.until_quiet().await;
        assert_eq!(receiver.events("verification_code").len(), 1);
    }

    async fn tries_are_counted_also_at_the_same_moment(world: World) {
        let receiver = mail(&world).await;
        world.start_worker();
        ask(&world, EMAIL, Purpose::Registration).await.unwrap();
        let code = code(&receiver, 1).await;
        let wrong = other_than(&code);
        at_once(12, |index| {
            let app = world.app.clone();
            async move {
                accounts::register(&app, &nobody(), account(&format!("ann{index}"), EMAIL, wrong)).await.unwrap_err();
            }
        })
        .await;
        assert_eq!(world.count("SELECT attempts FROM verification_codes").await, 5);
        assert_eq!(register(&world, "ann", EMAIL, &code).await.unwrap_err().code(), "code.wrong");
    }

    async fn a_notifier_that_fails_does_not_spread_the_code(world: World) {
        let script = "pub fn config_schema(c, _u) { #{ type: \"object\", properties: #{} } }\n\
                      pub fn initialize(c, _u) { Ok(()) }\npub fn health_check(c, _u) { Ok(true) }\n\
                      pub fn supported_events(c, _u) { [\"verification_code\"] }\n\
                      pub fn templates(c, _u) { #{} }\npub fn send(c, _u) { Err(`can't send: ${rustbill_host::json_get(c, \"body\")}`) }\n";
        world.write_plugin("notifier-parrot.rn", script);
        world.interface("notifier-parrot.rn", serde_json::json!({})).await;
        world.start_worker();
        ask(&world, EMAIL, Purpose::Registration).await.unwrap();
        let problem = wait::value("a delivery fails", async || {
            world.db().q("SELECT last_error FROM event_queue WHERE last_error <> ''").scalar_opt::<String>().await.unwrap()
        })
        .await;
        assert!(problem.contains("could not deliver a code") && !problem.contains("is your code"), "{problem}");
    }
}

async fn codes_and_time(database: TestDatabase) {
    let clock = clock_at("2026-01-01T00:00:00Z");
    let world = World::with_clock(database, clock.clone()).await;
    let receiver = mail(&world).await;
    world.start_worker();
    ask(&world, EMAIL, Purpose::Registration).await.unwrap();
    let first = code(&receiver, 1).await;
    clock.advance(TimeDelta::seconds(59));
    let error = ask(&world, EMAIL, Purpose::Registration).await.unwrap_err();
    assert!(error.code() == "code.too_soon" && error.to_string().ends_with("in 1 seconds"), "{error}");
    // Another purpose and another address wait for themselves only.
    ask(&world, EMAIL, Purpose::PasswordReset).await.unwrap();
    clock.advance(TimeDelta::seconds(1));
    ask(&world, EMAIL, Purpose::Registration).await.unwrap();
    let second = code(&receiver, 2).await;
    if first != second {
        assert_eq!(register(&world, "ann", EMAIL, &first).await.unwrap_err().code(), "code.wrong", "it was replaced");
    }
    clock.advance(TimeDelta::minutes(10));
    assert_eq!(register(&world, "ann", EMAIL, &second).await.unwrap_err().code(), "code.wrong", "it has expired");
    ask(&world, EMAIL, Purpose::Registration).await.unwrap();
    let third = code(&receiver, 3).await;
    for _ in 0..4 {
        assert!(register(&world, "ann", EMAIL, other_than(&third)).await.is_err());
    }
    clock.advance(TimeDelta::minutes(10) - TimeDelta::microseconds(1));
    register(&world, "ann", EMAIL, &third).await.unwrap();

    let user = world.customer_user(&world.customer().await).await;
    ask(&world, &user.email, Purpose::PasswordReset).await.unwrap();
    let code = code(&receiver, 4).await;
    for _ in 0..5 {
        assert!(reset(&world, &user.email, other_than(&code), "next password").await.is_err());
    }
    let error = reset(&world, &user.email, &code, "next password").await.unwrap_err();
    assert_eq!(error.code(), "code.wrong", "five tries are over");

    // A code that could not be delivered in its time is not delivered later.
    receiver.answer_with(500);
    ask(&world, "late@example.com", Purpose::Registration).await.unwrap();
    wait::until("a delivery fails", async || {
        world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE last_error <> ''").await == 1
    })
    .await;
    let count = receiver.events("verification_code").len();
    receiver.answer_with(200);
    clock.advance(TimeDelta::minutes(10));
    world.app.wake.notify_one();
    world.until_quiet().await;
    assert_eq!(receiver.events("verification_code").len(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_time_sqlite() {
    codes_and_time(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_time_postgres() {
    codes_and_time(TestDatabase::postgres().await).await;
}
