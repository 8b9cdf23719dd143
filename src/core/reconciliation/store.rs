//! SQL of the check: reading only, over the tables of all slices, a page at a time; and the record of nightly runs.

use chrono::NaiveDate;

use super::{
    chain::Link,
    rows::{CustomerRow, InvoiceRow, MovementRow, OrderRow, PaymentRow, TransactionRow},
};
use crate::core::{
    database::{Row, Tx},
    error::Result,
    id::Id,
    time::Timestamp,
};

/// Rows of a page.
pub(super) const PAGE: i64 = 500;

/// A kind of row that is walked through in the order of its identifiers.
pub(super) trait Paged: Row {
    /// The rows behind `$1`, at most `$2`.
    const PAGE_OF: &'static str;
}

/// The next rows.
pub(super) async fn page<R: Paged>(tx: &mut Tx, after: Id) -> Result<Vec<R>> {
    tx.q(R::PAGE_OF).bind(after).bind(PAGE).all().await
}

impl Paged for TransactionRow {
    const PAGE_OF: &'static str = "SELECT t.id, t.customer_id, t.order_id, t.invoice_id, t.payment_id, \
        CAST(COUNT(e.position) AS BIGINT) AS entries, COALESCE(SUM(e.amount), 0) AS sum \
        FROM (SELECT id, customer_id, order_id, invoice_id, payment_id FROM ledger_transactions WHERE id > $1 ORDER BY id LIMIT $2) AS t \
        LEFT JOIN ledger_entries AS e ON e.customer_id = t.customer_id AND e.transaction_id = t.id \
        GROUP BY t.id, t.customer_id, t.order_id, t.invoice_id, t.payment_id ORDER BY t.id";
}

impl Paged for CustomerRow {
    const PAGE_OF: &'static str = "SELECT c.id, c.balance, \
        COALESCE((SELECT SUM(e.amount) FROM ledger_entries AS e WHERE e.customer_id = c.id AND e.account = 'wallet'), 0) AS wallet, \
        COALESCE((SELECT SUM(b.amount) FROM balance_transactions AS b WHERE b.customer_id = c.id), 0) AS movements \
        FROM customers AS c WHERE c.id > $1 ORDER BY c.id LIMIT $2";
}

impl Paged for MovementRow {
    const PAGE_OF: &'static str = "SELECT b.id, b.customer_id, b.amount, b.balance_before, b.balance_after, \
        CAST(COUNT(e.position) AS BIGINT) AS entries, COALESCE(SUM(e.amount), 0) AS wallet \
        FROM (SELECT id, customer_id, amount, balance_before, balance_after FROM balance_transactions WHERE id > $1 ORDER BY id LIMIT $2) AS b \
        LEFT JOIN ledger_transactions AS t ON t.balance_transaction_id = b.id AND t.customer_id = b.customer_id \
        LEFT JOIN ledger_entries AS e ON e.customer_id = t.customer_id AND e.transaction_id = t.id AND e.account = 'wallet' \
        GROUP BY b.id, b.customer_id, b.amount, b.balance_before, b.balance_after ORDER BY b.id";
}

