//! SQL of sessions and refresh tokens.

use super::model::AdminRole;
use crate::core::{
    database::{Expired, Source, Tx},
    error::Result,
    id::Id,
    time::Timestamp,
};

/// A session of an administrator.
#[derive(sqlx::FromRow)]
pub(super) struct SessionRow {
    pub(super) id: Id,
    pub(super) user_id: Id,
    pub(super) username: String,
    pub(super) role: AdminRole,
    pub(super) is_active: bool,
    pub(super) last_seen_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// The session behind a token.
pub(super) async fn find_session(source: impl Source<'_>, token_hash: &str) -> Result<Option<SessionRow>> {
    source
        .q("SELECT sessions.id, user_id, username, role, is_active, last_seen_at, expires_at \
            FROM sessions JOIN admin_users ON admin_users.id = sessions.user_id WHERE token_hash = $1")
        .bind(token_hash.to_owned())
        .opt()
        .await
}

/// Writes a new session.
pub(super) async fn insert_session(
    tx: &mut Tx,
    at: Timestamp,
    user: Id,
    token_hash: &str,
    source: &str,
    expires: Timestamp,
) -> Result<()> {
    tx.q(
        "INSERT INTO sessions (id, user_id, token_hash, ip_address, user_agent, created_at, last_seen_at, expires_at) \
          VALUES ($1, $2, $3, $4, '', $5, $5, $6)",
    )
    .bind(Id::generate())
    .bind(user)
    .bind(token_hash.to_owned())
    .bind(source.to_owned())
    .bind(at)
    .bind(expires)
    .execute_one()
    .await
}

/// Notes that a session is used.
pub(super) async fn touch_session(tx: &mut Tx, at: Timestamp, session: Id) -> Result<()> {
    tx.q("UPDATE sessions SET last_seen_at = $2 WHERE id = $1").bind(session).bind(at).execute().await.map(|_| ())
}

/// Ends the session behind a token; nothing happens when there is none.
pub(super) async fn delete_session(tx: &mut Tx, token_hash: &str) -> Result<u64> {
    tx.q("DELETE FROM sessions WHERE token_hash = $1").bind(token_hash.to_owned()).execute().await
}

/// Ends the sessions of an administrator, but for the one behind this token.
pub(super) async fn delete_sessions(tx: &mut Tx, user: Id, kept: Option<String>) -> Result<u64> {
    tx.q("DELETE FROM sessions WHERE user_id = $1").bind(user).filter(" AND token_hash <> ", kept).execute().await
}

/// Sessions that ended by themselves.
pub(super) const ENDED_SESSIONS: Expired = Expired {
    look: "SELECT CAST(1 AS BIGINT) FROM sessions WHERE expires_at <= $1 LIMIT 1",
    remove: "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
};

/// A refresh token. Each is used once; those that follow each other are a family.
#[derive(sqlx::FromRow)]
pub(super) struct RefreshRow {
    pub(super) id: Id,
    pub(super) family_id: Id,
    pub(super) user_id: Id,
    pub(super) customer_id: Id,
    pub(super) expires_at: Timestamp,
    pub(super) used_at: Option<Timestamp>,
    pub(super) revoked_at: Option<Timestamp>,
}

/// The refresh token with this hash.
pub(super) async fn find_refresh_token(source: impl Source<'_>, token_hash: &str) -> Result<Option<RefreshRow>> {
    source
        .q("SELECT id, family_id, user_id, customer_id, expires_at, used_at, revoked_at FROM refresh_tokens WHERE token_hash = $1")
        .bind(token_hash.to_owned())
        .opt()
        .await
}

/// Writes a refresh token of a family.
pub(super) async fn insert_refresh_token(
    tx: &mut Tx,
    at: Timestamp,
    family: Id,
    (user, customer): (Id, Id),
    token_hash: &str,
    expires: Timestamp,
) -> Result<()> {
    tx.q("INSERT INTO refresh_tokens (id, family_id, user_id, customer_id, token_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(Id::generate())
        .bind(family)
        .bind(user)
        .bind(customer)
        .bind(token_hash.to_owned())
        .bind(at)
        .bind(expires)
        .execute_one()
        .await
}

/// Notes that a refresh token was exchanged.
pub(super) async fn use_refresh_token(tx: &mut Tx, at: Timestamp, token: Id) -> Result<()> {
    tx.q("UPDATE refresh_tokens SET used_at = $2 WHERE id = $1").bind(token).bind(at).execute_one().await
}

/// Ends a family of refresh tokens, and with it the access tokens that it gave.
pub(super) async fn revoke_family(tx: &mut Tx, at: Timestamp, family: Id) -> Result<u64> {
    tx.q("UPDATE refresh_tokens SET revoked_at = $2 WHERE family_id = $1 AND revoked_at IS NULL")
        .bind(family)
        .bind(at)
        .execute()
        .await
}

/// Ends all families of a user, but for this one.
pub(super) async fn revoke_refresh_tokens(tx: &mut Tx, at: Timestamp, user: Id, kept: Option<Id>) -> Result<u64> {
    tx.q("UPDATE refresh_tokens SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL")
        .bind(at)
        .bind(user)
        .filter(" AND family_id <> ", kept)
        .execute()
        .await
}

/// Refresh tokens that ended by themselves. Used and revoked ones stay until then: only so is a second use noticed.
pub(super) const ENDED_REFRESH_TOKENS: Expired = Expired {
    look: "SELECT CAST(1 AS BIGINT) FROM refresh_tokens WHERE expires_at <= $1 LIMIT 1",
    remove: "DELETE FROM refresh_tokens WHERE id IN (SELECT id FROM refresh_tokens WHERE expires_at <= $1 \
             ORDER BY expires_at LIMIT $2)",
};

/// Deletes all refresh tokens of a user who is deleted.
pub(super) async fn delete_refresh_tokens(tx: &mut Tx, user: Id) -> Result<u64> {
    tx.q("DELETE FROM refresh_tokens WHERE user_id = $1").bind(user).execute().await
}

/// Whether a family still gives tokens to this user, whose customer is active.
pub(super) async fn is_family_alive(source: impl Source<'_>, family: Id, user: Id) -> Result<bool> {
    let alive = source
        .q("SELECT CAST(COUNT(*) AS BIGINT) FROM refresh_tokens WHERE family_id = $1 AND user_id = $2 AND revoked_at IS NULL \
            AND customer_id IN (SELECT id FROM customers WHERE is_active = TRUE)")
        .bind(family)
        .bind(user)
        .scalar::<i64>()
        .await?;
    Ok(alive > 0)
}
