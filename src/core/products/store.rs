//! SQL of products.

use super::{model::Product, operations::ProductFilter};
use crate::core::{
    database::{Database, Query, Source, Tx},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
};

const SELECT: &str = "SELECT id, name, description, price, cost_price, billing_cycles, specs, interface_id, group_id, is_active, \
                      created_at, updated_at FROM products";

/// The product with this identifier.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find(source: impl Source<'_>, id: Id) -> Result<Option<Product>> {
    source.q(SELECT).push_bind(" WHERE id = ", id).opt().await
}

fn narrowed<'e>(query: Query<'e>, filter: &ProductFilter, only_active: bool) -> Query<'e> {
    let query = query
        .push(if only_active { " WHERE is_active = TRUE" } else { " WHERE 1 = 1" })
        .filter(" AND interface_id = ", filter.interface_id)
        .filter(" AND is_active = ", filter.is_active)
        .filter(" AND group_id = ", filter.group_id)
        .filter(" AND specs ->> 'region' = ", filter.region.clone());
    let query = match filter.category_id {
        Some(category) => {
            query.push_bind(" AND group_id IN (SELECT id FROM product_groups WHERE category_id = ", category).push(")")
        }
        None => query,
    };
    match &filter.search {
        Some(pattern) => query.push_bind(" AND search LIKE ", pattern.clone()).push(" ESCAPE '\\'"),
        None => query,
    }
}

/// A page of products; with `only_active` the disabled ones are not there, whatever the filter says.
pub(super) async fn list(
    database: &Database,
    filter: &ProductFilter,
    only_active: bool,
    page: PageRequest,
) -> Result<Page<Product>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM products"), filter, only_active);
    let rows = narrowed(database.q(SELECT), filter, only_active).push(" ORDER BY created_at DESC, id DESC");
    page.fetch(count, rows).await
}

/// Everything that is on sale through an interface, the cheapest first, oldest first among equals.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn on_sale(source: impl Source<'_>, interface: Id, limit: i64) -> Result<Vec<Product>> {
    source
        .q(SELECT)
        .push_bind(" WHERE is_active = TRUE AND interface_id = ", interface)
        .push_bind(" ORDER BY price, created_at, id LIMIT ", limit)
        .all()
        .await
}

/// Writes a new product.
pub(super) async fn insert(tx: &mut Tx, product: &Product, search: &str) -> Result<()> {
    tx.q("INSERT INTO products (id, name, description, price, cost_price, billing_cycles, specs, interface_id, group_id, is_active, search, \
          created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
        .bind(product.id)
        .bind(product.name.clone())
        .bind(product.description.clone())
        .bind(product.price)
        .bind(product.cost_price)
        .bind(product.billing_cycles.clone())
        .bind(product.specs.clone())
        .bind(product.interface_id)
        .bind(product.group_id)
        .bind(product.is_active)
        .bind(search.to_owned())
        .bind(product.created_at)
        .bind(product.updated_at)
        .execute_one()
        .await
}

/// The product, locked until the transaction ends.
///
/// # Errors
/// NotFound.
pub(super) async fn lock(tx: &mut Tx, id: Id) -> Result<Product> {
    let product = tx
        .q_for_update(
            "SELECT id, name, description, price, cost_price, billing_cycles, specs, interface_id, group_id, is_active, \
             created_at, updated_at FROM products WHERE id = $1",
        )
        .bind(id)
        .lock()
        .opt()
        .await?;
    product.ok_or_else(|| Error::not_found("product", id))
}

/// All products of an interface, oldest first.
pub(super) async fn of_interface(tx: &mut Tx, interface: Id) -> Result<Vec<Product>> {
    tx.q(SELECT).push_bind(" WHERE interface_id = ", interface).push(" ORDER BY created_at, id").all().await
}

/// Writes what may change of a product.
pub(super) async fn save(tx: &mut Tx, product: &Product, search: &str) -> Result<()> {
    tx.q("UPDATE products SET name = $2, description = $3, price = $4, cost_price = $5, billing_cycles = $6, specs = $7, group_id = $8, \
          is_active = $9, search = $10, updated_at = $11 WHERE id = $1")
        .bind(product.id)
        .bind(product.name.clone())
        .bind(product.description.clone())
        .bind(product.price)
        .bind(product.cost_price)
        .bind(product.billing_cycles.clone())
        .bind(product.specs.clone())
        .bind(product.group_id)
        .bind(product.is_active)
        .bind(search.to_owned())
        .bind(product.updated_at)
        .execute_one()
        .await
}

/// How many orders there are of a product.
pub(super) async fn orders_of(tx: &mut Tx, id: Id) -> Result<i64> {
    tx.q("SELECT CAST(COUNT(*) AS BIGINT) FROM orders WHERE product_id = $1").bind(id).scalar().await
}

/// Removes a product.
pub(super) async fn delete(tx: &mut Tx, id: Id) -> Result<()> {
    tx.q("DELETE FROM products WHERE id = $1").bind(id).execute_one().await
}
