//! Time must not tell what an answer hides: whether a name exists, or a key was ever given out.
//!
//! Samples of both kinds are taken in turns, in an order without a rhythm that something else on the machine could keep,
//! and the lower quartiles are compared: what waited for others is not looked at. A difference of work is there in every
//! round; a difference by chance is not.

use std::time::{Duration, Instant};

use rustbill::{
    core::identity::{self, NewApiKey, UserKind},
    server::grpc::protocol::rustbill as proto,
};
use tonic::{Code, Status, transport::Channel};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        receiver::Receiver,
        server::{InProcess, channel, with_token},
        world::World,
    },
};
use proto::{
    identity::{LoginRequest, SendVerificationCodeRequest, identity_service_client::IdentityServiceClient},
    order::{ListOrdersRequest, order_service_client::OrderServiceClient},
};

/// Samples of each kind in a round.
const SAMPLES: usize = 30;
/// How often chance may spoil a round.
const ROUNDS: usize = 3;
/// How far the quartiles may be apart.
const FACTOR: f64 = 1.5;

fn quartile(mut samples: Vec<Duration>) -> Duration {
    samples.sort();
    samples[samples.len() / 4]
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let start = Instant::now();
    work.await;
    start.elapsed()
}

/// Checks that two ways to be refused take the same time.
async fn take_the_same_time(what: &str, first: impl AsyncFn(), second: impl AsyncFn()) {
    // The first calls of all open connections and fill caches.
    first().await;
    second().await;
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
        for number in 0..SAMPLES {
            // The sequence of Thue and Morse, which never repeats a part three times.
            if number.count_ones().is_multiple_of(2) {
                firsts.push(timed(first()).await);
                seconds.push(timed(second()).await);
            } else {
                seconds.push(timed(second()).await);
                firsts.push(timed(first()).await);
            }
        }
        let (first, second) = (quartile(firsts), quartile(seconds));
        if first.max(second).as_secs_f64() <= first.min(second).as_secs_f64() * FACTOR {
            return;
        }
        seen.push((first, second));
    }
    panic!("{what} differ in time, in each of {ROUNDS} rounds: {seen:?}");
}

async fn refusal(channel: &Channel, username: &str, user_type: &str) -> Status {
    let request = LoginRequest {
        username: username.to_owned(),
        password: "not the password".to_owned(),
        user_type: user_type.to_owned(),
    };
    IdentityServiceClient::new(channel.clone()).login(request).await.unwrap_err()
}

/// All that a caller sees of an error.
fn visible(status: &Status) -> (Code, String, Vec<String>) {
    let fields = status.metadata().clone().into_headers();
    let mut names: Vec<String> = fields.keys().map(ToString::to_string).collect();
    names.sort();
    let word = status.metadata().get("error-code").map(|word| word.to_str().unwrap().to_owned());
    names.extend(word);
    (status.code(), status.message().to_owned(), names)
}

on_both! {
    async fn a_login_tells_nothing_about_names(world: World) {
        let customer = world.customer().await;
        let known = world.customer_user(&customer).await.username;
        let disabled = world.customer_user(&customer).await;
        let change = identity::UserUpdate { is_active: Some(false), ..identity::UserUpdate::default() };
        identity::update_user(&world.app, &world.admin, Some(UserKind::Customer), disabled.id, &change).await.unwrap();
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        for (user_type, name) in [("customer", known.as_str()), ("customer", disabled.username.as_str()), ("admin", "admin")] {
            let (one, other) =
                (refusal(&channel, name, user_type).await, refusal(&channel, "nobody-has-this", user_type).await);
            assert_eq!(visible(&one), visible(&other), "{user_type} {name}");
            assert_eq!(visible(&one).0, Code::InvalidArgument);
            take_the_same_time(
                &format!("a known and an unknown {user_type}"),
                async || drop(refusal(&channel, name, user_type).await),
                async || drop(refusal(&channel, "nobody-has-this", user_type).await),
            )
            .await;
        }
        server.stop().await;
    }

    async fn an_api_key_tells_nothing_about_its_beginning(world: World) {
        let customer = world.customer().await;
        let new = NewApiKey { name: "shop".to_owned(), customer_id: Some(customer.id), lifetime: None };
        let made = identity::create_api_key(&world.app, &world.admin, &new).await.unwrap();
        let known = made.secret.reveal().to_owned();
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let list = async |key: &str| {
            OrderServiceClient::new(channel.clone()).list_orders(with_token(ListOrdersRequest::default(), key)).await
        };
        assert!(list(&known).await.is_ok());
        // The same beginning, another end; and nothing in common.
        let prefix = format!("{}{}", made.key.key_prefix, "0".repeat(known.len() - made.key.key_prefix.len()));
        let unknown = format!("rbk_{}", "0".repeat(known.len() - "rbk_".len()));
        let (one, other) = (list(&prefix).await.unwrap_err(), list(&unknown).await.unwrap_err());
        assert_eq!(visible(&one), visible(&other));
        assert_eq!(visible(&one).0, Code::Unauthenticated);
        take_the_same_time(
            "keys with a known and with an unknown beginning",
            async || drop(list(&prefix).await),
            async || drop(list(&unknown).await),
        )
        .await;
        server.stop().await;
    }

    async fn a_code_tells_nothing_about_addresses(world: World) {
        let receiver = Receiver::start().await;
        let script = include_str!("../../plugins/notifier-webhook.rn").replace("    []\n", "    [\"verification_code\"]\n");
        world.write_plugin("notifier-mail.rn", &script);
        world.interface("notifier-mail.rn", serde_json::json!({ "url": receiver.url })).await;
        let known = world.customer_user(&world.customer().await).await.email;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let ask = async |email: &str| {
            let request =
                SendVerificationCodeRequest { email: email.to_owned(), purpose: "password_reset".to_owned() };
            IdentityServiceClient::new(channel.clone()).send_verification_code(request).await
        };
        let (one, other) = (ask(&known).await.unwrap(), ask("nobody@example.com").await.unwrap());
        assert_eq!(one.into_inner(), other.into_inner());
        // Too soon, both.
        let (one, other) = (ask(&known).await.unwrap_err(), ask("nobody@example.com").await.unwrap_err());
        assert_eq!((visible(&one).0, visible(&one).2), (visible(&other).0, visible(&other).2));
        server.stop().await;
    }
}
