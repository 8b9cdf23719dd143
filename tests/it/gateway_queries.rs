//! The worker asks gateways about payments that nobody reported.

use chrono::TimeDelta;
use rustbill::core::{
    payments::{Payment, PaymentStatus},
    plugins::{self, Interface},
    settlement,
};
use serde_json::{Value, json};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        wait,
        world::{World, at_once, clock_at},
        yipay::Platform,
    },
};

/// Asks as the worker does, and says how many payments were asked for.
async fn ask(world: &World) -> u32 {
    settlement::ask_due(&world.app, &world.admin).await.unwrap()
}

fn pass(world: &World, seconds: i64) {
    world.app.clock.advance(TimeDelta::seconds(seconds));
}

/// A platform and an interface that uses it.
async fn yipay(world: &World) -> (Platform, Interface) {
    let platform = Platform::start().await;
    let gateway = world.interface("gateway-yipay.rn", platform.config(notices())).await;
    (platform, gateway)
}

/// Notices go nowhere.
fn notices() -> Value {
    json!({ "notify_url": "http://127.0.0.1:9/" })
}

/// A payment that the platform has and that nobody paid.
async fn opened(world: &World, platform: &Platform, gateway: &Interface) -> Payment {
    let payment = world.top_up_at(gateway).await;
    reqwest::get(&payment.payment_url).await.unwrap();
    assert!(platform.order(&payment.id.to_string()).is_some());
    payment
}

async fn status(world: &World, payment: &Payment) -> PaymentStatus {
    world.payment_state(payment.id).await.status
}

/// A world whose clock is moved by hand.
async fn timed(database: TestDatabase) -> World {
    World::with_clock(database, clock_at("2026-11-21T12:00:00Z")).await
}

