//! `provider-incus` against a real LXD, whose API is that of Incus.

use rustbill::core::{
    customers::Customer,
    instances::{self, Instance, InstanceFilter, InstanceStatus},
    orders::{self, NewOrder, Order, OrderStatus},
    page::PageRequest,
    plugins::{self, Interface, InterfaceUpdate, NO_FUNCTION, REFUSED},
    products::{self, NewProduct, Product},
    settlement,
};
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        lxd::{ClientCertificate, Lxd},
        server::{InProcess, admin_token, channel},
        wait,
        world::{World, at_once, new_order, new_product},
    },
};

const FILE: &str = "provider-incus.rn";

/// The settings for a server, some of them replaced.
fn config(lxd: &Lxd, changes: Value) -> Value {
    let mut config = lxd.config();
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    config.as_object_mut().unwrap().extend(changes);
    config
}

/// A product of one core, 1 GB of memory and 5 GB of disk.
async fn product(world: &World, provider: &Interface) -> Product {
    let specs = [("cpu_cores", "1"), ("memory_gb", "1"), ("disk_gb", "5")];
    let specs = specs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    products::create(&world.app, &world.admin, &NewProduct { specs, ..new_product(provider) }).await.unwrap()
}

async fn instance_of(world: &World, order: &Order) -> Instance {
    let page = instances::list(&world.app, &world.admin, InstanceFilter::default(), PageRequest::default()).await;
    page.unwrap().items.into_iter().find(|instance| instance.order_id == order.id).unwrap()
}

async fn bought(world: &World, customer: &Customer, product: &Product) -> Order {
    let order = orders::place(&world.app, &world.admin, &new_order(customer, product)).await.unwrap();
    settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
    order
}

async fn health(world: &World, lxd: &Lxd, provider: &Interface, changes: Value) -> Option<String> {
    let change = InterfaceUpdate { config_json: Some(config(lxd, changes).to_string()), ..InterfaceUpdate::default() };
    plugins::update(&world.app, &world.admin, provider.id, &change).await.unwrap();
    plugins::check_health(&world.app, &world.admin, provider.id).await.unwrap().error
}

/// Calls of the administrator over the wire.
struct Api {
    channel: Channel,
    token: String,
}

impl Api {
    async fn call(&self, rpc: &str, message: Value) -> Value {
        let answer = dynamic::call(&self.channel, rpc, &message, &self.token).await;
        answer.unwrap_or_else(|status| panic!("{rpc} {message}: {status}"))
    }

    async fn act(&self, instance: &Instance, action: &str, params: Value) -> Value {
        let message = json!({ "id": instance.id, "action": action, "params_json": params.to_string() });
        self.call("InstanceService/ExecuteInstanceAction", message).await
    }
}

