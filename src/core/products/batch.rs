//! Several products at once: all of them or none.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    model::Product,
    operations::{remove, require_group, save},
    pricing::Markup,
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    database::Tx,
    error::{Error, Result},
    id::Id,
};

/// Products of one call.
pub const BATCH_MAX: usize = 500;

/// Refuses an empty or an overlong batch.
pub(super) fn check_size(field: &str, size: usize) -> Result<()> {
    if (1..=BATCH_MAX).contains(&size) {
        return Ok(());
    }
    Err(Error::invalid("batch.size", format!("`{field}` has {size} entries, expected 1 to {BATCH_MAX}")))
}

/// Enables or disables products, and says how many changed. For administrators.
///
/// # Errors
/// `batch.size`; NotFound, naming the product; PermissionDenied for others.
pub async fn set_active(app: &App, actor: &Actor, ids: &[Id], is_active: bool) -> Result<u32> {
    actor.require(Permission::Admin)?;
    check_size("product_ids", ids.len())?;
    let mut tx = app.database.begin().await?;
    let products = lock_all(&mut tx, ids).await?;
    let action = if is_active { "product.activate" } else { "product.deactivate" };
    let change = |product: &Product| Ok(Product { is_active, ..product.clone() });
    let changed = save_all(&mut tx, app, actor, action, &products, change).await?;
    tx.commit().await?;
    Ok(changed)
}

/// Moves products into a group, or out of any, and says how many changed. For administrators.
///
/// # Errors
/// `batch.size`; NotFound, naming the product or the group; PermissionDenied for others.
pub async fn set_group(app: &App, actor: &Actor, ids: &[Id], group: Option<Id>) -> Result<u32> {
    actor.require(Permission::Admin)?;
    check_size("product_ids", ids.len())?;
    let mut tx = app.database.begin().await?;
    let products = lock_all(&mut tx, ids).await?;
    require_group(&mut tx, group).await?;
    let change = |product: &Product| Ok(Product { group_id: group, ..product.clone() });
    let changed = save_all(&mut tx, app, actor, "product.move", &products, change).await?;
    tx.commit().await?;
    Ok(changed)
}

/// Sets the price of each product to its cost times the ratio, and says how many changed; how prices by cycle follow
/// is told at `Product::repriced`. For administrators.
///
/// # Errors
/// `batch.size`; NotFound or `product.cost_price`, naming the product; `money.out_of_range`; PermissionDenied for
/// others.
pub async fn reprice(app: &App, actor: &Actor, ids: &[Id], ratio: Markup) -> Result<u32> {
    actor.require(Permission::Admin)?;
    check_size("product_ids", ids.len())?;
    let mut tx = app.database.begin().await?;
    let products = lock_all(&mut tx, ids).await?;
    let changed =
        save_all(&mut tx, app, actor, "product.reprice", &products, |product| product.repriced(ratio)).await?;
    tx.commit().await?;
    Ok(changed)
}

/// Deletes products, and says how many there were. For administrators.
///
/// # Errors
/// `batch.size`; NotFound or `product.in_use`, naming the first such product, and then all stay; PermissionDenied for
/// others.
pub async fn delete_all(app: &App, actor: &Actor, ids: &[Id]) -> Result<u32> {
    actor.require(Permission::Admin)?;
    check_size("product_ids", ids.len())?;
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let products = lock_all(&mut tx, ids).await?;
    let mut deleted = 0;
    for product in &products {
        remove(&mut tx, at, actor, product).await?;
        deleted += 1;
    }
    tx.commit().await?;
    Ok(deleted)
}

/// The products in the caller's order, each once. They are locked in the order of their identifiers, so that two
/// batches do not wait for each other.
async fn lock_all(tx: &mut Tx, ids: &[Id]) -> Result<Vec<Product>> {
    let mut locked = BTreeMap::new();
    for id in ids.iter().copied().collect::<BTreeSet<_>>() {
        locked.insert(id, store::lock(tx, id).await?);
    }
    Ok(ids.iter().filter_map(|id| locked.remove(id)).collect())
}

/// Writes the products that `change` makes different.
async fn save_all(
    tx: &mut Tx,
    app: &App,
    actor: &Actor,
    action: &'static str,
    products: &[Product],
    change: impl Fn(&Product) -> Result<Product>,
) -> Result<u32> {
    let at = app.clock.now();
    let mut changed = 0;
    for before in products {
        let product = change(before)?;
        if product != *before {
            save(tx, actor, action, before, &Product { updated_at: at, ..product }).await?;
            changed += 1;
        }
    }
    Ok(changed)
}
