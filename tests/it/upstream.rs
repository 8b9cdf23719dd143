//! `provider-rustbill` against another RustBill, which is the program itself with a database of its own.

use rustbill::core::{
    control,
    error::Kind,
    id::Id,
    instances::{self, Instance, InstanceStatus, Power},
    orders,
    orders::OrderStatus,
    plugins::{self, InterfaceUpdate},
    products::Specs,
    settlement, supply,
};
use serde_json::{Value, json};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        upstream::{Lossy, Upstream},
        wait,
        world::{World, actor_of},
    },
};

/// The server of an order, once the order is active.
async fn server_of(world: &World, order: Id) -> Instance {
    world.until_order_is(order, OrderStatus::Active).await;
    let sql = "SELECT id FROM instances WHERE order_id = $1";
    let id = world.db().q(sql).bind(order).scalar::<Id>().await.unwrap();
    instances::get(&world.app, &world.admin, id).await.unwrap()
}

async fn set(world: &World, interface: Id, settings: Value) {
    let change = InterfaceUpdate { config_json: Some(settings.to_string()), ..InterfaceUpdate::default() };
    plugins::update(&world.app, &world.admin, interface, &change).await.unwrap();
}

/// Why an interface is unwell.
async fn illness(world: &World, interface: Id) -> String {
    let health = plugins::check_health(&world.app, &world.admin, interface).await.unwrap();
    assert!(!health.is_healthy);
    health.error.unwrap()
}

