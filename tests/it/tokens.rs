//! Refresh tokens: each works once, and none outlives what ends it.

use chrono::TimeDelta;
use rustbill::{
    core::{
        actor::Actor,
        error::Kind,
        id::Id,
        identity::{self, Grant, Tokens, UserKind},
    },
    server::grpc::protocol::rustbill as proto,
};
use tonic::Code;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        login::{is_known, refresh, tokens},
        server::{InProcess, channel},
        wait,
        world::{PASSWORD, World, at_once, clock_at},
    },
};
use proto::identity::{RefreshTokenRequest, identity_service_client::IdentityServiceClient};

on_both! {
    async fn refresh_tokens_rotate_and_a_used_one_ends_its_family(world: World) {
        let user = world.customer_user(&world.customer().await).await;
        let server = InProcess::start(&world).await;
        let mut client = IdentityServiceClient::new(channel(&server.address).await);
        let first = tokens(&world, &user.username, PASSWORD).await;
        let other = tokens(&world, &user.username, PASSWORD).await;
        let request = |token: &str| RefreshTokenRequest { refresh_token: token.to_owned() };
        let second = client.refresh_token(request(first.refresh.reveal())).await.unwrap().into_inner();
        assert_eq!(second.expires_in, 24 * 3600);
        assert_ne!(second.refresh_token, first.refresh.reveal());
        assert!(is_known(&world, &second.access_token).await);
        let reused = client.refresh_token(request(first.refresh.reveal())).await.unwrap_err();
        assert_eq!(reused.code(), Code::InvalidArgument);
        assert!(reused.message().contains("used before"), "{reused}");
        // The one that followed is void, and so is what it gave; another login is not touched.
        assert_eq!(client.refresh_token(request(&second.refresh_token)).await.unwrap_err().code(), Code::InvalidArgument);
        assert!(!is_known(&world, &second.access_token).await && !is_known(&world, first.access.reveal()).await);
        refresh(&world, &other.refresh).await.unwrap();
        for unknown in ["", "x", "a\0b", other.access.reveal()] {
            assert_eq!(client.refresh_token(request(unknown)).await.unwrap_err().code(), Code::InvalidArgument);
        }
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'user.token_reuse'").await, 1);
        server.stop().await;
    }

    async fn a_refresh_token_works_once_also_at_the_same_moment(world: World) {
        let user = world.customer_user(&world.customer().await).await;
        let old = tokens(&world, &user.username, PASSWORD).await;
        let results = at_once(8, |_| {
            let (app, token) = (world.app.clone(), old.refresh.clone());
            async move { identity::refresh(&app, "::1", token.reveal()).await }
        })
        .await;
        let given: Vec<&Tokens> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        assert_eq!(given.len(), 1);
        assert!(results.iter().filter_map(|result| result.as_ref().err()).all(|error| error.kind() == Kind::InvalidArgument));
        assert!(refresh(&world, &given[0].refresh).await.is_err(), "two had the same token: nobody keeps it");
    }

    async fn a_disabled_customer_lets_nobody_in(world: World) {
        let customer = world.customer().await;
        let user = world.customer_user(&customer).await;
        let old = tokens(&world, &user.username, PASSWORD).await;
        let try_with = async |password: &str| {
            let login = identity::login(&world.app, "::1", UserKind::Customer, &user.username, password).await;
            login.map_err(|error| (error.kind(), error.code())).map(|_| ())
        };
        let set_active = async |is_active: bool| {
            let mut tx = world.db().begin().await.unwrap();
            tx.q("UPDATE customers SET is_active = $1").bind(is_active).execute().await.unwrap();
            tx.commit().await.unwrap();
        };
        // Not through the operation, which also revokes what there is.
        set_active(false).await;
        assert_eq!(try_with(PASSWORD).await, Err((Kind::PermissionDenied, "login.disabled")));
        assert_eq!(try_with("wrong password").await, Err((Kind::InvalidArgument, "login.failed")));
        assert!(!is_known(&world, old.access.reveal()).await);
        assert_eq!(refresh(&world, &old.refresh).await.unwrap_err().code(), "refresh_token.invalid");
        set_active(true).await;
        assert_eq!(try_with(PASSWORD).await, Ok(()));
        refresh(&world, &old.refresh).await.unwrap();
    }

    async fn no_session_outlives_a_reset_that_it_meets(world: World) {
        let user = world.customer_user(&world.customer().await).await;
        let old = tokens(&world, &user.username, PASSWORD).await;
        let results = at_once(9, |index| {
            let (app, user, token) = (world.app.clone(), user.clone(), old.refresh.clone());
            async move {
                match index {
                    0 => {
                        identity::reset_password_of(&app, &Actor::local(), None, user.id, "new password").await.unwrap();
                        None
                    }
                    1 => identity::refresh(&app, "::1", token.reveal()).await.ok(),
                    _ => match identity::login(&app, "::1", UserKind::Customer, &user.username, PASSWORD).await.ok()?.grant {
                        Grant::Tokens(tokens) => Some(tokens),
                        Grant::Session { .. } => None,
                    },
                }
            }
        })
        .await;
        for tokens in results.into_iter().flatten() {
            assert!(!is_known(&world, tokens.access.reveal()).await);
            assert!(refresh(&world, &tokens.refresh).await.is_err());
        }
    }
}