impl Paged for PaymentRow {
    // An opening stands for money whose way is not known any more.
    const PAGE_OF: &'static str = "SELECT p.id, p.customer_id, p.order_id, p.invoice_id, p.purpose, p.method, p.status, p.amount, p.refunded_amount, \
        COALESCE((SELECT SUM(r.amount) FROM payment_refunds AS r \
            WHERE r.payment_id = p.id AND r.customer_id = p.customer_id AND r.status = 'pending'), 0) AS open_refunds, \
        COALESCE(SUM(CASE WHEN t.kind IN ('top_up', 'order_paid', 'invoice_paid', 'opening') AND (e.account = 'opening' \
            OR e.account = CASE p.method WHEN 'balance' THEN 'wallet' WHEN 'manual' THEN 'by_hand' ELSE 'gateway' END) THEN e.amount END), 0) AS came, \
        COALESCE(SUM(CASE WHEN t.kind IN ('top_up', 'order_paid', 'invoice_paid', 'opening') \
            AND e.account = CASE p.purpose WHEN 'order' THEN 'revenue' WHEN 'invoice' THEN 'receivable' ELSE 'wallet' END THEN e.amount END), 0) AS used, \
        COALESCE(SUM(CASE WHEN t.kind = 'refund' AND p.purpose <> 'recharge' AND e.account = 'refunds' THEN -e.amount \
            WHEN t.kind = 'refund' AND p.purpose = 'recharge' AND e.account IN ('gateway', 'by_hand') THEN e.amount END), 0) AS returned, \
        COALESCE(SUM(CASE WHEN t.kind = 'refund' AND p.purpose <> 'recharge' AND e.account = 'wallet' THEN e.amount END), 0) AS returned_to_wallet, \
        COALESCE(SUM(CASE WHEN e.account = 'reserved' THEN e.amount END), 0) AS reserved, \
        COALESCE(SUM(CASE WHEN e.gateway_interface_id = p.gateway_interface_id THEN e.amount END), 0) AS at_gateway \
        FROM (SELECT id, customer_id, order_id, invoice_id, purpose, method, status, amount, refunded_amount, gateway_interface_id \
            FROM payments WHERE id > $1 ORDER BY id LIMIT $2) AS p \
        LEFT JOIN ledger_transactions AS t ON t.payment_id = p.id AND t.customer_id = p.customer_id \
        LEFT JOIN ledger_entries AS e ON e.customer_id = t.customer_id AND e.transaction_id = t.id \
        GROUP BY p.id, p.customer_id, p.order_id, p.invoice_id, p.purpose, p.method, p.status, p.amount, p.refunded_amount ORDER BY p.id";
}

impl Paged for OrderRow {
    const PAGE_OF: &'static str = "SELECT o.id, o.customer_id, o.status, o.total_amount, \
        (SELECT CAST(COUNT(*) AS BIGINT) FROM payments AS p \
            WHERE p.order_id = o.id AND p.customer_id = o.customer_id AND p.status IN ('success', 'refunded')) AS payments, \
        COALESCE((SELECT SUM(p.amount - p.refunded_amount) FROM payments AS p \
            WHERE p.order_id = o.id AND p.customer_id = o.customer_id AND p.status IN ('success', 'refunded')), 0) AS kept, \
        COALESCE((SELECT SUM(r.amount) FROM payment_refunds AS r JOIN payments AS p ON p.id = r.payment_id AND p.customer_id = r.customer_id \
            WHERE p.order_id = o.id AND p.customer_id = o.customer_id AND r.status = 'pending'), 0) AS open_refunds, \
        COALESCE((SELECT SUM(e.amount) FROM ledger_transactions AS t \
            JOIN ledger_entries AS e ON e.customer_id = t.customer_id AND e.transaction_id = t.id \
            WHERE t.order_id = o.id AND t.customer_id = o.customer_id AND e.account = 'revenue'), 0) AS revenue \
        FROM orders AS o WHERE o.id > $1 ORDER BY o.id LIMIT $2";
}

impl Paged for InvoiceRow {
    const PAGE_OF: &'static str = "SELECT i.id, i.customer_id, i.invoice_number, i.status, i.total_amount, i.paid_amount, \
        COALESCE((SELECT SUM(l.amount) FROM invoice_items AS l \
            WHERE l.invoice_id = i.id AND l.customer_id = i.customer_id AND l.instalment = 1), 0) AS with_orders, \
        COALESCE((SELECT SUM(p.amount) FROM payments AS p \
            WHERE p.invoice_id = i.id AND p.customer_id = i.customer_id AND p.status IN ('success', 'refunded')), 0) AS payments, \
        COALESCE((SELECT SUM(e.amount) FROM ledger_transactions AS t \
            JOIN ledger_entries AS e ON e.customer_id = t.customer_id AND e.transaction_id = t.id \
            WHERE t.invoice_id = i.id AND t.customer_id = i.customer_id AND e.account = 'receivable'), 0) AS receivable \
        FROM invoices AS i WHERE i.id > $1 ORDER BY i.id LIMIT $2";
}

