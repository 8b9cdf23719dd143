//! Products: who sees them, changing and deleting one, and those that come from a provider.

use rustbill::{
    core::{
        actor::Actor,
        catalogue::{
            Placement,
            groups::{self, NewGroup},
        },
        database::Database,
        id::Id,
        page::PageRequest,
        plugins::{self, Interface, InterfaceUpdate},
        products::{self, BillingCycle, NewProduct, Product, ProductFilter, ProductUpdate, UpstreamItem},
        text::search_filter,
    },
    server::grpc::protocol::rustbill::product as proto,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    as_everybody, on_both,
    support::{
        database::TestDatabase,
        everybody::Everybody,
        server::{InProcess, channel},
        world::{World, actor_of, at_once, money, new_order, new_product},
    },
};
use proto::product_service_client::ProductServiceClient;

/// A provider whose products are the setting `offers`.
async fn offering_provider(world: &World, offers: &str) -> Interface {
    let source = include_str!("scripts/provider-instant.rn")
        .replace(
            r#"pub fn sync_products(config, _unused) { "[]" }"#,
            r#"pub fn sync_products(config, _unused) { rustbill_host::json_get(config, "offers") }"#,
        )
        .replace("properties: #{", r#"properties: #{ offers: #{ type: "string" },"#);
    world.write_plugin("provider-offers.rn", &source);
    world.interface("provider-offers.rn", json!({ "offers": offers })).await
}

async fn offer(world: &World, provider: &Interface, offers: &Value) {
    let config = json!({ "offers": offers.to_string() }).to_string();
    let change = InterfaceUpdate { config_json: Some(config), ..InterfaceUpdate::default() };
    plugins::update(&world.app, &world.admin, provider.id, &change).await.unwrap();
}

async fn group(world: &World) -> Id {
    let new = NewGroup { name: "small".to_owned(), ..NewGroup::default() };
    groups::create(&world.app, &world.admin, &new).await.unwrap().id
}

async fn count(database: &Database) -> i64 {
    database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM products").scalar().await.unwrap()
}

fn cycles(product: &Product) -> Vec<String> {
    product.billing_cycles.iter().map(|(cycle, price)| format!("{cycle}={price}")).collect()
}

on_both! {
    async fn a_disabled_product_is_for_administrators(world: World) {
        let provider = world.instant_provider().await;
        let (shown, hidden) = (world.product(&provider).await, world.product(&provider).await);
        let off = ProductUpdate { is_active: Some(false), ..ProductUpdate::default() };
        products::update(&world.app, &world.admin, hidden.id, &off).await.unwrap();
        let customer = actor_of(&world.customer_user(&world.customer().await).await);
        let totals = async |actor: &Actor| {
            let mut totals = Vec::new();
            for is_active in [None, Some(true), Some(false)] {
                let filter = ProductFilter { is_active, ..ProductFilter::default() };
                totals.push(products::list(&world.app, actor, &filter, PageRequest::default()).await.unwrap().total);
            }
            totals
        };
        assert_eq!(totals(&world.admin).await, [2, 1, 1]);
        for actor in [Actor::anonymous("test"), customer] {
            assert_eq!(totals(&actor).await, [1, 1, 0]);
            assert_eq!(products::get(&world.app, &actor, hidden.id).await.unwrap_err().code(), "not_found");
            assert_eq!(products::get(&world.app, &actor, shown.id).await.unwrap().cost_price, money("0.00"));
        }
        assert!(!products::get(&world.app, &world.admin, hidden.id).await.unwrap().is_active);
    }

    async fn only_what_is_given_changes(world: World) {
        let provider = world.instant_provider().await;
        let group = group(&world).await;
        let new = NewProduct { specs: [("region".to_owned(), "eu".to_owned())].into(), ..new_product(&provider) };
        let made = products::create(&world.app, &world.admin, &new).await.unwrap();
        let update = async |change: ProductUpdate| products::update(&world.app, &world.admin, made.id, &change).await;

        let changed = update(ProductUpdate { price: Some(money("31")), group: Placement::In(group), ..ProductUpdate::default() }).await.unwrap();
        assert_eq!((changed.price, changed.group_id, changed.name.as_str()), (money("31.00"), Some(group), "VPS"));
        assert_eq!((&changed.specs, cycles(&changed)), (&made.specs, cycles(&made)), "maps stay unless they are given");
        let changed = update(ProductUpdate {
            name: Some("Tiny".to_owned()),
            billing_cycles: [(BillingCycle::Quarterly, money("90"))].into(),
            specs: [("cpu_cores".to_owned(), "1".to_owned())].into(),
            group: Placement::Nowhere,
            ..ProductUpdate::default()
        })
        .await
        .unwrap();
        assert_eq!((changed.group_id, cycles(&changed)), (None, vec!["quarterly=90.00".to_owned()]));
        assert_eq!(changed.specs.0, [("cpu_cores".to_owned(), "1".to_owned())].into());
        let filter = ProductFilter { search: search_filter(Some("tiny")).unwrap(), ..ProductFilter::default() };
        assert_eq!(products::list(&world.app, &world.admin, &filter, PageRequest::default()).await.unwrap().total, 1);

        for (bad, code) in [
            (ProductUpdate { price: Some(money("-1")), ..ProductUpdate::default() }, "product.price"),
            (ProductUpdate { billing_cycles: [(BillingCycle::Yearly, money("-1"))].into(), ..ProductUpdate::default() }, "product.price"),
            (ProductUpdate { name: Some(String::new()), ..ProductUpdate::default() }, "text.missing"),
            (ProductUpdate { group: Placement::In(Id::generate()), ..ProductUpdate::default() }, "not_found"),
        ] {
            assert_eq!(update(bad).await.unwrap_err().code(), code);
        }
        let error = products::update(&world.app, &world.admin, Id::generate(), &ProductUpdate::default()).await.unwrap_err();
        assert_eq!(error.code(), "not_found");
    }

    async fn an_ordered_product_stays(world: World) {
        let provider = world.instant_provider().await;
        let (ordered, free) = (world.product(&provider).await, world.product(&provider).await);
        let order = world.order(&world.customer().await, &ordered).await;
        let error = products::delete(&world.app, &world.admin, ordered.id).await.unwrap_err();
        assert!(error.code() == "product.in_use" && error.to_string().contains("has 1 order"), "{error}");
        assert!(error.advice().unwrap().contains("disable"));
        // Another price is for the orders to come.
        let dearer = ProductUpdate { billing_cycles: [(BillingCycle::Monthly, money("99"))].into(), ..ProductUpdate::default() };
        products::update(&world.app, &world.admin, ordered.id, &dearer).await.unwrap();
        assert_eq!(world.order_state(order.id).await.total_amount, money("29.00"));
        products::delete(&world.app, &world.admin, free.id).await.unwrap();
        assert_eq!(products::delete(&world.app, &world.admin, free.id).await.unwrap_err().code(), "not_found");
    }

    async fn a_product_is_not_deleted_under_an_order(world: World) {
        let provider = world.instant_provider().await;
        let customer = world.customer().await;
        for _ in 0..6 {
            let product = world.product(&provider).await;
            let new = new_order(&customer, &product);
            let results = at_once(2, |index| {
                let (app, admin, id, new) = (world.app.clone(), world.admin.clone(), product.id, new.clone());
                async move {
                    if index == 0 {
                        rustbill::core::orders::place(&app, &admin, &new).await.map(|_| ())
                    } else {
                        products::delete(&app, &admin, id).await
                    }
                }
            })
            .await;
            let codes: Vec<&str> = results.iter().map(|result| result.as_ref().map_or_else(rustbill::core::error::Error::code, |()| "ok")).collect();
            assert!(codes == ["ok", "product.in_use"] || codes == ["not_found", "ok"], "{codes:?}");
        }
    }

    async fn an_import_is_not_on_sale(world: World) {
        let provider = world.instant_provider().await;
        let group = group(&world).await;
        let item = |name: &str| UpstreamItem { name: name.to_owned(), cost_price: money("5.00"), ..UpstreamItem::default() };
        let import = async |interface, group, items: &[UpstreamItem]| {
            products::import(&world.app, &world.admin, interface, group, items).await
        };
        assert_eq!(import(provider.id, Some(group), &[item("a"), item("b")]).await.unwrap(), 2);
        let filter = ProductFilter { group_id: Some(group), ..ProductFilter::default() };
        for product in products::list(&world.app, &world.admin, &filter, PageRequest::default()).await.unwrap().items {
            assert_eq!((product.price, product.cost_price, product.is_active), (money("5.00"), money("5.00"), false));
        }
        let bank = json!({ "bank_name": "b", "account_name": "a", "account_number": "1" });
        let gateway = world.interface("gateway-banktransfer.rn", bank).await;
        let disabled = world.interface("provider-instant.rn", json!({})).await;
        plugins::toggle(&world.app, &world.admin, disabled.id, false).await.unwrap();
        let bad = |cost: &str| UpstreamItem { cost_price: money(cost), ..item("x") };
        for (interface, group, items, code, names) in [
            (provider.id, None, vec![], "batch.size", "`items` has 0"),
            (provider.id, None, vec![item("x"); 501], "batch.size", "501"),
            (provider.id, None, vec![item("x"), item("")], "text.missing", "items[1].name"),
            (provider.id, None, vec![bad("-1")], "product.price", "items[0].cost_price"),
            (provider.id, Some(Id::generate()), vec![item("x")], "not_found", "group"),
            (Id::generate(), None, vec![item("x")], "not_found", "interface"),
            (gateway.id, None, vec![item("x")], "plugin.wrong_type", "interface_id"),
            (disabled.id, None, vec![item("x")], "plugin.disabled", "interface_id"),
        ] {
            let error = import(interface, group, &items).await.unwrap_err();
            assert!(error.code() == code && error.to_string().contains(names), "{} {error}", error.code());
        }
        assert_eq!(count(world.db()).await, 2);
    }

    async fn a_sync_makes_once_and_then_updates(world: World) {
        let group = group(&world).await;
        let first = json!([{ "id": "1", "name": "S", "region": "eu", "cpu_cores": 1, "price": "5.00", "stock": 2 }, { "name": "M", "specs": { "cpu_cores": "2" } }]);
        let provider = offering_provider(&world, &first.to_string()).await;
        let sync = async |group| products::sync(&world.app, &world.admin, provider.id, group).await;
        let made = sync(Some(group)).await.unwrap();
        let shown: Vec<_> = made.iter().map(|product| (product.name.as_str(), product.cost_price, product.is_active, product.group_id)).collect();
        assert_eq!(shown, [("S", money("5.00"), false, Some(group)), ("M", money("0.00"), false, Some(group))]);

        // What the shop decided stays; what the provider says of it follows.
        let ours = ProductUpdate { price: Some(money("9.00")), is_active: Some(true), group: Placement::Nowhere, ..ProductUpdate::default() };
        products::update(&world.app, &world.admin, made[0].id, &ours).await.unwrap();
        let second = json!([{ "name": "S", "region": "eu", "cpu_cores": "1", "price": "6.00", "description": "new" }, { "name": "S", "region": "us", "cpu_cores": 1 }]);
        offer(&world, &provider, &second).await;
        let again = sync(Some(group)).await.unwrap();
        assert_eq!((again.len(), again[0].id), (2, made[0].id));
        assert_eq!((again[0].price, again[0].cost_price, again[0].is_active, again[0].group_id), (money("9.00"), money("6.00"), true, None));
        assert_eq!(again[0].description, "new");
        assert_eq!(count(world.db()).await, 3);
        let results = at_once(4, |_| {
            let (app, admin, id) = (world.app.clone(), world.admin.clone(), provider.id);
            async move { products::sync(&app, &admin, id, None).await.unwrap().len() }
        })
        .await;
        assert_eq!(results, [2; 4]);
        assert_eq!(count(world.db()).await, 3, "also at the same moment");

        assert_eq!(sync(Some(Id::generate())).await.unwrap_err().code(), "not_found");
        let change = InterfaceUpdate { config_json: Some(json!({ "offers": "ERROR: no stock today" }).to_string()), ..InterfaceUpdate::default() };
        plugins::update(&world.app, &world.admin, provider.id, &change).await.unwrap();
        let error = sync(None).await.unwrap_err();
        assert!(error.kind() == rustbill::core::error::Kind::Internal && error.to_string().contains("no stock today"), "{error}");
        plugins::toggle(&world.app, &world.admin, provider.id, false).await.unwrap();
        let error = sync(None).await.unwrap_err();
        assert!(error.code() == "not_found" && error.advice().is_some(), "{error}");
    }

    async fn over_the_wire(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let everybody = Everybody::log_in(&world, &channel).await;
        let mut client = ProductServiceClient::new(channel.clone());
        let id = Id::generate().to_string();
        as_everybody!(everybody, is_let_in, client;
            list_products(proto::ListProductsRequest::default()),
            get_product(proto::GetProductRequest { id: id.clone() }));
        let ids = vec![id.clone()];
        as_everybody!(everybody, is_kept_to_admins, client;
            update_product(proto::UpdateProductRequest { id: id.clone(), ..Default::default() }),
            delete_product(proto::DeleteProductRequest { id: id.clone() }),
            sync_products(proto::SyncProductsRequest { interface_id: id.clone(), group_id: String::new() }),
            batch_set_active(proto::BatchSetActiveRequest { product_ids: ids.clone(), is_active: true }),
            batch_set_group(proto::BatchSetGroupRequest { product_ids: ids.clone(), group_id: String::new() }),
            batch_delete(proto::BatchDeleteRequest { product_ids: ids.clone() }),
            batch_update_price(proto::BatchUpdatePriceRequest { product_ids: ids.clone(), markup_ratio: "1".to_owned() }),
            import_upstream_products(proto::ImportUpstreamProductsRequest { interface_id: id.clone(), ..Default::default() }));

        let admin = everybody.admin();
        let provider = offering_provider(&world, r#"[{"name":"S","price":"5"}]"#).await;
        let product = world.product(&provider).await;
        let good = proto::UpdateProductRequest { id: product.id.to_string(), ..Default::default() };
        let change = proto::UpdateProductRequest { price_per_month: Some("31".to_owned()), cost_price: Some("21.5".to_owned()), is_active: Some(false), ..good.clone() };
        let changed = client.update_product(admin.says(change)).await.unwrap().into_inner().product.unwrap();
        assert_eq!((changed.price_per_month.as_str(), changed.cost_price.as_str(), changed.is_active), ("31.00", "21.50", false));
        assert_eq!(changed.billing_cycles["yearly"], "290.00");
        for (bad, code, names) in [
            (proto::UpdateProductRequest { id: "x".to_owned(), ..good.clone() }, Code::InvalidArgument, "`id`"),
            (proto::UpdateProductRequest { id: id.clone(), ..good.clone() }, Code::NotFound, id.as_str()),
            (proto::UpdateProductRequest { price_per_month: Some("-1".to_owned()), ..good.clone() }, Code::InvalidArgument, "price_per_month"),
            (proto::UpdateProductRequest { group_id: Some("x".to_owned()), ..good.clone() }, Code::InvalidArgument, "group_id"),
            (proto::UpdateProductRequest { billing_cycles: [("daily".to_owned(), "1".to_owned())].into(), ..good.clone() }, Code::InvalidArgument, "daily"),
        ] {
            let status = client.update_product(admin.says(bad)).await.unwrap_err();
            assert!(status.code() == code && status.message().contains(names), "{status}");
        }
        let request = proto::SyncProductsRequest { interface_id: provider.id.to_string(), group_id: String::new() };
        let synced = client.sync_products(admin.says(request)).await.unwrap().into_inner();
        assert_eq!((synced.count, synced.synced[0].cost_price.as_str(), synced.synced[0].is_active), (1, "5.00", false));
        let items = vec![proto::UpstreamProductItem { name: "I".to_owned(), cost_price: "x".to_owned(), ..Default::default() }];
        let request = proto::ImportUpstreamProductsRequest { interface_id: provider.id.to_string(), items, group_id: String::new() };
        let status = client.import_upstream_products(admin.says(request)).await.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains("items[0].cost_price"), "{status}");
        let request = proto::BatchSetActiveRequest { product_ids: vec![product.id.to_string(), "x".to_owned()], is_active: true };
        let status = client.batch_set_active(admin.says(request)).await.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains("product_ids[1]"), "{status}");
        let request = proto::BatchUpdatePriceRequest { product_ids: vec![product.id.to_string()], markup_ratio: "1.5".to_owned() };
        assert_eq!(client.batch_update_price(admin.says(request)).await.unwrap().into_inner().updated_count, 1);
        let found = client.get_product(admin.says(proto::GetProductRequest { id: product.id.to_string() })).await.unwrap().into_inner().product.unwrap();
        assert_eq!(found.price_per_month, "32.25");
        client.delete_product(admin.says(proto::DeleteProductRequest { id: product.id.to_string() })).await.unwrap();
        server.stop().await;
    }
}
