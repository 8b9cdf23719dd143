//! SQL of instances.

use super::{
    model::{Instance, InstanceStatus},
    operations::InstanceFilter,
};
use crate::core::{
    database::{Database, Query, Source, Tx},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
    time::Timestamp,
};

const SELECT: &str = "SELECT id, customer_id, order_id, product_id, product_name, provider_interface_id, provider_instance_id, status, \
                      ip_address, server_spec, created_at, updated_at FROM instances";

/// The server with this identifier.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find(source: impl Source<'_>, id: Id) -> Result<Option<Instance>> {
    source.q(SELECT).push_bind(" WHERE id = ", id).opt().await
}

/// The server, locked until the transaction ends. Lock its order first.
///
/// # Errors
/// NotFound.
pub(crate) async fn lock(tx: &mut Tx, id: Id) -> Result<Instance> {
    let instance = tx.q_for_update(SELECT).push_bind(" WHERE id = ", id).lock().opt().await?;
    instance.ok_or_else(|| Error::not_found("instance", id))
}

fn narrowed<'e>(query: Query<'e>, filter: &InstanceFilter) -> Query<'e> {
    query
        .push(" WHERE 1 = 1")
        .filter(" AND customer_id = ", filter.customer_id)
        .filter(" AND status = ", filter.status)
        .filter(" AND provider_interface_id = ", filter.provider_interface_id)
}

/// A page of servers.
pub(super) async fn list(database: &Database, filter: &InstanceFilter, page: PageRequest) -> Result<Page<Instance>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM instances"), filter);
    let rows = narrowed(database.q(SELECT), filter).push(" ORDER BY created_at DESC, id DESC");
    page.fetch(count, rows).await
}

/// The server that a provider calls so.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find_by_provider(
    source: impl Source<'_>,
    interface: Id,
    provider_instance_id: &str,
) -> Result<Option<Instance>> {
    source
        .q(SELECT)
        .push_bind(" WHERE provider_interface_id = ", interface)
        .push_bind(" AND provider_instance_id = ", provider_instance_id.to_owned())
        .push(" ORDER BY created_at DESC, id DESC LIMIT 1")
        .opt()
        .await
}

/// The server of an order.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find_by_order(source: impl Source<'_>, order_id: Id) -> Result<Option<Instance>> {
    source.q(SELECT).push_bind(" WHERE order_id = ", order_id).opt().await
}

/// Writes a server that is being made; an order has one at most, and a second call changes nothing.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn insert(tx: &mut Tx, instance: &Instance) -> Result<()> {
    tx.q("INSERT INTO instances (id, customer_id, order_id, product_id, product_name, provider_interface_id, provider_instance_id, status, \
          ip_address, server_spec, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
          ON CONFLICT (order_id, customer_id) DO NOTHING")
        .bind(instance.id)
        .bind(instance.customer_id)
        .bind(instance.order_id)
        .bind(instance.product_id)
        .bind(instance.product_name.clone())
        .bind(instance.provider_interface_id)
        .bind(instance.provider_instance_id.clone())
        .bind(instance.status)
        .bind(instance.ip_address.clone())
        .bind(instance.server_spec.clone())
        .bind(instance.created_at)
        .bind(instance.updated_at)
        .execute()
        .await
        .map(|_| ())
}

/// Removes a server that is written anew under another customer.
///
/// # Errors
/// When it is gone.
pub(crate) async fn delete(tx: &mut Tx, instance: &Instance) -> Result<()> {
    tx.q("DELETE FROM instances WHERE id = $1 AND customer_id = $2")
        .bind(instance.id)
        .bind(instance.customer_id)
        .execute_one()
        .await
}

/// Writes what the provider said of the server of an order.
///
/// # Errors
/// When the order has none.
pub(crate) async fn update(
    tx: &mut Tx,
    at: Timestamp,
    order_id: Id,
    status: InstanceStatus,
    provider_instance_id: &str,
    ip_address: &str,
) -> Result<()> {
    tx.q("UPDATE instances SET status = $2, provider_instance_id = $3, ip_address = $4, updated_at = $5 WHERE order_id = $1")
        .bind(order_id)
        .bind(status)
        .bind(provider_instance_id.to_owned())
        .bind(ip_address.to_owned())
        .bind(at)
        .execute_one()
        .await
}

/// Writes how a server that this transaction holds is.
///
/// # Errors
/// When it is gone.
pub(crate) async fn set_status(tx: &mut Tx, at: Timestamp, instance: &Instance, status: InstanceStatus) -> Result<()> {
    tx.q("UPDATE instances SET status = $3, updated_at = $4 WHERE id = $1 AND customer_id = $2")
        .bind(instance.id)
        .bind(instance.customer_id)
        .bind(status)
        .bind(at)
        .execute_one()
        .await
}

/// Writes that the server of an order is given back.
///
/// # Errors
/// When the order has none.
pub(crate) async fn end(tx: &mut Tx, at: Timestamp, order_id: Id) -> Result<()> {
    tx.q("UPDATE instances SET status = $2, terminated_at = $3, updated_at = $3 WHERE order_id = $1")
        .bind(order_id)
        .bind(InstanceStatus::Terminated)
        .bind(at)
        .execute_one()
        .await
}

/// Writes how the server of an order is, whatever was said of it before.
///
/// # Errors
/// When the order has none.
pub(crate) async fn set_status_of_order(
    tx: &mut Tx,
    at: Timestamp,
    order_id: Id,
    status: InstanceStatus,
) -> Result<()> {
    tx.q("UPDATE instances SET status = $2, updated_at = $3 WHERE order_id = $1")
        .bind(order_id)
        .bind(status)
        .bind(at)
        .execute_one()
        .await
}

/// Writes what the provider calls the server of an order, if there is one.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn set_provider_instance(
    tx: &mut Tx,
    at: Timestamp,
    order_id: Id,
    provider_instance_id: &str,
) -> Result<()> {
    tx.q("UPDATE instances SET provider_instance_id = $2, updated_at = $3 WHERE order_id = $1")
        .bind(order_id)
        .bind(provider_instance_id.to_owned())
        .bind(at)
        .execute()
        .await
        .map(|_| ())
}
