//! Use cases of groups.

use serde_json::{Value, json};

use super::{
    model::{Group, Placement},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    database::{Tx, is_foreign_key_violation},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
    text::{self, NAME_MAX, NOTE_MAX},
};

/// A group to be made.
#[derive(Clone, Debug, Default)]
pub struct NewGroup {
    /// The name.
    pub name: String,
    /// What the customer reads.
    pub description: String,
    /// The position, ascending.
    pub sort_order: u32,
    /// The category that it is shown in.
    pub category_id: Option<Id>,
}

/// What to change of a group; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct GroupUpdate {
    /// Another name.
    pub name: Option<String>,
    /// Another text.
    pub description: Option<String>,
    /// Another position.
    pub sort_order: Option<u32>,
    /// Another category, or none.
    pub category: Placement,
}

/// A page of groups, by position and name, perhaps of one category; anybody may look. Customers and strangers count
/// only the products that they can see.
///
/// # Errors
/// When the database can't be used.
pub async fn list(app: &App, actor: &Actor, category: Option<Id>, page: PageRequest) -> Result<Page<Group>> {
    store::groups(&app.database, category, actor.require(Permission::Admin).is_ok(), page).await
}

/// One group; anybody may look.
///
/// # Errors
/// NotFound.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<Group> {
    store::find_group(&app.database, id, actor.require(Permission::Admin).is_ok())
        .await?
        .ok_or_else(|| Error::not_found("product group", id))
}

/// Makes a group. For administrators.
///
/// # Errors
/// NotFound for an unknown category; InvalidArgument for fields that break their rules; PermissionDenied for others.
pub async fn create(app: &App, actor: &Actor, new: &NewGroup) -> Result<Group> {
    actor.require(Permission::Admin)?;
    let at = app.clock.now();
    let group = Group {
        id: Id::generate(),
        category_id: new.category_id,
        name: text::required("name", &new.name, NAME_MAX)?,
        description: text::optional("description", &new.description, NOTE_MAX)?,
        sort_order: new.sort_order,
        product_count: 0,
        created_at: at,
        updated_at: at,
    };
    let mut tx = app.database.begin().await?;
    store::insert_group(&mut tx, &group).await.map_err(|error| no_category(error, &group))?;
    record(&mut tx, app, actor, "product_group.create", group.id, &json!({ "after": group })).await?;
    tx.commit().await?;
    Ok(group)
}

/// Changes the given fields of a group. For administrators.
///
/// # Errors
/// NotFound for an unknown group or category; InvalidArgument for fields that break their rules; PermissionDenied for
/// others.
pub async fn update(app: &App, actor: &Actor, id: Id, change: &GroupUpdate) -> Result<Group> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let before = store::lock_group(&mut tx, id).await?;
    let mut group = before.clone();
    if let Some(name) = &change.name {
        group.name = text::required("name", name, NAME_MAX)?;
    }
    if let Some(description) = &change.description {
        group.description = text::optional("description", description, NOTE_MAX)?;
    }
    group.sort_order = change.sort_order.unwrap_or(before.sort_order);
    group.category_id = change.category.after(before.category_id);
    group.updated_at = app.clock.now();
    store::save_group(&mut tx, &group).await.map_err(|error| no_category(error, &group))?;
    record(&mut tx, app, actor, "product_group.update", id, &audit::change(&before, &group)).await?;
    tx.commit().await?;
    Ok(group)
}

/// The foreign key is what finds an unknown category: it also sees one that is deleted at the same moment.
fn no_category(error: Error, group: &Group) -> Error {
    match group.category_id {
        Some(category) if is_foreign_key_violation(&error) => Error::not_found("product category", category),
        _ => error,
    }
}

/// Deletes a group that holds no product. For administrators.
///
/// # Errors
/// NotFound; `product_group.in_use`; PermissionDenied for others.
pub async fn delete(app: &App, actor: &Actor, id: Id) -> Result<()> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let group = store::lock_group(&mut tx, id).await?;
    let in_use = |held: &str| {
        Error::invalid("product_group.in_use", format!("the group `{}` holds {held}", group.name))
            .hint("move its products to another group, or take them out first")
    };
    match group.product_count {
        0 => {}
        1 => return Err(in_use("1 product")),
        count => return Err(in_use(&format!("{count} products"))),
    }
    // A product that came in between is seen by the foreign key.
    store::delete_group(&mut tx, id)
        .await
        .map_err(|error| if is_foreign_key_violation(&error) { in_use("a product") } else { error })?;
    record(&mut tx, app, actor, "product_group.delete", id, &json!({ "before": group })).await?;
    tx.commit().await
}

async fn record(tx: &mut Tx, app: &App, actor: &Actor, action: &'static str, id: Id, detail: &Value) -> Result<()> {
    let entry = audit::Entry { action, target_type: "product_group", target_id: id, detail };
    audit::record(tx, app.clock.now(), actor, entry).await
}
