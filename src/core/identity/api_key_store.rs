//! SQL of API keys.

use super::api_keys::ApiKey;
use crate::core::{
    database::{Database, Source, Tx},
    error::Result,
    id::Id,
    time::Timestamp,
};

/// What of a customer decides about its keys.
#[derive(sqlx::FromRow)]
pub(super) struct Owner {
    pub(super) is_active: bool,
    pub(super) can_create_api_keys: bool,
}

/// The customer of keys. A read of its own, since `customers` builds on this slice.
pub(super) async fn owner(source: impl Source<'_>, customer: Id) -> Result<Option<Owner>> {
    source.q("SELECT is_active, can_create_api_keys FROM customers WHERE id = $1").bind(customer).opt().await
}

/// Writes a new key.
pub(super) async fn insert(tx: &mut Tx, key: &ApiKey, key_hash: &str) -> Result<()> {
    tx.q("INSERT INTO api_keys (id, customer_id, name, key_prefix, key_hash, enabled, created_at, last_used_at, expires_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(key.id)
        .bind(key.customer_id)
        .bind(key.name.clone())
        .bind(key.key_prefix.clone())
        .bind(key_hash.to_owned())
        .bind(key.enabled)
        .bind(key.created_at)
        .bind(key.last_used_at)
        .bind(key.expires_at)
        .execute_one()
        .await
}

/// All keys of a customer.
pub(super) async fn list(database: &Database, customer: Id) -> Result<Vec<ApiKey>> {
    database
        .q("SELECT id, customer_id, name, key_prefix, enabled, created_at, last_used_at, expires_at FROM api_keys \
            WHERE customer_id = $1 ORDER BY created_at DESC, id DESC")
        .bind(customer)
        .all()
        .await
}

/// A key, locked.
pub(super) async fn lock(tx: &mut Tx, id: Id) -> Result<Option<ApiKey>> {
    tx.q_for_update(
        "SELECT id, customer_id, name, key_prefix, enabled, created_at, last_used_at, expires_at FROM api_keys \
         WHERE id = $1",
    )
    .bind(id)
    .lock()
    .opt()
    .await
}

/// Ends a key.
pub(super) async fn disable(tx: &mut Tx, id: Id) -> Result<()> {
    tx.q("UPDATE api_keys SET enabled = FALSE WHERE id = $1").bind(id).execute_one().await
}

/// Notes that a key is used.
pub(super) async fn touch(tx: &mut Tx, at: Timestamp, id: Id) -> Result<()> {
    tx.q("UPDATE api_keys SET last_used_at = $2 WHERE id = $1").bind(id).bind(at).execute().await.map(|_| ())
}

/// A key that somebody shows, and whether its customer is active.
#[derive(sqlx::FromRow)]
pub(super) struct Shown {
    pub(super) id: Id,
    pub(super) customer_id: Id,
    pub(super) name: String,
    pub(super) enabled: bool,
    pub(super) is_active: bool,
    pub(super) last_used_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
}

/// The key with this hash.
pub(super) async fn find_by_hash(source: impl Source<'_>, key_hash: &str) -> Result<Option<Shown>> {
    source
        .q("SELECT api_keys.id, customer_id, api_keys.name, enabled, is_active, last_used_at, expires_at \
            FROM api_keys JOIN customers ON customers.id = api_keys.customer_id WHERE key_hash = $1")
        .bind(key_hash.to_owned())
        .opt()
        .await
}
