//! Who is logged in: read from Redis, and never after it ended.

use std::time::Duration;

use rustbill::core::{
    actor::{Actor, Role},
    app::App,
    customers::{self, CustomerUpdate},
    id::Id,
    identity::{self, AdminRole, Credential, UserKind, UserUpdate},
    redis::REVOKED_WITHIN,
    secret::token_hash,
};
use tokio::time::{Instant, timeout};

use super::{access_token, administrator, api_key, recognise, session, warm};
use crate::support::{
    database::TestDatabase,
    redis::{PATIENT, RedisServer, app_at, free_port},
    wait,
    world::{PASSWORD, World},
};

/// Whether somebody is recognised while nobody can read a table.
async fn is_known_without(world: &World, app: &App, lock: &'static str, token: &str) -> bool {
    warm(&[app], token).await;
    let mut tx = world.db().begin().await.unwrap();
    tx.q(lock).execute().await.unwrap();
    let known = timeout(Duration::from_millis(300), recognise(app, token)).await;
    tx.rollback().await.unwrap();
    known.is_ok_and(|known| known.is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_remembered_costs_no_statement() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let (one, other) = (redis.app(&world, PATIENT).await, redis.app(&world, PATIENT).await);
    let customer = world.customer().await;
    let user = world.customer_user(&customer).await;
    let cases = [
        ("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE", session(&one, "admin").await, "admin"),
        ("LOCK TABLE refresh_tokens IN ACCESS EXCLUSIVE MODE", access_token(&one, &user.username).await, "customer"),
        ("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE", api_key(&world, customer.id).await.1, "api_key"),
    ];
    for (lock, token, kind) in cases {
        // Without Redis the lock is felt.
        assert!(!is_known_without(&world, &world.app, lock, &token).await, "{lock}");
        // What is remembered lasts less than a second, which a busy machine may miss.
        wait::until(lock, async || is_known_without(&world, &other, lock, &token).await).await;
        // The same actor, by the database and by Redis.
        let by_database = recognise(&world.app, &token).await.unwrap();
        let by_redis = recognise(&other, &token).await.unwrap();
        assert_eq!((by_redis.kind(), by_redis.role()), (kind, by_database.role()));
        assert_eq!((by_redis.name(), by_redis.source()), (by_database.name(), "192.0.2.7"));
    }
    // What one server stored, another reads.
    let token = session(&one, "admin").await;
    wait::until("the other server hits what the first stored", async || {
        recognise(&one, &token).await.unwrap();
        let hits = redis.stat("keyspace_hits");
        recognise(&other, &token).await.unwrap();
        redis.stat("keyspace_hits") > hits
    })
    .await;
}

/// What ends or changes something, done by one server; then another one must know at once.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_revoked_on_one_server_is_refused_on_the_other_at_once() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let (one, other) = (redis.app(&world, PATIENT).await, redis.app(&world, PATIENT).await);
    let disable = UserUpdate { is_active: Some(false), ..UserUpdate::default() };
    let admin = &world.admin;
    let refused = async |what: &str, token: &str| {
        assert!(recognise(&other, token).await.is_err(), "{what} on one server, and still let in by the other");
    };

    let user = administrator(&world, AdminRole::Operator).await;
    let token = session(&one, &user.username).await;
    warm(&[&one, &other], &token).await;
    let actor = recognise(&one, &token).await.unwrap();
    identity::logout(&one, &actor, Some(&token)).await.unwrap();
    refused("a logout", &token).await;

    let (token, kept) = (session(&one, &user.username).await, session(&one, &user.username).await);
    warm(&[&one, &other], &token).await;
    identity::change_password(&one, &actor, Some(&kept), PASSWORD, "another horse").await.unwrap();
    refused("a new password", &token).await;
    assert!(recognise(&other, &kept).await.is_ok(), "the session that changed it goes on");
    identity::reset_password_of(&one, admin, Some(UserKind::Admin), user.id, PASSWORD).await.unwrap();
    refused("a password that somebody else set", &kept).await;

    let user = administrator(&world, AdminRole::Admin).await;
    let token = session(&one, &user.username).await;
    warm(&[&one, &other], &token).await;
    let demote = UserUpdate { role: Some(AdminRole::Operator), ..UserUpdate::default() };
    identity::update_user(&one, admin, Some(UserKind::Admin), user.id, &demote).await.unwrap();
    assert_eq!(recognise(&other, &token).await.unwrap().role(), Role::Operator(user.id));
    warm(&[&one, &other], &token).await;
    identity::update_user(&one, admin, Some(UserKind::Admin), user.id, &disable).await.unwrap();
    refused("a disabled administrator", &token).await;

    let user = administrator(&world, AdminRole::Operator).await;
    let token = session(&one, &user.username).await;
    warm(&[&one, &other], &token).await;
    identity::delete_user(&one, admin, Some(UserKind::Admin), user.id).await.unwrap();
    refused("a deleted administrator", &token).await;

    let customer = world.customer().await;
    let user = world.customer_user(&customer).await;
    let token = access_token(&one, &user.username).await;
    warm(&[&one, &other], &token).await;
    identity::reset_password_of(&one, admin, Some(UserKind::Customer), user.id, PASSWORD).await.unwrap();
    refused("a customer's new password", &token).await;

    let ((key_id, key), (_, second)) = (api_key(&world, customer.id).await, api_key(&world, customer.id).await);
    warm(&[&one, &other], &key).await;
    identity::revoke_api_key(&one, admin, key_id).await.unwrap();
    refused("a revoked key", &key).await;

    let token = access_token(&one, &user.username).await;
    warm(&[&one, &other], &token).await;
    warm(&[&one, &other], &second).await;
    let off = CustomerUpdate { is_active: Some(false), ..CustomerUpdate::default() };
    customers::update(&one, admin, customer.id, &off).await.unwrap();
    refused("a disabled customer", &token).await;
    refused("a disabled customer's key", &second).await;

    let customer = world.customer().await;
    let (_, key) = api_key(&world, customer.id).await;
    warm(&[&one, &other], &key).await;
    customers::delete(&one, admin, customer.id).await.unwrap();
    refused("a deleted customer's key", &key).await;
}

