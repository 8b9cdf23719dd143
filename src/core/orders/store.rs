//! SQL of orders.

use super::{
    model::{Order, OrderStatus},
    operations::OrderFilter,
};
use crate::core::{
    database::{Database, Query, Source, Tx},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
    time::Timestamp,
};

const SELECT: &str = "SELECT id, customer_id, product_id, product_name, provider_interface_id, provider_instance_id, server_spec, billing_cycle, \
                      total_amount, currency, gateway_interface_id, gateway_payment_id, status, status_reason, notes, activated_at, ended_at, \
                      created_at, updated_at FROM orders";

/// The order with this identifier.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find(source: impl Source<'_>, id: Id) -> Result<Option<Order>> {
    source.q(SELECT).push_bind(" WHERE id = ", id).opt().await
}

/// The order, locked until the transaction ends. Lock its customer first where both are needed, so that two
/// transactions never wait for each other.
///
/// # Errors
/// NotFound.
pub(crate) async fn lock(tx: &mut Tx, id: Id) -> Result<Order> {
    let order = tx.q_for_update(SELECT).push_bind(" WHERE id = ", id).lock().opt().await?;
    order.ok_or_else(|| Error::not_found("order", id))
}

fn narrowed<'e>(query: Query<'e>, filter: &OrderFilter) -> Query<'e> {
    let query = query
        .push(" WHERE 1 = 1")
        .filter(" AND customer_id = ", filter.customer_id)
        .filter(" AND status = ", filter.status)
        .filter(" AND provider_interface_id = ", filter.provider_interface_id);
    match &filter.search {
        Some(pattern) => query.push_bind(" AND search LIKE ", pattern.clone()).push(" ESCAPE '\\'"),
        None => query,
    }
}

/// A page of orders.
pub(super) async fn list(database: &Database, filter: &OrderFilter, page: PageRequest) -> Result<Page<Order>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM orders"), filter);
    let rows = narrowed(database.q(SELECT), filter).push(" ORDER BY created_at DESC, id DESC");
    page.fetch(count, rows).await
}

/// The order whose server a provider calls so, the latest one if there are several.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find_by_provider(
    source: impl Source<'_>,
    interface: Id,
    provider_instance_id: &str,
) -> Result<Option<Order>> {
    source
        .q(SELECT)
        .push_bind(" WHERE provider_interface_id = ", interface)
        .push_bind(" AND provider_instance_id = ", provider_instance_id.to_owned())
        .push(" ORDER BY created_at DESC, id DESC LIMIT 1")
        .opt()
        .await
}

/// Writes a new order.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn insert(tx: &mut Tx, order: &Order, search: &str) -> Result<()> {
    tx.q("INSERT INTO orders (id, customer_id, product_id, product_name, provider_interface_id, provider_instance_id, server_spec, billing_cycle, \
          total_amount, currency, gateway_interface_id, gateway_payment_id, status, status_reason, notes, search, created_at, updated_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)")
        .bind(order.id)
        .bind(order.customer_id)
        .bind(order.product_id)
        .bind(order.product_name.clone())
        .bind(order.provider_interface_id)
        .bind(order.provider_instance_id.clone())
        .bind(order.server_spec.clone())
        .bind(order.billing_cycle)
        .bind(order.total_amount)
        .bind(order.currency.clone())
        .bind(order.gateway_interface_id)
        .bind(order.gateway_payment_id.clone())
        .bind(order.status)
        .bind(order.status_reason.clone())
        .bind(order.notes.clone())
        .bind(search.to_owned())
        .bind(order.created_at)
        .bind(order.updated_at)
        .execute_one()
        .await
}