/// How many rows a check walks through.
pub(super) async fn count(tx: &mut Tx) -> Result<i64> {
    tx.q("SELECT CAST((SELECT COUNT(*) FROM ledger_transactions) + (SELECT COUNT(*) FROM customers) + 2 * (SELECT COUNT(*) FROM balance_transactions) \
          + (SELECT COUNT(*) FROM orders) + (SELECT COUNT(*) FROM payments) + (SELECT COUNT(*) FROM invoices) AS BIGINT)")
        .scalar()
        .await
}

/// The next movements of balances, those of one customer together and nearly in the order in which they were made.
pub(super) async fn links(tx: &mut Tx, after: Option<&Link>) -> Result<Vec<Link>> {
    const SELECT: &str = "SELECT customer_id, created_at, id, balance_before, balance_after FROM balance_transactions";
    const ORDER: &str = " ORDER BY customer_id, created_at, id LIMIT ";
    match after {
        None => tx.q(SELECT).push_bind(ORDER, PAGE).all().await,
        Some(last) => {
            tx.q(SELECT)
                .push_bind(" WHERE (customer_id, created_at, id) > (", last.customer_id)
                .push_bind(", ", last.created_at)
                .push_bind(", ", last.id)
                .push_bind(") ORDER BY customer_id, created_at, id LIMIT ", PAGE)
                .all()
                .await
        }
    }
}

/// The numbers that were given out in a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Counter {
    pub(super) year: i64,
    pub(super) last_number: i64,
}

/// All years.
pub(super) async fn counters(tx: &mut Tx) -> Result<Vec<Counter>> {
    tx.q("SELECT year, last_number FROM invoice_counters ORDER BY year").all().await
}

/// Which of these numbers invoices have, as often as they have them. There must be some.
pub(super) async fn with_numbers(tx: &mut Tx, numbers: &[String]) -> Result<Vec<String>> {
    let mut query = tx.q("SELECT invoice_number FROM invoices WHERE invoice_number IN (");
    for (index, number) in numbers.iter().enumerate() {
        query = query.push_bind(if index == 0 { "" } else { ", " }, number.clone());
    }
    query.push(")").scalars().await
}

/// Begins the run of a day; `false` when another one did, and it ended or is still within its time.
pub(super) async fn begin_run(tx: &mut Tx, day: NaiveDate, at: Timestamp, given_up: Timestamp) -> Result<bool> {
    let begun = tx
        .q("INSERT INTO ledger_checks (day, started_at) VALUES ($1, $2) ON CONFLICT (day) DO UPDATE SET started_at = $2 \
            WHERE ledger_checks.finished_at IS NULL AND ledger_checks.started_at <= $3")
        .bind(day)
        .bind(at)
        .bind(given_up)
        .execute()
        .await?;
    Ok(begun == 1)
}

/// Whether the run of a day is over, or somebody is at it.
pub(super) async fn has_run(
    database: &crate::core::database::Database,
    day: NaiveDate,
    given_up: Timestamp,
) -> Result<bool> {
    let found = database
        .q("SELECT CAST(COUNT(*) AS BIGINT) FROM ledger_checks WHERE day = $1 AND (finished_at IS NOT NULL OR started_at > $2)")
        .bind(day)
        .bind(given_up)
        .scalar::<i64>()
        .await?;
    Ok(found > 0)
}

/// Ends the run of a day that was begun at `begun`; `false` when it took too long and another one has it.
pub(super) async fn end_run(
    tx: &mut Tx,
    day: NaiveDate,
    begun: Timestamp,
    at: Timestamp,
    differences: i64,
) -> Result<bool> {
    let ended = tx
        .q("UPDATE ledger_checks SET finished_at = $3, differences = $4 WHERE day = $1 AND started_at = $2 AND finished_at IS NULL")
        .bind(day)
        .bind(begun)
        .bind(at)
        .bind(differences)
        .execute()
        .await?;
    Ok(ended == 1)
}
