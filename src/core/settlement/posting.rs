//! What payments are in the ledger: where their money comes from, what they tell of, and the postings of those that do
//! not touch a wallet. `ledger` has the table of all postings.

use crate::core::{
    database::Tx,
    error::Result,
    ledger::{self, Account, Kind, Posting, Subject},
    payments::{Method, Payment, Purpose, Refund},
    time::Timestamp,
};

/// Where the money of a payment lies.
pub(super) fn source(payment: &Payment) -> Account {
    match (payment.method, payment.gateway_interface_id) {
        (Method::Balance, _) => Account::Wallet,
        (Method::Gateway, Some(interface)) => Account::Gateway(interface),
        (Method::Gateway, None) | (Method::Manual, _) => Account::ByHand,
    }
}

/// What a payment tells of.
pub(super) fn of(payment: &Payment) -> Subject {
    Subject {
        order_id: payment.order_id,
        invoice_id: payment.invoice_id,
        payment_id: Some(payment.id),
        ..Subject::default()
    }
}

/// What a refund tells of.
pub(super) fn of_refund(refund: &Refund, payment: &Payment) -> Subject {
    Subject { refund_id: Some(refund.id), ..of(payment) }
}

/// An order was paid past the balance.
pub(super) async fn order_paid(tx: &mut Tx, at: Timestamp, payment: &Payment) -> Result<()> {
    paid(tx, at, payment, Kind::OrderPaid, Account::Revenue).await
}

/// An invoice was paid past the balance.
pub(super) async fn invoice_paid(tx: &mut Tx, at: Timestamp, payment: &Payment) -> Result<()> {
    paid(tx, at, payment, Kind::InvoicePaid, Account::Receivable).await
}

async fn paid(tx: &mut Tx, at: Timestamp, payment: &Payment, kind: Kind, to: Account) -> Result<()> {
    let posting = Posting::transfer(payment.customer_id, kind, source(payment), to, payment.amount);
    ledger::post(tx, at, &posting.about(of(payment))).await.map(drop)
}

/// A refund arrived at the payer: it left the gateway, and what was sold, or what was reserved of a top-up.
pub(super) async fn refund_left(tx: &mut Tx, at: Timestamp, refund: &Refund, payment: &Payment) -> Result<()> {
    let from = if payment.purpose == Purpose::Recharge { Account::Reserved } else { Account::Refunds };
    let posting = Posting::transfer(refund.customer_id, Kind::Refund, from, source(payment), refund.amount);
    ledger::post(tx, at, &posting.about(of_refund(refund, payment))).await.map(drop)
}
