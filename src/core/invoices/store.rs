//! SQL of invoices.

use chrono::NaiveDate;

use super::{
    model::{Invoice, InvoiceItem, InvoiceStatus},
    operations::InvoiceFilter,
};
use crate::core::{
    database::{Database, Query, Source, Tx},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
    time::Timestamp,
};

const SELECT: &str = "SELECT id, customer_id, invoice_number, billing_period_start, billing_period_end, amount, tax_amount, total_amount, \
                      paid_amount, currency, status, due_date, notes, issued_at, paid_at, created_at, updated_at FROM invoices";
const ITEMS: &str = "SELECT id, invoice_id, position, description, quantity, unit_price, amount, order_id, instalment FROM invoice_items";

/// The invoice with this identifier and its lines.
///
/// # Errors
/// When the database can't be used.
pub(super) async fn find(database: &Database, id: Id) -> Result<Option<Invoice>> {
    let Some(mut invoice) = database.q(SELECT).push_bind(" WHERE id = ", id).opt::<Invoice>().await? else {
        return Ok(None);
    };
    invoice.items = items(database, id).await?;
    Ok(Some(invoice))
}

/// The lines of an invoice in their order.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn items(source: impl Source<'_>, invoice: Id) -> Result<Vec<InvoiceItem>> {
    source.q(ITEMS).push_bind(" WHERE invoice_id = ", invoice).push(" ORDER BY position").all().await
}

/// The invoice without its lines, locked until the transaction ends. Lock its customer first.
///
/// # Errors
/// NotFound.
pub(crate) async fn lock(tx: &mut Tx, id: Id) -> Result<Invoice> {
    let invoice = tx.q_for_update(SELECT).push_bind(" WHERE id = ", id).lock().opt().await?;
    invoice.ok_or_else(|| Error::not_found("invoice", id))
}

/// The invoice without its lines.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find_head(source: impl Source<'_>, id: Id) -> Result<Option<Invoice>> {
    source.q(SELECT).push_bind(" WHERE id = ", id).opt().await
}

fn narrowed<'e>(query: Query<'e>, filter: &InvoiceFilter, with_drafts: bool) -> Query<'e> {
    let query = query
        .push(" WHERE 1 = 1")
        .filter(" AND customer_id = ", filter.customer_id)
        .filter(" AND status = ", filter.status);
    if with_drafts { query } else { query.push(" AND status <> 'draft'") }
}

/// A page of invoices with their lines, with or without those that are still being written.
pub(super) async fn list(
    database: &Database,
    filter: &InvoiceFilter,
    with_drafts: bool,
    page: PageRequest,
) -> Result<Page<Invoice>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM invoices"), filter, with_drafts);
    let rows = narrowed(database.q(SELECT), filter, with_drafts).push(" ORDER BY created_at DESC, id DESC");
    let mut page: Page<Invoice> = page.fetch(count, rows).await?;
    if page.items.is_empty() {
        return Ok(page);
    }
    // One query for the lines of all invoices on the page.
    let mut query = database.q(ITEMS).push(" WHERE invoice_id IN (");
    for (index, invoice) in page.items.iter().enumerate() {
        query = query.push_bind(if index == 0 { "" } else { ", " }, invoice.id);
    }
    for item in query.push(") ORDER BY invoice_id, position").all::<InvoiceItem>().await? {
        if let Some(invoice) = page.items.iter_mut().find(|invoice| invoice.id == item.invoice_id) {
            invoice.items.push(item);
        }
    }
    Ok(page)
}

