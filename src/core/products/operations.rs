//! Use cases of products.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::types::Json;

use super::{
    model::{BillingCycle, Product, Specs},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    error::{Error, Result},
    id::Id,
    money::Money,
    page::{Page, PageRequest},
    plugins::{self, Kind},
    text::{self, NAME_MAX, NOTE_MAX},
};

/// Values of a product's specs, and characters of each name and value.
const SPECS_MAX: usize = 100;

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
        return Err(Error::invalid("product.price", "a price is negative, expected zero or more"));
    }
    let at = app.clock.now();
    let product = Product {
        id: Id::generate(),
        name: text::required("name", &new.name, NAME_MAX)?,
        description: text::optional("description", &new.description, NOTE_MAX)?,
        price: new.price,
        cost_price: new.cost_price,
        billing_cycles: Json(
            new.billing_cycles.iter().map(|(cycle, price)| (cycle.as_str().to_owned(), *price)).collect(),
        ),
        specs: Json(checked_specs(&new.specs)?),
        interface_id: new.interface_id,
        group_id: new.group_id,
        is_active: true,
        created_at: at,
        updated_at: at,
    };
    let mut tx = app.database.begin().await?;
    plugins::usable(&mut tx, product.interface_id, &[Kind::FirstPartyProvider, Kind::UpstreamProvider], "interface_id")
        .await?;
    if let Some(group) = product.group_id
        && !store::group_exists(&mut tx, group).await?
    {
        return Err(Error::not_found("product group", group));
    }
    store::insert(&mut tx, &product, &text::search_text(&[&product.name, &product.description])).await?;
    let detail = json!({ "after": product });
    audit::record(
        &mut tx,
        at,
        actor,
        audit::Entry { action: "product.create", target_type: "product", target_id: product.id, detail: &detail },
    )
    .await?;
    tx.commit().await?;
    Ok(product)
}

fn checked_specs(specs: &Specs) -> Result<Specs> {
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

/// A page of products; anybody may look. What they cost the shop is for administrators: others get zero.
///
/// # Errors
/// When the database can't be used.
pub async fn list(app: &App, actor: &Actor, filter: &ProductFilter, page: PageRequest) -> Result<Page<Product>> {
    let products = store::list(&app.database, filter, page).await?;
    Ok(products.map(|product| for_eyes_of(actor, product)))
}

/// One product; anybody may look.
///
/// # Errors
/// NotFound.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<Product> {
    let product = store::find(&app.database, id).await?.ok_or_else(|| Error::not_found("product", id))?;
    Ok(for_eyes_of(actor, product))
}

fn for_eyes_of(actor: &Actor, product: Product) -> Product {
    if actor.require(Permission::Admin).is_ok() { product } else { Product { cost_price: Money::ZERO, ..product } }
}
