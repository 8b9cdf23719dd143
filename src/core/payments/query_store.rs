//! SQL of the questions that gateways are asked about pending payments.

use crate::core::{
    database::{Source, Tx},
    error::Result,
    id::Id,
    time::Timestamp,
};

/// A pending payment whose gateway is to be asked.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Due {
    /// The payment.
    pub(crate) id: Id,
    /// How often it was asked for before.
    pub(crate) queries: i64,
    /// When the payment was begun.
    pub(crate) created_at: Timestamp,
}

/// The gateways of which payments are due, at most `limit`.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn due_gateways(source: impl Source<'_>, at: Timestamp, limit: i64) -> Result<Vec<Id>> {
    source
        .q("SELECT DISTINCT gateway_interface_id FROM payments WHERE next_query_at <= $1 AND status = 'pending' \
            AND gateway_interface_id IS NOT NULL LIMIT $2")
        .bind(at)
        .bind(limit)
        .scalars()
        .await
}

/// The payment of a gateway that is due for the longest time, locked. One that somebody else holds is passed over.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn lock_due(tx: &mut Tx, at: Timestamp, gateway: Id) -> Result<Option<Due>> {
    tx.q_skip_locked(
        "SELECT id, queries, created_at FROM payments WHERE gateway_interface_id = $1 AND next_query_at <= $2 \
         AND status = 'pending' ORDER BY next_query_at, id LIMIT 1",
    )
    .bind(gateway)
    .bind(at)
    .lock()
    .opt()
    .await
}

/// Counts a question and says when the next one is due; `None` means never.
///
/// # Errors
/// When the payment is gone.
pub(crate) async fn count_query(tx: &mut Tx, payment: Id, next: Option<Timestamp>) -> Result<()> {
    tx.q("UPDATE payments SET queries = queries + 1, next_query_at = $2 WHERE id = $1")
        .bind(payment)
        .bind(next)
        .execute_one()
        .await
}

/// Asks no more about a payment.
///
/// # Errors
/// When the payment is gone.
pub(crate) async fn stop(tx: &mut Tx, payment: Id) -> Result<()> {
    tx.q("UPDATE payments SET next_query_at = NULL WHERE id = $1").bind(payment).execute_one().await
}