async fn refresh_tokens_and_time(database: TestDatabase) {
    let clock = clock_at("2026-01-01T00:00:00Z");
    let world = World::with_clock(database, clock.clone()).await;
    let user = world.customer_user(&world.customer().await).await;
    let first = tokens(&world, &user.username, PASSWORD).await;
    clock.advance(TimeDelta::days(29));
    assert!(!is_known(&world, first.access.reveal()).await, "a day is over");
    let second = refresh(&world, &first.refresh).await.unwrap();
    assert!(is_known(&world, second.access.reveal()).await);
    clock.advance(TimeDelta::days(30));
    assert_eq!(refresh(&world, &second.refresh).await.unwrap_err().code(), "refresh_token.expired");
}

/// What the worker removes, and nothing else.
async fn what_ended_is_removed(database: TestDatabase) {
    // More than one transaction takes.
    const CODES: usize = 501;
    const CODE: &str = "INSERT INTO verification_codes (id, email, purpose, code_hash, attempts, created_at, expires_at) \
                        VALUES ($1, $2, 'registration', '', 0, $3, $3)";
    let clock = clock_at("2026-01-01T00:00:00Z");
    let world = World::with_clock(database, clock.clone()).await;
    let user = world.customer_user(&world.customer().await).await;
    let log_in = async || {
        tokens(&world, &user.username, PASSWORD).await;
        identity::login(&world.app, "::1", UserKind::Admin, "admin", PASSWORD).await.unwrap();
    };
    let left = async || {
        let tables = [
            "SELECT CAST(COUNT(*) AS BIGINT) FROM refresh_tokens",
            "SELECT CAST(COUNT(*) AS BIGINT) FROM sessions",
            "SELECT CAST(COUNT(*) AS BIGINT) FROM verification_codes",
        ];
        let mut counts = Vec::new();
        for sql in tables {
            counts.push(world.count(sql).await);
        }
        counts
    };
    log_in().await;
    let mut tx = world.db().begin().await.unwrap();
    for number in 0..CODES {
        let id = Id::generate();
        tx.q(CODE).bind(id).bind(format!("{number}@example.com")).bind(clock.now()).execute_one().await.unwrap();
    }
    tx.commit().await.unwrap();
    clock.advance(TimeDelta::days(30));
    log_in().await;
    let mut tx = world.db().begin().await.unwrap();
    let at = clock.now().plus(TimeDelta::seconds(1));
    tx.q(CODE).bind(Id::generate()).bind("new@example.com".to_owned()).bind(at).execute_one().await.unwrap();
    tx.commit().await.unwrap();
    world.start_worker();
    wait::until("what ended is removed", async || left().await == [1, 1, 1]).await;
    assert_eq!(identity::purge(&world.app).await.unwrap(), 0);
    assert_eq!(left().await, [1, 1, 1]);
    world.stop_worker().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_is_removed_on_sqlite() {
    what_ended_is_removed(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_is_removed_on_postgres() {
    what_ended_is_removed(TestDatabase::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_and_time_sqlite() {
    refresh_tokens_and_time(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_and_time_postgres() {
    refresh_tokens_and_time(TestDatabase::postgres().await).await;
}
