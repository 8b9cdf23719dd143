//! Use cases of categories.

use serde_json::{Value, json};

use super::{model::Category, store};
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

/// A category to be made.
#[derive(Clone, Debug, Default)]
pub struct NewCategory {
    /// The name.
    pub name: String,
    /// What the customer reads.
    pub description: String,
    /// The position, ascending.
    pub sort_order: i32,
}

/// What to change of a category; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct CategoryUpdate {
    /// Another name.
    pub name: Option<String>,
    /// Another text.
    pub description: Option<String>,
    /// Another position.
    pub sort_order: Option<i32>,
}

/// A page of categories, by position and name; anybody may look.
///
/// # Errors
/// When the database can't be used.
pub async fn list(app: &App, page: PageRequest) -> Result<Page<Category>> {
    store::categories(&app.database, page).await
}

/// One category; anybody may look.
///
/// # Errors
/// NotFound.
pub async fn get(app: &App, id: Id) -> Result<Category> {
    store::find_category(&app.database, id).await?.ok_or_else(|| Error::not_found("product category", id))
}

/// Makes a category. For administrators.
///
/// # Errors
/// InvalidArgument for fields that break their rules; PermissionDenied for others.
pub async fn create(app: &App, actor: &Actor, new: &NewCategory) -> Result<Category> {
    actor.require(Permission::Admin)?;
    let at = app.clock.now();
    let category = Category {
        id: Id::generate(),
        name: text::required("name", &new.name, NAME_MAX)?,
        description: text::optional("description", &new.description, NOTE_MAX)?,
        sort_order: new.sort_order,
        group_count: 0,
        created_at: at,
        updated_at: at,
    };
    let mut tx = app.database.begin().await?;
    store::insert_category(&mut tx, &category).await?;
    record(&mut tx, app, actor, "product_category.create", category.id, &json!({ "after": category })).await?;
    tx.commit().await?;
    Ok(category)
}

/// Changes the given fields of a category. For administrators.
///
/// # Errors
/// NotFound; InvalidArgument for fields that break their rules; PermissionDenied for others.
pub async fn update(app: &App, actor: &Actor, id: Id, change: &CategoryUpdate) -> Result<Category> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let before = store::lock_category(&mut tx, id).await?;
    let mut category = before.clone();
    if let Some(name) = &change.name {
        category.name = text::required("name", name, NAME_MAX)?;
    }
    if let Some(description) = &change.description {
        category.description = text::optional("description", description, NOTE_MAX)?;
    }
    category.sort_order = change.sort_order.unwrap_or(before.sort_order);
    category.updated_at = app.clock.now();
    store::save_category(&mut tx, &category).await?;
    record(&mut tx, app, actor, "product_category.update", id, &audit::change(&before, &category)).await?;
    tx.commit().await?;
    Ok(category)
}

/// Deletes a category that holds no group. For administrators.
///
/// # Errors
/// NotFound; `product_category.in_use`; PermissionDenied for others.
pub async fn delete(app: &App, actor: &Actor, id: Id) -> Result<()> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let category = store::lock_category(&mut tx, id).await?;
    let in_use = |held: &str| {
        Error::invalid("product_category.in_use", format!("the category `{}` holds {held}", category.name))
            .hint("move its groups to another category, or delete them first")
    };
    match category.group_count {
        0 => {}
        1 => return Err(in_use("1 group")),
        count => return Err(in_use(&format!("{count} groups"))),
    }
    // A group that came in between is seen by the foreign key.
    store::delete_category(&mut tx, id)
        .await
        .map_err(|error| if is_foreign_key_violation(&error) { in_use("a group") } else { error })?;
    record(&mut tx, app, actor, "product_category.delete", id, &json!({ "before": category })).await?;
    tx.commit().await
}

async fn record(tx: &mut Tx, app: &App, actor: &Actor, action: &'static str, id: Id, detail: &Value) -> Result<()> {
    let entry = audit::Entry { action, target_type: "product_category", target_id: id, detail };
    audit::record(tx, app.clock.now(), actor, entry).await
}
