//! Several products at once: all of them or none.

use rustbill::core::{
    catalogue::groups::{self, NewGroup},
    id::Id,
    money::Money,
    products::{self, BATCH_MAX, Markup, NewProduct, Product},
};
use serde_json::{Value, json};

use crate::{
    on_both,
    support::{
        cli::run_json,
        database::TestDatabase,
        world::{World, at_once, money, new_product},
    },
};

async fn three(world: &World) -> Vec<Product> {
    let provider = world.instant_provider().await;
    vec![world.product(&provider).await, world.product(&provider).await, world.product(&provider).await]
}

fn ids(products: &[Product]) -> Vec<Id> {
    products.iter().map(|product| product.id).collect()
}

async fn get(world: &World, product: &Product) -> Product {
    products::get(&world.app, &world.admin, product.id).await.unwrap()
}

fn ratio(text: &str) -> Markup {
    Markup::parse("markup_ratio", text).unwrap()
}

on_both! {
    async fn what_changed_is_counted(world: World) {
        let made = three(&world).await;
        let all = ids(&made);
        let set = async |ids: &[Id], is_active| products::set_active(&world.app, &world.admin, ids, is_active).await.unwrap();
        assert_eq!(set(&[all[0], all[1], all[0]], false).await, 2, "a repeated one counts once");
        assert_eq!(set(&all, false).await, 1, "the others were disabled before");
        assert!(!get(&world, &made[2]).await.is_active);
        assert_eq!(set(&all, true).await, 3);

        let new = NewGroup { name: "small".to_owned(), ..NewGroup::default() };
        let group = groups::create(&world.app, &world.admin, &new).await.unwrap().id;
        assert_eq!(products::set_group(&world.app, &world.admin, &all, Some(group)).await.unwrap(), 3);
        assert_eq!(groups::get(&world.app, &world.admin, group).await.unwrap().product_count, 3);
        assert_eq!(products::set_group(&world.app, &world.admin, &all[1..], None).await.unwrap(), 2);
        assert_eq!(get(&world, &made[0]).await.group_id, Some(group));
        assert_eq!(products::delete_all(&world.app, &world.admin, &all).await.unwrap(), 3);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM products").await, 0);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'product.delete'").await, 3);
    }

    async fn one_that_can_not_keeps_all(world: World) {
        let made = three(&world).await;
        let all = ids(&made);
        let unknown = Id::generate();
        world.order(&world.customer().await, &made[1]).await;
        let with_unknown = [&all[..], &[unknown]].concat();
        let (app, admin) = (&world.app, &world.admin);
        for (error, code, names) in [
            (products::set_active(app, admin, &with_unknown, false).await.unwrap_err(), "not_found", unknown.to_string()),
            (products::set_group(app, admin, &with_unknown, None).await.unwrap_err(), "not_found", unknown.to_string()),
            (products::set_group(app, admin, &all, Some(unknown)).await.unwrap_err(), "not_found", format!("product group `{unknown}`")),
            (products::reprice(app, admin, &with_unknown, ratio("2")).await.unwrap_err(), "not_found", unknown.to_string()),
            (products::delete_all(app, admin, &all).await.unwrap_err(), "product.in_use", all[1].to_string()),
            (products::delete_all(app, admin, &with_unknown).await.unwrap_err(), "not_found", unknown.to_string()),
        ] {
            assert!(error.code() == code && error.to_string().contains(&names), "{} {error}", error.code());
        }
        let too_many = vec![unknown; BATCH_MAX + 1];
        for ids in [&[][..], &too_many] {
            for error in [
                products::set_active(app, admin, ids, false).await.unwrap_err(),
                products::set_group(app, admin, ids, None).await.unwrap_err(),
                products::reprice(app, admin, ids, ratio("2")).await.unwrap_err(),
                products::delete_all(app, admin, ids).await.unwrap_err(),
            ] {
                assert!(error.code() == "batch.size" && error.to_string().contains("product_ids"), "{error}");
            }
        }
        for product in &made {
            assert_eq!(get(&world, product).await, *product);
        }
    }

    async fn prices_follow_the_cost(world: World) {
        let provider = world.instant_provider().await;
        let product = async |cost: &str, cycles: &[(products::BillingCycle, &str)]| {
            let billing_cycles = cycles.iter().map(|(cycle, price)| (*cycle, money(price))).collect();
            let new = NewProduct { cost_price: money(cost), billing_cycles, ..new_product(&provider) };
            products::create(&world.app, &world.admin, &new).await.unwrap()
        };
        let plain = product("9.99", &[]).await;
        let multiples = product("10.00", &[(products::BillingCycle::Monthly, "29.00"), (products::BillingCycle::Quarterly, "87.00")]).await;
        let discounted = product("10.00", &[(products::BillingCycle::Monthly, "29.00"), (products::BillingCycle::Yearly, "290.00")]).await;
        let all = [plain.id, multiples.id, discounted.id];
        assert_eq!(products::reprice(&world.app, &world.admin, &all, ratio("1.2345")).await.unwrap(), 3);
        assert_eq!(products::reprice(&world.app, &world.admin, &all, ratio("1.2345")).await.unwrap(), 0);
        let after = async |product: &Product| {
            let product = get(&world, product).await;
            (product.price.to_string(), product.billing_cycles.0.values().map(Money::to_string).collect::<Vec<_>>())
        };
        assert_eq!(after(&plain).await, ("12.33".to_owned(), vec![]));
        assert_eq!(after(&multiples).await, ("12.35".to_owned(), vec!["12.35".to_owned(), "37.05".to_owned()]));
        assert_eq!(after(&discounted).await, ("12.35".to_owned(), vec!["29.00".to_owned(), "290.00".to_owned()]));

        let free = product("0.00", &[]).await;
        let error = products::reprice(&world.app, &world.admin, &[plain.id, free.id], ratio("2")).await.unwrap_err();
        assert!(error.code() == "product.cost_price" && error.to_string().contains(&free.id.to_string()), "{error}");
        assert_eq!(after(&plain).await.0, "12.33");
    }

    async fn batches_that_meet_do_not_wait_for_each_other(world: World) {
        let made = three(&world).await;
        let all = ids(&made);
        let results = at_once(8, |index| {
            let (app, admin, mut ids) = (world.app.clone(), world.admin.clone(), all.clone());
            if index % 2 == 0 {
                ids.reverse();
            }
            async move { products::set_active(&app, &admin, &ids, index < 4).await }
        })
        .await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
}

