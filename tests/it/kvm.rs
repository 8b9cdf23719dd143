//! `provider-kvm` against a simulated Proxmox VE: from paid to a running machine, and exactly one of it whatever happens
//! in between.

use rustbill::core::{
    control,
    customers::Customer,
    id::Id,
    instances::{self, Instance, InstanceStatus, Power},
    orders::{self, Order, OrderStatus},
    plugins::{self, Interface, InterfaceUpdate},
    products::Product,
    settlement,
};
use serde_json::{Value, json};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        proxmox::{Fault, Proxmox, TOKEN_SECRET, Vm},
        server::{InProcess, Program, admin_token, channel},
        wait,
        world::{World, new_order, settings_file},
    },
};

/// A shop that sells machines, and a customer who can pay for some.
struct Shop {
    sim: Proxmox,
    provider: Interface,
    product: Product,
    customer: Customer,
}

impl Shop {
    async fn open(world: &World) -> Self {
        let sim = Proxmox::start().await;
        let provider = world.interface("provider-kvm.rn", sim.settings()).await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "87.00").await;
        Self { sim, provider, product, customer }
    }

    /// A paid order.
    async fn order(&self, world: &World) -> Order {
        let mut new = new_order(&self.customer, &self.product);
        for (key, value) in [("cpu_cores", "2"), ("memory_gb", "4"), ("disk_gb", "40"), ("os", "debian-13")] {
            new.wish.insert(key.to_owned(), value.to_owned());
        }
        let order = orders::place(&world.app, &world.admin, &new).await.unwrap();
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        order
    }

    /// The only machine there is.
    fn machine(&self) -> (u64, Vm) {
        let machines = self.sim.machines();
        assert_eq!(machines.len(), 1, "{machines:?}");
        machines.into_iter().next().unwrap()
    }

    async fn call(&self, world: &World, function: &str, order: Id) -> Result<Value, rustbill::core::error::Error> {
        let business = json!({ "order_id": order, "instance_id": format!("rb-{order}"), "action": "stop" });
        world.app.plugins.call_json(&self.provider, function, business).await
    }

    /// Asks the script itself for the order's machine.
    async fn create(&self, world: &World, order: Id) -> Result<Value, rustbill::core::error::Error> {
        let wish = json!({ "order_id": order, "cpu_cores": 2, "memory_gb": 4, "disk_gb": 40, "os": "debian-13" });
        world.app.plugins.call_json(&self.provider, "create_instance", wish).await
    }

    /// Why the interface is not well.
    async fn health(&self, world: &World, change: Value) -> String {
        let mut config = self.sim.settings();
        config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let change = InterfaceUpdate { config_json: Some(config.to_string()), ..InterfaceUpdate::default() };
        plugins::update(&world.app, &world.admin, self.provider.id, &change).await.unwrap();
        let checked = plugins::check_health(&world.app, &world.admin, self.provider.id).await.unwrap();
        let words = checked.error.unwrap_or_default();
        assert_eq!(checked.is_healthy, words.is_empty(), "{words}");
        assert!(!words.contains(TOKEN_SECRET) && !words.contains("0000-0000"), "{words}");
        words
    }
}

async fn instance_of(world: &World, order: Id) -> Instance {
    let sql = "SELECT id FROM instances WHERE order_id = $1";
    let id = world.db().q(sql).bind(order).scalar::<Id>().await.unwrap();
    instances::get(&world.app, &world.admin, id).await.unwrap()
}

async fn remembered(world: &World) -> i64 {
    world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state").await
}

