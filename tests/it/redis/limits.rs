//! Limits that servers count together.

use std::time::Duration;

use rustbill::server::grpc::protocol::rustbill as proto;
use tokio::time::Instant;
use tonic::{Code, transport::Channel};

use crate::support::{
    database::TestDatabase,
    redis::{PATIENT, RedisServer, app_at, free_port},
    server::{InProcess, channel},
    wait,
    world::{World, at_once},
};
use proto::identity::{RefreshTokenRequest, identity_service_client::IdentityServiceClient};

/// Logins a second, the default.
const LIMIT: usize = 5;

/// A try that counts as a login and costs little. Whether it was let through.
async fn is_let_through(channel: Channel) -> bool {
    let request = RefreshTokenRequest { refresh_token: "x".to_owned() };
    let status = IdentityServiceClient::new(channel).refresh_token(request).await.unwrap_err();
    match status.code() {
        Code::InvalidArgument => true,
        Code::ResourceExhausted => {
            assert_eq!(status.metadata().get("retry-after").unwrap(), "1");
            false
        }
        _ => panic!("{status}"),
    }
}

async fn server(world: &World, url: &str) -> InProcess {
    let app = app_at(world, url, PATIENT, |settings| settings.rate_limit.enabled = true).await;
    InProcess::start_app(app).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_one_limit_exactly() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let (one, other) = (redis.app(&world, PATIENT).await, redis.app(&world, PATIENT).await);
    let clients = [one.redis.unwrap(), other.redis.unwrap()];
    let results = at_once(60, |index| {
        let redis = clients[index % 2].clone();
        async move { redis.count("login", "203.0.113.1", 5, Duration::from_mins(10)).await.unwrap() }
    })
    .await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), LIMIT);
    for wait in results.iter().filter_map(|result| result.err()) {
        assert!(wait > Duration::from_secs(500) && wait <= Duration::from_mins(10), "{wait:?}");
    }
    // Others, and other things, are counted by themselves.
    assert!(clients[0].count("login", "203.0.113.2", 5, Duration::from_mins(10)).await.unwrap().is_ok());
    assert!(clients[0].count("register", "203.0.113.1", 5, Duration::from_mins(10)).await.unwrap().is_ok());
}

/// The same over the wire, then without Redis, then with it again.
#[tokio::test(flavor = "multi_thread")]
async fn the_limit_is_shared_then_each_servers_own_then_shared_again() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let servers = [server(&world, &redis.url()).await, server(&world, &redis.url()).await];
    let channels = [channel(&servers[0].address).await, channel(&servers[1].address).await];
    let try_both = async || {
        let start = Instant::now();
        let results = at_once(24, |index| is_let_through(channels[index % 2].clone())).await;
        (results.into_iter().filter(|is_through| *is_through).count(), start.elapsed())
    };
    let is_shared = async || {
        wait::until("the window is over", async || redis.keys("*:limit:*").is_empty()).await;
        let (count, took) = try_both().await;
        // A window may end meanwhile on a busy machine; that round shows nothing.
        if took < Duration::from_secs(1) { Some(count) } else { None }
    };
    assert_eq!(wait::value("24 tries within a second", is_shared).await, LIMIT);
    redis.kill();
    // Each for itself: more than one allowance together, and still not everything.
    let (count, took) = try_both().await;
    let most = 2 * LIMIT * (2 + usize::try_from(took.as_secs()).unwrap());
    assert!(count >= 2 * LIMIT && count <= most, "{count} in {took:?}");
    wait::until("a server refuses by itself", async || !is_let_through(channels[0].clone()).await).await;
    redis.run().await;
    wait::until("both count in Redis again", async || {
        for channel in &channels {
            wait::until("the window is over", async || redis.keys("*:limit:*").is_empty()).await;
            is_let_through(channel.clone()).await;
            if redis.keys("*:limit:*").is_empty() {
                return false;
            }
        }
        true
    })
    .await;
    assert_eq!(wait::value("24 tries within a second", is_shared).await, LIMIT);
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_listens_a_server_counts_by_itself() {
    let world = World::on(TestDatabase::postgres().await).await;
    let server = server(&world, &format!("redis://127.0.0.1:{}", free_port())).await;
    let channel = channel(&server.address).await;
    let results = at_once(24, |_| is_let_through(channel.clone())).await;
    assert!(results.iter().filter(|is_through| **is_through).count() >= LIMIT);
    wait::until("it refuses", async || !is_let_through(channel.clone()).await).await;
    server.stop().await;
}