#[test]
fn on_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str], code: i32| run_json(home.path(), args, code);
    let json_of = |args: &[&str]| serde_json::from_str::<Value>(&run(args, 0)).unwrap();
    let config = json!({ "servers": [{ "id": "s1", "address": "192.0.2.1", "region": "ber", "cpu_cores": 2, "price": "4.00" }] });
    std::fs::write(home.path().join("stock.json"), config.to_string()).unwrap();
    let args = ["plugin", "create", "--plugin", "provider-stock", "--name", "Rack", "--config-file", "stock.json"];
    let interface = json_of(&[&args[..], &["--enable"]].concat())["id"].as_str().unwrap().to_owned();
    let synced = json_of(&["product", "sync", "--interface", &interface]);
    assert_eq!((&synced["total"], &synced["items"][0]["is_active"]), (&json!(1), &json!(false)));
    assert_eq!(synced["items"][0]["specs"], json!({ "region": "ber", "cpu_cores": "2" }));
    let id = synced["items"][0]["id"].as_str().unwrap();
    assert_eq!(synced["items"][0]["cost_price"], "4.00");
    assert_eq!(json_of(&["product", "update", id, "--cost-price", "0"])["cost_price"], "0.00");
    assert!(run(&["product", "reprice", "--ratio", "1.3", id], 2).contains("has no `cost_price`"));
    assert_eq!(json_of(&["product", "update", id, "--cost-price", "10", "--name", "Small"])["cost_price"], "10.00");
    assert_eq!(json_of(&["product", "reprice", "--ratio", "1.3", id]), json!({ "changed": 1 }));
    assert!(run(&["product", "reprice", "--ratio", "-1", id], 2).contains("`ratio` is `-1`"));
    assert_eq!(json_of(&["product", "activate", id]), json!({ "changed": 1 }));
    let shown = json_of(&["product", "show", id]);
    assert_eq!((&shown["price"], &shown["is_active"]), (&json!("13.00"), &json!(true)));
    assert_eq!(json_of(&["product", "deactivate", id, id]), json!({ "changed": 1 }));
    assert_eq!(json_of(&["product", "delete", id, "--yes"])["deleted"], true);
    assert!(run(&["product", "delete", id, "--yes"], 3).contains("does not exist"));
}