on_both! {
    async fn a_paid_order_becomes_a_container_that_can_be_switched_and_ended(world: World) {
        let lxd = Lxd::shared().await;
        let provider = world.interface(FILE, config(lxd, json!({ "snapshots_max": 1, "network": lxd.bridge }))).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        let product = product(&world, &provider).await;
        let server = InProcess::start(&world).await;
        world.start_worker();
        let channel = channel(&server.address).await;
        let api = Api { token: admin_token(&channel).await, channel };

        let message = json!({ "customer_id": customer.id, "product_id": product.id, "billing_cycle": "monthly" });
        let placed = api.call("OrderService/CreateOrder", message).await;
        api.call("OrderService/PayOrder", json!({ "order_id": placed["order"]["id"] })).await;
        let id = rustbill::core::id::Id::parse("order", placed["order"]["id"].as_str().unwrap()).unwrap();
        let order = world.until_order_is(id, OrderStatus::Active).await;
        let instance = instance_of(&world, &order).await;
        let name = format!("rb-{}", order.id);
        assert_eq!((instance.status, &instance.provider_instance_id), (InstanceStatus::Running, &name));

        // The machine is what was bought.
        let place = format!("/1.0/instances/{name}");
        let machine = lxd.query(&place);
        assert_eq!((&machine["status"], &machine["type"]), (&json!("Running"), &json!("container")));
        assert_eq!(machine["config"]["limits.cpu"], "1");
        assert_eq!(machine["config"]["limits.memory"], "1GiB");
        assert_eq!(machine["config"]["user.rustbill.order_id"], order.id.to_string());
        assert_eq!(machine["devices"]["root"], json!({ "type": "disk", "path": "/", "pool": "default", "size": "5GiB" }));
        assert_eq!(machine["devices"]["eth0"]["network"], lxd.bridge);
        let state = || lxd.query(&format!("{place}/state"));
        assert_eq!(state()["network"]["eth0"]["addresses"][0]["address"], instance.ip_address);

        // What its customer sees.
        let shown = api.call("InstanceService/GetInstance", json!({ "id": instance.id })).await;
        let text = shown.to_string();
        for wanted in ["Running", "1GiB", "5GiB", "Busybox <tiny>", "None yet", &instance.ip_address, "force_stop"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }

        // Its switch. A restart is a new first process.
        let power = async |rpc: &str| api.call(&format!("InstanceService/{rpc}"), json!({ "id": instance.id })).await;
        let before = state()["pid"].clone();
        power("RestartInstance").await;
        wait::until("it was restarted", async || state()["status"] == "Running" && state()["pid"] != before).await;
        power("StopInstance").await;
        assert_eq!(lxd.query(&place)["status"], "Stopped");
        assert_eq!(instance_of(&world, &order).await.status, InstanceStatus::Stopped);
        power("StopInstance").await;
        let off = api.call("InstanceService/GetInstance", json!({ "id": instance.id })).await.to_string();
        assert!(off.contains("Stopped"), "{off}");
        power("StartInstance").await;
        assert_eq!(lxd.query(&place)["status"], "Running");
        assert_eq!(instance_of(&world, &order).await.status, InstanceStatus::Running);

        // Its actions.
        let reset = api.act(&instance, "reset_password", json!({})).await;
        let kept = lxd.lxc(&["exec", &name, "--", "cat", "/root/password"]).unwrap();
        assert_eq!(kept.trim(), format!("root:{}", reset["data"].as_str().unwrap()), "{reset}");
        let taken = api.act(&instance, "snapshot", json!({})).await;
        let label = taken["data"].as_str().unwrap().to_owned();
        assert_eq!(lxd.query(&format!("{place}/snapshots")), json!([format!("{place}/snapshots/{label}")]));
        let shown = api.call("InstanceService/GetInstance", json!({ "id": instance.id })).await.to_string();
        assert!(shown.contains(&label), "{shown}");
        let unknown = api.act(&instance, "restore_snapshot", json!({ "snapshot": "../x" })).await;
        assert_eq!(unknown["success"], false, "{unknown}");
        lxd.lxc(&["exec", &name, "--", "rm", "/root/password"]).unwrap_err();
        let restored = api.act(&instance, "restore_snapshot", json!({ "snapshot": label })).await;
        assert_eq!(restored["success"], true, "{restored}");
        let deleted = api.act(&instance, "delete_snapshot", json!({ "snapshot": label })).await;
        assert_eq!((&deleted["success"], lxd.query(&format!("{place}/snapshots"))), (&json!(true), json!([])));
        let off = api.act(&instance, "force_stop", json!({})).await;
        assert_eq!((&off["success"], &lxd.query(&place)["status"]), (&json!(true), &json!("Stopped")));

        // The page of the interface lists its own machines.
        let page = api.call("IntegrationService/GetPluginAdminPage", json!({ "interface_id": provider.id })).await;
        assert!(page.to_string().contains(&name) && page.to_string().contains("1 made"), "{page}");

        api.call("InstanceService/TerminateInstance", json!({ "id": instance.id })).await;
        wait::until("the container is gone", async || !lxd.machines().contains(&name)).await;
        world.until_quiet().await;
        assert_eq!(instance_of(&world, &order).await.status, InstanceStatus::Terminated);
        assert_eq!(world.order_state(order.id).await.status, OrderStatus::Terminated);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state WHERE key <> 'tag'").await, 0);
    }

    async fn what_is_wrong_with_a_server_is_said_clearly(world: World) {
        let lxd = Lxd::shared().await;
        let provider = world.interface(FILE, config(lxd, json!({}))).await;
        assert_eq!(health(&world, lxd, &provider, json!({})).await, None);
        let stranger = ClientCertificate::new();
        let nowhere = json!({ "api_url": "https://127.0.0.1:9" });
        for (changes, wanted) in [
            (json!({ "cert_pem": stranger.cert_pem, "key_pem": stranger.key_pem }), "incus config trust add-certificate"),
            (json!({ "cert_pem": stranger.cert_pem }), "can't be used together"),
            (json!({ "server_fingerprint": "" }), lxd.fingerprint().as_str()),
            (json!({ "server_fingerprint": "ab".repeat(32) }), lxd.fingerprint().as_str()),
            (json!({ "project": "nope" }), "/1.0/projects/nope can't be used"),
            (json!({ "profiles": "default,nope" }), "/1.0/profiles/nope can't be used"),
            (json!({ "storage_pool": "nope" }), "/1.0/storage-pools/nope can't be used"),
            (json!({ "network": "nope" }), "/1.0/networks/nope can't be used"),
            (nowhere, "127.0.0.1"),
        ] {
            let error = health(&world, lxd, &provider, changes).await.unwrap_or_default();
            assert!(error.contains(wanted), "{wanted}: {error}");
            assert!(!error.contains("PRIVATE") && !error.contains("BEGIN"), "{error}");
        }
        assert_eq!(health(&world, lxd, &provider, json!({})).await, None);
    }

    async fn an_order_that_is_made_twice_gets_one_container(world: World) {
        let lxd = Lxd::shared().await;
        let provider = world.interface(FILE, config(lxd, json!({}))).await;
        let order = rustbill::core::id::Id::generate();
        let name = format!("rb-{order}");
        let business = json!({ "order_id": order, "server_spec": { "memory_gb": "1", "cpu_cores": "0" } });
        let calls = at_once(2, |_| {
            let (app, provider, business) = (world.app.clone(), provider.clone(), business.clone());
            async move { app.plugins.call_json(&provider, "create_instance", business).await }
        })
        .await;
        // The second may have come too early to be told of anything but an operation; never of a machine of its own.
        assert!(calls.iter().any(Result::is_ok), "{calls:?}");
        let running = wait::value("it runs", async || {
            let answer = world.app.plugins.call_json(&provider, "create_instance", business.clone()).await.ok()?;
            (answer["status"] == "running").then_some(answer)
        })
        .await;
        assert_eq!(running["instance_id"], name);
        assert_eq!(lxd.machines().iter().filter(|machine| **machine == name).count(), 1);
        assert_eq!(lxd.query(&format!("/1.0/instances/{name}"))["config"]["limits.cpu"], Value::Null);

        let asked = json!({ "order_id": order, "instance_id": name });
        let status = world.app.plugins.call_json(&provider, "get_instance_status", asked.clone()).await.unwrap();
        assert_eq!((&status["status"], &status["ip_address"]), (&json!("running"), &running["ip_address"]));
        // Another order's end does not take it.
        let other = json!({ "order_id": rustbill::core::id::Id::generate(), "instance_id": name });
        let error = world.app.plugins.call_text(&provider, "terminate_instance", other).await.unwrap_err();
        assert!(![REFUSED, NO_FUNCTION].contains(&error.code()) && lxd.machines().contains(&name), "{error}");
        for _ in 0..2 {
            world.app.plugins.call_text(&provider, "terminate_instance", asked.clone()).await.unwrap();
            assert!(!lxd.machines().contains(&name));
        }
        let status = world.app.plugins.call_text(&provider, "get_instance_status", asked).await.unwrap();
        assert_eq!(status, "terminated");
    }

    async fn what_the_server_refuses_gives_the_money_back(world: World) {
        let lxd = Lxd::shared().await;
        let provider = world.interface(FILE, config(lxd, json!({ "image": "no-such-image" }))).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        world.start_worker();
        let order = bought(&world, &customer, &product(&world, &provider).await).await;
        let order = world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert!(order.status_reason.to_lowercase().contains("image"), "{}", order.status_reason);
        assert_eq!(world.balance(customer.id).await, "29.00");
        assert!(!lxd.machines().contains(&format!("rb-{}", order.id)));
    }

    async fn settings_become_a_form_products_and_prices(world: World) {
        let lxd = Lxd::shared().await;
        let more = json!({
            "cpu_choices": "1, 2", "images": [{ "alias": "tiny", "label": "Tiny" }], "currency": "CNY",
            "plans": [{ "name": "Small", "cpu_cores": 1, "memory_gb": 2, "disk_gb": 10 }],
            "price_core": "5.5", "price_memory": "1.25", "price_disk": "0.1",
        });
        let provider = world.interface(FILE, config(lxd, more)).await;
        let sync = products::sync(&world.app, &world.admin, provider.id, None).await.unwrap();
        assert_eq!(sync.len(), 1);
        assert_eq!((sync[0].name.as_str(), sync[0].cost_price.to_string()), ("Small", "9.00".to_owned()));
        let mut order: NewOrder = new_order(&world.customer().await, &product(&world, &provider).await);
        order.wish.insert("os".to_owned(), "other".to_owned());
        assert!(orders::place(&world.app, &world.admin, &order).await.is_err());
        order.wish.insert("os".to_owned(), "tiny".to_owned());
        let placed = orders::place(&world.app, &world.admin, &order).await.unwrap();
        assert_eq!(placed.server_spec.0.get("os").map(String::as_str), Some("tiny"));
    }

    async fn a_server_that_dies_while_it_makes_a_container_makes_one(world: World) {
        let lxd = Lxd::start().await;
        lxd.import_large("large");
        let provider = world.interface(FILE, config(&lxd, json!({ "image": "large" }))).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        let product = product(&world, &provider).await;
        world.start_worker();
        let order = bought(&world, &customer, &product).await;
        let place = format!("/1.0/instances/rb-{}", order.id);
        wait::until("the container is being made", async || lxd.query(&place)["name"].is_string()).await;
        lxd.kill().await;
        assert_eq!(world.order_state(order.id).await.status, OrderStatus::Provisioning);
        // Only now is its file system looked at: the order can't go on while the daemon is away.
        lxd.start_again().await;
        let order = world.until_order_is(order.id, OrderStatus::Active).await;
        assert_eq!(lxd.machines(), std::slice::from_ref(&order.provider_instance_id));
        assert_eq!(lxd.query(&place)["status"], "Running");
        assert_eq!(lxd.lxc(&["exec", &order.provider_instance_id, "--", "ls", "/opt"]).unwrap().lines().count(), 150);
        let instance = instance_of(&world, &order).await;
        assert!(!instance.ip_address.is_empty());
        assert_eq!(world.balance(customer.id).await, "0.00");
        world.until_quiet().await;
    }
}
