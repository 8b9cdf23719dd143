//! SQL of the ledger.

use super::{model::Transaction, operations::TransactionFilter};
use crate::core::{
    database::{Database, Query, Tx},
    error::Result,
    id::Id,
    money::Money,
    page::{Page, PageRequest},
    time::Timestamp,
};

/// Writes a row.
pub(super) async fn insert(tx: &mut Tx, row: &Transaction) -> Result<()> {
    tx.q("INSERT INTO balance_transactions (id, customer_id, transaction_type, amount, balance_before, balance_after, reference_id, description, created_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(row.id)
        .bind(row.customer_id)
        .bind(row.transaction_type)
        .bind(row.amount)
        .bind(row.balance_before)
        .bind(row.balance_after)
        .bind(row.reference_id.clone())
        .bind(row.description.clone())
        .bind(row.created_at)
        .execute_one()
        .await
}

/// Moves a customer's balance from one value to the next; fails when it was not the first.
pub(super) async fn set_balance(tx: &mut Tx, at: Timestamp, customer: Id, before: Money, after: Money) -> Result<()> {
    tx.q("UPDATE customers SET balance = $3, updated_at = $4 WHERE id = $1 AND balance = $2")
        .bind(customer)
        .bind(before)
        .bind(after)
        .bind(at)
        .execute_one()
        .await
}

fn narrowed<'e>(query: Query<'e>, filter: &TransactionFilter) -> Query<'e> {
    query
        .push(" WHERE 1 = 1")
        .filter(" AND customer_id = ", filter.customer_id)
        .filter(" AND transaction_type = ", filter.transaction_type)
}

/// A page of rows.
pub(super) async fn list(
    database: &Database,
    filter: &TransactionFilter,
    page: PageRequest,
) -> Result<Page<Transaction>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM balance_transactions"), filter);
    let rows = narrowed(
        database.q("SELECT id, customer_id, transaction_type, amount, balance_before, balance_after, reference_id, description, created_at FROM balance_transactions"),
        filter,
    )
    .push(" ORDER BY created_at DESC, id DESC");
    page.fetch(count, rows).await
}