/// Moves an order that this transaction holds to another state, if the states allow it.
///
/// # Errors
/// `order.wrong_state`.
pub(crate) async fn advance(tx: &mut Tx, at: Timestamp, order: &Order, to: OrderStatus, reason: &str) -> Result<()> {
    order.status.check_move(to)?;
    let ended = if to.next().is_empty() { Some(at) } else { None };
    // Only what was made here begins to cost: an imported order that goes on after a suspension stays free.
    let begins = order.status == OrderStatus::Provisioning && to == OrderStatus::Active;
    let activated = if begins { Some(at) } else { order.activated_at };
    tx.q("UPDATE orders SET status = $3, status_reason = $4, activated_at = $5, ended_at = $6, updated_at = $7 WHERE id = $1 AND status = $2")
        .bind(order.id)
        .bind(order.status)
        .bind(to)
        .bind(reason.to_owned())
        .bind(activated)
        .bind(ended)
        .bind(at)
        .execute_one()
        .await
}

/// Writes other notes.
///
/// # Errors
/// When the order is gone.
pub(crate) async fn set_notes(tx: &mut Tx, at: Timestamp, order: Id, notes: &str) -> Result<()> {
    tx.q("UPDATE orders SET notes = $2, updated_at = $3 WHERE id = $1")
        .bind(order)
        .bind(notes.to_owned())
        .bind(at)
        .execute_one()
        .await
}

/// Removes an order.
///
/// # Errors
/// When something refers to it.
pub(crate) async fn delete(tx: &mut Tx, order: Id) -> Result<()> {
    tx.q("DELETE FROM orders WHERE id = $1").bind(order).execute_one().await
}

/// Notes what the provider calls the server.
///
/// # Errors
/// When the order is gone.
pub(crate) async fn set_provider_instance(
    tx: &mut Tx,
    at: Timestamp,
    order: Id,
    provider_instance_id: &str,
) -> Result<()> {
    tx.q("UPDATE orders SET provider_instance_id = $2, updated_at = $3 WHERE id = $1")
        .bind(order)
        .bind(provider_instance_id.to_owned())
        .bind(at)
        .execute_one()
        .await
}

/// Notes through which gateway the order is being paid, and what the gateway calls the payment.
///
/// # Errors
/// When the order is gone.
pub(crate) async fn set_gateway(
    tx: &mut Tx,
    at: Timestamp,
    order: Id,
    gateway: Option<Id>,
    gateway_payment_id: &str,
) -> Result<()> {
    tx.q("UPDATE orders SET gateway_interface_id = $2, gateway_payment_id = $3, updated_at = $4 WHERE id = $1")
        .bind(order)
        .bind(gateway)
        .bind(gateway_payment_id.to_owned())
        .bind(at)
        .execute_one()
        .await
}

/// Customers after `after` with orders that instalments may begin for, in the order of their identifiers.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn customers_to_invoice(
    source: impl Source<'_>,
    before: Timestamp,
    after: Option<Id>,
    limit: i64,
) -> Result<Vec<Id>> {
    source
        .q("SELECT DISTINCT customer_id FROM orders WHERE status IN ('active', 'completed') AND activated_at IS NOT NULL")
        .push_bind(" AND activated_at < ", before)
        .filter(" AND customer_id > ", after)
        .push_bind(" ORDER BY customer_id LIMIT ", limit)
        .scalars()
        .await
}

/// A customer's orders that instalments may begin for, oldest first.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn to_invoice(source: impl Source<'_>, customer: Id, before: Timestamp) -> Result<Vec<Order>> {
    source
        .q(SELECT)
        .push_bind(" WHERE customer_id = ", customer)
        .push(" AND status IN ('active', 'completed') AND activated_at IS NOT NULL")
        .push_bind(" AND activated_at < ", before)
        .push(" ORDER BY activated_at, id")
        .all()
        .await
}

/// Orders after `after` that were placed before this moment and are not paid, in the order of their identifiers.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn unpaid(
    source: impl Source<'_>,
    before: Timestamp,
    after: Option<Id>,
    limit: i64,
) -> Result<Vec<Order>> {
    source
        .q(SELECT)
        .push(" WHERE status = 'pending'")
        .push_bind(" AND created_at < ", before)
        .filter(" AND id > ", after)
        .push_bind(" ORDER BY id LIMIT ", limit)
        .all()
        .await
}
