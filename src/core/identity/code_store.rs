//! SQL of verification codes.

use super::model::Purpose;
use crate::core::{
    database::{Expired, Source, Tx},
    error::Result,
    id::Id,
    time::Timestamp,
};

/// A code to be written.
pub(super) struct NewRow<'a> {
    pub(super) id: Id,
    pub(super) purpose: Purpose,
    pub(super) email: &'a str,
    pub(super) code_hash: String,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// A code as it is stored.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) id: Id,
    pub(super) code_hash: String,
    pub(super) attempts: i64,
    pub(super) expires_at: Timestamp,
    pub(super) used_at: Option<Timestamp>,
}

/// When the last code for this was made.
pub(super) async fn sent_at(source: impl Source<'_>, purpose: Purpose, email: &str) -> Result<Option<Timestamp>> {
    source
        .q("SELECT created_at FROM verification_codes WHERE email = $1 AND purpose = $2")
        .bind(email.to_owned())
        .bind(purpose)
        .scalar_opt()
        .await
}

/// Puts a code in the place of the last one, unless that was made after `youngest`; says whether it did.
pub(super) async fn replace(tx: &mut Tx, row: NewRow<'_>, youngest: Timestamp) -> Result<bool> {
    let written = tx
        .q("INSERT INTO verification_codes (id, email, purpose, code_hash, attempts, created_at, expires_at) \
            VALUES ($1, $2, $3, $4, 0, $5, $6) \
            ON CONFLICT (email, purpose) DO UPDATE SET id = excluded.id, code_hash = excluded.code_hash, attempts = 0, \
            created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = NULL \
            WHERE verification_codes.created_at <= $7")
        .bind(row.id)
        .bind(row.email.to_owned())
        .bind(row.purpose)
        .bind(row.code_hash)
        .bind(row.created_at)
        .bind(row.expires_at)
        .bind(youngest)
        .execute()
        .await?;
    Ok(written == 1)
}

/// The code for this, locked.
pub(super) async fn lock(tx: &mut Tx, purpose: Purpose, email: &str) -> Result<Option<Row>> {
    tx.q_for_update(
        "SELECT id, code_hash, attempts, expires_at, used_at FROM verification_codes WHERE email = $1 AND purpose = $2",
    )
    .bind(email.to_owned())
    .bind(purpose)
    .lock()
    .opt()
    .await
}

/// Counts a wrong try.
pub(super) async fn count_try(tx: &mut Tx, id: Id) -> Result<()> {
    tx.q("UPDATE verification_codes SET attempts = attempts + 1 WHERE id = $1").bind(id).execute_one().await
}

/// Ends a code that was right.
pub(super) async fn mark_used(tx: &mut Tx, at: Timestamp, id: Id) -> Result<()> {
    tx.q("UPDATE verification_codes SET used_at = $2 WHERE id = $1").bind(id).bind(at).execute_one().await
}

/// Codes that ran out.
pub(super) const ENDED: Expired = Expired {
    look: "SELECT CAST(1 AS BIGINT) FROM verification_codes WHERE expires_at <= $1 LIMIT 1",
    remove: "DELETE FROM verification_codes WHERE id IN (SELECT id FROM verification_codes WHERE expires_at <= $1 \
             ORDER BY expires_at LIMIT $2)",
};
