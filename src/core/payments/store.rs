//! SQL of payments.

use super::{
    model::{Payment, PaymentStatus, Purpose},
    operations::PaymentFilter,
};
use crate::core::{
    database::{Database, Query, Source, Tx},
    error::{Error, Result},
    id::Id,
    money::Money,
    page::{Page, PageRequest},
    time::Timestamp,
};

const SELECT: &str = "SELECT id, customer_id, purpose, order_id, invoice_id, amount, refunded_amount, currency, method, gateway_interface_id, \
                      gateway_payment_id, gateway_tx_id, payment_url, qr_code, instructions, status, note, paid_at, created_at, updated_at FROM payments";

/// The payment with this identifier.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find(source: impl Source<'_>, id: Id) -> Result<Option<Payment>> {
    source.q(SELECT).push_bind(" WHERE id = ", id).opt().await
}

/// The payment, locked until the transaction ends. Lock its customer and its order first.
///
/// # Errors
/// NotFound.
pub(crate) async fn lock(tx: &mut Tx, id: Id) -> Result<Payment> {
    let payment = tx.q_for_update(SELECT).push_bind(" WHERE id = ", id).lock().opt().await?;
    payment.ok_or_else(|| Error::not_found("payment", id))
}

/// The payment that paid an order.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn successful_of_order(source: impl Source<'_>, order: Id) -> Result<Option<Payment>> {
    source.q(SELECT).push_bind(" WHERE order_id = ", order).push(" AND status = 'success'").opt().await
}

/// How many payments an order has, in whatever state.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn count_of_order(source: impl Source<'_>, order: Id) -> Result<i64> {
    source.q("SELECT CAST(COUNT(*) AS BIGINT) FROM payments").push_bind(" WHERE order_id = ", order).scalar().await
}

fn narrowed<'e>(query: Query<'e>, filter: &PaymentFilter) -> Query<'e> {
    query
        .push(" WHERE 1 = 1")
        .filter(" AND customer_id = ", filter.customer_id)
        .filter(" AND order_id = ", filter.order_id)
        .filter(" AND invoice_id = ", filter.invoice_id)
        .filter(" AND gateway_interface_id = ", filter.gateway_interface_id)
        .filter(" AND status = ", filter.status)
}

/// A page of payments.
pub(super) async fn list(database: &Database, filter: &PaymentFilter, page: PageRequest) -> Result<Page<Payment>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM payments"), filter);
    let rows = narrowed(database.q(SELECT), filter).push(" ORDER BY created_at DESC, id DESC");
    page.fetch(count, rows).await
}

/// Writes a new payment.
///
/// # Errors
/// When the database refuses it.
pub(crate) async fn insert(tx: &mut Tx, payment: &Payment) -> Result<()> {
    tx.q("INSERT INTO payments (id, customer_id, purpose, order_id, invoice_id, amount, refunded_amount, currency, method, gateway_interface_id, \
          gateway_payment_id, gateway_tx_id, payment_url, qr_code, instructions, status, note, paid_at, created_at, updated_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)")
        .bind(payment.id)
        .bind(payment.customer_id)
        .bind(payment.purpose)
        .bind(payment.order_id)
        .bind(payment.invoice_id)
        .bind(payment.amount)
        .bind(payment.refunded_amount)
        .bind(payment.currency.clone())
        .bind(payment.method)
        .bind(payment.gateway_interface_id)
        .bind(payment.gateway_payment_id.clone())
        .bind(payment.gateway_tx_id.clone())
        .bind(payment.payment_url.clone())
        .bind(payment.qr_code.clone())
        .bind(payment.instructions.clone())
        .bind(payment.status)
        .bind(payment.note.clone())
        .bind(payment.paid_at)
        .bind(payment.created_at)
        .bind(payment.updated_at)
        .execute_one()
        .await
}

/// Writes what the gateway answered when the payment was begun, and when it is asked how the payment stands, if at all.
/// A callback may have settled it meanwhile.
///
/// # Errors
/// When the payment is gone.
pub(crate) async fn set_gateway_answer(
    tx: &mut Tx,
    at: Timestamp,
    payment: &Payment,
    next_query_at: Option<Timestamp>,
) -> Result<()> {
    tx.q("UPDATE payments SET gateway_payment_id = $2, payment_url = $3, qr_code = $4, instructions = $5, updated_at = $6, \
          next_query_at = $7 WHERE id = $1")
        .bind(payment.id)
        .bind(payment.gateway_payment_id.clone())
        .bind(payment.payment_url.clone())
        .bind(payment.qr_code.clone())
        .bind(payment.instructions.clone())
        .bind(at)
        .bind(next_query_at)
        .execute_one()
        .await
}

/// What a payment that this transaction holds becomes.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    /// The new state.
    pub(crate) status: PaymentStatus,
    /// The gateway's number of the transaction; empty keeps what is there.
    pub(crate) gateway_tx_id: &'a str,
    /// Why; empty keeps what is there.
    pub(crate) note: &'a str,
    /// When the money came.
    pub(crate) paid_at: Option<Timestamp>,
}

/// Moves a payment to another state, if the states allow it.
///
/// # Errors
/// `payment.wrong_state`.
pub(crate) async fn advance(tx: &mut Tx, at: Timestamp, payment: &Payment, outcome: &Outcome<'_>) -> Result<()> {
    payment.status.check_move(outcome.status)?;
    let kept = |new: &str, old: &str| if new.is_empty() { old.to_owned() } else { new.to_owned() };
    // What came to its end is not asked for any more.
    tx.q("UPDATE payments SET status = $3, gateway_tx_id = $4, note = $5, paid_at = $6, updated_at = $7, next_query_at = NULL \
          WHERE id = $1 AND status = $2")
        .bind(payment.id)
        .bind(payment.status)
        .bind(outcome.status)
        .bind(kept(outcome.gateway_tx_id, &payment.gateway_tx_id))
        .bind(kept(outcome.note, &payment.note))
        .bind(outcome.paid_at.or(payment.paid_at))
        .bind(at)
        .execute_one()
        .await
}

/// Notes how much of a payment was given back; all of it makes it refunded.
///
/// # Errors
/// `payment.wrong_state` for a payment that did not succeed.
pub(crate) async fn set_refunded(tx: &mut Tx, at: Timestamp, payment: &Payment, refunded: Money) -> Result<()> {
    let status = if refunded == payment.amount { PaymentStatus::Refunded } else { PaymentStatus::Success };
    if status == PaymentStatus::Refunded {
        payment.status.check_move(status)?;
    }
    tx.q(
        "UPDATE payments SET refunded_amount = $3, status = $4, updated_at = $5 WHERE id = $1 AND refunded_amount = $2",
    )
    .bind(payment.id)
    .bind(payment.refunded_amount)
    .bind(refunded)
    .bind(status)
    .bind(at)
    .execute_one()
    .await
}

/// Turns the payment of something that is paid or gone into a top-up of its customer's balance.
///
/// # Errors
/// When the payment is gone.
pub(crate) async fn redirect_to_balance(tx: &mut Tx, at: Timestamp, payment: &Payment) -> Result<()> {
    tx.q("UPDATE payments SET purpose = $2, order_id = NULL, invoice_id = NULL, updated_at = $3 WHERE id = $1")
        .bind(payment.id)
        .bind(Purpose::Recharge)
        .bind(at)
        .execute_one()
        .await
}