on_both! {
    async fn an_order_paid_through_the_api_becomes_a_running_machine(world: World) {
        let shop = Shop::open(&world).await;
        world.start_worker();
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let token = admin_token(&channel).await;
        let key = "ssh-ed25519 AAAAC3Nz ann@example.com";
        let spec = json!({ "cpu_cores": 2, "memory_gb": 4, "disk_gb": 40, "bandwidth_mbps": 100, "os": "debian-13", "extra_specs": { "ssh_key": key } });
        let message = json!({ "customer_id": shop.customer.id, "product_id": shop.product.id, "billing_cycle": "monthly", "server_spec": spec });
        let placed = dynamic::call(&channel, "OrderService/CreateOrder", &message, &token).await.unwrap();
        let order = Id::parse("order", placed["order"]["id"].as_str().unwrap()).unwrap();
        dynamic::call(&channel, "OrderService/PayOrder", &json!({ "order_id": order }), &token).await.unwrap();
        let active = world.until_order_is(order, OrderStatus::Active).await;
        assert_eq!(active.provider_instance_id, format!("rb-{order}"));

        let (vmid, vm) = shop.machine();
        assert_eq!((vmid, vm.name(), vm.pool.as_str(), vm.is_running), (10001, format!("rb-{order}").as_str(), "shop", true));
        let config = |key: &str| vm.config.get(key).cloned().unwrap_or_default();
        assert_eq!([config("cores"), config("sockets"), config("memory")], ["2", "1", "4096"]);
        assert_eq!(config("scsi0"), "local-zfs:vm-10001-disk-0,discard=on,size=40G");
        assert_eq!(config("net0"), "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,rate=12.500");
        assert_eq!([config("ciuser"), config("ipconfig0")], ["debian", "ip=dhcp"]);
        assert_eq!(config("sshkeys"), "ssh-ed25519%20AAAAC3Nz%20ann%40example.com");
        assert!(config("description").contains(&order.to_string()));

        let instance = instance_of(&world, order).await;
        assert_eq!((instance.status, instance.ip_address.as_str()), (InstanceStatus::Running, "192.0.2.1"));
        let shown = control::describe(&world.app, &world.admin, instance.id).await.unwrap();
        let login: Vec<_> = shown.sections[1].fields.iter().map(|field| (field.key.as_str(), field.value.as_str())).collect();
        assert_eq!(login, [("Address", "192.0.2.1"), ("Address", "2001:db8::10"), ("Username", "debian"), ("First password", config("cipassword").as_str())]);
        assert!(config("cipassword").len() >= 20);
        let enabled: Vec<_> = shown.actions.iter().filter(|action| action.enabled).map(|action| action.id.as_str()).collect();
        assert_eq!(enabled, ["shutdown", "restart", "stop", "reset"]);

        for (power, status) in [(Power::Stop, false), (Power::Start, true), (Power::Restart, true)] {
            let switched = control::switch(&world.app, &world.admin, instance.id, power).await.unwrap();
            assert_eq!(switched.status == InstanceStatus::Running, status);
            assert_eq!(shop.machine().1.is_running, status, "{power}");
        }
        for (action, running) in [("reset", true), ("shutdown", false)] {
            assert!(control::act(&world.app, &world.admin, instance.id, action, "").await.unwrap().success);
            assert_eq!(shop.machine().1.is_running, running);
        }
        let page = plugins::admin_page(&world.app, &world.admin, shop.provider.id).await.unwrap().html;
        assert!(page.contains(&format!("rb-{order}")) && page.contains("<td>done</td>"), "{page}");

        settlement::terminate(&world.app, &world.admin, instance.id).await.unwrap();
        wait::until("the machine is gone", async || shop.sim.machines().is_empty()).await;
        world.until_quiet().await;
        assert_eq!(remembered(&world).await, 0);
        for _ in 0..2 {
            shop.call(&world, "terminate_instance", order).await.unwrap();
        }
        server.stop().await;
    }

    async fn lost_answers_make_no_second_machine(world: World) {
        let shop = Shop::open(&world).await;
        for operation in ["clone", "configure", "resize", "start"] {
            shop.sim.fail_next(operation, Fault::Drop);
        }
        world.start_worker();
        let order = shop.order(&world).await;
        world.until_order_is(order.id, OrderStatus::Active).await;
        let (_, vm) = shop.machine();
        assert!(vm.is_running && vm.config["scsi0"].ends_with("size=40G") && vm.config["cores"] == "2", "{vm:?}");
        assert_eq!(shop.sim.count("clone"), 1);
    }

    async fn a_server_that_is_killed_while_cloning_goes_on_with_the_same_machine(world: World) {
        let shop = Shop::open(&world).await;
        let config = settings_file(&world.database, world.database.directory.path());
        shop.sim.hold("clone");
        let server = Program::start(&config);
        let order = shop.order(&world).await;
        wait::until("it is being cloned", async || shop.sim.count("clone") == 1 && remembered(&world).await > 0).await;
        server.kill();
        shop.sim.release();
        let server = Program::start(&config);
        world.until_order_is(order.id, OrderStatus::Active).await;
        assert_eq!((shop.machine().1.is_running, shop.sim.count("clone")), (true, 1));
        assert_eq!(server.terminate(), Some(0));
    }

    async fn health_says_what_is_wrong_and_no_secret(world: World) {
        let shop = Shop::open(&world).await;
        assert_eq!(shop.health(&world, json!({})).await, "");
        let words = shop.health(&world, json!({ "token_secret": "00000000-0000-0000-0000-000000000000" })).await;
        assert!(words.contains("token is not accepted") && words.contains("`token_secret`"), "{words}");
        let words = shop.health(&world, json!({ "fingerprint": "ab".repeat(32) })).await;
        let shown = shop.sim.fingerprint.replace(':', "").to_lowercase();
        assert!(words.replace(':', "").to_lowercase().contains(&shown), "{words}");
        let words = shop.health(&world, json!({ "templates": [{ "os": "x", "vmid": 9999 }] })).await;
        assert!(words.contains("no template 9999"), "{words}");
        let words = shop.health(&world, json!({ "node": "pve1, pve7" })).await;
        assert!(words.contains("no node `pve7`"), "{words}");
        for right in ["VM.Clone", "Datastore.AllocateSpace", "VM.Allocate"] {
            shop.sim.revoke(right);
            let words = shop.health(&world, json!({})).await;
            assert!(words.contains(right), "{words}");
        }
    }

    async fn a_full_storage_and_missing_rights_give_the_money_back(world: World) {
        let shop = Shop::open(&world).await;
        world.start_worker();
        shop.sim.lock().is_full = true;
        let order = shop.order(&world).await;
        world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert_eq!((world.balance(shop.customer.id).await.as_str(), shop.sim.machines().len()), ("87.00", 0));
        // Full only when the disk grows.
        shop.sim.lock().is_full = false;
        shop.sim.fail_next("resize", Fault::Refuse(500, "lvresize failed: insufficient free space"));
        let order = shop.order(&world).await;
        world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert_eq!((world.balance(shop.customer.id).await.as_str(), shop.sim.machines().len()), ("87.00", 0));
        shop.sim.revoke("VM.Clone");
        let order = shop.order(&world).await;
        let order = world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert!(order.status_reason.contains("VM.Clone"), "{}", order.status_reason);
        assert_eq!((world.balance(shop.customer.id).await.as_str(), shop.sim.machines().len()), ("87.00", 0));
        assert_eq!(remembered(&world).await, 0);
        world.check_ledgers().await;
    }

    async fn two_orders_at_once_get_two_machines(world: World) {
        let shop = Shop::open(&world).await;
        // Besides, somebody else takes the number of whoever comes first.
        shop.sim.fail_next("clone", Fault::Overtake);
        let (first, second) = (shop.order(&world).await, shop.order(&world).await);
        world.start_worker();
        for order in [&first, &second] {
            world.until_order_is(order.id, OrderStatus::Active).await;
        }
        let mut names: Vec<String> = shop.sim.machines().iter().map(|(_, vm)| vm.name().to_owned()).collect();
        names.sort();
        let mut expected = vec!["mail".to_owned(), format!("rb-{}", first.id), format!("rb-{}", second.id)];
        expected.sort();
        assert_eq!(names, expected);
        assert_eq!(shop.sim.count("clone"), 3);
    }

    async fn what_is_not_ours_is_never_touched(world: World) {
        let shop = Shop::open(&world).await;
        world.start_worker();
        let order = shop.order(&world).await;
        world.until_order_is(order.id, OrderStatus::Active).await;
        let (vmid, _) = shop.machine();
        // Somebody removed it by hand, and somebody else has its number.
        let mut stranger = Vm::of_somebody_else();
        "shop".clone_into(&mut stranger.pool);
        shop.sim.lock().vms.insert(vmid, stranger);
        let stopped = shop.call(&world, "execute_action", order.id).await.unwrap();
        assert_eq!(stopped["success"], false);
        let status = shop.call(&world, "get_instance_status", order.id).await.unwrap();
        assert_eq!(status["status"], "terminated");
        let refused = shop.call(&world, "terminate_instance", order.id).await.unwrap_err();
        assert!(refused.to_string().contains("`mail`"), "{refused}");
        shop.call(&world, "terminate_instance", order.id).await.unwrap();
        assert!(shop.machine().1.is_running);
        assert_eq!(["stop", "delete"].map(|operation| shop.sim.count(operation)), [0, 0]);
    }

    async fn slow_and_unreachable_nodes_are_waited_for(world: World) {
        let shop = Shop::open(&world).await;
        shop.sim.fail_next("clone", Fault::Refuse(595, "No route to host"));
        shop.sim.fail_next("configure", Fault::Refuse(500, "can't lock file '/var/lock/qemu-server/lock-10001.conf' - got timeout"));
        shop.sim.fail_next("start", Fault::Slow(std::time::Duration::from_secs(12)));
        world.start_worker();
        let order = shop.order(&world).await;
        world.until_order_is(order.id, OrderStatus::Active).await;
        assert!(shop.machine().1.is_running);
    }

    async fn two_calls_for_one_order_make_one_machine(world: World) {
        let shop = Shop::open(&world).await;
        let order = Id::generate();
        // The first request is on its way when the second call looks, and finds no machine.
        shop.sim.fail_next("clone", Fault::Slow(std::time::Duration::from_secs(3)));
        let second = async {
            wait::until("the first call asks", async || shop.sim.count("clone") == 1).await;
            shop.create(&world, order).await
        };
        let (first, second) = tokio::join!(shop.create(&world, order), second);
        for answer in [first, second] {
            assert_eq!(answer.unwrap()["instance_id"], format!("rb-{order}"));
        }
        wait::until("it runs", async || shop.create(&world, order).await.unwrap()["status"] == "running").await;
        assert_eq!((shop.machine().1.name(), shop.sim.count("clone")), (format!("rb-{order}").as_str(), 1));
        shop.call(&world, "terminate_instance", order).await.unwrap();
        assert_eq!((shop.sim.machines().len(), remembered(&world).await), (0, 0));
    }

    async fn a_machine_that_its_node_left_half_made_is_named_until_it_is_gone(world: World) {
        let shop = Shop::open(&world).await;
        let order = Id::generate();
        shop.sim.hold("clone");
        assert_eq!(shop.create(&world, order).await.unwrap()["status"], "pending");
        shop.sim.break_off("clone");
        let (vmid, vm) = shop.machine();
        assert_eq!((vm.name(), vm.config["lock"].as_str()), ("", "clone"));
        let remedies = [format!("qm unlock {vmid}"), format!("qm destroy {vmid} --purge")];
        // A clone is in no pool yet; other rights show it all the same.
        for (pool, what) in [("", format!("the number {vmid}")), ("shop", format!("machine {vmid} on node pve1"))] {
            pool.clone_into(&mut shop.sim.lock().vms.get_mut(&vmid).unwrap().pool);
            for function in ["get_instance_status", "terminate_instance"] {
                let error = shop.call(&world, function, order).await.unwrap_err();
                let words = format!("{error}: {}", std::error::Error::source(&error).unwrap());
                assert!(words.contains(&what) && remedies.iter().all(|remedy| words.contains(remedy)), "{words}");
            }
        }
        shop.sim.lock().vms.remove(&vmid);
        assert_eq!(shop.call(&world, "get_instance_status", order).await.unwrap()["status"], "error");
        assert_eq!((remembered(&world).await, shop.sim.count("clone")), (0, 1));
    }
}
