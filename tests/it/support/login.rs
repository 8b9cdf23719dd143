//! Logging in without a wire.

use rustbill::core::{
    error::Result,
    identity::{self, Credential, Grant, Tokens, UserKind},
    secret::Secret,
};

use super::world::World;

/// What a customer's user gets at login.
pub(crate) async fn tokens(world: &World, username: &str, password: &str) -> Tokens {
    let login = identity::login(&world.app, "::1", UserKind::Customer, username, password).await.unwrap();
    let Grant::Tokens(tokens) = login.grant else { panic!("a customer gets tokens") };
    tokens
}

/// Whether a bearer token is somebody's.
pub(crate) async fn is_known(world: &World, token: &str) -> bool {
    identity::authenticate(&world.app, Credential::of_bearer(token), "::1").await.is_ok()
}

pub(crate) async fn refresh(world: &World, token: &Secret) -> Result<Tokens> {
    identity::refresh(&world.app, "::1", token.reveal()).await
}
