//! API keys: how a customer's programs log in. A key acts as its customer, except that keys make and end no keys: who
//! finds one must not be able to make itself another.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    api_key_store as store,
    recognise::{Recognised, Stored, forget},
    sessions::TOUCH_INTERVAL,
};
use crate::core::{
    actor::{Actor, Permission, Role, Scope},
    app::App,
    audit,
    database::Source,
    error::{Error, Result},
    id::Id,
    secret::{Secret, random_text, token_hash},
    text::{self, NAME_MAX},
    time::Timestamp,
};

/// What every key begins with.
const KEY_START: &str = "rbk_";
/// Random characters of a key: about 238 bits.
const KEY_LENGTH: usize = 40;
/// Characters that lists show, so that somebody who holds the key finds it again.
const PREFIX_LENGTH: usize = 12;

/// A key without its secret part.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct ApiKey {
    /// The identifier.
    pub id: Id,
    /// Whom it acts as.
    pub customer_id: Id,
    /// What to recognise it by.
    pub name: String,
    /// How it begins.
    pub key_prefix: String,
    /// Whether it is good; never again once revoked.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// What to recognise it by.
    pub name: String,
    /// Whom it acts as; a customer's own by itself.
    pub customer_id: Option<Id>,
    /// How long it is good for; without end if absent.
    pub lifetime: Option<TimeDelta>,
}

/// A key that was just made.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// Its record.
    pub key: ApiKey,
    /// The key itself, to be shown once and never again.
    pub secret: Secret,
}

/// Whose keys an actor may look at and make: an administrator anybody's, a customer its own if it may.
async fn manageable(source: impl Source<'_>, actor: &Actor, customer_id: Option<Id>) -> Result<(Id, store::Owner)> {
    forbid_keys(actor)?;
    let customer_id = actor.one_customer(customer_id)?;
    let owner = store::owner(source, customer_id).await?.ok_or_else(|| Error::not_found("customer", customer_id))?;
    if matches!(actor.scope()?, Scope::Customer(_)) && !owner.can_create_api_keys {
        return Err(Error::denied("api_key.not_allowed", "this customer may not have API keys")
            .hint("ask the shop to allow them for this customer"));
    }
    Ok((customer_id, owner))
}

fn forbid_keys(actor: &Actor) -> Result<()> {
    actor.require(Permission::Authenticated)?;
    if matches!(actor.role(), Role::ApiKey { .. }) {
        return Err(Error::denied("api_key.by_key", "an API key can't manage API keys, log in as a user"));
    }
    Ok(())
}

/// Makes a key. For administrators, and for customers that may.
///
/// # Errors
/// NotFound for an unknown customer; PermissionDenied for another customer's and without the right; InvalidArgument
/// for a name that breaks the rules and for a disabled customer.
pub async fn create_api_key(app: &App, actor: &Actor, new: &NewApiKey) -> Result<CreatedApiKey> {
    let (customer_id, owner) = manageable(&app.database, actor, new.customer_id).await?;
    let name = text::required("name", &new.name, NAME_MAX)?;
    if !owner.is_active {
        return Err(Error::invalid("customer.inactive", format!("the customer `{customer_id}` is disabled")));
    }
    let secret = format!("{KEY_START}{}", random_text(KEY_LENGTH));
    let at = app.clock.now();
    let key = ApiKey {
        id: Id::generate(),
        customer_id,
        name,
        key_prefix: secret.chars().take(PREFIX_LENGTH).collect(),
        enabled: true,
        created_at: at,
        last_used_at: None,
        expires_at: new.lifetime.map(|lifetime| at.plus(lifetime)),
    };
    let mut tx = app.database.begin().await?;
    store::insert(&mut tx, &key, &token_hash(&secret)).await?;
    let detail = json!({ "after": key });
    let entry = audit::Entry { action: "api_key.create", target_type: "api_key", target_id: key.id, detail: &detail };
    audit::record(&mut tx, at, actor, entry).await?;
    tx.commit().await?;
    Ok(CreatedApiKey { key, secret: Secret::new(secret) })
}

/// All keys of a customer, newest first. For administrators, and for customers that may have keys.
///
/// # Errors
/// NotFound for an unknown customer; PermissionDenied for another customer's and without the right.
pub async fn list_api_keys(app: &App, actor: &Actor, customer_id: Option<Id>) -> Result<Vec<ApiKey>> {
    let (customer_id, _) = manageable(&app.database, actor, customer_id).await?;
    store::list(&app.database, customer_id).await
}

/// Ends a key for good; its record stays. For administrators and its customer, also one that may make no more keys.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's.
pub async fn revoke_api_key(app: &App, actor: &Actor, id: Id) -> Result<ApiKey> {
    forbid_keys(actor)?;
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let key = store::lock(&mut tx, id).await?.ok_or_else(|| Error::not_found("API key", id))?;
    actor.require_customer(key.customer_id)?;
    if !key.enabled {
        return Ok(key);
    }
    store::disable(&mut tx, id).await?;
    let revoked = ApiKey { enabled: false, ..key.clone() };
    let detail = audit::change(key, &revoked);
    let entry = audit::Entry { action: "api_key.revoke", target_type: "api_key", target_id: id, detail: &detail };
    audit::record(&mut tx, at, actor, entry).await?;
    tx.commit().await?;
    forget(app, &[id]).await;
    Ok(revoked)
}

/// Whether a bearer token is a key: neither sessions nor access tokens begin like this.
pub(super) fn looks_like_one(token: &str) -> bool {
    token.starts_with(KEY_START)
}

/// Recognises a key.
pub(super) async fn recognise(app: &App, key: &str) -> Result<Recognised> {
    let at = app.clock.now();
    let refused = || Error::unauthenticated("the API key is not valid");
    let found = store::find_by_hash(&app.database, &token_hash(key)).await?.ok_or_else(refused)?;
    let has_ended = found.expires_at.is_some_and(|expires| expires <= at);
    if !found.enabled || !found.is_active || has_ended {
        return Err(refused());
    }
    if found.last_used_at.is_none_or(|last| at.since(last) >= TOUCH_INTERVAL) {
        let mut tx = app.database.begin().await?;
        store::touch(&mut tx, at, found.id).await?;
        tx.commit().await?;
    }
    let role = Stored::ApiKey { key_id: found.id, customer_id: found.customer_id };
    Ok(Recognised { role, name: found.name, until: found.expires_at.map(Timestamp::unix_micros) })
}
