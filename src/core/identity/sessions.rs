//! Logging in, being recognised, logging out.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    api_keys, customer_store,
    model::{AdminRole, User, UserKind},
    password,
    recognise::{forget, forget_credential},
    session_store, store,
    store::Stored,
    token,
    users::USERNAME_MAX,
};
use crate::core::{
    actor::{Actor, Permission, Role},
    app::App,
    audit,
    database::Tx,
    error::{Error, Result},
    id::Id,
    secret::{Secret, random_text, token_hash},
    time::Timestamp,
};

/// Characters of a session token or refresh token: about 285 bits.
const TOKEN_LENGTH: usize = 48;
/// How long a refresh token is good for.
const REFRESH_LIFETIME: TimeDelta = TimeDelta::days(30);
/// A session's last use is written at most this often.
pub(super) const TOUCH_INTERVAL: TimeDelta = TimeDelta::seconds(60);

/// What somebody shows to be recognised.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A session's token.
    Session(&'a str),
    /// A signed access token.
    AccessToken(&'a str),
    /// An API key.
    ApiKey(&'a str),
}

impl<'a> Credential<'a> {
    /// What a bearer token is, by its looks.
    #[must_use]
    pub fn of_bearer(token: &'a str) -> Self {
        if api_keys::looks_like_one(token) {
            Self::ApiKey(token)
        } else if token.contains('.') {
            // A JWT has two dots, a session token has none.
            Self::AccessToken(token)
        } else {
            Self::Session(token)
        }
    }

    /// The text that was shown.
    #[must_use]
    pub const fn token(&self) -> &'a str {
        match self {
            Self::Session(token) | Self::AccessToken(token) | Self::ApiKey(token) => token,
        }
    }

    /// What it is remembered under: shown as another kind, the same text is another credential.
    pub(super) fn secret_name(&self) -> String {
        match self {
            Self::Session(token) => format!("session {token}"),
            Self::AccessToken(token) => format!("access token {token}"),
            Self::ApiKey(key) => format!("API key {key}"),
        }
    }
}

/// A login that succeeded.
#[derive(Debug)]
pub struct Login {
    /// Who it is.
    pub user: User,
    /// What to show from now on.
    pub grant: Grant,
}

/// What a login gives.
#[derive(Debug)]
pub enum Grant {
    /// To administrators: a session.
    Session {
        /// The token for the cookie.
        token: Secret,
        /// Seconds until the session ends in any case.
        lifetime_secs: i64,
    },
    /// To customers: tokens.
    Tokens(Tokens),
}

/// What a customer's user shows.
#[derive(Debug)]
pub struct Tokens {
    /// Signed, short-lived.
    pub access: Secret,
    /// Seconds that it is good for.
    pub access_lifetime_secs: i64,
    /// Takes new tokens, once.
    pub refresh: Secret,
}

/// Logs somebody in. A wrong password and an unknown name are answered alike, after the same work.
///
/// # Errors
/// `login.failed`; `login.disabled` for a user or a customer that is, only after the right password.
pub async fn login(app: &App, source: &str, kind: UserKind, username: &str, password: &str) -> Result<Login> {
    let username = username.trim().to_lowercase();
    // A name with NUL is no name, and PostgreSQL would refuse the query.
    let plain = !username.contains('\0') && username.len() <= USERNAME_MAX * 4;
    let stored = if plain { store::find_by_name(&app.database, kind, &username).await? } else { None };
    let verified = password::verify(password, stored.as_ref().map(|stored| stored.password_hash.as_str())).await;
    let Some(Stored { user, password_hash }) = stored.filter(|_| verified) else {
        return Err(Error::invalid("login.failed", "the user name or the password is wrong"));
    };
    if !user.is_active {
        return Err(Error::denied("login.disabled", "this user is disabled"));
    }
    let upgraded =
        if password::is_outdated(&password_hash) { Some(password::hash_as_it_is(password).await?) } else { None };

    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    if let Some(customer_id) = user.customer_id
        && !customer_store::lock_active(&mut tx, customer_id).await?
    {
        return Err(Error::denied("login.disabled", "the customer of this user is disabled"));
    }
    // Meanwhile the user may have been disabled or got another password, and its sessions ended: no new one now.
    let now = store::lock(&mut tx, kind, user.id).await?;
    let is_same = |now: &Stored| now.password_hash == password_hash && now.user.customer_id == user.customer_id;
    let Some(Stored { user, .. }) = now.filter(|now| now.user.is_active && is_same(now)) else {
        return Err(Error::invalid("login.failed", "the user name or the password is wrong"));
    };
    if let Some(hash) = upgraded {
        store::set_password(&mut tx, at, kind, user.id, &hash).await?;
    }
    store::touch_login(&mut tx, at, kind, user.id).await?;
    let grant = if let Some(customer_id) = user.customer_id {
        Grant::Tokens(grant_tokens(app, &mut tx, at, Id::generate(), (user.id, customer_id)).await?)
    } else {
        let secret = random_text(TOKEN_LENGTH);
        let lifetime = TimeDelta::hours(i64::from(app.settings.session.absolute_timeout_hours));
        session_store::insert_session(&mut tx, at, user.id, &token_hash(&secret), source, at.plus(lifetime)).await?;
        Grant::Session { token: Secret::new(secret), lifetime_secs: lifetime.num_seconds() }
    };
    audit_login(&mut tx, at, source, &user).await?;
    tx.commit().await?;
    Ok(Login { user, grant })
}

/// The next tokens of a family.
async fn grant_tokens(app: &App, tx: &mut Tx, at: Timestamp, family: Id, owner: (Id, Id)) -> Result<Tokens> {
    let settings = &app.settings.jwt;
    let access = token::issue(settings, at, owner.0, owner.1, family)?;
    let refresh = random_text(TOKEN_LENGTH);
    let expires = at.plus(REFRESH_LIFETIME.max(token::lifetime(settings)));
    session_store::insert_refresh_token(tx, at, family, owner, &token_hash(&refresh), expires).await?;
    Ok(Tokens {
        access: Secret::new(access),
        access_lifetime_secs: token::lifetime(settings).num_seconds(),
        refresh: Secret::new(refresh),
    })
}

/// Exchanges a refresh token for new tokens. Each works once: who shows one again has it from somebody else, or
/// somebody else has it, so its whole family ends.
///
/// # Errors
/// `refresh_token.invalid`, `refresh_token.expired`, `refresh_token.reused`.
pub async fn refresh(app: &App, source: &str, shown: &str) -> Result<Tokens> {
    let refused = |code, message| Err(Error::invalid(code, message).hint("log in again"));
    let invalid = || refused("refresh_token.invalid", "the refresh token is not valid");
    let hash = token_hash(shown);
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let Some(found) = session_store::find_refresh_token(&mut tx, &hash).await? else { return invalid() };
    if !customer_store::lock_active(&mut tx, found.customer_id).await? {
        return invalid();
    }
    let stored = store::lock(&mut tx, UserKind::Customer, found.user_id).await?;
    let Some(Stored { user, .. }) = stored else { return invalid() };
    // Read again under the lock: the other one of two who came with the same token is done now.
    let Some(row) = session_store::find_refresh_token(&mut tx, &hash).await? else { return invalid() };
    if row.revoked_at.is_some() || !user.is_active || user.customer_id != Some(row.customer_id) {
        return invalid();
    }
    if row.used_at.is_some() {
        session_store::revoke_family(&mut tx, at, row.family_id).await?;
        let actor = Actor::new(role_of(&user), &user.username, source);
        let detail = json!({ "family_id": row.family_id });
        let entry =
            audit::Entry { action: "user.token_reuse", target_type: "user", target_id: user.id, detail: &detail };
        audit::record(&mut tx, at, &actor, entry).await?;
        tx.commit().await?;
        forget(app, &[user.id]).await;
        tracing::warn!(user = %user.id, source, "a refresh token was used twice; its family is revoked");
        return refused("refresh_token.reused", "the refresh token was used before");
    }
    if row.expires_at <= at {
        return refused("refresh_token.expired", "the refresh token has expired");
    }
    session_store::use_refresh_token(&mut tx, at, row.id).await?;
    let tokens = grant_tokens(app, &mut tx, at, row.family_id, (user.id, row.customer_id)).await?;
    tx.commit().await?;
    Ok(tokens)
}

/// Ends what a user is logged in with, but for the session or the tokens that this token belongs to.
pub(super) async fn end_all(app: &App, tx: &mut Tx, at: Timestamp, user: &User, kept: Option<&str>) -> Result<()> {
    match user.kind() {
        UserKind::Admin => session_store::delete_sessions(tx, user.id, kept.map(token_hash)).await?,
        UserKind::Customer => {
            let family = kept.and_then(|token| token::read(&app.settings.jwt, at, token)).map(|claims| claims.family);
            session_store::revoke_refresh_tokens(tx, at, user.id, family).await?
        }
    };
    Ok(())
}

async fn audit_login(tx: &mut Tx, at: Timestamp, source: &str, user: &User) -> Result<()> {
    let actor = Actor::new(role_of(user), &user.username, source);
    let entry = audit::Entry { action: "user.login", target_type: "user", target_id: user.id, detail: &json!({}) };
    audit::record(tx, at, &actor, entry).await
}

fn role_of(user: &User) -> Role {
    match (user.role, user.customer_id) {
        (Some(AdminRole::Admin), _) => Role::Admin(user.id),
        (Some(AdminRole::Operator), _) => Role::Operator(user.id),
        (None, Some(customer_id)) => Role::Customer { user_id: user.id, customer_id },
        (None, None) => Role::Anonymous,
    }
}

/// Ends the session whose token this is. A customer's access token simply runs out; its holder forgets it.
///
/// # Errors
/// Unauthenticated for nobody.
pub async fn logout(app: &App, actor: &Actor, session_token: Option<&str>) -> Result<()> {
    actor.require(Permission::Authenticated)?;
    let Some(token) = session_token else { return Ok(()) };
    let mut tx = app.database.begin().await?;
    if session_store::delete_session(&mut tx, &token_hash(token)).await? > 0
        && let Some(user) = actor.id()
    {
        let entry = audit::Entry { action: "user.logout", target_type: "user", target_id: user, detail: &json!({}) };
        audit::record(&mut tx, app.clock.now(), actor, entry).await?;
    }
    tx.commit().await?;
    forget_credential(app, Credential::Session(token)).await;
    Ok(())
}

/// The user who acts.
///
/// # Errors
/// Unauthenticated for nobody and for actors that are no user.
pub async fn me(app: &App, actor: &Actor) -> Result<User> {
    let (kind, id) = user_of(actor)?;
    let stored = store::find(&app.database, kind, id).await?;
    stored.map(|stored| stored.user).ok_or_else(|| Error::unauthenticated("this user does not exist any more"))
}

/// Which user acts.
pub(super) fn user_of(actor: &Actor) -> Result<(UserKind, Id)> {
    actor.require(Permission::Authenticated)?;
    match actor.role() {
        Role::Admin(id) | Role::Operator(id) => Ok((UserKind::Admin, id)),
        Role::Customer { user_id, .. } => Ok((UserKind::Customer, user_id)),
        Role::ApiKey { .. } | Role::Local | Role::System | Role::Anonymous => {
            Err(Error::unauthenticated("log in as a user"))
        }
    }
}