/// Writes a new invoice and its lines.
pub(super) async fn insert(tx: &mut Tx, invoice: &Invoice) -> Result<()> {
    tx.q("INSERT INTO invoices (id, customer_id, invoice_number, billing_period_start, billing_period_end, amount, tax_amount, total_amount, \
          paid_amount, currency, status, due_date, notes, issued_at, paid_at, created_at, updated_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16)")
        .bind(invoice.id)
        .bind(invoice.customer_id)
        .bind(invoice.invoice_number.clone())
        .bind(invoice.billing_period_start)
        .bind(invoice.billing_period_end)
        .bind(invoice.amount)
        .bind(invoice.tax_amount)
        .bind(invoice.total_amount)
        .bind(invoice.paid_amount)
        .bind(invoice.currency.clone())
        .bind(invoice.status)
        .bind(invoice.due_date)
        .bind(invoice.notes.clone())
        .bind(invoice.issued_at)
        .bind(invoice.paid_at)
        .bind(invoice.created_at)
        .execute_one()
        .await?;
    for item in &invoice.items {
        tx.q("INSERT INTO invoice_items (id, customer_id, invoice_id, position, description, quantity, unit_price, amount, order_id, instalment) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(item.id)
            .bind(invoice.customer_id)
            .bind(invoice.id)
            .bind(item.position)
            .bind(item.description.clone())
            .bind(item.quantity)
            .bind(item.unit_price)
            .bind(item.amount)
            .bind(item.order_id)
            .bind(item.instalment)
            .execute_one()
            .await?;
    }
    Ok(())
}

/// Takes the next number of a year. Whoever comes next waits until this transaction ends, so that a number that is
/// rolled back is given again.
pub(super) async fn next_number(tx: &mut Tx, year: i32) -> Result<i64> {
    tx.q("INSERT INTO invoice_counters (year, last_number) VALUES ($1, 1) \
          ON CONFLICT (year) DO UPDATE SET last_number = invoice_counters.last_number + 1 RETURNING last_number")
        .bind(i64::from(year))
        .scalar()
        .await
}

/// Gives a draft its number.
pub(super) async fn set_issued(tx: &mut Tx, at: Timestamp, invoice: Id, number: &str) -> Result<()> {
    tx.q("UPDATE invoices SET status = 'issued', invoice_number = $2, issued_at = $3, updated_at = $3 WHERE id = $1 AND status = 'draft'")
        .bind(invoice)
        .bind(number.to_owned())
        .bind(at)
        .execute_one()
        .await
}

/// Marks an invoice that this transaction holds as paid in full, if the states allow it.
///
/// # Errors
/// `invoice.wrong_state`.
pub(crate) async fn set_paid(tx: &mut Tx, at: Timestamp, invoice: &Invoice) -> Result<()> {
    invoice.status.check_move(InvoiceStatus::Paid)?;
    tx.q("UPDATE invoices SET status = 'paid', paid_amount = total_amount, paid_at = $3, updated_at = $3 WHERE id = $1 AND status = $2")
        .bind(invoice.id)
        .bind(invoice.status)
        .bind(at)
        .execute_one()
        .await
}

/// Moves an invoice that this transaction holds to a state that brings nothing with it, if the states allow it.
///
/// # Errors
/// `invoice.wrong_state`.
pub(crate) async fn advance(tx: &mut Tx, at: Timestamp, invoice: &Invoice, to: InvoiceStatus) -> Result<()> {
    invoice.status.check_move(to)?;
    tx.q("UPDATE invoices SET status = $3, updated_at = $4 WHERE id = $1 AND status = $2")
        .bind(invoice.id)
        .bind(invoice.status)
        .bind(to)
        .bind(at)
        .execute_one()
        .await
}

/// Writes other notes.
///
/// # Errors
/// When the invoice is gone.
pub(crate) async fn set_notes(tx: &mut Tx, at: Timestamp, invoice: Id, notes: &str) -> Result<()> {
    tx.q("UPDATE invoices SET notes = $2, updated_at = $3 WHERE id = $1")
        .bind(invoice)
        .bind(notes.to_owned())
        .bind(at)
        .execute_one()
        .await
}

/// Removes an invoice and its lines.
pub(super) async fn delete(tx: &mut Tx, invoice: Id) -> Result<()> {
    tx.q("DELETE FROM invoices WHERE id = $1").bind(invoice).execute_one().await
}

/// Issued invoices after `after` whose last day to pay is before `today`, in the order of their identifiers.
pub(super) async fn past_due(
    source: impl Source<'_>,
    today: NaiveDate,
    after: Option<Id>,
    limit: i64,
) -> Result<Vec<Id>> {
    source
        .q("SELECT id FROM invoices WHERE status = 'issued'")
        .push_bind(" AND due_date < ", today)
        .filter(" AND id > ", after)
        .push_bind(" ORDER BY id LIMIT ", limit)
        .scalars()
        .await
}

/// How many lines bill instalments of an order.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn lines_of_order(source: impl Source<'_>, order: Id) -> Result<i64> {
    source.q("SELECT CAST(COUNT(*) AS BIGINT) FROM invoice_items").push_bind(" WHERE order_id = ", order).scalar().await
}

/// An instalment that was billed.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Billed {
    pub(super) order_id: Id,
    pub(super) instalment: i64,
}

/// A customer's instalments that were billed, on whatever invoice.
pub(super) async fn billed(source: impl Source<'_>, customer: Id) -> Result<Vec<Billed>> {
    source
        .q("SELECT order_id, instalment FROM invoice_items WHERE customer_id = $1 AND order_id IS NOT NULL")
        .bind(customer)
        .all()
        .await
}