/// A token that was used twice ends its family, everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_refresh_token_ends_what_is_remembered() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let (one, other) = (redis.app(&world, PATIENT).await, redis.app(&world, PATIENT).await);
    let user = world.customer_user(&world.customer().await).await;
    let login = identity::login(&one, "::1", UserKind::Customer, &user.username, PASSWORD).await.unwrap();
    let identity::Grant::Tokens(tokens) = login.grant else { panic!("a customer has tokens") };
    let next = identity::refresh(&one, "::1", tokens.refresh.reveal()).await.unwrap();
    warm(&[&one, &other], next.access.reveal()).await;
    identity::refresh(&one, "::1", tokens.refresh.reveal()).await.unwrap_err();
    assert!(recognise(&other, next.access.reveal()).await.is_err());
}

/// One server is cut off from Redis, the other is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_redis_revokes_within_a_second() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let cut_off = app_at(&world, &format!("redis://127.0.0.1:{}", free_port()), PATIENT, |_| ()).await;
    let other = redis.app(&world, PATIENT).await;
    let mut was_believed = false;
    for _ in 0..20 {
        let token = session(&cut_off, "admin").await;
        let actor = recognise(&cut_off, &token).await.unwrap();
        warm(&[&other], &token).await;
        identity::logout(&cut_off, &actor, Some(&token)).await.unwrap();
        let ended = Instant::now();
        loop {
            let asked = ended.elapsed();
            if recognise(&other, &token).await.is_err() {
                break;
            }
            was_believed = true;
            assert!(asked < REVOKED_WITHIN, "let in {asked:?} after the logout");
        }
        if was_believed {
            return;
        }
    }
    panic!("nothing was ever remembered, so this shows nothing");
}

/// Redis dies with what it remembers on its disk, somebody logs out, and Redis comes back; and somebody who can write
/// to Redis brings the old value back.
#[tokio::test(flavor = "multi_thread")]
async fn what_redis_brings_back_does_not_count() {
    let world = World::on(TestDatabase::postgres().await).await;
    let durable = ["--appendonly", "yes", "--appendfsync", "always"].map(str::to_owned).to_vec();
    let redis = RedisServer::start_with("", |_| durable).await;
    let (one, other) = (redis.app(&world, PATIENT).await, redis.app(&world, PATIENT).await);
    let token = session(&one, "admin").await;
    let actor = recognise(&one, &token).await.unwrap();
    let (key, value) = wait::value("the session is in Redis", async || {
        recognise(&other, &token).await.unwrap();
        let key = redis.keys("shop-1:cache:*").pop()?;
        Some((key.clone(), redis.ask::<Option<String>>(&["GET", &key])?))
    })
    .await;
    redis.kill();
    let killed = Instant::now();
    identity::logout(&one, &actor, Some(&token)).await.unwrap();
    for app in [&one, &other] {
        assert!(recognise(app, &token).await.is_err(), "with Redis away the database is asked");
    }
    redis.run().await;
    wait::until("a second is over", async || killed.elapsed() > REVOKED_WITHIN).await;
    redis.ask::<()>(&["SET", &key, &value]);
    wait::until("both use Redis again", async || {
        let calls = async |app: &App| {
            let before = redis.stat("keyspace_hits");
            assert!(recognise(app, &token).await.is_err(), "a value of the past is believed");
            redis.stat("keyspace_hits") > before
        };
        calls(&one).await && calls(&other).await
    })
    .await;
    // A value under another name is no better.
    let (fresh, own) = (session(&one, "admin").await, "shop-1:cache:other");
    redis.ask::<()>(&["SET", own, &value]);
    assert!(recognise(&one, &fresh).await.is_ok());
}

