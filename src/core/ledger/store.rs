//! SQL of the ledger. It only ever adds.

use super::model::{Posting, Subject};
use crate::core::{database::Tx, error::Result, id::Id, time::Timestamp};

/// Writes a transaction.
pub(super) async fn insert(tx: &mut Tx, at: Timestamp, id: Id, posting: &Posting) -> Result<()> {
    let Subject { order_id, invoice_id, payment_id, refund_id, balance_transaction_id } = posting.subject;
    tx.q("INSERT INTO ledger_transactions (customer_id, id, kind, order_id, invoice_id, payment_id, refund_id, balance_transaction_id, created_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(posting.customer_id)
        .bind(id)
        .bind(posting.kind)
        .bind(order_id)
        .bind(invoice_id)
        .bind(payment_id)
        .bind(refund_id)
        .bind(balance_transaction_id)
        .bind(at)
        .execute_one()
        .await
}

/// Writes all entries of a transaction at once.
pub(super) async fn insert_entries(tx: &mut Tx, id: Id, posting: &Posting) -> Result<()> {
    let mut query = tx.q(
        "INSERT INTO ledger_entries (customer_id, transaction_id, position, account, gateway_interface_id, amount) VALUES ",
    );
    for (entry, position) in posting.entries.iter().zip(1_i64..) {
        query = query
            .push_bind(if position == 1 { "(" } else { ", (" }, posting.customer_id)
            .push_bind(", ", id)
            .push_bind(", ", position)
            .push_bind(", ", entry.account.as_str())
            .push_bind(", ", entry.account.gateway())
            .push_bind(", ", entry.amount)
            .push(")");
    }
    query.execute().await.map(drop)
}
