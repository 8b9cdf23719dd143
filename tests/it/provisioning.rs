//! From paid to running, or the money back, whatever happens in between.

use rustbill::core::{
    id::Id,
    instances::InstanceStatus,
    orders::OrderStatus,
    page::PageRequest,
    payments::{self, PaymentFilter, PaymentStatus},
    plugins, settlement,
};
use serde_json::json;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        receiver::Receiver,
        server::Program,
        wait,
        world::{World, new_order, settings_file},
    },
};

/// One server in stock.
fn stock() -> serde_json::Value {
    json!({ "servers": [{
        "id": "s1", "address": "203.0.113.5", "region": "eu", "cpu_cores": 2, "memory_gb": 4, "disk_gb": 50,
        "bandwidth_mbps": 100, "os": "debian-12", "username": "root", "password": "hunter2-of-the-server"
    }] })
}

on_both! {
    async fn a_paid_order_becomes_a_running_server_and_its_owner_hears_of_it(world: World) {
        let receiver = Receiver::start().await;
        world.interface("notifier-webhook.rn", json!({ "url": receiver.url, "secret": "shared" })).await;
        let provider = world.interface("provider-stock.rn", stock()).await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        world.start_worker();
        let order = world.order(&customer, &product).await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        let order = world.until_order_is(order.id, OrderStatus::Active).await;
        assert_eq!(order.provider_instance_id, "s1");
        assert!(order.activated_at.is_some());
        world.until_quiet().await;
        let told: Vec<_> = ["order_created", "order_paid", "order_provisioned"].map(|event| receiver.events(event).len()).into();
        assert_eq!(told, [1, 1, 1], "{:?}", receiver.received());
        let ready = &receiver.events("order_provisioned")[0];
        assert_eq!(ready.json()["recipient"], customer.email);
        assert!(ready.json()["body"].as_str().unwrap().contains("203.0.113.5"));
        assert!(ready.headers["x-rustbill-signature"].to_str().unwrap().starts_with("sha256="));
        // The server's password is in the provider's settings only.
        assert!(receiver.received().iter().all(|request| !request.body.contains("hunter2")));
    }

    async fn a_provider_that_says_no_gives_the_money_back(world: World) {
        let receiver = Receiver::start().await;
        world.interface("notifier-webhook.rn", json!({ "url": receiver.url })).await;
        world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
        let provider = world.interface("provider-instant.rn", json!({ "refuse": "sold out in eu" })).await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "40.00").await;
        world.start_worker();
        let order = world.order(&customer, &product).await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        let order = world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert!(order.status_reason.contains("sold out in eu"), "{}", order.status_reason);
        assert_eq!(world.balance(customer.id).await, "40.00");
        let filter = PaymentFilter { order_id: Some(order.id), ..PaymentFilter::default() };
        let payment = payments::list(&world.app, &world.admin, filter, PageRequest::default()).await.unwrap().items.remove(0);
        assert_eq!((payment.status, payment.refunded_amount), (PaymentStatus::Refunded, payment.amount));
        world.until_quiet().await;
        let told = receiver.events("order_cancelled");
        assert_eq!(told.len(), 1, "{:?}", receiver.received());
        assert_eq!(told[0].json()["recipient"], customer.email);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM balance_transactions WHERE transaction_type = 'refund'").await, 1);
        world.check_ledgers().await;
    }

    async fn a_transfer_for_an_order_that_fails_comes_back_as_balance(world: World) {
        world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
        let provider = world.interface("provider-instant.rn", json!({ "refuse": "sold out" })).await;
        let bank = world
            .interface("gateway-banktransfer.rn", json!({ "bank_name": "Bank", "account_name": "Shop", "account_number": "1" }))
            .await;
        let customer = world.customer().await;
        let order = world.order(&customer, &world.product(&provider).await).await;
        let payment = settlement::pay_order(&world.app, &world.admin, order.id, Some(bank.id)).await.unwrap();
        settlement::confirm(&world.app, &world.admin, payment.id, "", "").await.unwrap();
        world.start_worker();
        world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert_eq!(world.balance(customer.id).await, "29.00");
        world.check_ledgers().await;
    }

    async fn two_orders_for_the_last_server(world: World) {
        let provider = world.interface("provider-stock.rn", stock()).await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "58.00").await;
        let (first, second) = (world.order(&customer, &product).await, world.order(&customer, &product).await);
        settlement::pay_order(&world.app, &world.admin, first.id, None).await.unwrap();
        settlement::pay_order(&world.app, &world.admin, second.id, None).await.unwrap();
        world.start_worker();
        world.until_quiet().await;
        let mut states = [world.order_state(first.id).await.status, world.order_state(second.id).await.status];
        states.sort();
        assert_eq!(states, [OrderStatus::Active, OrderStatus::Cancelled]);
        assert_eq!(world.balance(customer.id).await, "29.00");
    }

    async fn a_provider_that_can_not_be_reached_is_asked_again(world: World) {
        let gate = Receiver::start().await;
        world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
        // A port that nobody listens on: the call fails, which is no answer.
        let provider = world.interface("provider-instant.rn", json!({ "gate": "http://127.0.0.1:9/" })).await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        let order = world.order(&customer, &product).await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        world.start_worker();
        wait::until("the first attempt failed", async || {
            world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_paid' AND last_error <> ''").await == 1
        })
        .await;
        assert_eq!(world.order_state(order.id).await.status, OrderStatus::Provisioning);
        let change = plugins::InterfaceUpdate { config_json: Some(json!({ "gate": gate.url }).to_string()), ..Default::default() };
        plugins::update(&world.app, &world.admin, provider.id, &change).await.unwrap();
        world.until_order_is(order.id, OrderStatus::Active).await;
        assert_eq!(world.balance(customer.id).await, "0.00");
    }

    async fn what_a_provider_says_is_stored_whatever_it_holds(world: World) {
        world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
        let provider = world.interface("provider-instant.rn", json!({ "refuse": "NUL" })).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        let order = world.order(&customer, &world.product(&provider).await).await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        world.start_worker();
        let order = world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert!(order.status_reason.contains("sold out"), "{}", order.status_reason);
        assert_eq!(world.balance(customer.id).await, "29.00");
    }

    async fn an_answer_without_a_server_that_runs_is_no_server(world: World) {
        world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
        let provider = world.interface("provider-instant.rn", json!({ "status": "failed" })).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        let order = world.order(&customer, &world.product(&provider).await).await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        world.start_worker();
        wait::until("the answer was refused", async || {
            world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_paid' AND failures >= 1").await == 1
        })
        .await;
        assert_eq!(world.order_state(order.id).await.status, OrderStatus::Provisioning);
        // The last failure that is allowed: the server that may be there is given back before the money is.
        let mut tx = world.db().begin().await.unwrap();
        tx.q("UPDATE event_queue SET failures = $1, available_at = $2 WHERE event_type = 'order_paid' AND status = 'pending'")
            .bind(rustbill::core::outbox::FAILURES_MAX - 1)
            .bind(world.app.clock.now())
            .execute()
            .await
            .unwrap();
        tx.commit().await.unwrap();
        world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert_eq!(world.balance(customer.id).await, "29.00");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state").await, 0, "the provider has no server left");
    }

    async fn a_paid_order_is_never_given_up(world: World) {
        world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
        let provider = world.interface("provider-instant.rn", json!({ "gate": "http://127.0.0.1:9/", "stuck": "yes" })).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        let order = world.order(&customer, &world.product(&provider).await).await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        let mut tx = world.db().begin().await.unwrap();
        let failures = rustbill::core::outbox::FAILURES_MAX + 5;
        tx.q("UPDATE event_queue SET failures = $1 WHERE event_type = 'order_paid'").bind(failures).execute().await.unwrap();
        tx.commit().await.unwrap();
        world.start_worker();
        // Neither making the server nor giving it back can be brought to an end: nothing is certain, so nothing is booked.
        wait::until("it failed once more", async || {
            world
                .count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_paid' AND status = 'pending' AND last_error <> ''")
                .await
                == 1
        })
        .await;
        assert_eq!(world.order_state(order.id).await.status, OrderStatus::Provisioning);
        assert_eq!(world.balance(customer.id).await, "0.00");
    }

    async fn a_notifier_that_fails_is_tried_again_and_the_others_hear_once(world: World) {
        let (good, bad) = (Receiver::start().await, Receiver::start().await);
        bad.answer_with(500);
        world.interface("notifier-webhook.rn", json!({ "url": good.url })).await;
        world.interface("notifier-webhook.rn", json!({ "url": bad.url })).await;
        let customer = world.customer().await;
        let product = world.product(&world.instant_provider().await).await;
        world.start_worker();
        world.order(&customer, &product).await;
        wait::until("the bad one was tried twice", async || bad.events("order_created").len() >= 2).await;
        bad.answer_with(200);
        world.until_quiet().await;
        assert_eq!(good.events("order_created").len(), 1);
    }

    async fn a_server_that_is_killed_in_between_provisions_once(world: World) {
        let gate = Receiver::start().await;
        gate.hold();
        world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
        let provider = world.interface("provider-instant.rn", json!({ "gate": gate.url })).await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        let order = world.order(&customer, &product).await;
        let config = settings_file(&world.database, world.database.directory.path());

        // Paid, taken over by the server's worker, and killed while the provider is at work.
        let server = Program::start(&config);
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        wait::until("the provider was asked", async || !gate.received().is_empty()).await;
        server.kill();
        assert_eq!(world.order_state(order.id).await.status, OrderStatus::Provisioning);

        gate.release();
        let server = Program::start(&config);
        let order = world.until_order_is(order.id, OrderStatus::Active).await;
        world.until_quiet().await;
        assert!(gate.received().iter().all(|request| request.body == order.id.to_string()));
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state").await, 1, "one server at the provider");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM instances WHERE status = 'running'").await, 1);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_paid'").await, 1);
        assert_eq!(world.balance(customer.id).await, "0.00");
        assert_eq!(server.terminate(), Some(0));
    }

    async fn an_instance_is_written_before_the_provider_is_asked(world: World) {
        let gate = Receiver::start().await;
        gate.hold();
        world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
        let provider = world.interface("provider-instant.rn", json!({ "gate": gate.url })).await;
        let customer = world.customer().await;
        let product = world.product(&provider).await;
        world.top_up(customer.id, "29.00").await;
        let mut new = new_order(&customer, &product);
        new.wish.insert("region".to_owned(), "eu".to_owned());
        let order = rustbill::core::orders::place(&world.app, &world.admin, &new).await.unwrap();
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        world.start_worker();
        wait::until("the provider was asked", async || !gate.received().is_empty()).await;
        let status = async |id: Id| world.db().q("SELECT status FROM instances WHERE order_id = $1").bind(id).scalar::<InstanceStatus>().await.unwrap();
        assert_eq!(status(order.id).await, InstanceStatus::Provisioning);
        gate.release();
        world.until_order_is(order.id, OrderStatus::Active).await;
        assert_eq!(status(order.id).await, InstanceStatus::Running);
    }
}
