//! Redis, beside a real one: what it is used for, and that nothing is worse when it is away, hangs, or lies.

mod limits;
mod locks;
mod outages;
mod program;
mod sessions;

use rustbill::core::{
    actor::Actor,
    app::App,
    error::Result,
    id::Id,
    identity::{self, AdminRole, Credential, Grant, NewApiKey, NewUser, User, UserKind},
    secret::Secret,
};

use crate::support::world::{PASSWORD, World};

/// Who a token belongs to, for a server.
async fn recognise(app: &App, token: &str) -> Result<Actor> {
    identity::authenticate(app, Credential::of_bearer(token), "192.0.2.7").await
}

/// Somebody who is recognised often enough to be remembered.
async fn warm(apps: &[&App], token: &str) {
    for app in apps {
        recognise(app, token).await.unwrap();
        recognise(app, token).await.unwrap();
    }
}

async fn session(app: &App, username: &str) -> String {
    match identity::login(app, "192.0.2.7", UserKind::Admin, username, PASSWORD).await.unwrap().grant {
        Grant::Session { token, .. } => token.reveal().to_owned(),
        Grant::Tokens(_) => panic!("an administrator has a session"),
    }
}

async fn access_token(app: &App, username: &str) -> String {
    match identity::login(app, "192.0.2.7", UserKind::Customer, username, PASSWORD).await.unwrap().grant {
        Grant::Tokens(tokens) => tokens.access.reveal().to_owned(),
        Grant::Session { .. } => panic!("a customer has tokens"),
    }
}

async fn api_key(world: &World, customer: Id) -> (Id, String) {
    let new = NewApiKey { name: "shop".to_owned(), customer_id: Some(customer), lifetime: None };
    let made = identity::create_api_key(&world.app, &world.admin, &new).await.unwrap();
    (made.key.id, made.secret.reveal().to_owned())
}

async fn administrator(world: &World, role: AdminRole) -> User {
    let new = NewUser {
        username: Id::generate().to_string(),
        email: String::new(),
        display_name: String::new(),
        password: Secret::new(PASSWORD),
        kind: UserKind::Admin,
        role: Some(role),
        customer_id: None,
    };
    identity::create_user(&world.app, &world.admin, new).await.unwrap()
}
