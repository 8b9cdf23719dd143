//! Redis dies, hangs and comes back while there is work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustbill::{
    core::redis::{COMMAND, CONNECT, Patience},
    server::grpc::protocol::rustbill as proto,
};
use tokio::time::Instant;

use super::{recognise, session};
use crate::support::{
    database::TestDatabase,
    redis::{PATIENT, RedisServer},
    server::{InProcess, channel, with_token},
    wait,
    world::World,
};
use proto::identity::{GetMeRequest, LogoutRequest, identity_service_client::IdentityServiceClient};

#[tokio::test(flavor = "multi_thread")]
async fn load_does_not_notice_that_redis_dies_and_comes_back() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    // As servers have it, but for the time until they try again.
    let patience = Patience { cool_down: Duration::from_millis(50), ..Patience::default() };
    let apps = [redis.app(&world, patience).await, redis.app(&world, patience).await];
    let token = session(&world.app, "admin").await;
    let (one, other) = (InProcess::start_app(apps[0].clone()).await, InProcess::start_app(apps[1].clone()).await);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut load = Vec::new();
    for server in [&one, &other, &one, &other] {
        let mut client = IdentityServiceClient::new(channel(&server.address).await);
        let (stop, answered, token) = (Arc::clone(&stop), Arc::clone(&answered), token.clone());
        load.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                client.get_me(with_token(GetMeRequest {}, &token)).await.unwrap();
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let goes_on = async |what: &str| {
        let goal = answered.load(Ordering::Relaxed) + 40;
        wait::until(what, async || {
            assert!(!load.iter().any(tokio::task::JoinHandle::is_finished), "a request failed {what}");
            answered.load(Ordering::Relaxed) >= goal
        })
        .await;
    };
    wait::until("Redis is hit", async || redis.stat("keyspace_hits") > 0).await;
    for _ in 0..2 {
        goes_on("with Redis").await;
        redis.kill();
        goes_on("after Redis was killed").await;
        redis.run().await;
        wait::until("Redis is hit again", async || redis.stat("keyspace_hits") > 0).await;
        redis.hang();
        goes_on("while Redis hangs").await;
        redis.go_on();
        let hits = redis.stat("keyspace_hits");
        wait::until("Redis is hit after it hung", async || redis.stat("keyspace_hits") > hits).await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    // Over the wire: out on one, refused by the other.
    IdentityServiceClient::new(channel(&one.address).await).logout(with_token(LogoutRequest {}, &token)).await.unwrap();
    let mut client = IdentityServiceClient::new(channel(&other.address).await);
    wait::until("the other server refuses", async || {
        client.clone().get_me(with_token(GetMeRequest {}, &token)).await.is_err()
    })
    .await;
    client.get_me(with_token(GetMeRequest {}, &token)).await.unwrap_err();
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_costs_one_time_out_and_then_nothing() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    // A connection may take its time here: what is measured is what comes after it.
    let patience = Patience { connect: PATIENT.connect, command: COMMAND, cool_down: Duration::from_hours(1) };
    // A busy machine may be late for the first question already; then with another application.
    let app = wait::value("Redis is used", async || {
        let app = redis.app(&world, patience).await;
        let recalled = app.redis.as_ref().unwrap().recall("x", world.app.clock.now()).await;
        recalled.is_some().then_some(app)
    })
    .await;
    let client = app.redis.as_ref().unwrap();
    let token = session(&world.app, "admin").await;
    redis.hang();
    let start = Instant::now();
    assert!(client.recall("x", world.app.clock.now()).await.is_none());
    assert!(start.elapsed() >= COMMAND);
    // Paid one by one these would cost forty time-outs; a quarter is room for a busy machine.
    let start = Instant::now();
    for _ in 0..10 {
        assert!(client.recall("x", world.app.clock.now()).await.is_none());
        assert!(client.count("login", "x", 1, Duration::from_secs(1)).await.is_none());
        assert!(client.lock("x", Duration::from_secs(1)).await.is_none());
        client.forget(&["x".to_owned()]).await;
    }
    assert!(start.elapsed() < 10 * COMMAND, "{:?}", start.elapsed());
    assert!(recognise(&app, &token).await.is_ok());
    redis.go_on();
}

/// Also a server that has no connection yet, and many questions at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_questions_to_a_redis_that_hangs_wait_at_the_same_time() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let patience = Patience { cool_down: Duration::from_hours(1), ..Patience::default() };
    let app = redis.app(&world, patience).await;
    redis.hang();
    let client = app.redis.clone().unwrap();
    let start = Instant::now();
    let asked: Vec<_> = (0..200)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.count("login", "x", 1, Duration::from_secs(1)).await })
        })
        .collect();
    for answer in asked {
        assert!(answer.await.unwrap().is_none());
    }
    // One after the other, ten at a time, they would take twenty times as long.
    assert!(start.elapsed() < 10 * (CONNECT + COMMAND), "{:?}", start.elapsed());
    redis.go_on();
}
