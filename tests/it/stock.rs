//! `provider-stock`: what happens to a server that comes back, and what a customer hears who wants it switched.

use rustbill::core::{
    id::Id,
    orders::{Order, OrderStatus},
    plugins::{self, Interface},
    products::{self, Product},
    settlement, supply,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        server::{InProcess, channel, customer_token},
        world::{World, new_product},
    },
};

/// A list with one server, and settings beside it.
fn one_server(more: &Value) -> Value {
    let mut config = json!({ "servers": [{ "id": "s1", "address": "203.0.113.5", "region": "eu", "password": "its-old-password" }] });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

struct Shop {
    provider: Interface,
    product: Product,
    customer: rustbill::core::customers::Customer,
}

impl Shop {
    async fn open(world: &World, more: Value) -> Self {
        let provider = world.interface("provider-stock.rn", one_server(&more)).await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "87.00").await;
        world.start_worker();
        Self { provider, product, customer }
    }

    /// Orders the server, and waits for what becomes of the order.
    async fn buy(&self, world: &World, becomes: OrderStatus) -> Order {
        let order = world.order(&self.customer, &self.product).await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        world.until_order_is(order.id, becomes).await
    }

    async fn give_back(&self, world: &World, order: Id) {
        settlement::terminate(&world.app, &world.admin, instance_of(world, order).await).await.unwrap();
        world.until_quiet().await;
    }
}

async fn instance_of(world: &World, order: Id) -> Id {
    world.db().q("SELECT id FROM instances WHERE order_id = $1").bind(order).scalar().await.unwrap()
}

on_both! {
    async fn a_returned_server_is_sold_again_only_when_it_was_released(world: World) {
        let shop = Shop::open(&world, json!({})).await;
        let order = shop.buy(&world, OrderStatus::Active).await;
        shop.give_back(&world, order.id).await;
        let page = async || plugins::admin_page(&world.app, &world.admin, shop.provider.id).await.unwrap().html;
        assert!(page().await.contains(&format!("returned by order {}", order.id)));
        // Nobody gets a server whose password somebody else knows.
        let refused = shop.buy(&world, OrderStatus::Cancelled).await;
        assert!(refused.status_reason.contains("no free server"), "{}", refused.status_reason);

        let release = async || plugins::call_action(&world.app, &world.admin, shop.provider.id, "admin_release", r#"{"server":"s1"}"#).await;
        assert_eq!(release().await.unwrap(), json!({ "released": "s1" }));
        let order = shop.buy(&world, OrderStatus::Active).await;
        let error = release().await.unwrap_err();
        assert!(error.to_string().contains(&format!("sold to order {}", order.id)), "{error}");
        assert!(page().await.contains(&format!("sold to order {}", order.id)));
    }

    async fn returned_servers_are_sold_at_once_where_that_is_wanted(world: World) {
        let shop = Shop::open(&world, json!({ "resell_returned": true })).await;
        for _ in 0..2 {
            let order = shop.buy(&world, OrderStatus::Active).await;
            shop.give_back(&world, order.id).await;
        }
    }

    async fn a_customer_reads_why_a_server_can_not_be_switched(world: World) {
        let shop = Shop::open(&world, json!({})).await;
        let user = world.customer_user(&shop.customer).await;
        let order = shop.buy(&world, OrderStatus::Active).await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let token = customer_token(&channel, &user.username).await;
        let message = json!({ "id": instance_of(&world, order.id).await });
        for rpc in ["StartInstance", "StopInstance", "RestartInstance"] {
            let refused = dynamic::call(&channel, &format!("InstanceService/{rpc}"), &message, &token).await.unwrap_err();
            let words = refused.message();
            assert!(refused.code() == Code::Internal && words.contains("Please ask support"), "{rpc}: {words}");
        }
        server.stop().await;
    }

    async fn a_list_without_prices_tells_none(world: World) {
        let shop = Shop::open(&world, json!({})).await;
        let wish = rustbill::core::products::Specs::new();
        let refused = supply::quote(&world.app, &world.admin, shop.provider.id, &wish).await.unwrap_err();
        assert!(refused.to_string().contains("has a price"), "{refused}");
        let mut config = one_server(&json!({}));
        config["servers"][0]["price"] = json!("12.5");
        let change = plugins::InterfaceUpdate { config_json: Some(config.to_string()), ..Default::default() };
        plugins::update(&world.app, &world.admin, shop.provider.id, &change).await.unwrap();
        let quote = supply::quote(&world.app, &world.admin, shop.provider.id, &wish).await.unwrap();
        assert_eq!((quote.amount.to_string().as_str(), quote.currency.as_str()), ("12.50", "CNY"));
    }

    async fn what_a_product_is_like_replaces_no_setting(world: World) {
        let mut shop = Shop::open(&world, json!({})).await;
        let mut new = new_product(&shop.provider);
        "Another".clone_into(&mut new.name);
        new.specs.insert("servers".to_owned(), r#"[{"id":"s1","address":"192.0.2.66","region":"eu"}]"#.to_owned());
        shop.product = products::create(&world.app, &world.admin, &new).await.unwrap();
        let order = shop.buy(&world, OrderStatus::Active).await;
        let address: String = world.db().q("SELECT ip_address FROM instances WHERE order_id = $1").bind(order.id).scalar().await.unwrap();
        assert_eq!(address, "203.0.113.5");
    }
}
