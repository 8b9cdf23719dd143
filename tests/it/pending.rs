//! Servers that are made, and not ready when their provider answers.

use rustbill::core::{
    id::Id,
    instances::{self, Instance, InstanceStatus},
    orders::{Order, OrderStatus},
    plugins::{self, Interface, InterfaceUpdate},
    settlement::{self, OrderUpdate},
};
use serde_json::{Value, json};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        receiver::Receiver,
        server::Program,
        wait,
        world::{World, settings_file},
    },
};

/// A paid order at the slow provider, and the provider.
async fn paid(world: &World, config: Value) -> (Order, Interface) {
    world.write_plugin("provider-slow.rn", include_str!("scripts/provider-slow.rn"));
    let provider = world.interface("provider-slow.rn", config).await;
    let customer = world.customer().await;
    world.top_up(customer.id, "29.00").await;
    let order = world.order(&customer, &world.product(&provider).await).await;
    settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
    (order, provider)
}

async fn configure(world: &World, provider: &Interface, config: Value) {
    let change = InterfaceUpdate { config_json: Some(config.to_string()), ..InterfaceUpdate::default() };
    plugins::update(&world.app, &world.admin, provider.id, &change).await.unwrap();
}

/// What the open event of the payment holds.
async fn payload(world: &World) -> Value {
    let sql = "SELECT payload FROM event_queue WHERE event_type = 'order_paid' AND status <> 'done'";
    let found = world.db().q(sql).scalar_opt::<sqlx::types::Json<Value>>().await.unwrap();
    found.map(|payload| payload.0).unwrap_or_default()
}

async fn until_asked(world: &World, times: i64) {
    wait::until("the provider was asked how the server is", async || {
        payload(world).await["asked"].as_i64() >= Some(times)
    })
    .await;
}

async fn instance_of(world: &World, order: Id) -> Instance {
    let filter = instances::InstanceFilter::default();
    let page = instances::list(&world.app, &world.admin, filter, rustbill::core::page::PageRequest::default()).await;
    page.unwrap().items.into_iter().find(|instance| instance.order_id == order).unwrap()
}

/// How often the provider did something, of all its interfaces.
async fn times(world: &World, what: String) -> usize {
    let sql = "SELECT value FROM plugin_state WHERE key = $1";
    world.db().q(sql).bind(what).scalar_opt::<String>().await.unwrap().unwrap_or_default().len()
}

async fn until_the_money_is_back(world: &World, order: &Order) -> Order {
    let ended = world.until_order_is(order.id, OrderStatus::Cancelled).await;
    assert_eq!(world.balance(order.customer_id).await, "29.00");
    assert_eq!(instance_of(world, order.id).await.status, InstanceStatus::Error);
    assert_eq!(times(world, format!("ended:m-{}", order.id)).await, 1);
    assert_eq!(times(world, "made".to_owned()).await, 1);
    world.until_quiet().await;
    world.check_ledgers().await;
    ended
}

