//! SQL of what belongs to a customer as a whole: its users, their tokens, its unique names.

use super::NameKind;
use crate::core::{database::Tx, error::Result, id::Id, time::Timestamp};

/// Gives a name back that its owner has no more; nothing happens when somebody else has it.
///
/// # Errors
/// When the database can't be used.
pub async fn release_name(tx: &mut Tx, kind: NameKind, name: &str, owner: Id) -> Result<()> {
    tx.q("DELETE FROM unique_names WHERE kind = $1 AND name = $2 AND owner_id = $3")
        .bind(kind.as_str())
        .bind(name.to_owned())
        .bind(owner)
        .execute()
        .await
        .map(|_| ())
}

/// Whether a customer is active, which then stays so until the transaction ends. To be asked before its users are locked.
///
/// # Errors
/// When the database can't be used.
pub(super) async fn lock_active(tx: &mut Tx, customer: Id) -> Result<bool> {
    let locked = tx.q_for_update("SELECT is_active FROM customers WHERE id = $1").bind(customer).lock();
    Ok(locked.scalar_opt::<bool>().await?.unwrap_or(false))
}

/// Ends the refresh tokens of all users of a customer, and says how many there were. Access tokens run out by
/// themselves.
///
/// # Errors
/// When the database can't be used.
pub async fn revoke_customer(tx: &mut Tx, at: Timestamp, customer: Id) -> Result<u64> {
    tx.q("UPDATE refresh_tokens SET revoked_at = $2 \
          WHERE user_id IN (SELECT id FROM customer_users WHERE customer_id = $1) AND revoked_at IS NULL")
        .bind(customer)
        .bind(at)
        .execute()
        .await
}

/// Removes the users of a customer with their tokens, its API keys, and every name that the customer or one of them has.
///
/// # Errors
/// When the database can't be used.
pub async fn remove_customer(tx: &mut Tx, customer: Id) -> Result<()> {
    tx.q("DELETE FROM refresh_tokens WHERE user_id IN (SELECT id FROM customer_users WHERE customer_id = $1)")
        .bind(customer)
        .execute()
        .await?;
    tx.q("DELETE FROM api_keys WHERE customer_id = $1").bind(customer).execute().await?;
    tx.q("DELETE FROM customer_users WHERE customer_id = $1").bind(customer).execute().await?;
    tx.q("DELETE FROM unique_names WHERE customer_id = $1").bind(customer).execute().await.map(|_| ())
}
