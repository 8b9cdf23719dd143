//! Several servers on one database: roles, fences, migrations, bells. With real processes in `processes.rs`.

mod fences;
mod orders;
mod processes;

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use rustbill::core::{
    cluster::{self, Instance, Member, Role},
    event::EventType,
    id::Id,
    outbox::{self, NewEvent},
    time::{Clock, Timestamp},
};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        wait,
        world::{World, clock_at},
    },
};

/// Changes a row where no operation can.
async fn change(world: &World, sql: &'static str) {
    let mut tx = world.db().begin().await.unwrap();
    tx.q(sql).execute().await.unwrap();
    tx.commit().await.unwrap();
}

fn join(world: &World, clock: Clock) -> (Id, Member) {
    let mut app = world.app.clone();
    app.clock = clock;
    let instance = Instance::new(app.clock.now());
    (instance.id, Member::join(app, instance, false))
}

async fn holder(world: &World, role: Role) -> (Option<Id>, i64) {
    let status = cluster::status(&world.app, &world.admin).await.unwrap();
    let row = status.roles.into_iter().find(|row| row.role == role).unwrap();
    (row.holder, row.epoch)
}

async fn servers(world: &World) -> Vec<Id> {
    cluster::status(&world.app, &world.admin).await.unwrap().servers.into_iter().map(|server| server.id).collect()
}

async fn until_holder(world: &World, role: Role, id: Id) -> i64 {
    wait::value(&format!("{id} has {role}"), async || {
        let (holder, epoch) = holder(world, role).await;
        (holder == Some(id)).then_some(epoch)
    })
    .await
}

on_both! {
    async fn a_server_that_finds_no_leader_has_all_roles_at_once_and_gives_them_back(world: World) {
        let started = Instant::now();
        let (first, member) = join(&world, world.app.clock.clone());
        for role in Role::ALL {
            assert_eq!(until_holder(&world, *role, first).await, 1);
            wait::until("it knows so", async || member.roles().fence(*role).is_some()).await;
        }
        assert_eq!(servers(&world).await, [first]);
        member.leave().await;
        for role in Role::ALL {
            assert_eq!(holder(&world, *role).await, (None, 1));
        }
        assert!(servers(&world).await.is_empty());
        // Nobody waits for the lease of one that left in an orderly way.
        let (second, _member) = join(&world, world.app.clock.clone());
        for role in Role::ALL {
            assert_eq!(until_holder(&world, *role, second).await, 2);
        }
        assert!(started.elapsed() < Duration::from_secs(25), "shorter than one lease: {:?}", started.elapsed());
    }

    async fn whoever_drops_its_membership_leaves_too(world: World) {
        let (id, member) = join(&world, world.app.clock.clone());
        until_holder(&world, Role::Billing, id).await;
        let task = tokio::spawn(async move {
            let _member = member;
            panic!("as a handler might");
        });
        assert!(task.await.unwrap_err().is_panic());
        wait::until("its roles are free", async || holder(&world, Role::Billing).await.0.is_none()).await;
    }

    async fn the_status_tells_of_this_server(world: World) {
        world.start_worker();
        wait::until("the server is there", async || servers(&world).await.len() == 1).await;
        let status = cluster::status(&world.app, &world.admin).await.unwrap();
        let server = &status.servers[0];
        assert!(server.is_live && server.pool.max >= 1 && server.pool.idle + server.pool.active <= server.pool.max, "{server:?}");
        assert_eq!((server.version.as_str(), server.breakers.len()), (env!("CARGO_PKG_VERSION"), 0));
        assert!(!server.host.is_empty());
        assert_eq!(status.roles.iter().map(|role| role.role).collect::<Vec<_>>(), [Role::Billing, Role::EventWorker, Role::Migration]);
        world.stop_worker().await;
        assert!(servers(&world).await.is_empty());
    }
}

