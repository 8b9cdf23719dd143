//! SQL of categories and groups.

use super::model::{Category, Group};
use crate::core::{
    database::{Database, Source, Tx},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
};

const CATEGORY: &str = "SELECT id, name, description, sort_order, \
                        (SELECT CAST(COUNT(*) AS BIGINT) FROM product_groups WHERE category_id = product_categories.id) AS group_count, \
                        created_at, updated_at FROM product_categories";

/// Whoever may not see disabled products must not count them either.
const GROUP: &str = "SELECT id, category_id, name, description, sort_order, \
                     (SELECT CAST(COUNT(*) AS BIGINT) FROM products WHERE group_id = product_groups.id AND (is_active OR $1)) AS product_count, \
                     created_at, updated_at FROM product_groups";

/// As the storefront shows them; identifiers settle what positions and names leave open.
const ORDER: &str = " ORDER BY sort_order, name, id";

/// The category with this identifier.
pub(super) async fn find_category(source: impl Source<'_>, id: Id) -> Result<Option<Category>> {
    source.q(CATEGORY).push_bind(" WHERE id = ", id).opt().await
}

/// A page of categories.
pub(super) async fn categories(database: &Database, page: PageRequest) -> Result<Page<Category>> {
    let count = database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM product_categories");
    page.fetch(count, database.q(CATEGORY).push(ORDER)).await
}

/// Locks a category until the transaction ends.
///
/// # Errors
/// NotFound.
pub(super) async fn lock_category(tx: &mut Tx, id: Id) -> Result<Category> {
    tx.q_for_update("SELECT id FROM product_categories WHERE id = $1").bind(id).lock().scalar_opt::<Id>().await?;
    find_category(tx, id).await?.ok_or_else(|| Error::not_found("product category", id))
}

/// Writes a new category.
pub(super) async fn insert_category(tx: &mut Tx, category: &Category) -> Result<()> {
    tx.q("INSERT INTO product_categories (id, name, description, sort_order, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(category.id)
        .bind(category.name.clone())
        .bind(category.description.clone())
        .bind(i64::from(category.sort_order))
        .bind(category.created_at)
        .bind(category.updated_at)
        .execute_one()
        .await
}

/// Writes what may change of a category.
pub(super) async fn save_category(tx: &mut Tx, category: &Category) -> Result<()> {
    tx.q("UPDATE product_categories SET name = $2, description = $3, sort_order = $4, updated_at = $5 WHERE id = $1")
        .bind(category.id)
        .bind(category.name.clone())
        .bind(category.description.clone())
        .bind(i64::from(category.sort_order))
        .bind(category.updated_at)
        .execute_one()
        .await
}

/// Removes a category.
pub(super) async fn delete_category(tx: &mut Tx, id: Id) -> Result<()> {
    tx.q("DELETE FROM product_categories WHERE id = $1").bind(id).execute_one().await
}

/// The group with this identifier.
pub(super) async fn find_group(source: impl Source<'_>, id: Id, count_all: bool) -> Result<Option<Group>> {
    source.q(GROUP).bind(count_all).push_bind(" WHERE id = ", id).opt().await
}

/// A page of groups, perhaps of one category.
pub(super) async fn groups(
    database: &Database,
    category: Option<Id>,
    count_all: bool,
    page: PageRequest,
) -> Result<Page<Group>> {
    let count =
        database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM product_groups").filter(" WHERE category_id = ", category);
    let rows = database.q(GROUP).bind(count_all).filter(" WHERE category_id = ", category).push(ORDER);
    page.fetch(count, rows).await
}

/// Whether there is such a group.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn group_exists(tx: &mut Tx, id: Id) -> Result<bool> {
    let count =
        tx.q("SELECT CAST(COUNT(*) AS BIGINT) FROM product_groups WHERE id = $1").bind(id).scalar::<i64>().await?;
    Ok(count > 0)
}

/// Locks a group until the transaction ends; all its products are counted.
///
/// # Errors
/// NotFound.
pub(super) async fn lock_group(tx: &mut Tx, id: Id) -> Result<Group> {
    tx.q_for_update("SELECT id FROM product_groups WHERE id = $1").bind(id).lock().scalar_opt::<Id>().await?;
    find_group(tx, id, true).await?.ok_or_else(|| Error::not_found("product group", id))
}

/// Writes a new group.
pub(super) async fn insert_group(tx: &mut Tx, group: &Group) -> Result<()> {
    tx.q("INSERT INTO product_groups (id, category_id, name, description, sort_order, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(group.id)
        .bind(group.category_id)
        .bind(group.name.clone())
        .bind(group.description.clone())
        .bind(i64::from(group.sort_order))
        .bind(group.created_at)
        .bind(group.updated_at)
        .execute_one()
        .await
}

/// Writes what may change of a group.
pub(super) async fn save_group(tx: &mut Tx, group: &Group) -> Result<()> {
    tx.q("UPDATE product_groups SET category_id = $2, name = $3, description = $4, sort_order = $5, updated_at = $6 WHERE id = $1")
        .bind(group.id)
        .bind(group.category_id)
        .bind(group.name.clone())
        .bind(group.description.clone())
        .bind(i64::from(group.sort_order))
        .bind(group.updated_at)
        .execute_one()
        .await
}

/// Removes a group.
pub(super) async fn delete_group(tx: &mut Tx, id: Id) -> Result<()> {
    tx.q("DELETE FROM product_groups WHERE id = $1").bind(id).execute_one().await
}
