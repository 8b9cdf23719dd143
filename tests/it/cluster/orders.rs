//! Orders that nobody pays, and events that somebody looks at.

use chrono::TimeDelta;
use rustbill::core::{
    actor::Actor,
    cluster,
    error::Kind,
    events::{self, EventFilter, EventStatus},
    id::Id,
    orders::OrderStatus,
    page::PageRequest,
    settlement::{self, PAYMENT_PATIENCE},
};
use serde_json::json;

use super::change;
use crate::{
    on_both,
    support::{
        database::TestDatabase,
        receiver::Receiver,
        wait,
        world::{World, clock_at},
    },
};

/// The test's clock stands still until it is moved.
async fn unpaid_orders_are_cancelled_after_a_day(database: TestDatabase) {
    let clock = clock_at("2026-03-01T00:00:00Z");
    let world = World::with_clock(database, clock.clone()).await;
    let product = world.product(&world.instant_provider().await).await;
    let customer = world.customer().await;
    world.top_up(customer.id, "29.00").await;
    let config = json!({ "bank_name": "Bank", "account_name": "Shop", "account_number": "DE00 1234" });
    let gateway = world.interface("gateway-banktransfer.rn", config).await;
    let (unpaid, paid, slow) = (
        world.order(&customer, &product).await,
        world.order(&customer, &product).await,
        world.order(&customer, &product).await,
    );
    settlement::pay_order(&world.app, &world.admin, paid.id, None).await.unwrap();
    let transfer = settlement::pay_order(&world.app, &world.admin, slow.id, Some(gateway.id)).await.unwrap();
    let look = async || settlement::cancel_unpaid(&world.app, &Actor::system("worker")).await.unwrap();
    clock.advance(PAYMENT_PATIENCE);
    let late = world.order(&customer, &product).await;
    assert_eq!(look().await, 0);
    clock.advance(TimeDelta::microseconds(1));
    assert_eq!(look().await, 2);
    assert_eq!(look().await, 0);
    for (order, status) in [
        (&unpaid, OrderStatus::Cancelled),
        (&slow, OrderStatus::Cancelled),
        (&paid, OrderStatus::Paid),
        (&late, OrderStatus::Pending),
    ] {
        assert_eq!(world.order_state(order.id).await.status, status);
    }
    assert_eq!(world.order_state(unpaid.id).await.status_reason, "not paid within 24 hours");
    let told = "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_cancelled'";
    assert_eq!(world.count(told).await, 2);
    // Money that comes all the same is the customer's.
    settlement::confirm(&world.app, &world.admin, transfer.id, "TX-1", "").await.unwrap();
    assert_eq!(world.balance(customer.id).await, "29.00");
    world.check_ledgers().await;
    // The worker looks by itself.
    clock.advance(PAYMENT_PATIENCE);
    world.start_worker();
    world.until_order_is(late.id, OrderStatus::Cancelled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unpaid_sqlite() {
    unpaid_orders_are_cancelled_after_a_day(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unpaid_postgres() {
    unpaid_orders_are_cancelled_after_a_day(TestDatabase::postgres().await).await;
}

on_both! {
    async fn hosts_that_are_left_alone_are_told_of(world: World) {
        // A port that nobody listens on.
        let nowhere = world.interface("notifier-webhook.rn", json!({ "url": "http://127.0.0.1:9/" })).await;
        let send = async || {
            let business = json!({ "event_type": "test", "title": "A", "body": "B", "recipient": "", "data": {} });
            drop(world.app.plugins.call_json(&nowhere, "send", business).await);
        };
        wait::until("the host is left alone", async || {
            send().await;
            !world.app.plugins.breakers().is_empty()
        })
        .await;
        world.start_worker();
        let server = wait::value("the server is there", async || {
            cluster::status(&world.app, &world.admin).await.unwrap().servers.pop()
        })
        .await;
        assert_eq!((server.breakers.len(), server.breakers[0].host.as_str()), (1, "http://127.0.0.1:9"));
        assert!(server.breakers[0].since.ends_with('Z') && ["open", "half_open"].contains(&server.breakers[0].state.as_str()));
    }

    async fn an_event_that_was_put_aside_is_found_and_tried_again(world: World) {
        let bad = Receiver::start().await;
        bad.answer_with(400);
        world.interface("notifier-webhook.rn", json!({ "url": bad.url })).await;
        let product = world.product(&world.instant_provider().await).await;
        world.order(&world.customer().await, &product).await;
        world.start_worker();
        let failed = EventFilter { status: Some(EventStatus::Failed), ..EventFilter::default() };
        let list = async |filter: EventFilter| {
            events::list(&world.app, &world.admin, &filter, PageRequest::default()).await.unwrap().items
        };
        wait::until("it was tried", async || !bad.received().is_empty()).await;
        // The other attempts are days away.
        wait::until("it waits", async || {
            let mut tx = world.db().begin().await.unwrap();
            let sql = "UPDATE event_queue SET failures = 7, available_at = created_at WHERE status = 'pending' AND failures > 0";
            tx.q(sql).execute().await.unwrap();
            tx.commit().await.unwrap();
            world.app.wake.notify_one();
            !list(failed).await.is_empty()
        })
        .await;
        let event = list(failed).await.remove(0);
        assert!(event.failures == 8 && event.last_error.contains("400") && event.next_try_at().is_none(), "{event:?}");
        let found = events::get(&world.app, &world.admin, event.id).await.unwrap();
        assert!(found.payload["recipient"].as_str().unwrap().contains('@'), "{found:?}");
        assert_eq!(list(EventFilter { subject_id: Some(event.subject_id), ..EventFilter::default() }).await, std::slice::from_ref(&event));

        bad.answer_with(200);
        let again = events::retry(&world.app, &world.admin, event.id).await.unwrap();
        assert_eq!((again.event.failures, again.event.id), (0, event.id));
        world.until_quiet().await;
        assert!(list(failed).await.is_empty());
        let error = events::retry(&world.app, &world.admin, event.id).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "event.wrong_state"));
        assert_eq!(events::retry(&world.app, &world.admin, Id::generate()).await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'event.retry'").await, 1);
    }

    async fn a_code_is_shown_to_nobody(world: World) {
        let at = world.app.clock.now();
        let mut tx = world.db().begin().await.unwrap();
        let event = rustbill::core::outbox::NewEvent {
            event_type: rustbill::core::event::EventType::VerificationCode,
            subject_id: Id::generate(),
            order_id: None,
            payload: json!({ "code": "123456" }),
        };
        let id = rustbill::core::outbox::enqueue(&mut tx, at, event).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(events::get(&world.app, &world.admin, id).await.unwrap().payload, json!({}));
        change(&world, "UPDATE event_queue SET status = 'failed', payload = '{}'").await;
        assert_eq!(events::retry(&world.app, &world.admin, id).await.unwrap_err().code(), "event.expired");
    }
}