on_both! {
    async fn a_product_is_resold_switched_and_given_back(world: World) {
        let upstream = Upstream::start(&world).await;
        upstream.top_up("50.00").await;
        let provider = upstream.connect(&world).await;
        world.start_worker();
        let product = world.resold(&provider).await.remove(0);
        assert_eq!((product.name.as_str(), product.cost_price.to_string().as_str()), ("Small", "10.00"));
        assert_eq!((&product.specs.0["region"], &product.specs.0["upstream_product"]), (&"eu".to_owned(), &upstream.product));
        // A dearer product there costs more here at the next look, and its price stays.
        let message = json!({ "id": upstream.product, "price_per_month": "12.00", "billing_cycles": { "monthly": "12.00" } });
        upstream.admin("ProductService/UpdateProduct", message).await;
        let again = world.resold(&provider).await.remove(0);
        assert_eq!((again.id, again.cost_price.to_string(), again.price), (product.id, "12.00".to_owned(), product.price));
        let wish: Specs = [("region".to_owned(), "eu".to_owned())].into();
        let quote = supply::quote(&world.app, &world.admin, provider.id, &wish).await.unwrap();
        assert_eq!((quote.amount.to_string().as_str(), quote.currency.as_str()), ("12.00", "CNY"));

        let order = world.paid_order(&product).await;
        let server = server_of(&world, order.id).await;
        assert_eq!((server.status, server.ip_address.as_str()), (InstanceStatus::Running, "192.0.2.10"));
        let there = upstream.orders().await;
        assert_eq!((there.len(), &there[0]["status"]), (1, &json!("active")));
        assert_eq!(there[0]["id"], json!(server.provider_instance_id));
        assert_eq!(there[0]["notes"], json!(format!("reseller order {}", order.id)));
        assert_eq!((upstream.balance().await.as_str(), upstream.payments().await), ("38.00", 1));
        let balance = supply::balance(&world.app, &world.admin, provider.id).await.unwrap();
        assert_eq!((balance.balance.to_string().as_str(), balance.currency.as_str()), ("38.00", "CNY"));

        // Its page is the upstream's; stock can't be switched, and the upstream says so.
        let shown = control::describe(&world.app, &world.admin, server.id).await.unwrap();
        assert_eq!(shown.sections[0].title, "Server");
        let refused = control::switch(&world.app, &world.admin, server.id, Power::Stop).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Internal, "{refused}");

        settlement::terminate(&world.app, &world.admin, server.id).await.unwrap();
        wait::until("the server is given back", async || {
            instances::get(&world.app, &world.admin, server.id).await.unwrap().status == InstanceStatus::Terminated
        })
        .await;
        upstream.until_order_is("terminated").await;
        wait::until("none is left", async || {
            supply::servers(&world.app, &world.admin, provider.id).await.unwrap().is_empty()
        })
        .await;
        world.until_quiet().await;
        world.check_ledgers().await;
    }

    async fn a_slow_upstream_that_is_killed_in_the_middle_makes_one_server(world: World) {
        // Nobody listens there: its provider fails until it is told otherwise.
        let upstream = Upstream::with(&world, "instant", json!({ "gate": "http://127.0.0.1:9/" })).await;
        upstream.top_up("50.00").await;
        let provider = upstream.connect(&world).await;
        let product = world.resold(&provider).await.remove(0);
        world.start_worker();
        let order = world.paid_order(&product).await;
        upstream.until_order_is("provisioning").await;
        upstream.kill();
        // Ours asks in vain and goes on waiting.
        let waits = "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_paid' AND failures > 0";
        wait::until("nobody answers", async || world.count(waits).await == 1).await;
        assert_eq!(world.order_state(order.id).await.status, OrderStatus::Provisioning);
        upstream.restart();
        upstream.configure(&json!({})).await;
        let server = server_of(&world, order.id).await;
        assert_eq!((server.status, server.ip_address.as_str()), (InstanceStatus::Running, "203.0.113.7"));
        assert_eq!((upstream.orders().await.len(), upstream.payments().await), (1, 1));
        // What its provider can, ours can.
        control::switch(&world.app, &world.admin, server.id, Power::Stop).await.unwrap();
        let logged = upstream.admin("AuditService/ListOperationLogs", json!({})).await;
        assert!(logged.to_string().contains("instance.stop"), "{logged}");
        world.until_quiet().await;
        world.check_ledgers().await;
    }

    async fn lost_answers_neither_order_nor_pay_twice(world: World) {
        let upstream = Upstream::start(&world).await;
        upstream.top_up("50.00").await;
        let way = Lossy::before(&upstream).await;
        let provider = world.interface("provider-rustbill.rn", upstream.settings_at(&way.address)).await;
        let product = world.resold(&provider).await.remove(0);
        world.start_worker();
        for (rpc, count) in [("rustbill.order.OrderService/CreateOrder", 1), ("rustbill.order.OrderService/PayOrder", 2)] {
            way.lose(rpc);
            let order = world.paid_order(&product).await;
            let server = server_of(&world, order.id).await;
            assert!(way.has_lost(), "{rpc}");
            assert_eq!(server.status, InstanceStatus::Running);
            assert_eq!((upstream.orders().await.len(), upstream.payments().await), (count, count), "{rpc}");
        }
        world.until_quiet().await;
        world.check_ledgers().await;
    }

    async fn an_order_whose_key_was_replaced_meanwhile_is_found_by_its_notes(world: World) {
        let upstream = Upstream::start(&world).await;
        upstream.top_up("50.00").await;
        let way = Lossy::before(&upstream).await;
        let provider = world.interface("provider-rustbill.rn", upstream.settings_at(&way.address)).await;
        let product = world.resold(&provider).await.remove(0);
        way.lose("rustbill.order.OrderService/CreateOrder");
        world.start_worker();
        let order = world.paid_order(&product).await;
        wait::until("the answer is lost", async || way.has_lost()).await;
        // Idempotency keys belong to their API key: the new one knows nothing of the first call.
        let (key, _) = upstream.new_key().await;
        set(&world, provider.id, json!({ "api_url": way.address, "api_key": key })).await;
        server_of(&world, order.id).await;
        assert_eq!((upstream.orders().await.len(), upstream.payments().await), (1, 1));
    }

    async fn without_money_there_nothing_is_ordered_and_ours_goes_back(world: World) {
        let upstream = Upstream::start(&world).await;
        upstream.top_up("9.99").await;
        let mut settings = upstream.settings_at(&upstream.address);
        settings["low_balance"] = json!(20);
        let provider = world.interface("provider-rustbill.rn", settings).await;
        assert!(illness(&world, provider.id).await.contains("only 9.99 can be spent"));
        let product = world.resold(&provider).await.remove(0);
        world.start_worker();
        let order = world.paid_order(&product).await;
        let order = world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert!(order.status_reason.contains("9.99 can be spent there, 10.00 are needed"), "{}", order.status_reason);
        assert_eq!(world.balance(order.customer_id).await, "100.00");
        assert_eq!(upstream.orders().await, Vec::<Value>::new());
        let page = plugins::admin_page(&world.app, &world.admin, provider.id).await.unwrap();
        assert!(page.html.contains("Less than 20 can be spent"), "{}", page.html);
        world.until_quiet().await;
        world.check_ledgers().await;
    }

    async fn a_wrong_or_revoked_key_is_told_clearly_and_loses_nothing(world: World) {
        let upstream = Upstream::start(&world).await;
        upstream.top_up("50.00").await;
        let provider = upstream.connect(&world).await;
        let product = world.resold(&provider).await.remove(0);
        world.start_worker();
        let held = server_of(&world, world.paid_order(&product).await.id).await;
        upstream.admin("ApiKeyService/RevokeApiKey", json!({ "id": upstream.key_id })).await;
        assert!(illness(&world, provider.id).await.contains("does not accept the API key"));
        let order = world.paid_order(&product).await;
        let order = world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert!(order.status_reason.contains("does not accept the API key"), "{}", order.status_reason);
        assert!(!order.status_reason.contains(&upstream.key));
        assert_eq!(world.balance(order.customer_id).await, "100.00");
        let error = supply::servers(&world.app, &world.admin, provider.id).await.unwrap_err();
        assert!(error.to_string().contains("does not accept the API key"), "{error}");
        // A server is not taken for given back while nobody could tell the upstream.
        settlement::terminate(&world.app, &world.admin, held.id).await.unwrap();
        let failed = "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_ended' AND failures > 0";
        wait::until("it is refused", async || world.count(failed).await == 1).await;
        assert_eq!(upstream.orders().await[0]["status"], json!("active"));
        let (key, _) = upstream.new_key().await;
        set(&world, provider.id, json!({ "api_url": upstream.address, "api_key": key })).await;
        upstream.until_order_is("terminated").await;
        world.until_quiet().await;
    }

    async fn servers_that_were_bought_there_are_listed_and_taken_over(world: World) {
        let upstream = Upstream::start(&world).await;
        upstream.top_up("50.00").await;
        let provider = upstream.connect(&world).await;
        let product = world.resold(&provider).await.remove(0);
        world.start_worker();
        let ours = server_of(&world, world.paid_order(&product).await.id).await;
        // Bought there by hand, with the same key.
        let message = json!({ "product_id": upstream.product, "billing_cycle": "monthly" });
        let bought = upstream.reseller("OrderService/CreateOrder", message).await.unwrap();
        let bought = bought["order"]["id"].as_str().unwrap().to_owned();
        let refused = supply::import(&world.app, &world.admin, provider.id, &bought).await.unwrap_err();
        assert!(refused.to_string().contains("is not paid"), "{refused}");
        upstream.reseller("OrderService/PayOrder", json!({ "order_id": bought })).await.unwrap();
        wait::until("both run", async || {
            let servers = supply::servers(&world.app, &world.admin, provider.id).await.unwrap();
            let running = servers.iter().filter(|server| server.status == "running");
            let mut names: Vec<&str> = running.map(|server| server.instance_id.as_str()).collect();
            names.sort_unstable();
            let mut expected = [ours.provider_instance_id.as_str(), &bought];
            expected.sort_unstable();
            names == expected
        })
        .await;
        let page = async || plugins::admin_page(&world.app, &world.admin, provider.id).await.unwrap().html;
        let before = page().await;
        let (strangers, known) = before.split_once("<h2>Servers</h2>").unwrap();
        assert!(strangers.contains(&bought) && known.contains(&ours.order_id.to_string()), "{before}");
        // Either name of it will do, and it has one record.
        let list = upstream.reseller("InstanceService/ListInstances", json!({})).await.unwrap();
        let of_it = list["instances"].as_array().unwrap().iter().find(|one| one["order_id"] == json!(bought)).unwrap();
        let made = supply::import(&world.app, &world.admin, provider.id, of_it["id"].as_str().unwrap()).await.unwrap();
        assert_eq!((made.provider_instance_id.as_str(), made.ip_address.as_str()), (bought.as_str(), "192.0.2.11"));
        for known in [&bought, &ours.provider_instance_id] {
            let error = supply::import(&world.app, &world.admin, provider.id, known).await.unwrap_err();
            assert_eq!(error.code(), "instance.known");
        }
        assert!(page().await.contains("None of the newest"));
        let status = supply::status(&world.app, &world.admin, provider.id, &bought).await.unwrap();
        assert_eq!((status.status.as_str(), status.ip_address.as_str()), ("running", "192.0.2.11"));
        // It gets the customer whose it is, once; what was bought here stays with who bought it.
        let customer = world.customer().await;
        let assigned = supply::assign(&world.app, &world.admin, made.id, customer.id).await.unwrap();
        assert_eq!((assigned.id, assigned.customer_id), (made.id, customer.id));
        let user = actor_of(&world.customer_user(&customer).await);
        assert_eq!(instances::get(&world.app, &user, made.id).await.unwrap().ip_address, "192.0.2.11");
        assert_eq!(orders::get(&world.app, &user, made.order_id).await.unwrap().status, OrderStatus::Active);
        for server in [made.id, ours.id] {
            let error = supply::assign(&world.app, &world.admin, server, customer.id).await.unwrap_err();
            assert_eq!(error.code(), "instance.owned");
        }
        let refused = supply::assign(&world.app, &user, made.id, customer.id).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::PermissionDenied);
        assert_eq!(world.balance(customer.id).await, "0.00");
        // The shop itself buys what fits, and takes it over.
        upstream.new_product("8.00").await;
        let wish: Specs = [("region".to_owned(), "us".to_owned())].into();
        let error = supply::buy(&world.app, &world.admin, provider.id, &wish).await.unwrap_err();
        assert!(error.to_string().contains("us"), "{error}");
        settlement::terminate(&world.app, &user, made.id).await.unwrap();
        upstream.until_order_is("terminated").await;
        let bought = supply::buy(&world.app, &world.admin, provider.id, &Specs::new()).await.unwrap();
        assert_eq!(bought.status, "pending");
        assert_eq!(upstream.balance().await, "22.00", "the cheaper of the two");
        assert_eq!(supply::import(&world.app, &world.admin, provider.id, &bought.provider_instance_id).await.unwrap().provider_instance_id, bought.provider_instance_id);
    }

    async fn a_server_is_not_imported_while_its_order_is_being_provisioned(world: World) {
        let upstream = Upstream::with(&world, "instant", json!({ "gate": "http://127.0.0.1:9/" })).await;
        upstream.top_up("50.00").await;
        let way = Lossy::before(&upstream).await;
        let provider = world.interface("provider-rustbill.rn", upstream.settings_at(&way.address)).await;
        let product = world.resold(&provider).await.remove(0);
        way.lose("rustbill.order.OrderService/PayOrder");
        world.start_worker();
        let order = world.paid_order(&product).await;
        // It is paid there, and we were not told so.
        let there = upstream.until_order_is("provisioning").await;
        let there = there["id"].as_str().unwrap();
        let error = supply::import(&world.app, &world.admin, provider.id, there).await.unwrap_err();
        assert_eq!(error.code(), "instance.known", "{error}");
        upstream.configure(&json!({})).await;
        server_of(&world, order.id).await;
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM instances").await, 1);
    }
}

