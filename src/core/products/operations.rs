//! Use cases of products.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::types::Json;

use super::{
    model::{BillingCycle, Product, Specs},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    catalogue::{self, Placement},
    database::{Tx, is_foreign_key_violation},
    error::{Error, Result},
    id::Id,
    money::Money,
    page::{Page, PageRequest},
    plugins::{self, Kind},
    text::{self, NAME_MAX, NOTE_MAX},
    time::Timestamp,
};

/// Values of a product's specs, and characters of each name and value.
const SPECS_MAX: usize = 100;
/// The plugins that products are sold through.
pub(crate) const PROVIDERS: [Kind; 2] = [Kind::FirstPartyProvider, Kind::UpstreamProvider];

/// What a list of products is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct ProductFilter {
    /// Sold through this interface.
    pub interface_id: Option<Id>,
    /// With this region among its specs.
    pub region: Option<String>,
    /// Enabled or disabled ones.
    pub is_active: Option<bool>,
    /// A pattern of `text::search_filter`.
    pub search: Option<String>,
    /// Shown in this group.
    pub group_id: Option<Id>,
    /// Shown in a group of this category.
    pub category_id: Option<Id>,
}

/// A product to be made.
#[derive(Clone, Debug)]
pub struct NewProduct {
    /// The name.
    pub name: String,
    /// What the customer reads.
    pub description: String,
    /// The price of a month.
    pub price: Money,
    /// What a month costs the shop.
    pub cost_price: Money,
    /// The price of each cycle that is offered; empty: every cycle, at months times `price`.
    pub billing_cycles: BTreeMap<BillingCycle, Money>,
    /// What the server has.
    pub specs: Specs,
    /// The provider's interface.
    pub interface_id: Id,
    /// The group that it is shown in.
    pub group_id: Option<Id>,
}

/// What to change of a product; what is absent or, of the maps, empty stays.
#[derive(Clone, Debug, Default)]
pub struct ProductUpdate {
    /// Another name.
    pub name: Option<String>,
    /// Another text.
    pub description: Option<String>,
    /// Another price of a month. Prices by cycle do not follow: see `billing_cycles`.
    pub price: Option<Money>,
    /// Another cost of a month.
    pub cost_price: Option<Money>,
    /// Other prices by cycle, all of them.
    pub billing_cycles: BTreeMap<BillingCycle, Money>,
    /// Another specification, whole.
    pub specs: Specs,
    /// Another group, or none.
    pub group: Placement,
    /// On sale or not.
    pub is_active: Option<bool>,
}

/// Makes a product, enabled. For administrators.
///
/// # Errors
/// NotFound for an unknown interface or group; InvalidArgument for fields that break their rules.
pub async fn create(app: &App, actor: &Actor, new: &NewProduct) -> Result<Product> {
    actor.require(Permission::Admin)?;
    if new.price.is_negative()
        || new.cost_price.is_negative()
        || new.billing_cycles.values().any(|price| price.is_negative())
    {
        return Err(negative_price());
    }
    let at = app.clock.now();
    let product = Product {
        id: Id::generate(),
        name: text::required("name", &new.name, NAME_MAX)?,
        description: text::optional("description", &new.description, NOTE_MAX)?,
        price: new.price,
        cost_price: new.cost_price,
        billing_cycles: cycles(&new.billing_cycles),
        specs: Json(checked_specs(&new.specs)?),
        interface_id: new.interface_id,
        group_id: new.group_id,
        is_active: true,
        created_at: at,
        updated_at: at,
    };
    let mut tx = app.database.begin().await?;
    plugins::usable(&mut tx, product.interface_id, &PROVIDERS, "interface_id").await?;
    require_group(&mut tx, product.group_id).await?;
    insert(&mut tx, actor, "product.create", &product).await?;
    tx.commit().await?;
    Ok(product)
}

/// Changes the given fields of a product. Orders that were placed keep their price. For administrators.
///
/// # Errors
/// NotFound for an unknown product or group; InvalidArgument for fields that break their rules; PermissionDenied for
/// others.
pub async fn update(app: &App, actor: &Actor, id: Id, change: &ProductUpdate) -> Result<Product> {
    actor.require(Permission::Admin)?;
    let prices = [change.price, change.cost_price].into_iter().flatten();
    if prices.chain(change.billing_cycles.values().copied()).any(Money::is_negative) {
        return Err(negative_price());
    }
    let mut tx = app.database.begin().await?;
    let before = store::lock(&mut tx, id).await?;
    let mut product = before.clone();
    if let Some(name) = &change.name {
        product.name = text::required("name", name, NAME_MAX)?;
    }
    if let Some(description) = &change.description {
        product.description = text::optional("description", description, NOTE_MAX)?;
    }
    if !change.specs.is_empty() {
        product.specs = Json(checked_specs(&change.specs)?);
    }
    if !change.billing_cycles.is_empty() {
        product.billing_cycles = cycles(&change.billing_cycles);
    }
    product.price = change.price.unwrap_or(before.price);
    product.cost_price = change.cost_price.unwrap_or(before.cost_price);
    product.is_active = change.is_active.unwrap_or(before.is_active);
    product.group_id = change.group.after(before.group_id);
    product.updated_at = app.clock.now();
    if product.group_id != before.group_id {
        require_group(&mut tx, product.group_id).await?;
    }
    save(&mut tx, actor, "product.update", &before, &product).await?;
    tx.commit().await?;
    Ok(product)
}

/// Deletes a product that nobody ordered. For administrators.
///
/// # Errors
/// NotFound; `product.in_use`; PermissionDenied for others.
pub async fn delete(app: &App, actor: &Actor, id: Id) -> Result<()> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let product = store::lock(&mut tx, id).await?;
    remove(&mut tx, app.clock.now(), actor, &product).await?;
    tx.commit().await
}