/// The machines' clocks differ by hours, and the database has its own.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_clocks_make_no_second_leader() {
    let world = World::on(TestDatabase::postgres().await).await;
    change(&world, "UPDATE leader_role SET ttl_secs = 2").await;
    let (first, leader) = join(&world, clock_at("2020-01-01T00:00:00Z"));
    until_holder(&world, Role::EventWorker, first).await;
    let (second, follower) = join(&world, clock_at("2035-01-01T00:00:00Z"));
    wait::until("both are there", async || servers(&world).await.contains(&second)).await;
    // A good many renewals, in each of which the second one looked too.
    let renewed = "SELECT heartbeat_at FROM leader_role WHERE role = 'event_worker'";
    for _ in 0..8 {
        let before = world.db().q(renewed).scalar::<Timestamp>().await.unwrap();
        wait::until("the lease is renewed", async || {
            world.db().q(renewed).scalar::<Timestamp>().await.unwrap() != before
        })
        .await;
        assert_eq!(holder(&world, Role::EventWorker).await, (Some(first), 1));
        assert!(follower.roles().fence(Role::EventWorker).is_none());
    }
    leader.leave().await;
    assert_eq!(until_holder(&world, Role::EventWorker, second).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_servers_that_are_gone_are_kept_for_a_day() {
    let world = World::on(TestDatabase::postgres().await).await;
    for hours in ["23 hours", "25 hours"] {
        let mut tx = world.db().begin().await.unwrap();
        tx.q("INSERT INTO instance_heartbeat (instance_id, host, version, address, started_at, pool_idle, pool_active, pool_max, breakers, \
              registered_at, heartbeat_at) SELECT $1, 'gone', '0', '', moment, 99, 0, 99, '[]', moment, moment \
              FROM (SELECT clock_timestamp() - CAST($2 AS INTERVAL) AS moment) AS past")
            .bind(Id::generate())
            .bind(hours.to_owned())
            .execute_one()
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let (_, _member) = join(&world, world.app.clock.clone());
    wait::until("one is forgotten, and the new one is there", async || servers(&world).await.len() == 2).await;
    let status = cluster::status(&world.app, &world.admin).await.unwrap();
    let seen: Vec<_> = status.servers.iter().map(|server| (server.host == "gone", server.is_live)).collect();
    assert!(seen.contains(&(true, false)) && seen.contains(&(false, true)), "{seen:?}");
}

/// An event that another process left is taken at once, not at the next look.
#[tokio::test(flavor = "multi_thread")]
async fn the_holder_hears_of_events_that_others_leave() {
    const EVENTS: usize = 20;
    let world = World::on(TestDatabase::postgres().await).await;
    world.start_worker();
    wait::until("somebody takes events", async || holder(&world, Role::EventWorker).await.0.is_some()).await;
    // Another process: it shares no bell with the worker.
    let other = world.database.connect().await;
    let mut waits = Vec::new();
    for _ in 0..EVENTS {
        let order = Id::generate();
        let mut tx = other.begin().await.unwrap();
        let event = NewEvent::of_order(EventType::OrderCreated, order, json!({}));
        let id = outbox::enqueue(&mut tx, world.app.clock.now(), event).await.unwrap();
        tx.commit().await.unwrap();
        let committed = world.app.clock.now();
        let taken = wait::value("the event is done", async || {
            let sql = "SELECT updated_at FROM event_queue WHERE id = $1 AND status = 'done'";
            world.db().q(sql).bind(id).scalar_opt::<Timestamp>().await.unwrap()
        })
        .await;
        waits.push(taken.since(committed));
    }
    waits.sort();
    // Looking every second would take half a second in the middle, and the handling comes on top.
    assert!(waits[EVENTS / 2] < TimeDelta::milliseconds(400), "{waits:?}");
}

async fn lock_migrations(database: &TestDatabase) -> PgConnection {
    let mut other = PgConnection::connect(&database.url).await.unwrap();
    // `rustbill` in ASCII, as an operator would see it in pg_locks.
    sqlx::query("SELECT pg_advisory_lock(8247625236303408236)").execute(&mut other).await.unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_too_long_for_a_migration_is_told_and_a_crash_frees_the_lock() {
    let database = TestDatabase::empty_postgres("migration_waits").await;
    let ours = database.connect().await;
    let other = lock_migrations(&database).await;
    let error = ours.migrate_within(Duration::from_millis(600)).await.unwrap_err();
    assert_eq!(error.code(), "database.migrating");
    assert!(error.to_string().contains("another server") && error.advice().unwrap().contains("rustbill db status"));
    assert_eq!(
        ours.migration_status().await.unwrap().pending(),
        ours.migration_status().await.unwrap().migrations.len()
    );
    // The other one is cut off in the middle of its work.
    let (did_it, ()) = tokio::join!(ours.migrate(), async { drop(other) });
    assert!(did_it.unwrap(), "it did the work");
    assert_eq!(ours.migration_status().await.unwrap().pending(), 0);
    // Nothing is left to do, so nobody is waited for.
    let _other = lock_migrations(&database).await;
    assert!(!ours.migrate_within(Duration::ZERO).await.unwrap());
}
