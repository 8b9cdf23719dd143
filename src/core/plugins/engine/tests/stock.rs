//! `provider-stock`: servers that came back, and prices.

use super::shipped::{STOCK, stock, with};
use super::*;

#[test]
fn a_returned_server_waits_for_the_operator() {
    with(Kind::FirstPartyProvider, STOCK, |bench| {
        let call = |more: Value| stock(&more);
        let page =
            |bench: &mut Bench| bench.json("admin_page", &stock(&json!({})))["html"].as_str().unwrap().to_owned();
        assert!(page(bench).contains("<td>a</td><td>192.0.2.1</td><td>free</td><td></td>"));
        let refused = bench.text("admin_release", &call(json!({"server": "a"}))).unwrap_err();
        assert!(refused.contains("did not come back"), "{refused}");
        bench.json("create_instance", &call(json!({"order_id": "o1", "region": "tokyo"})));
        assert!(page(bench).contains("sold to order o1"));
        let refused = bench.text("admin_release", &call(json!({"server": "a"}))).unwrap_err();
        assert_eq!(refused, "the server is sold to order o1");

        bench.text("terminate_instance", &call(json!({"order_id": "o1", "instance_id": "a"}))).unwrap();
        assert!(page(bench).contains("<td>returned by order o1</td><td><button data-server=\"a\">"));
        // Its last customer sees its password no more, and nobody else gets it.
        let instance = call(json!({"order_id": "o1", "instance_id": "a"}));
        assert_eq!(bench.json("instance_detail_sections", &instance), json!([]));
        assert!(bench.text("create_instance", &call(json!({"order_id": "o2", "region": "tokyo"}))).is_err());
        // A repetition changes nothing.
        bench.text("terminate_instance", &call(json!({"order_id": "o1", "instance_id": "a"}))).unwrap();
        assert_eq!(bench.world.lock().unwrap().state["server:a"], "returned:o1");
        bench.json("admin_release", &call(json!({"server": "a"})));
        assert_eq!(
            bench.json("create_instance", &call(json!({"order_id": "o2", "region": "tokyo"})))["instance_id"],
            "a"
        );
        // What is shown belongs to the order that has it now.
        assert_eq!(bench.json("instance_detail_sections", &instance), json!([]));
        assert!(bench.text("admin_release", &call(json!({}))).is_err());
    });
}

#[test]
fn who_wants_it_sells_returned_servers_at_once() {
    with(Kind::FirstPartyProvider, STOCK, |bench| {
        let call = |order: &str| {
            stock(&json!({"order_id": order, "instance_id": "a", "region": "tokyo", "resell_returned": true}))
        };
        bench.json("create_instance", &call("o1"));
        bench.text("terminate_instance", &call("o1")).unwrap();
        assert_eq!(bench.json("create_instance", &call("o2"))["instance_id"], "a");
    });
}

#[test]
fn what_has_no_price_becomes_no_product() {
    with(Kind::FirstPartyProvider, STOCK, |bench| {
        let mut list = stock(&json!({}));
        let refused = bench.text("sync_products", &list).unwrap_err();
        assert!(refused.contains("no server in the list has a `price`") && refused.contains("paris"), "{refused}");
        // The first two are alike, and the price of one counts for both.
        list["servers"][1] = list["servers"][0].clone();
        list["servers"][1]["id"] = json!("twin");
        list["servers"][1]["price"] = json!("9.50");
        let products = bench.json("sync_products", &list);
        assert_eq!((&products[0]["price"], &products[0]["stock"]), (&json!("9.50"), &json!(2)));
        assert!(products.as_array().unwrap().iter().all(|product| product["price"] != ""), "{products}");
        let (level, words) = bench.world.lock().unwrap().logs.pop().unwrap();
        assert!(level == "warn" && words.contains("left out") && words.contains("`price`"), "{level} {words}");
        for wrong in ["9.505", "nine", "-1", "9,50", "1e3"] {
            list["servers"][1]["price"] = json!(wrong);
            let refused = bench.text("initialize", &list).unwrap_err();
            assert!(refused.contains("`price` of server twin"), "{wrong}: {refused}");
        }
    });
}

#[test]
fn a_price_is_told_only_where_there_is_one() {
    with(Kind::FirstPartyProvider, STOCK, |bench| {
        let refused = bench.text("query_price", &stock(&json!({"region": "paris"}))).unwrap_err();
        assert!(refused.contains("has a price"), "{refused}");
        let mut priced = stock(&json!({}));
        for (server, price) in [(0, "9.5"), (1, "20"), (2, "19.99")] {
            priced["servers"][server]["price"] = json!(price);
        }
        assert_eq!(bench.json("query_price", &priced), json!({"amount": "9.5", "billing_cycle": "monthly"}));
        assert_eq!(bench.json("sync_products", &priced)[0]["price"], "9.5");
        priced["region"] = json!("paris");
        assert_eq!(bench.json("query_price", &priced)["amount"], "19.99");
        priced["region"] = json!("rome");
        assert!(bench.text("query_price", &priced).is_err());
    });
}
