//! Real servers that start, die, freeze and stop.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rustbill::core::{
    cluster::{self, Role},
    customers::Customer,
    id::Id,
    orders::{Order, OrderStatus},
    settlement,
};
use serde_json::{Value, json};

use super::{change, holder};
use crate::support::{
    cli,
    database::TestDatabase,
    receiver::Receiver,
    server::Program,
    wait,
    world::{World, at_once, settings_file},
};

/// What `rustbill cluster status` says.
fn status(config: &Path) -> Value {
    let home = config.parent().unwrap();
    cli::json_of(home, &["cluster", "status", "--config", config.to_str().unwrap()])
}

/// Waits until a server at this address has the role, and gives its identifier and the epoch.
async fn until_has(config: &Path, program: &Program, role: Role) -> (String, u64) {
    let address = program.address.trim_start_matches("http://");
    wait::value(&format!("the server at {address} has {role}"), async || {
        let status = status(config);
        let servers = status["servers"].as_array().unwrap();
        let server = servers.iter().find(|server| server["address"] == address)?["id"].clone();
        let roles = status["roles"].as_array().unwrap();
        let row = roles.iter().find(|row| row["role"] == role.as_str()).unwrap();
        (row["holder"] == server).then(|| (server.as_str().unwrap().to_owned(), row["epoch"].as_u64().unwrap()))
    })
    .await
}

fn signal(program: &Program, name: &str) {
    let sent = Command::new("kill").args([name, &program.pid().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A shop whose provider waits at a gate, with two servers of which the first one works.
struct Shop {
    world: World,
    gate: Receiver,
    customer: Customer,
    order: Order,
    config: std::path::PathBuf,
    leader: Program,
    follower: Program,
}

impl Shop {
    async fn open() -> Self {
        let world = World::on(TestDatabase::postgres().await).await;
        // The documented statement reads it from the table; the tests need no half minute.
        change(&world, "UPDATE leader_role SET ttl_secs = 3").await;
        let gate = Receiver::start().await;
        gate.hold();
        world.write_plugin("provider-instant.rn", include_str!("../scripts/provider-instant.rn"));
        let provider = world.interface("provider-instant.rn", json!({ "gate": gate.url })).await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        let order = world.order(&customer, &product).await;
        let config = settings_file(&world.database, world.database.directory.path());
        let leader = Program::start(&config);
        until_has(&config, &leader, Role::EventWorker).await;
        let follower = Program::start(&config);
        Self { world, gate, customer, order, config, leader, follower }
    }

    /// Pays, and waits until the leader is in the middle of the work.
    async fn pay(&self) {
        settlement::pay_order(&self.world.app, &self.world.admin, self.order.id, None).await.unwrap();
        wait::until("the provider was asked", async || !self.gate.received().is_empty()).await;
    }

    /// All is done, and all once.
    async fn check(&self) {
        self.world.until_order_is(self.order.id, OrderStatus::Active).await;
        self.world.until_quiet().await;
        let count = async |sql| self.world.count(sql).await;
        assert_eq!(count("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state").await, 1, "one server at the provider");
        assert_eq!(count("SELECT CAST(COUNT(*) AS BIGINT) FROM instances WHERE status = 'running'").await, 1);
        for action in ["order_paid", "order_provisioned"] {
            let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = $1";
            assert_eq!(self.world.db().q(sql).bind(action).scalar::<i64>().await.unwrap(), 1, "{action}");
        }
        let done = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'order.provision'";
        assert_eq!(count(done).await, 1);
        assert_eq!(self.world.balance(self.customer.id).await, "0.00");
        self.world.check_ledgers().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_start_together_on_an_empty_database_all_serve() {
    const SERVERS: usize = 3;
    let database = TestDatabase::empty_postgres("cluster_starts").await;
    let config = settings_file(&database, database.directory.path());
    let programs = at_once(SERVERS, |_| {
        let config = config.clone();
        async move { tokio::task::spawn_blocking(move || Program::start(&config)).await.unwrap() }
    })
    .await;
    let found = wait::value("all are there and each role has a holder", async || {
        let found = status(&config);
        let is_whole = found["servers"].as_array().unwrap().len() == SERVERS
            && found["roles"].as_array().unwrap().iter().all(|role| role["holder"].is_string());
        is_whole.then_some(found)
    })
    .await;
    assert!(found["servers"].as_array().unwrap().iter().all(|server| server["is_live"] == true), "{found}");
    let db = database.connect().await;
    let status = db.migration_status().await.unwrap();
    let ran = "SELECT CAST(COUNT(*) AS BIGINT) FROM _sqlx_migrations WHERE success";
    let ran = db.q(ran).scalar::<i64>().await.unwrap();
    assert_eq!((status.pending(), usize::try_from(ran).unwrap()), (0, status.migrations.len()));
    let admins = "SELECT CAST(COUNT(*) AS BIGINT) FROM admin_users";
    assert_eq!(db.q(admins).scalar::<i64>().await.unwrap(), 1, "the administrator was made once");
    for program in programs {
        assert_eq!(program.terminate(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_takes_over_from_one_that_is_killed() {
    let shop = Shop::open().await;
    shop.pay().await;
    let Shop { ref config, .. } = shop;
    let before = holder(&shop.world, Role::EventWorker).await;
    signal(&shop.leader, "-KILL");
    shop.gate.release();
    let (_, epoch) = until_has(config, &shop.follower, Role::EventWorker).await;
    assert_eq!(epoch, u64::try_from(before.1).unwrap() + 1);
    shop.check().await;
    until_has(config, &shop.follower, Role::Billing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_froze_past_its_lease_steps_down_and_does_nothing_twice() {
    let shop = Shop::open().await;
    shop.pay().await;
    let Shop { ref config, .. } = shop;
    let frozen = holder(&shop.world, Role::EventWorker).await;
    signal(&shop.leader, "-STOP");
    shop.gate.release();
    let (_, epoch) = until_has(config, &shop.follower, Role::EventWorker).await;
    shop.check().await;
    // It wakes up with the provider's answer in its hands.
    let beat = "SELECT heartbeat_at FROM instance_heartbeat WHERE instance_id = $1";
    let heartbeat = async || {
        let id: Id = frozen.0.unwrap();
        shop.world.db().q(beat).bind(id).scalar::<rustbill::core::time::Timestamp>().await.unwrap()
    };
    let slept = heartbeat().await;
    signal(&shop.leader, "-CONT");
    wait::until("it tells that it is there again", async || heartbeat().await != slept).await;
    // Twice, so that whatever it had in hand has come to its end.
    let awake = heartbeat().await;
    wait::until("it goes on", async || heartbeat().await != awake).await;
    assert_eq!(until_has(config, &shop.follower, Role::EventWorker).await.1, epoch);
    shop.check().await;
    let Shop { leader, follower, .. } = shop;
    assert_eq!((leader.terminate(), follower.terminate()), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_hands_its_roles_on_at_once() {
    let shop = Shop::open().await;
    // Half a minute, as an installation has it: nobody may wait for that.
    change(&shop.world, "UPDATE leader_role SET ttl_secs = 30").await;
    let Shop { world, gate, config, leader, follower, order, .. } = shop;
    gate.release();
    let begun = Instant::now();
    assert_eq!(leader.terminate(), Some(0));
    until_has(&config, &follower, Role::EventWorker).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(cluster::status(&world.app, &world.admin).await.unwrap().servers.len(), 1);
    settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
    world.until_order_is(order.id, OrderStatus::Active).await;
    assert_eq!(follower.terminate(), Some(0));
}
