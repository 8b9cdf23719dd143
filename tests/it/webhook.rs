//! The webhook notifier against a receiver with ideas of its own: it checks what it gets, is late, fails and hangs up.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    on_both,
    support::{database::TestDatabase, wait, world::World},
};

const SECRET: &str = "a long random text";

/// What the receiver does with a request.
#[derive(Clone, Copy)]
enum Deed {
    Answer(u16),
    /// Takes the request and hangs up.
    HangUp,
    /// Answers when nobody waits any more.
    Sleep,
}

#[derive(Clone, Default)]
struct Shared {
    deeds: Arc<Mutex<VecDeque<Deed>>>,
    genuine: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    forged: Arc<Mutex<usize>>,
}

impl Shared {
    fn genuine(&self) -> Vec<(HeaderMap, Value)> {
        self.genuine.lock().unwrap().clone()
    }
}

/// A receiver that does one deed after the other, and then takes everything.
async fn receiver(deeds: &[Deed]) -> (String, Shared) {
    let shared = Shared { deeds: Arc::new(Mutex::new(deeds.iter().copied().collect())), ..Shared::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().fallback(take).with_state(shared.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, shared)
}

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !is_genuine(&headers, &body) {
        *shared.forged.lock().unwrap() += 1;
        return StatusCode::FORBIDDEN;
    }
    shared.genuine.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
    let deed = shared.deeds.lock().unwrap().pop_front().unwrap_or(Deed::Answer(204));
    match deed {
        Deed::Answer(status) => StatusCode::from_u16(status).unwrap(),
        // A handler that panics ends its connection without an answer.
        Deed::HangUp => panic!("the receiver hangs up, as it was told to"),
        Deed::Sleep => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            StatusCode::OK
        }
    }
}

/// The check of the documentation: the HMAC over timestamp, dot and body, compared in constant time.
fn is_genuine(headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let given = header("x-rustbill-signature");
    let Some(given) = given.strip_prefix("sha256=").and_then(|digits| hex::decode(digits).ok()) else { return false };
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(header("x-rustbill-timestamp").as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

async fn placed_order(world: &World) {
    let provider = world.instant_provider().await;
    let product = world.product(&provider).await;
    let customer = world.customer().await;
    world.order(&customer, &product).await;
}

on_both! {
    async fn a_receiver_that_fails_gets_the_same_delivery_again(world: World) {
        let (url, receiver) = receiver(&[Deed::Answer(500), Deed::HangUp]).await;
        world.interface("notifier-webhook.rn", json!({ "url": url, "secret": SECRET })).await;
        placed_order(&world).await;
        world.start_worker();
        wait::until("the third attempt arrives", async || receiver.genuine().len() == 3).await;
        world.until_quiet().await;
        let got = receiver.genuine();
        assert_eq!((got.len(), *receiver.forged.lock().unwrap()), (3, 0));
        for (headers, payload) in &got {
            let delivery = headers["x-rustbill-delivery"].to_str().unwrap();
            assert_eq!((payload["delivery_id"].as_str(), delivery.len()), (Some(delivery), 36));
            assert_eq!(headers["x-rustbill-event"], "order_created");
            // What makes it known again, and what it tells, is the same each time.
            for field in ["event_id", "delivery_id", "occurred_at", "event_type", "data", "recipient"] {
                assert_eq!(payload[field], got[0].1[field], "{field}");
                assert_ne!(payload[field], json!(""), "{field}");
            }
        }
    }

    async fn recipients_of_one_event_have_deliveries_of_their_own(world: World) {
        let (url, receiver) = receiver(&[]).await;
        for _ in 0..2 {
            world.interface("notifier-webhook.rn", json!({ "url": url, "secret": SECRET })).await;
        }
        placed_order(&world).await;
        world.start_worker();
        wait::until("both arrive", async || receiver.genuine().len() == 2).await;
        let got = receiver.genuine();
        let pair = |field: &str| (got[0].1[field].clone(), got[1].1[field].clone());
        let ((first, second), (delivery, other)) = (pair("event_id"), pair("delivery_id"));
        assert_eq!(first, second);
        assert!(delivery != other && delivery != first);
    }

    async fn a_receiver_that_is_late_is_not_waited_for(world: World) {
        let (url, receiver) = receiver(&[Deed::Sleep]).await;
        world.interface("notifier-webhook.rn", json!({ "url": url, "secret": SECRET })).await;
        placed_order(&world).await;
        world.start_worker();
        wait::until("the attempt was given up", async || {
            world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE failures = 1 AND last_error LIKE '%too long%'").await == 1
        })
        .await;
        // A request that may have arrived is not sent again by the client itself, but by the outbox.
        assert_eq!(receiver.genuine().len(), 1);
        wait::until("the second attempt arrives", async || receiver.genuine().len() == 2).await;
        world.until_quiet().await;
    }

    async fn a_secret_that_differs_convinces_nobody(world: World) {
        let (url, receiver) = receiver(&[]).await;
        let interface = world.interface("notifier-webhook.rn", json!({ "url": url, "secret": "another" })).await;
        let fields = json!({ "event_type": "test", "title": "t", "body": "b", "recipient": "", "data": {} });
        let error = world.app.plugins.call_json(&interface, "send", fields).await.unwrap_err();
        assert!(error.to_string().contains("403"), "{error}");
        assert_eq!((receiver.genuine().len(), *receiver.forged.lock().unwrap()), (0, 1));
    }
}
