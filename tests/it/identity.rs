//! Who somebody is: logins, sessions, tokens.

use chrono::TimeDelta;
use rustbill::core::{
    actor::{Actor, Role},
    error::Kind,
    identity::{self, AdminRole, Credential, Grant, NewUser, Tokens, UserKind},
    secret::Secret,
};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        world::{PASSWORD, World, actor_of, at_once, clock_at},
    },
};

async fn admin_session(world: &World) -> String {
    let login = identity::login(&world.app, "127.0.0.1", UserKind::Admin, "Admin ", PASSWORD).await.unwrap();
    match login.grant {
        Grant::Session { token, .. } => token.reveal().to_owned(),
        Grant::Tokens(_) => panic!("an administrator gets a session"),
    }
}

on_both! {
    async fn an_administrator_gets_a_session_that_can_be_ended(world: World) {
        let token = admin_session(&world).await;
        for credential in [Credential::Session(&token), Credential::of_bearer(&token)] {
            let actor = identity::authenticate(&world.app, credential, "::1").await.unwrap();
            assert!(matches!(actor.role(), Role::Admin(_)));
            assert_eq!((actor.name(), actor.source()), ("admin", "::1"));
        }
        let actor = identity::authenticate(&world.app, Credential::Session(&token), "::1").await.unwrap();
        assert_eq!(identity::me(&world.app, &actor).await.unwrap().username, "admin");
        identity::logout(&world.app, &actor, Some(&token)).await.unwrap();
        let error = identity::authenticate(&world.app, Credential::Session(&token), "::1").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthenticated);
        // The token itself is nowhere in the database.
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM sessions").await, 0);
    }

    async fn a_customer_gets_tokens_and_sees_itself(world: World) {
        let customer = world.customer().await;
        let user = world.customer_user(&customer).await;
        let login = identity::login(&world.app, "::1", UserKind::Customer, &user.username, PASSWORD).await.unwrap();
        let Grant::Tokens(Tokens { access, refresh, access_lifetime_secs }) = login.grant else { panic!("a customer gets tokens") };
        assert_eq!(access_lifetime_secs, 24 * 3600);
        let stored = world.db().q("SELECT token_hash FROM refresh_tokens").scalar::<String>().await.unwrap();
        assert_ne!(stored, refresh.reveal());
        let actor = identity::authenticate(&world.app, Credential::of_bearer(access.reveal()), "::1").await.unwrap();
        assert_eq!(actor.role(), Role::Customer { user_id: user.id, customer_id: customer.id });
        // A customer's name does not log in as an administrator, nor the other way round.
        for (kind, name) in [(UserKind::Admin, user.username.as_str()), (UserKind::Customer, "admin")] {
            let error = identity::login(&world.app, "::1", kind, name, PASSWORD).await.unwrap_err();
            assert_eq!(error.code(), "login.failed");
        }
    }

    async fn a_wrong_password_and_an_unknown_name_look_alike(world: World) {
        let wrong = identity::login(&world.app, "::1", UserKind::Admin, "admin", "wrong password").await.unwrap_err();
        let unknown = identity::login(&world.app, "::1", UserKind::Admin, "nobody", "wrong password").await.unwrap_err();
        let odd = identity::login(&world.app, "::1", UserKind::Admin, "a\0b", "x").await.unwrap_err();
        let long = identity::login(&world.app, "::1", UserKind::Admin, &"x".repeat(1_000_000), &"y".repeat(1_000_000)).await.unwrap_err();
        for error in [&unknown, &odd, &long] {
            assert_eq!((error.kind(), error.to_string()), (wrong.kind(), wrong.to_string()));
        }
    }

    async fn a_disabled_user_is_told_so_only_after_the_right_password(world: World) {
        let token = admin_session(&world).await;
        let mut tx = world.db().begin().await.unwrap();
        tx.q("UPDATE admin_users SET is_active = FALSE").execute().await.unwrap();
        tx.commit().await.unwrap();
        let right = identity::login(&world.app, "::1", UserKind::Admin, "admin", PASSWORD).await.unwrap_err();
        let wrong = identity::login(&world.app, "::1", UserKind::Admin, "admin", "wrong password").await.unwrap_err();
        assert_eq!((right.code(), wrong.code()), ("login.disabled", "login.failed"));
        assert!(identity::authenticate(&world.app, Credential::Session(&token), "::1").await.is_err());
    }

    async fn an_imported_bcrypt_hash_is_upgraded(world: World) {
        let mut tx = world.db().begin().await.unwrap();
        let imported = bcrypt_of("imported password");
        tx.q("UPDATE admin_users SET password_hash = $1").bind(imported).execute().await.unwrap();
        tx.commit().await.unwrap();
        identity::login(&world.app, "::1", UserKind::Admin, "admin", "imported password").await.unwrap();
        let stored = world.db().q("SELECT password_hash FROM admin_users").scalar::<String>().await.unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        identity::login(&world.app, "::1", UserKind::Admin, "admin", "imported password").await.unwrap();
    }

    async fn a_name_is_given_once_also_at_the_same_moment(world: World) {
        let customer = world.customer().await;
        for (role, customer_id) in [(Some(AdminRole::Operator), None), (None, Some(customer.id))] {
            let results = at_once(8, |_| {
                let (app, admin) = (world.app.clone(), world.admin.clone());
                let new = NewUser {
                    username: "Twice".to_owned(),
                    email: "twice@example.com".to_owned(),
                    display_name: String::new(),
                    password: Secret::new(PASSWORD),
                    kind: if role.is_some() { UserKind::Admin } else { UserKind::Customer },
                    role,
                    customer_id,
                };
                async move { identity::create_user(&app, &admin, new).await }
            })
            .await;
            assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
            assert!(results.into_iter().filter_map(Result::err).all(|error| error.kind() == Kind::AlreadyExists));
        }
    }

    async fn only_an_admin_makes_users(world: World) {
        let customer = world.customer().await;
        let user = world.customer_user(&customer).await;
        let new = || NewUser {
            username: "new".to_owned(),
            email: String::new(),
            display_name: String::new(),
            password: Secret::new(PASSWORD),
            kind: UserKind::Admin,
            role: Some(AdminRole::Admin),
            customer_id: None,
        };
        let operator = Actor::new(Role::Operator(user.id), "op", "::1");
        for (actor, kind) in [
            (actor_of(&user), Kind::PermissionDenied),
            (operator, Kind::PermissionDenied),
            (Actor::anonymous("::1"), Kind::Unauthenticated),
        ] {
            assert_eq!(identity::create_user(&world.app, &actor, new()).await.unwrap_err().kind(), kind);
        }
        identity::create_user(&world.app, &world.admin, new()).await.unwrap();
    }

    async fn the_first_administrator_is_made_once(world: World) {
        assert!(identity::bootstrap(&world.app, true).await.unwrap().is_none());
        let mut tx = world.db().begin().await.unwrap();
        tx.q("DELETE FROM admin_users").execute().await.unwrap();
        tx.commit().await.unwrap();
        let made = at_once(6, |_| {
            let app = world.app.clone();
            async move { identity::bootstrap(&app, true).await.unwrap() }
        })
        .await;
        assert_eq!(made.iter().flatten().count(), 1);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM admin_users").await, 1);
    }
}

/// A hash as another system left it: `imported password`, cost 4.
fn bcrypt_of(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_in_any_case() {
    let clock = clock_at("2026-01-01T00:00:00Z");
    let world = World::with_clock(TestDatabase::sqlite(), clock.clone()).await;
    let idle = admin_session(&world).await;
    clock.advance(TimeDelta::hours(23));
    identity::authenticate(&world.app, Credential::Session(&idle), "::1").await.unwrap();
    // Each use moves the idle end on; the absolute one stays.
    for _ in 0..6 {
        clock.advance(TimeDelta::hours(23));
        identity::authenticate(&world.app, Credential::Session(&idle), "::1").await.unwrap();
    }
    clock.advance(TimeDelta::hours(23));
    assert!(
        identity::authenticate(&world.app, Credential::Session(&idle), "::1").await.is_err(),
        "seven days are over"
    );
    let idle = admin_session(&world).await;
    clock.advance(TimeDelta::hours(24));
    assert!(identity::authenticate(&world.app, Credential::Session(&idle), "::1").await.is_err(), "a day without use");
}
