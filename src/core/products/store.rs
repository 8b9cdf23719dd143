//! SQL of products.

use super::{model::Product, operations::ProductFilter};
use crate::core::{
    database::{Database, Query, Source, Tx},
    error::Result,
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

fn narrowed<'e>(query: Query<'e>, filter: &ProductFilter) -> Query<'e> {
    let query = query
        .push(" WHERE 1 = 1")
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

/// A page of products.
pub(super) async fn list(database: &Database, filter: &ProductFilter, page: PageRequest) -> Result<Page<Product>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM products"), filter);
    let rows = narrowed(database.q(SELECT), filter).push(" ORDER BY created_at DESC, id DESC");
    page.fetch(count, rows).await
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

/// Whether there is such a group.
pub(super) async fn group_exists(tx: &mut Tx, id: Id) -> Result<bool> {
    let count =
        tx.q("SELECT CAST(COUNT(*) AS BIGINT) FROM product_groups WHERE id = $1").bind(id).scalar::<i64>().await?;
    Ok(count > 0)
}
