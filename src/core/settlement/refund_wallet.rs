//! What refunds do to the balance of their customer.

use super::posting;
use crate::core::{
    balance::{self, Movement, TransactionType},
    customers::Customer,
    database::Tx,
    error::{Error, Result},
    ledger::{Account, Kind},
    payments::{Payment, Refund},
    time::Timestamp,
};

/// A top-up is on the balance, and can be given back as far as it is still there, or credit covers it. Until its gateway has
/// spoken it lies between the two.
///
/// # Errors
/// `balance.insufficient`.
pub(super) async fn take(
    tx: &mut Tx,
    at: Timestamp,
    customer: &Customer,
    payment: &Payment,
    refund: &Refund,
) -> Result<()> {
    if customer.balance.minus(refund.amount)? < customer.credit_limit.negated() {
        return Err(Error::invalid(
            "balance.insufficient",
            format!("the balance of {} does not cover {}", customer.balance, refund.amount),
        )
        .hint("refund less, or correct the balance first"));
    }
    let (kind, against) = match posting::source(payment) {
        Account::Gateway(_) => (Kind::RefundReserved, Account::Reserved),
        source => (Kind::Refund, source),
    };
    let (transaction_type, amount) = (TransactionType::Adjustment, refund.amount.negated());
    apply(tx, at, Movement { transaction_type, amount, kind, against, ..to_balance(payment, refund) }).await
}

/// What paid an order or an invoice becomes the customer's again.
pub(super) async fn give(tx: &mut Tx, at: Timestamp, payment: &Payment, refund: &Refund) -> Result<()> {
    apply(tx, at, to_balance(payment, refund)).await
}

/// A top-up that its gateway did not give back is on the balance again.
pub(super) async fn release(tx: &mut Tx, at: Timestamp, payment: &Payment, refund: &Refund) -> Result<()> {
    let (transaction_type, kind, against) = (TransactionType::Adjustment, Kind::RefundReleased, Account::Reserved);
    apply(tx, at, Movement { transaction_type, kind, against, ..to_balance(payment, refund) }).await
}

fn to_balance(payment: &Payment, refund: &Refund) -> Movement {
    Movement {
        customer_id: refund.customer_id,
        transaction_type: TransactionType::Refund,
        amount: refund.amount,
        kind: Kind::Refund,
        against: Account::Refunds,
        about: posting::of_refund(refund, payment),
        reference_id: refund.payment_id.to_string(),
        description: format!("Refund of payment {}", refund.payment_id),
    }
}

async fn apply(tx: &mut Tx, at: Timestamp, movement: Movement) -> Result<()> {
    if movement.amount.is_zero() {
        return Ok(());
    }
    balance::apply(tx, at, movement).await.map(drop)
}