on_both! {
    with timed;

    async fn a_lost_notice_costs_half_a_minute(world: World) {
        let (platform, gateway) = yipay(&world).await;
        let payment = opened(&world, &platform, &gateway).await;
        platform.pay(&payment.id.to_string());
        assert_eq!(ask(&world).await, 0, "it has only begun");
        pass(&world, 30);
        assert_eq!(ask(&world).await, 1);
        assert_eq!(status(&world, &payment).await, PaymentStatus::Success);
        assert_eq!(world.balance(payment.customer_id).await, "50.00");
        let by = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'payment.settle'";
        assert_eq!(world.count(by).await, 1);
        pass(&world, 7_200);
        assert_eq!(ask(&world).await, 0, "what has ended is not asked for");
        world.check_ledgers().await;
    }

    async fn questions_become_rare_and_end(world: World) {
        let (platform, gateway) = yipay(&world).await;
        let payment = opened(&world, &platform, &gateway).await;
        let id = payment.id.to_string();
        let mut asked_at = Vec::new();
        // Every half minute of the first four hours.
        for step in 1..=480 {
            pass(&world, 30);
            if ask(&world).await == 1 {
                asked_at.push(step * 30);
            }
        }
        assert_eq!(asked_at, [30, 90, 210, 510, 1_110, 2_310, 4_110, 7_710, 11_310]);
        assert_eq!(platform.queries(&id), asked_at.len());
        for _ in 0..100 {
            pass(&world, 3_600);
            ask(&world).await;
        }
        let queries = platform.queries(&id);
        assert!((70..90).contains(&queries), "{queries}");
        assert_eq!(status(&world, &payment).await, PaymentStatus::Pending, "a payment that nobody paid stays as it is");
        // It can still be asked for by hand.
        platform.pay(&id);
        assert_eq!(settlement::query(&world.app, &world.admin, payment.id).await.unwrap().status, PaymentStatus::Success);
    }

    async fn several_servers_ask_once(world: World) {
        let (platform, gateway) = yipay(&world).await;
        let mut payments = Vec::new();
        for _ in 0..6 {
            payments.push(opened(&world, &platform, &gateway).await);
        }
        pass(&world, 30);
        let asked = at_once(4, |_| {
            let (app, admin) = (world.app.clone(), world.admin.clone());
            async move { settlement::ask_due(&app, &admin).await.unwrap() }
        })
        .await;
        assert_eq!(asked.iter().sum::<u32>(), 6, "{asked:?}");
        for payment in &payments {
            assert_eq!(platform.queries(&payment.id.to_string()), 1);
        }
    }

    async fn a_gateway_that_fails_holds_up_nobody(world: World) {
        let (down, down_gateway) = yipay(&world).await;
        let (well, well_gateway) = yipay(&world).await;
        let mut unlucky = Vec::new();
        for _ in 0..3 {
            unlucky.push(opened(&world, &down, &down_gateway).await);
        }
        let lucky = opened(&world, &well, &well_gateway).await;
        well.pay(&lucky.id.to_string());
        down.set_down(true);
        pass(&world, 30);
        assert_eq!(ask(&world).await, 2, "one that failed, and the one of the other gateway");
        assert_eq!(status(&world, &lucky).await, PaymentStatus::Success);
        for payment in &unlucky {
            down.pay(&payment.id.to_string());
        }
        down.set_down(false);
        assert_eq!(ask(&world).await, 2, "the one that was asked for waits for its next time");
        pass(&world, 60);
        assert_eq!(ask(&world).await, 1);
        for payment in &unlucky {
            assert_eq!(status(&world, payment).await, PaymentStatus::Success);
        }
        // What is disabled is not asked, and asked again when it is enabled.
        let late = opened(&world, &well, &well_gateway).await;
        well.pay(&late.id.to_string());
        plugins::toggle(&world.app, &world.admin, well_gateway.id, false).await.unwrap();
        pass(&world, 30);
        assert_eq!((ask(&world).await, well.queries(&late.id.to_string())), (0, 0));
        plugins::toggle(&world.app, &world.admin, well_gateway.id, true).await.unwrap();
        pass(&world, 60);
        assert_eq!(ask(&world).await, 1);
        assert_eq!(status(&world, &late).await, PaymentStatus::Success);
    }

    async fn what_does_not_fit_is_noted_once(world: World) {
        let gateway = world.signed_gateway(json!({ "query": "success", "reported": "0.01" })).await;
        let payment = world.top_up_at(&gateway).await;
        for _ in 0..5 {
            pass(&world, 3_600);
            ask(&world).await;
        }
        let noted = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'payment.mismatch'";
        assert_eq!((world.count(noted).await, status(&world, &payment).await), (1, PaymentStatus::Pending));
    }

    async fn money_that_came_and_went_is_not_asked_for_again(world: World) {
        let gateway = world.signed_gateway(json!({ "query": "refunded" })).await;
        let payment = world.top_up_at(&gateway).await;
        pass(&world, 30);
        assert_eq!(ask(&world).await, 1);
        pass(&world, 7_200);
        assert_eq!((ask(&world).await, status(&world, &payment).await), (0, PaymentStatus::Pending));
    }

    async fn a_bank_is_not_asked(world: World) {
        let bank = json!({ "bank_name": "Bank", "account_name": "Shop", "account_number": "1" });
        let gateway = world.interface("gateway-banktransfer.rn", bank).await;
        world.top_up_at(&gateway).await;
        pass(&world, 3_600);
        assert_eq!(ask(&world).await, 0);
        // One that was begun before there were such questions is asked for once.
        let mut tx = world.db().begin().await.unwrap();
        tx.q("UPDATE payments SET next_query_at = created_at").execute().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(ask(&world).await, 1);
        pass(&world, 7_200);
        assert_eq!(ask(&world).await, 0);
    }

    async fn the_worker_asks_by_itself(world: World) {
        let (platform, gateway) = yipay(&world).await;
        let payment = opened(&world, &platform, &gateway).await;
        platform.pay(&payment.id.to_string());
        pass(&world, 30);
        world.start_worker();
        wait::until("the payment is booked", async || status(&world, &payment).await == PaymentStatus::Success).await;
        world.stop_worker().await;
    }
}
