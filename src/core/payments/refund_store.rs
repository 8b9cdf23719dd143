//! SQL of refunds.

use super::model::{Refund, RefundStatus};
use crate::core::{
    database::{Source, Tx},
    error::{Error, Result},
    id::Id,
    money::Money,
    time::Timestamp,
};

const SELECT: &str =
    "SELECT id, customer_id, payment_id, amount, status, note, created_at, updated_at FROM payment_refunds";

/// The refund with this identifier.
///
/// # Errors
/// NotFound.
pub(crate) async fn find(source: impl Source<'_>, id: Id) -> Result<Refund> {
    let refund = source.q(SELECT).push_bind(" WHERE id = ", id).opt().await?;
    refund.ok_or_else(|| Error::not_found("refund", id))
}

/// Writes a refund. Lock its payment first.
///
/// # Errors
/// When the database refuses it.
pub(crate) async fn insert(tx: &mut Tx, refund: &Refund) -> Result<()> {
    tx.q("INSERT INTO payment_refunds (id, customer_id, payment_id, amount, status, note, created_at, updated_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(refund.id)
        .bind(refund.customer_id)
        .bind(refund.payment_id)
        .bind(refund.amount)
        .bind(refund.status)
        .bind(refund.note.clone())
        .bind(refund.created_at)
        .bind(refund.updated_at)
        .execute_one()
        .await
}

/// How much of a payment is reserved by refunds that did not end. Lock the payment first.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn open_amount(source: impl Source<'_>, payment: Id) -> Result<Money> {
    let amounts = source
        .q("SELECT amount FROM payment_refunds WHERE payment_id = $1 AND status = 'pending'")
        .bind(payment)
        .scalars::<Money>()
        .await?;
    Money::sum(amounts)
}

/// Ends a refund.
///
/// # Errors
/// When it has ended already.
pub(crate) async fn end(tx: &mut Tx, at: Timestamp, refund: Id, status: RefundStatus, note: &str) -> Result<()> {
    tx.q("UPDATE payment_refunds SET status = $2, note = $3, updated_at = $4 WHERE id = $1 AND status = 'pending'")
        .bind(refund)
        .bind(status)
        .bind(note.to_owned())
        .bind(at)
        .execute_one()
        .await
}
