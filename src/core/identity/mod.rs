//! TEMPORARY STAND-IN: the signatures that `server` and `cmd` are written against. The real slice replaces this file.

use crate::core::{
    actor::{Actor, Role},
    app::App,
    error::{Error, Result},
    id::Id,
    secret::Secret,
};

/// What a caller proves itself with.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// The token of an administrator's session cookie.
    Session(&'a str),
    /// What stood behind `authorization: Bearer`.
    Bearer(&'a str),
}

/// The administrator that was made.
pub struct Bootstrapped {
    /// Its name.
    pub username: String,
    /// Its password, when it was not configured.
    pub generated_password: Option<Secret>,
}

/// Stand-in: knows only the two tokens of the tests.
///
/// # Errors
/// Unauthenticated for any other token.
pub async fn authenticate(app: &App, credential: Credential<'_>, source: &str) -> Result<Actor> {
    let (Credential::Session(token) | Credential::Bearer(token)) = credential;
    match token {
        "stand-in" if cfg!(test) => Ok(Actor::new(Role::Admin(Id::generate()), "stand-in", source)),
        "ask-the-database" if cfg!(test) => app.database.ping().await.map(|()| Actor::anonymous(source)),
        _ => Err(Error::unauthenticated("log in first")),
    }
}

/// Stand-in: makes nobody.
///
/// # Errors
/// Never.
#[expect(clippy::unused_async, reason = "stand-in")]
pub async fn bootstrap(_app: &App, _unattended: bool) -> Result<Option<Bootstrapped>> {
    Ok(None)
}
