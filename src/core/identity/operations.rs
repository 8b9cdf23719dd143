//! Use cases of identity.

use chrono::TimeDelta;
use serde_json::json;

pub use super::store::Filter as UserFilter;
use super::{
    model::{AdminRole, User, UserKind},
    password, store,
    store::{NameKind, Stored, claim_name},
    token,
};
use crate::core::{
    actor::{Actor, Permission, Role},
    app::App,
    audit,
    database::{Tx, is_foreign_key_violation, is_unique_violation},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
    secret::{Secret, random_text, token_hash},
    text,
    time::Timestamp,
};

/// Characters of a session token or refresh token: about 285 bits.
const TOKEN_LENGTH: usize = 48;
/// How long a refresh token is good for.
const REFRESH_LIFETIME: TimeDelta = TimeDelta::days(30);
/// A session's last use is written at most this often.
const TOUCH_INTERVAL: TimeDelta = TimeDelta::seconds(60);
/// Characters of a login name.
const USERNAME_MAX: usize = 64;

/// What somebody shows to be recognised.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// The session cookie.
    Session(&'a str),
    /// The bearer token of the `authorization` header: an access token or a session token.
    Bearer(&'a str),
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
    Tokens {
        /// Signed, short-lived.
        access: Secret,
        /// Seconds that it is good for.
        access_lifetime_secs: i64,
        /// Takes a new access token.
        refresh: Secret,
    },
}

/// A user to be made.
#[derive(Debug)]
pub struct NewUser {
    /// The name to log in with.
    pub username: String,
    /// The e-mail address; customers need one.
    pub email: String,
    /// The name to show.
    pub display_name: String,
    /// The password.
    pub password: Secret,
    /// Which kind.
    pub kind: UserKind,
    /// Of administrators: the role.
    pub role: Option<AdminRole>,
    /// Of customers' users: the customer.
    pub customer_id: Option<Id>,
}

/// Logs somebody in. A wrong password and an unknown name are answered alike, after the same work.
///
/// # Errors
/// `login.failed`; `login.disabled`, only after the right password.
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
    if let Some(hash) = upgraded {
        store::set_password(&mut tx, at, kind, user.id, &hash).await?;
    }
    store::touch_login(&mut tx, at, kind, user.id).await?;
    let secret = random_text(TOKEN_LENGTH);
    let grant = if let Some(customer_id) = user.customer_id {
        let access = token::issue(&app.settings.jwt, at, user.id, customer_id)?;
        store::insert_refresh_token(&mut tx, at, user.id, customer_id, &token_hash(&secret), at.plus(REFRESH_LIFETIME))
            .await?;
        Grant::Tokens {
            access: Secret::new(access),
            access_lifetime_secs: token::lifetime(&app.settings.jwt).num_seconds(),
            refresh: Secret::new(secret),
        }
    } else {
        let lifetime = TimeDelta::hours(i64::from(app.settings.session.absolute_timeout_hours));
        store::insert_session(&mut tx, at, user.id, &token_hash(&secret), source, at.plus(lifetime)).await?;
        Grant::Session { token: Secret::new(secret), lifetime_secs: lifetime.num_seconds() }
    };
    audit_login(&mut tx, at, source, &user).await?;
    tx.commit().await?;
    Ok(Login { user, grant })
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

/// Recognises somebody.
///
/// # Errors
/// Unauthenticated for a credential that is unknown, ended or belongs to a disabled user.
pub async fn authenticate(app: &App, credential: Credential<'_>, source: &str) -> Result<Actor> {
    match credential {
        // A JWT has two dots, a session token has none.
        Credential::Bearer(token) if token.contains('.') => authenticate_access_token(app, token, source).await,
        Credential::Session(token) | Credential::Bearer(token) => authenticate_session(app, token, source).await,
    }
}

async fn authenticate_session(app: &App, token: &str, source: &str) -> Result<Actor> {
    let ended = || Error::unauthenticated("the session has ended, log in again");
    let at = app.clock.now();
    let session = store::find_session(&app.database, &token_hash(token)).await?.ok_or_else(ended)?;
    let idle = TimeDelta::minutes(i64::from(app.settings.session.idle_timeout_minutes));
    if !session.is_active || session.expires_at <= at || session.last_seen_at.plus(idle) <= at {
        return Err(ended());
    }
    if at.since(session.last_seen_at) > TOUCH_INTERVAL {
        let mut tx = app.database.begin().await?;
        store::touch_session(&mut tx, at, session.id).await?;
        tx.commit().await?;
    }
    let role = match session.role {
        AdminRole::Admin => Role::Admin(session.user_id),
        AdminRole::Operator => Role::Operator(session.user_id),
    };
    Ok(Actor::new(role, session.username, source))
}

async fn authenticate_access_token(app: &App, token: &str, source: &str) -> Result<Actor> {
    let ended = || Error::unauthenticated("the access token is not valid any more, log in again");
    let claims = token::read(&app.settings.jwt, app.clock.now(), token).ok_or_else(ended)?;
    let stored = store::find(&app.database, UserKind::Customer, claims.sub).await?.ok_or_else(ended)?;
    if !stored.user.is_active || stored.user.customer_id != Some(claims.customer_id) {
        return Err(ended());
    }
    Ok(Actor::new(role_of(&stored.user), stored.user.username, source))
}

/// Ends the session whose token this is. A customer's access token simply runs out; its holder forgets it.
///
/// # Errors
/// Unauthenticated for nobody.
pub async fn logout(app: &App, actor: &Actor, session_token: Option<&str>) -> Result<()> {
    actor.require(Permission::Authenticated)?;
    let Some(token) = session_token else { return Ok(()) };
    let mut tx = app.database.begin().await?;
    store::delete_session(&mut tx, &token_hash(token)).await?;
    tx.commit().await
}

/// The user who acts.
///
/// # Errors
/// Unauthenticated for nobody and for actors that are no user.
pub async fn me(app: &App, actor: &Actor) -> Result<User> {
    actor.require(Permission::Authenticated)?;
    let (kind, id) = match actor.role() {
        Role::Admin(id) | Role::Operator(id) => (UserKind::Admin, id),
        Role::Customer { user_id, .. } => (UserKind::Customer, user_id),
        Role::ApiKey { .. } | Role::Local | Role::System | Role::Anonymous => {
            return Err(Error::unauthenticated("log in as a user"));
        }
    };
    let stored = store::find(&app.database, kind, id).await?;
    stored.map(|stored| stored.user).ok_or_else(|| Error::unauthenticated("this user does not exist any more"))
}

/// Makes a user of either kind. Admin-only.
///
/// # Errors
/// `name.taken` for a name or address that exists; NotFound for an unknown customer; InvalidArgument for fields that
/// break their rules.
pub async fn create_user(app: &App, actor: &Actor, new: NewUser) -> Result<User> {
    actor.require(Permission::AdminOnly)?;
    let new = checked(new)?;
    let hash = password::hash("password", new.password.reveal()).await?;
    let mut tx = app.database.begin().await?;
    let user = insert_user(&mut tx, app.clock.now(), actor, &new, &hash).await?;
    tx.commit().await?;
    Ok(user)
}

fn checked(new: NewUser) -> Result<NewUser> {
    let username = text::required("username", &new.username, USERNAME_MAX)?.to_lowercase();
    if username.contains(char::is_whitespace) {
        return Err(Error::invalid(
            "username.malformed",
            format!("`username` is `{username}`, expected a name without blanks"),
        ));
    }
    let email = if new.kind == UserKind::Admin && new.email.trim().is_empty() {
        String::new()
    } else {
        text::email("email", &new.email)?
    };
    let display_name = text::optional("display_name", &new.display_name, text::NAME_MAX)?;
    let display_name = if display_name.is_empty() { username.clone() } else { display_name };
    match (new.kind, new.role, new.customer_id) {
        (UserKind::Admin, None, _) => {
            return Err(Error::invalid("user.role", "`role` is missing, expected admin or operator"));
        }
        (UserKind::Admin, Some(_), Some(_)) => {
            return Err(Error::invalid("user.customer", "an administrator belongs to no customer"));
        }
        (UserKind::Customer, Some(_), _) => return Err(Error::invalid("user.role", "a customer's user has no role")),
        (UserKind::Customer, None, None) => return Err(Error::invalid("user.customer", "`customer_id` is missing")),
        (UserKind::Admin, Some(_), None) | (UserKind::Customer, None, Some(_)) => {}
    }
    Ok(NewUser { username, email, display_name, ..new })
}

/// Writes a user whose fields are checked, with its unique names and the audit entry.
pub(super) async fn insert_user(
    tx: &mut Tx,
    at: Timestamp,
    actor: &Actor,
    new: &NewUser,
    password_hash: &str,
) -> Result<User> {
    let user = User {
        id: Id::generate(),
        username: new.username.clone(),
        email: new.email.clone(),
        display_name: new.display_name.clone(),
        role: new.role,
        is_active: true,
        created_at: at,
        customer_id: new.customer_id,
    };
    let search = text::search_text(&[&user.username, &user.email, &user.display_name]);
    store::insert(tx, at, &user, password_hash, &search).await.map_err(|error| match user.customer_id {
        Some(customer_id) if is_foreign_key_violation(&error) => Error::not_found("customer", customer_id),
        None if is_unique_violation(&error) => Error::already_exists(
            "name.taken",
            format!("the user name `{}` or its e-mail address is taken", user.username),
        ),
        _ => error,
    })?;
    if let Some(customer_id) = user.customer_id {
        claim_name(tx, NameKind::UserName, &user.username, user.id, customer_id).await?;
        claim_name(tx, NameKind::UserEmail, &user.email, user.id, customer_id).await?;
    }
    audit::record(
        tx,
        at,
        actor,
        audit::Entry {
            action: "user.create",
            target_type: "user",
            target_id: user.id,
            detail: &json!({ "after": user }),
        },
    )
    .await?;
    Ok(user)
}

/// A page of users of one kind. For administrators.
///
/// # Errors
/// PermissionDenied for others.
pub async fn list_users(
    app: &App,
    actor: &Actor,
    kind: UserKind,
    filter: &UserFilter,
    page: PageRequest,
) -> Result<Page<User>> {
    actor.require(Permission::Admin)?;
    store::list(&app.database, kind, filter, page).await
}

/// One user; without a kind both are tried. For administrators.
///
/// # Errors
/// NotFound; PermissionDenied for others.
pub async fn get_user(app: &App, actor: &Actor, kind: Option<UserKind>, id: Id) -> Result<User> {
    actor.require(Permission::Admin)?;
    for &candidate in UserKind::ALL {
        if kind.is_none_or(|kind| kind == candidate)
            && let Some(stored) = store::find(&app.database, candidate, id).await?
        {
            return Ok(stored.user);
        }
    }
    Err(Error::not_found("user", id))
}
