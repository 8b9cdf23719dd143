//! SQL of customers.

use super::{model::Customer, operations::CustomerFilter};
use crate::core::{
    database::{Database, Query, Source, Tx},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
};

const SELECT: &str = "SELECT id, name, contact_person, email, phone, company, notes, balance, credit_limit, is_active, \
                      can_create_api_keys, created_at, updated_at FROM customers";

/// The customer with this identifier.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find(source: impl Source<'_>, id: Id) -> Result<Option<Customer>> {
    source.q(SELECT).push_bind(" WHERE id = ", id).opt().await
}

/// The customer with this address.
pub(super) async fn find_by_email(source: impl Source<'_>, email: &str) -> Result<Option<Customer>> {
    source.q(SELECT).push_bind(" WHERE email = ", email.to_owned()).opt().await
}

/// The customer, locked until the transaction ends: whoever changes its money or its orders comes one after the other.
///
/// # Errors
/// NotFound.
pub async fn lock(tx: &mut Tx, id: Id) -> Result<Customer> {
    let customer = tx.q_for_update(SELECT).push_bind(" WHERE id = ", id).lock().opt().await?;
    customer.ok_or_else(|| Error::not_found("customer", id))
}

fn narrowed<'e>(query: Query<'e>, filter: &CustomerFilter) -> Query<'e> {
    let query = query.push(" WHERE 1 = 1").filter(" AND is_active = ", filter.is_active);
    match &filter.search {
        Some(pattern) => query.push_bind(" AND search LIKE ", pattern.clone()).push(" ESCAPE '\\'"),
        None => query,
    }
}

/// A page of customers.
pub(super) async fn list(database: &Database, filter: &CustomerFilter, page: PageRequest) -> Result<Page<Customer>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM customers"), filter);
    let rows = narrowed(database.q(SELECT), filter).push(" ORDER BY created_at DESC, id DESC");
    page.fetch(count, rows).await
}

/// Writes what may change of a customer; its balance belongs to the ledger.
pub(super) async fn save(tx: &mut Tx, customer: &Customer, search: &str) -> Result<()> {
    tx.q("UPDATE customers SET name = $2, contact_person = $3, email = $4, phone = $5, company = $6, notes = $7, credit_limit = $8, \
          is_active = $9, can_create_api_keys = $10, search = $11, updated_at = $12 WHERE id = $1")
        .bind(customer.id)
        .bind(customer.name.clone())
        .bind(customer.contact_person.clone())
        .bind(customer.email.clone())
        .bind(customer.phone.clone())
        .bind(customer.company.clone())
        .bind(customer.notes.clone())
        .bind(customer.credit_limit)
        .bind(customer.is_active)
        .bind(customer.can_create_api_keys)
        .bind(search.to_owned())
        .bind(customer.updated_at)
        .execute_one()
        .await
}

/// How much there is of what keeps a customer from being deleted.
#[derive(sqlx::FromRow)]
pub(super) struct Holdings {
    pub(super) orders: i64,
    pub(super) payments: i64,
    pub(super) invoices: i64,
    pub(super) movements: i64,
    pub(super) tickets: i64,
}

/// Counts it.
pub(super) async fn holdings(tx: &mut Tx, id: Id) -> Result<Holdings> {
    tx.q("SELECT (SELECT CAST(COUNT(*) AS BIGINT) FROM orders WHERE customer_id = $1) AS orders, \
          (SELECT CAST(COUNT(*) AS BIGINT) FROM payments WHERE customer_id = $1) AS payments, \
          (SELECT CAST(COUNT(*) AS BIGINT) FROM invoices WHERE customer_id = $1) AS invoices, \
          (SELECT CAST(COUNT(*) AS BIGINT) FROM balance_transactions WHERE customer_id = $1) AS movements, \
          (SELECT CAST(COUNT(*) AS BIGINT) FROM tickets WHERE customer_id = $1) AS tickets")
        .bind(id)
        .one()
        .await
}

/// Removes a customer and its API keys.
pub(super) async fn delete(tx: &mut Tx, id: Id) -> Result<()> {
    tx.q("DELETE FROM api_keys WHERE customer_id = $1").bind(id).execute().await?;
    tx.q("DELETE FROM customers WHERE id = $1").bind(id).execute_one().await
}

/// Writes a new customer.
pub(super) async fn insert(tx: &mut Tx, customer: &Customer, search: &str) -> Result<()> {
    tx.q("INSERT INTO customers (id, name, contact_person, email, phone, company, notes, balance, credit_limit, is_active, \
          can_create_api_keys, search, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")
        .bind(customer.id)
        .bind(customer.name.clone())
        .bind(customer.contact_person.clone())
        .bind(customer.email.clone())
        .bind(customer.phone.clone())
        .bind(customer.company.clone())
        .bind(customer.notes.clone())
        .bind(customer.balance)
        .bind(customer.credit_limit)
        .bind(customer.is_active)
        .bind(customer.can_create_api_keys)
        .bind(search.to_owned())
        .bind(customer.created_at)
        .bind(customer.updated_at)
        .execute_one()
        .await
}
