//! Locks over all servers: in Redis, else in the database.

use std::time::Duration;

use rustbill::core::{app::App, lock, plugins};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        redis::{PATIENT, RedisServer},
        wait,
        world::World,
    },
};

const NAME: &str = "test";
const LEASE: Duration = Duration::from_mins(1);

async fn take(app: &App) -> Option<lock::Lock> {
    lock::try_take(app, NAME, LEASE).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_has_a_lock_with_redis_and_without() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let (one, other) = (redis.app(&world, PATIENT).await, redis.app(&world, PATIENT).await);
    let held = take(&one).await.unwrap();
    assert_eq!(redis.keys("shop-1:lock:*"), ["shop-1:lock:test"]);
    assert!(take(&one).await.is_none() && take(&other).await.is_none());
    held.release().await;
    let held = take(&other).await.unwrap();
    assert!(take(&one).await.is_none());
    // Dropped, it is given back as well.
    drop(held);
    wait::until("the dropped lock is free", async || take(&one).await.is_some()).await;

    // While Redis is away the lock is the database's, for both.
    redis.kill();
    let held = take(&one).await.unwrap();
    assert!(take(&other).await.is_none());
    held.release().await;
    wait::until("the lock of the database is free", async || take(&other).await.is_some()).await;
    redis.run().await;
    wait::until("the lock is one of Redis again", async || {
        let held = take(&one).await;
        held.is_some() && !redis.keys("*:lock:test").is_empty()
    })
    .await;
}

/// Who is late must not end the lock of the next one.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_holder_ends_a_lock() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let (one, other) = (redis.app(&world, PATIENT).await, redis.app(&world, PATIENT).await);
    let late = lock::try_take(&one, NAME, Duration::from_millis(20)).await.unwrap().unwrap();
    let held = wait::value("the lease is over", async || take(&other).await).await;
    late.release().await;
    assert!(take(&one).await.is_none(), "somebody else's lock was ended");
    held.release().await;
    assert!(take(&one).await.is_some());
}

on_both! {
    async fn without_redis_a_lock_is_the_databases(world: World) {
        let held = take(&world.app).await.unwrap();
        assert!(take(&world.app).await.is_none());
        let other = lock::try_take(&world.app, "another", LEASE).await.unwrap();
        assert!(other.is_some(), "locks of different names have nothing to do with each other");
        // Who waits goes on without it, sooner or later.
        let patience = Duration::from_millis(1);
        assert!(lock::take_or_go_on(&world.app, NAME, LEASE, patience).await.is_none());
        held.release().await;
        let waited = lock::take_or_go_on(&world.app, NAME, LEASE, Duration::from_mins(1)).await;
        assert!(waited.is_some());
    }

    async fn a_worker_scans_and_gives_the_turn_back(world: World) {
        world.start_worker();
        wait::until("the worker has scanned", async || {
            !plugins::definitions(&world.app, &world.admin, None).await.unwrap().is_empty()
        })
        .await;
        wait::until("the turn is free", async || {
            lock::try_take(&world.app, "plugin-scan", LEASE).await.unwrap().is_some()
        })
        .await;
        world.stop_worker().await;
    }
}