/// One text is not two credentials: what is remembered of it as a bearer token says nothing about a cookie.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_depends_on_how_it_is_shown() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let app = redis.app(&world, PATIENT).await;
    let customer = world.customer().await;
    let user = world.customer_user(&customer).await;
    for token in [access_token(&app, &user.username).await, api_key(&world, customer.id).await.1] {
        wait::until("it is remembered", async || {
            let hits = redis.stat("keyspace_hits");
            recognise(&app, &token).await.unwrap();
            assert!(identity::authenticate(&app, Credential::Session(&token), "::1").await.is_err());
            redis.stat("keyspace_hits") > hits
        })
        .await;
    }
}

/// The rights that the documentation names are enough for everything, and for nothing outside of the prefix.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_redis_needs_no_more_than_documented() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let documented = include_str!("../../../docs/high-availability.md");
    let rule = documented.lines().find_map(|line| line.trim().strip_prefix("redis-cli ACL SETUSER rustbill ")).unwrap();
    let rule = rule.replace("rustbill-prod", "shop-1").replace(['\'', '"'], "");
    let mut command = vec!["ACL", "SETUSER", "rustbill"];
    command.extend(rule.split(' '));
    redis.ask::<()>(&command);
    let url = redis.url().replace("redis://", "redis://rustbill:password@");
    let app = app_at(&world, &url, PATIENT, |_| ()).await;
    let client = app.redis.as_ref().unwrap();
    client.greet().await;
    let token = session(&app, "admin").await;
    wait::until("a session is remembered", async || {
        let hits = redis.stat("keyspace_hits");
        let recalled = client.recall("x", world.app.clock.now()).await;
        assert!(recalled.is_some(), "Redis refuses: {:?}", redis.ask::<::redis::Value>(&["ACL", "LOG"]));
        recognise(&app, &token).await.unwrap();
        redis.stat("keyspace_hits") > hits
    })
    .await;
    client.count("login", "x", 1, Duration::from_mins(1)).await.unwrap().unwrap();
    client.count("login", "x", 1, Duration::from_mins(1)).await.unwrap().unwrap_err();
    client.lock("x", Duration::from_mins(1)).await.unwrap().unwrap().release().await;
    assert!(redis.keys("*:lock:*").is_empty());
    identity::logout(&app, &Actor::local(), Some(&token)).await.unwrap();
    assert!(recognise(&app, &token).await.is_err());
    let other = app_at(&world, &url, PATIENT, |settings| "shop-2".clone_into(&mut settings.redis.prefix)).await;
    assert!(other.redis.unwrap().recall("x", world.app.clock.now()).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_have_the_prefix_and_show_nobody() {
    let world = World::on(TestDatabase::postgres().await).await;
    let redis = RedisServer::start().await;
    let app = redis.app(&world, PATIENT).await;
    let customer = world.customer().await;
    let user = world.customer_user(&customer).await;
    let tokens =
        [session(&app, "admin").await, access_token(&app, &user.username).await, api_key(&world, customer.id).await.1];
    let client = app.redis.as_ref().unwrap();
    client.count("login", "203.0.113.77", 5, Duration::from_mins(1)).await.unwrap().unwrap();
    let lock = client.lock("test", Duration::from_mins(1)).await.unwrap().unwrap();
    identity::logout(&app, &Actor::local(), Some(&session(&app, "admin").await)).await.unwrap();
    let seen = wait::value("all three are remembered", async || {
        for token in &tokens {
            recognise(&app, token).await.unwrap();
        }
        let keys = redis.keys("*");
        let values: Vec<Option<String>> = keys.iter().map(|key| redis.ask(&["GET", key])).collect();
        (keys.iter().filter(|key| key.contains(":cache:")).count() == tokens.len()).then_some((keys, values))
    })
    .await;
    let (keys, values) = seen;
    for kind in ["cache", "gone", "limit", "lock"] {
        assert!(keys.iter().any(|key| key.starts_with(&format!("shop-1:{kind}:"))), "{kind}: {keys:?}");
    }
    assert!(keys.iter().all(|key| key.starts_with("shop-1:")), "{keys:?}");
    let everything = format!("{keys:?} {values:?}");
    for token in &tokens {
        assert!(!everything.contains(token.as_str()) && !everything.contains(&token_hash(token)), "{everything}");
    }
    for secret in ["203.0.113.77", "192.0.2.7", PASSWORD, &user.email] {
        assert!(!everything.contains(secret), "{secret}: {everything}");
    }
    assert!(redis.ask::<i64>(&["PTTL", &keys[0]]) > 0, "everything ends by itself");
    lock.release().await;
    assert!(redis.keys("*:lock:*").is_empty());
    assert!(recognise(&app, &Id::generate().to_string()).await.is_err());
}
