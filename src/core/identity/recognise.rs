//! Recognising who shows a credential: by the database, or by what Redis remembers of its answer.
//!
//! # How long an answer of the database is believed
//!
//! Without Redis it is asked for every request, and a revocation counts from its commit on.
//!
//! With Redis, what the database said is remembered for less than a second ([`REVOKED_WITHIN`](crate::core::redis::REVOKED_WITHIN)), counted from before it
//! was asked, so that somebody who calls often costs the database one look a second over all servers. Whoever revokes
//! something marks its subject in Redis after the commit ([`forget`]): the session's token at a logout, the user at a
//! change of password, role or customer and when it is disabled or deleted, the key, the customer. From then on every
//! server that reaches Redis asks the database, which says no: at once. What can go wrong:
//!
//! | what | then |
//! |---|---|
//! | the revoking server does not reach Redis, others do | the others believe their last answer for the rest of its second |
//! | it ends between commit and mark | the same |
//! | nobody reaches Redis | everybody asks the database: at once |
//! | Redis hung and goes on, or comes back from its disk | what it has is over by its clock, and by the time in the value |
//! | a store is on its way while the mark is set | the mark is looked at with the value, and outlives it |
//! | Redis forgets the mark | the value ends within its second |
//! | Redis's clock is set back | the time in the value, by the servers' own clocks |
//! | a server's clock is wrong | it takes the others' answers for too old and asks the database |
//!
//! So nothing is believed for more than a second after it was revoked, whatever fails, and no server keeps anything in
//! its own memory. Refusals are not remembered.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{
    api_keys,
    model::{AdminRole, UserKind},
    session_store,
    sessions::{Credential, TOUCH_INTERVAL},
    store, token,
};
use crate::core::{
    actor::{Actor, Role},
    app::App,
    error::{Error, Result},
    id::Id,
    redis::{Recalled, Redis},
    secret::token_hash,
};

/// What the database said: all that an [`Actor`] needs besides where it calls from, and nothing secret.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recognised {
    pub(super) role: Stored,
    pub(super) name: String,
    /// When the credential ends by itself, in microseconds since 1970.
    pub(super) until: Option<i64>,
}

/// The roles that somebody can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stored {
    Admin(Id),
    Operator(Id),
    Customer { user_id: Id, customer_id: Id },
    ApiKey { key_id: Id, customer_id: Id },
}

impl Stored {
    /// Whose revocation ends it.
    fn subjects(self) -> Vec<Id> {
        match self {
            Self::Admin(id) | Self::Operator(id) => vec![id],
            Self::Customer { user_id: id, customer_id } | Self::ApiKey { key_id: id, customer_id } => {
                vec![id, customer_id]
            }
        }
    }
}

impl From<Stored> for Role {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Admin(id) => Self::Admin(id),
            Stored::Operator(id) => Self::Operator(id),
            Stored::Customer { user_id, customer_id } => Self::Customer { user_id, customer_id },
            Stored::ApiKey { key_id, customer_id } => Self::ApiKey { key_id, customer_id },
        }
    }
}

/// Recognises somebody.
///
/// # Errors
/// Unauthenticated for a credential that is unknown, ended or belongs to a disabled user.
pub async fn authenticate(app: &App, credential: Credential<'_>, source: &str) -> Result<Actor> {
    let found = match &app.redis {
        None => look_up(app, credential).await?,
        Some(redis) => recall(app, redis, credential).await?,
    };
    Ok(Actor::new(found.role.into(), found.name, source))
}

/// What Redis remembers, else what the database says, which is then remembered.
async fn recall(app: &App, redis: &Redis, credential: Credential<'_>) -> Result<Recognised> {
    let now = app.clock.now();
    let name = credential.secret_name();
    let Some(Recalled { moment, value }) = redis.recall(&name, now).await else {
        return look_up(app, credential).await;
    };
    let remembered = value.and_then(|value| serde_json::from_str::<Recognised>(&value).ok());
    if let Some(remembered) = remembered
        && remembered.until.is_none_or(|until| now.unix_micros() < until)
    {
        return Ok(remembered);
    }
    let found = look_up(app, credential).await?;
    if let Ok(value) = serde_json::to_string(&found) {
        let subjects: Vec<String> = found.role.subjects().iter().map(Id::to_string).collect();
        redis.remember(&name, moment, &subjects, &value);
    }
    Ok(found)
}

/// Makes every server ask the database again about these users, keys or customers. To be called after the commit of
/// whatever ended or changed what they may do.
pub(crate) async fn forget(app: &App, subjects: &[Id]) {
    if let Some(redis) = &app.redis {
        let subjects: Vec<String> = subjects.iter().map(Id::to_string).collect();
        redis.forget(&subjects).await;
    }
}

/// As [`forget`] for one credential.
pub(super) async fn forget_credential(app: &App, credential: Credential<'_>) {
    if let Some(redis) = &app.redis {
        redis.forget_named(&credential.secret_name()).await;
    }
}

async fn look_up(app: &App, credential: Credential<'_>) -> Result<Recognised> {
    match credential {
        Credential::Session(token) => session(app, token).await,
        Credential::AccessToken(token) => access_token(app, token).await,
        Credential::ApiKey(key) => api_keys::recognise(app, key).await,
    }
}

async fn session(app: &App, token: &str) -> Result<Recognised> {
    let ended = || Error::unauthenticated("the session has ended, log in again");
    let at = app.clock.now();
    let session = session_store::find_session(&app.database, &token_hash(token)).await?.ok_or_else(ended)?;
    let idle = TimeDelta::minutes(i64::from(app.settings.session.idle_timeout_minutes));
    if !session.is_active || session.expires_at <= at || session.last_seen_at.plus(idle) <= at {
        return Err(ended());
    }
    if at.since(session.last_seen_at) > TOUCH_INTERVAL {
        let mut tx = app.database.begin().await?;
        session_store::touch_session(&mut tx, at, session.id).await?;
        tx.commit().await?;
    }
    let role = match session.role {
        AdminRole::Admin => Stored::Admin(session.user_id),
        AdminRole::Operator => Stored::Operator(session.user_id),
    };
    // A session that is used now does not end by idling; `expires_at` ends it in any case.
    Ok(Recognised { role, name: session.username, until: Some(session.expires_at.unix_micros()) })
}

async fn access_token(app: &App, token: &str) -> Result<Recognised> {
    let ended = || Error::unauthenticated("the access token is not valid any more, log in again");
    let claims = token::read(&app.settings.jwt, app.clock.now(), token).ok_or_else(ended)?;
    let stored = store::find(&app.database, UserKind::Customer, claims.sub).await?.ok_or_else(ended)?;
    if !stored.user.is_active
        || stored.user.customer_id != Some(claims.customer_id)
        || !session_store::is_family_alive(&app.database, claims.family, claims.sub).await?
    {
        return Err(ended());
    }
    let role = Stored::Customer { user_id: claims.sub, customer_id: claims.customer_id };
    let until = claims.exp.checked_mul(MICROS_A_SECOND);
    Ok(Recognised { role, name: stored.user.username, until })
}

/// Microseconds of a second.
const MICROS_A_SECOND: i64 = 1_000_000;