on_both! {
    async fn a_server_that_is_being_made_is_waited_for(world: World) {
        let (order, provider) = paid(&world, json!({ "first": "Creating" })).await;
        world.start_worker();
        until_asked(&world, 1).await;
        let waiting = world.order_state(order.id).await;
        assert_eq!((waiting.status, waiting.provider_instance_id), (OrderStatus::Provisioning, format!("m-{}", order.id)));
        let instance = instance_of(&world, order.id).await;
        assert_eq!((instance.status, instance.provider_instance_id), (InstanceStatus::Provisioning, format!("m-{}", order.id)));
        let filter = "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_provisioned'";
        assert_eq!(world.count(filter).await, 0);

        configure(&world, &provider, json!({ "says": "{\"status\":\"Running\",\"ip_address\":\"203.0.113.9\"}" })).await;
        let order = world.until_order_is(order.id, OrderStatus::Active).await;
        assert!(order.activated_at.is_some());
        let instance = instance_of(&world, order.id).await;
        assert_eq!((instance.status, instance.ip_address.as_str()), (InstanceStatus::Running, "203.0.113.9"));
        assert_eq!(times(&world, "made".to_owned()).await, 1);
        assert_eq!(world.count(filter).await, 1);
        assert_eq!(world.balance(order.customer_id).await, "0.00");
        world.until_quiet().await;
    }

    async fn an_address_that_was_told_first_is_kept(world: World) {
        let (order, _) = paid(&world, json!({ "address": "203.0.113.4", "says": "running" })).await;
        world.start_worker();
        world.until_order_is(order.id, OrderStatus::Active).await;
        assert_eq!(instance_of(&world, order.id).await.ip_address, "203.0.113.4");
    }

    async fn a_server_that_comes_to_nothing_gives_the_money_back(world: World) {
        for says in ["terminated", "{\"status\":\"error\"}"] {
            let (order, provider) = paid(&world, json!({ "says": says })).await;
            if says == "terminated" {
                world.start_worker();
            }
            let ended = world.until_order_is(order.id, OrderStatus::Cancelled).await;
            assert!(ended.status_reason.contains("which was being made, is"), "{}", ended.status_reason);
            assert_eq!(world.balance(order.customer_id).await, "29.00");
            assert_eq!(times(&world, format!("ended:m-{}", order.id)).await, 1);
            assert_eq!(instance_of(&world, order.id).await.status, InstanceStatus::Error);
            plugins::toggle(&world.app, &world.admin, provider.id, false).await.unwrap();
        }
        world.until_quiet().await;
        world.check_ledgers().await;
    }

    async fn an_error_instead_of_a_status_decides_nothing(world: World) {
        for (says, gate) in [("ERROR: node away", ""), ("well", "http://127.0.0.1:9/"), ("", "")] {
            let (order, provider) = paid(&world, json!({ "says": says, "gate": gate })).await;
            if says == "ERROR: node away" {
                world.start_worker();
            }
            let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_paid' AND status = 'pending' AND failures = 1";
            wait::until("the question failed", async || world.count(sql).await == 1).await;
            assert_eq!(world.order_state(order.id).await.status, OrderStatus::Provisioning);
            configure(&world, &provider, json!({ "says": "running" })).await;
            world.until_order_is(order.id, OrderStatus::Active).await;
            assert_eq!(times(&world, format!("ended:m-{}", order.id)).await, 0);
        }
    }

    async fn a_word_that_is_not_known_is_waited_on(world: World) {
        let (order, provider) = paid(&world, json!({ "says": "rebooting" })).await;
        world.start_worker();
        until_asked(&world, 1).await;
        assert_eq!(world.order_state(order.id).await.status, OrderStatus::Provisioning);
        configure(&world, &provider, json!({ "says": "stopped" })).await;
        world.until_order_is(order.id, OrderStatus::Active).await;
        assert_eq!(instance_of(&world, order.id).await.status, InstanceStatus::Stopped);
    }

    async fn nobody_waits_for_ever(world: World) {
        let (order, _) = paid(&world, json!({})).await;
        world.start_worker();
        until_asked(&world, 0).await;
        // The waiting began a day ago. A claim that is just held writes its own payload, so it is said until it counts.
        wait::until("the beginning was moved", async || {
            let mut old = payload(&world).await;
            if old["waiting_since"].is_null() {
                return true;
            }
            old["waiting_since"] = json!(world.app.clock.now().unix_seconds() - 24 * 60 * 60);
            let mut tx = world.db().begin().await.unwrap();
            tx.q("UPDATE event_queue SET payload = $1, available_at = $2 WHERE event_type = 'order_paid' AND status = 'pending'")
                .bind(sqlx::types::Json(old))
                .bind(world.app.clock.now())
                .execute()
                .await
                .unwrap();
            tx.commit().await.unwrap();
            world.order_state(order.id).await.status == OrderStatus::Cancelled
        })
        .await;
        let ended = until_the_money_is_back(&world, &order).await;
        assert!(ended.status_reason.contains("not ready after 24 hours"), "{}", ended.status_reason);
    }

    async fn an_order_that_is_cancelled_meanwhile_gives_its_server_back(world: World) {
        let (order, _) = paid(&world, json!({})).await;
        world.start_worker();
        until_asked(&world, 0).await;
        let change = OrderUpdate { status: Some(OrderStatus::Cancelled), ..OrderUpdate::default() };
        settlement::update_order(&world.app, &world.admin, order.id, &change).await.unwrap();
        wait::until("the server is given back", async || times(&world, format!("ended:m-{}", order.id)).await == 1).await;
        world.until_quiet().await;
        assert_eq!(world.balance(order.customer_id).await, "29.00");
        assert_eq!(times(&world, "made".to_owned()).await, 1);
    }

    async fn a_server_of_ours_that_is_killed_while_it_waits(world: World) {
        let gate = Receiver::start().await;
        gate.hold();
        let (order, provider) = paid(&world, json!({ "gate": gate.url })).await;
        let config = settings_file(&world.database, world.database.directory.path());
        let server = Program::start(&config);
        wait::until("the provider was asked how the server is", async || !gate.received().is_empty()).await;
        server.kill();
        let waiting = world.order_state(order.id).await;
        assert_eq!((waiting.status, waiting.provider_instance_id), (OrderStatus::Provisioning, format!("m-{}", order.id)));
        configure(&world, &provider, json!({ "says": "running", "address": "unused" })).await;
        gate.release();
        let server = Program::start(&config);
        world.until_order_is(order.id, OrderStatus::Active).await;
        world.until_quiet().await;
        assert_eq!(times(&world, "made".to_owned()).await, 1, "it was made once");
        assert_eq!(world.balance(order.customer_id).await, "0.00");
        assert_eq!(server.terminate(), Some(0));
    }
}
