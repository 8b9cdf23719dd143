//! Leases that run out, answers that expire, calls that wait.

use chrono::TimeDelta;
use rustbill::core::{
    balance,
    idempotency::{self, Key, LEASE, LIFETIME, Reserved},
};

use super::{KEYS, reserve, running};
use crate::support::{
    database::TestDatabase,
    world::{World, clock_at, money},
};

/// A clock that is moved: leases that run out, answers that expire.
async fn in_time(database: TestDatabase) {
    let clock = clock_at("2026-01-31T08:00:00Z");
    let world = World::with_clock(database, clock.clone()).await;
    let customer = world.customer().await;

    // The first attempt is late: another one takes over, and the first one can't commit any more.
    let late = running(reserve(&world, "k", b"x").await);
    clock.advance(LEASE);
    let second = running(reserve(&world, "k", b"x").await);
    let error =
        balance::adjust(&world.app, &late.carried_by(&world.admin), customer.id, money("1.00"), "").await.unwrap_err();
    assert_eq!(error.code(), "idempotency.lease_lost");
    assert_eq!(world.balance(customer.id).await, "0.00");
    idempotency::answer(&world.app, &late, b"late").await.unwrap_err();
    balance::adjust(&world.app, &second.carried_by(&world.admin), customer.id, money("1.00"), "").await.unwrap();
    idempotency::answer(&world.app, &second, b"second").await.unwrap();
    assert!(matches!(reserve(&world, "k", b"x").await, Reserved::Replay(answer) if answer == b"second"));

    // A day later it is forgotten, also before the rows are removed.
    clock.advance(LIFETIME - LEASE - TimeDelta::seconds(1));
    assert!(matches!(reserve(&world, "k", b"x").await, Reserved::Replay(_)));
    assert_eq!(idempotency::purge(&world.app).await.unwrap(), 0);
    clock.advance(LEASE + TimeDelta::seconds(1));
    running(reserve(&world, "k", b"another").await);
    assert_eq!(idempotency::purge(&world.app).await.unwrap(), 0);
    clock.advance(LIFETIME);
    assert_eq!(idempotency::purge(&world.app).await.unwrap(), 1);
    assert_eq!(world.count(KEYS).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_time_on_sqlite() {
    in_time(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_time_on_postgres() {
    in_time(TestDatabase::postgres().await).await;
}

/// The one test that takes as long as the limit that it is about.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_is_told_to_come_back() {
    let world = World::on(TestDatabase::sqlite()).await;
    let _held = reserve(&world, "k", b"x").await;
    let waiting = idempotency::reserve(&world.app, &world.admin, &Key::parse("k").unwrap(), b"x").await;
    assert_eq!(waiting.unwrap_err().code(), "idempotency.in_progress");
}