/// The product of servers that were imported from a provider: it costs nothing and is not on sale. The interface must be
/// locked, so that there is one of it.
pub(crate) async fn placeholder(tx: &mut Tx, at: Timestamp, actor: &Actor, interface: Id) -> Result<Product> {
    const NAME: &str = "Imported server";
    let known = store::of_interface(tx, interface).await?;
    if let Some(product) = known.into_iter().find(|product| product.name == NAME && !product.is_active) {
        return Ok(product);
    }
    let product = Product {
        id: Id::generate(),
        name: NAME.to_owned(),
        description: String::new(),
        price: Money::ZERO,
        cost_price: Money::ZERO,
        billing_cycles: Json::default(),
        specs: Json::default(),
        interface_id: interface,
        group_id: None,
        is_active: false,
        created_at: at,
        updated_at: at,
    };
    insert(tx, actor, "product.create", &product).await?;
    Ok(product)
}

/// Writes a new product with its entry in the operation log.
pub(super) async fn insert(tx: &mut Tx, actor: &Actor, action: &'static str, product: &Product) -> Result<()> {
    let search = text::search_text(&[&product.name, &product.description]);
    store::insert(tx, product, &search).await.map_err(|error| no_group(error, product))?;
    record(tx, product.updated_at, actor, action, product.id, &json!({ "after": product })).await
}

/// Writes a product that changed with its entry in the operation log.
pub(super) async fn save(
    tx: &mut Tx,
    actor: &Actor,
    action: &'static str,
    before: &Product,
    product: &Product,
) -> Result<()> {
    let search = text::search_text(&[&product.name, &product.description]);
    store::save(tx, product, &search).await.map_err(|error| no_group(error, product))?;
    record(tx, product.updated_at, actor, action, product.id, &audit::change(before, product)).await
}

/// Removes a locked product with its entry in the operation log, unless somebody ordered it.
pub(super) async fn remove(tx: &mut Tx, at: Timestamp, actor: &Actor, product: &Product) -> Result<()> {
    let in_use = |orders: &str| {
        Error::invalid("product.in_use", format!("the product `{}` ({}) has {orders}", product.name, product.id))
            .hint("disable it instead")
    };
    match store::orders_of(tx, product.id).await? {
        0 => {}
        1 => return Err(in_use("1 order")),
        count => return Err(in_use(&format!("{count} orders"))),
    }
    // An order that came in between is seen by the foreign key.
    store::delete(tx, product.id)
        .await
        .map_err(|error| if is_foreign_key_violation(&error) { in_use("orders") } else { error })?;
    record(tx, at, actor, "product.delete", product.id, &json!({ "before": product })).await
}

async fn record(tx: &mut Tx, at: Timestamp, actor: &Actor, action: &'static str, id: Id, detail: &Value) -> Result<()> {
    audit::record(tx, at, actor, audit::Entry { action, target_type: "product", target_id: id, detail }).await
}

/// Refuses a group that does not exist.
pub(super) async fn require_group(tx: &mut Tx, group: Option<Id>) -> Result<()> {
    match group {
        Some(group) if !catalogue::store::group_exists(tx, group).await? => {
            Err(Error::not_found("product group", group))
        }
        _ => Ok(()),
    }
}

/// A group that was deleted since [`require_group`] looked.
fn no_group(error: Error, product: &Product) -> Error {
    match product.group_id {
        Some(group) if is_foreign_key_violation(&error) => Error::not_found("product group", group),
        _ => error,
    }
}

fn negative_price() -> Error {
    Error::invalid("product.price", "a price is negative, expected zero or more")
}

fn cycles(prices: &BTreeMap<BillingCycle, Money>) -> Json<BTreeMap<String, Money>> {
    Json(prices.iter().map(|(cycle, price)| (cycle.as_str().to_owned(), *price)).collect())
}

/// Specs as they are stored.
pub(super) fn checked_specs(specs: &Specs) -> Result<Specs> {
    if specs.len() > SPECS_MAX {
        return Err(Error::invalid(
            "product.specs",
            format!("`specs` has {} values, at most {SPECS_MAX} are allowed", specs.len()),
        ));
    }
    specs
        .iter()
        .map(|(key, value)| {
            let key = text::required("specs", key, NAME_MAX)?;
            let value = text::optional(&format!("specs.{key}"), value, NAME_MAX)?;
            Ok((key, value))
        })
        .collect()
}

/// A page of products; anybody may look. Disabled products and what products cost the shop are for administrators:
/// others find the enabled ones, at a cost of zero.
///
/// # Errors
/// `text.control` and `text.too_long` for a region that no product can have.
pub async fn list(app: &App, actor: &Actor, filter: &ProductFilter, page: PageRequest) -> Result<Page<Product>> {
    let region = filter.region.as_deref().map(|region| text::optional("region", region, NAME_MAX)).transpose()?;
    let filter = &ProductFilter { region, ..filter.clone() };
    let products = store::list(&app.database, filter, actor.require(Permission::Admin).is_err(), page).await?;
    Ok(products.map(|product| for_eyes_of(actor, product)))
}

/// One product; anybody may look, at a disabled one only administrators.
///
/// # Errors
/// NotFound.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<Product> {
    let product = store::find(&app.database, id)
        .await?
        .filter(|product| product.is_active || actor.require(Permission::Admin).is_ok())
        .ok_or_else(|| Error::not_found("product", id))?;
    Ok(for_eyes_of(actor, product))
}

fn for_eyes_of(actor: &Actor, product: Product) -> Product {
    if actor.require(Permission::Admin).is_ok() { product } else { Product { cost_price: Money::ZERO, ..product } }
}