/// Ours buys from a reseller, who buys from stock.
#[tokio::test(flavor = "multi_thread")]
async fn a_reseller_of_a_reseller() {
    let world = World::on(TestDatabase::sqlite()).await;
    let first = Upstream::start(&world).await;
    first.top_up("50.00").await;
    let second = Upstream::with(&world, "rustbill", first.settings_at(&first.address)).await;
    second.top_up("50.00").await;
    let synced = second.admin("IntegrationService/SyncProducts", json!({ "interface_id": second.interface })).await;
    let resold = synced["synced"][0]["id"].as_str().unwrap();
    second
        .admin("ProductService/UpdateProduct", json!({ "id": resold, "is_active": true, "price_per_month": "15.00" }))
        .await;
    let provider = second.connect(&world).await;
    world.start_worker();
    let products = world.resold(&provider).await;
    let product = products.iter().find(|product| product.specs.0["upstream_product"] == resold).unwrap();
    let order = world.paid_order(product).await;
    let server = server_of(&world, order.id).await;
    assert_eq!(server.ip_address, "192.0.2.10");
    assert_eq!((first.balance().await.as_str(), second.balance().await.as_str()), ("40.00", "35.00"));
    settlement::terminate(&world.app, &world.admin, server.id).await.unwrap();
    first.until_order_is("terminated").await;
    second.until_order_is("terminated").await;
}
