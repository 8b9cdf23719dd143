//! Products that come from a provider: imported from a list, or asked of its plugin. They are made disabled, at their
//! cost price, so that nothing is sold before somebody has set a price.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use sqlx::types::Json;

use super::{
    batch::check_size,
    model::{Product, Specs},
    operations::{PROVIDERS, checked_specs, insert, require_group, save},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    error::{Error, Result},
    id::Id,
    money::Money,
    plugins,
    text::{self, NAME_MAX, NOTE_MAX},
    time::Timestamp,
};

/// Products that a provider may answer with.
const SYNC_MAX: usize = 1000;
/// What a provider that has no `specs` calls the properties of a server.
const SPEC_KEYS: [&str; 6] = ["region", "cpu_cores", "memory_gb", "disk_gb", "bandwidth_mbps", "os"];

/// A product to be imported.
#[derive(Clone, Debug, Default)]
pub struct UpstreamItem {
    /// The name.
    pub name: String,
    /// What the customer reads.
    pub description: String,
    /// What the server has.
    pub specs: Specs,
    /// What a month costs the shop.
    pub cost_price: Money,
}

/// Makes products of a list, and says how many. For administrators.
///
/// # Errors
/// `batch.size`; InvalidArgument for an interface that can't be used and for fields that break their rules, naming the
/// item; NotFound for an unknown interface or group; PermissionDenied for others.
pub async fn import(app: &App, actor: &Actor, interface: Id, group: Option<Id>, items: &[UpstreamItem]) -> Result<u32> {
    actor.require(Permission::Admin)?;
    check_size("items", items.len())?;
    let at = app.clock.now();
    let mut made = Vec::with_capacity(items.len());
    for (item, number) in items.iter().zip(0..) {
        if item.cost_price.is_negative() {
            let message = format!("`items[{number}].cost_price` is `{}`, expected zero or more", item.cost_price);
            return Err(Error::invalid("product.price", message));
        }
        let offer = Offer {
            name: text::required(&format!("items[{number}].name"), &item.name, NAME_MAX)?,
            description: text::optional(&format!("items[{number}].description"), &item.description, NOTE_MAX)?,
            specs: checked_specs(&item.specs)?,
            cost: Some(item.cost_price),
        };
        made.push(offer.into_product(at, interface, group));
    }
    let mut tx = app.database.begin().await?;
    plugins::usable(&mut tx, interface, &PROVIDERS, "interface_id").await?;
    require_group(&mut tx, group).await?;
    let mut imported = 0;
    for product in &made {
        insert(&mut tx, actor, "product.import", product).await?;
        imported += 1;
    }
    tx.commit().await?;
    Ok(imported)
}

/// Asks a provider's plugin for its products. One with the name and the specs of a product that exists updates that
/// one's description and cost, never its price; others are made, in the given group. For administrators.
///
/// # Errors
/// NotFound for an interface that is unknown or disabled and for an unknown group; `plugin.wrong_type` for one that is
/// no provider; Internal when the script fails or answers nonsense; PermissionDenied for others.
pub async fn sync(app: &App, actor: &Actor, interface: Id, group: Option<Id>) -> Result<Vec<Product>> {
    actor.require(Permission::Admin)?;
    let found = plugins::enabled(&app.database, interface, &PROVIDERS, "interface_id").await?;
    let answer = app.plugins.call_json(&found, "sync_products", json!({})).await?;
    let offers = read(answer, &app.settings.billing.currency)?;

    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    // Two that ask at the same moment must not make everything twice.
    plugins::store::lock(&mut tx, interface).await?;
    require_group(&mut tx, group).await?;
    let mut known: BTreeMap<(String, Specs), Id> = BTreeMap::new();
    for product in store::of_interface(&mut tx, interface).await? {
        known.entry((product.name, product.specs.0)).or_insert(product.id);
    }
    let mut synced = Vec::with_capacity(offers.len());
    for offer in offers {
        let key = (offer.name.clone(), offer.specs.clone());
        let product = if let Some(id) = known.get(&key) {
            let before = store::lock(&mut tx, *id).await?;
            let product = offer.merged(&before);
            if product == before {
                before
            } else {
                let product = Product { updated_at: at, ..product };
                save(&mut tx, actor, "product.sync", &before, &product).await?;
                product
            }
        } else {
            let product = offer.into_product(at, interface, group);
            insert(&mut tx, actor, "product.sync", &product).await?;
            known.insert(key, product.id);
            product
        };
        synced.push(product);
    }
    tx.commit().await?;
    Ok(synced)
}

/// What a provider says of one product.
#[derive(Debug, PartialEq, Eq)]
struct Offer {
    name: String,
    description: String,
    specs: Specs,
    /// What a month costs; none when the provider has no price in our currency.
    cost: Option<Money>,
}

impl Offer {
    fn into_product(self, at: Timestamp, interface_id: Id, group_id: Option<Id>) -> Product {
        let cost = self.cost.unwrap_or(Money::ZERO);
        Product {
            id: Id::generate(),
            name: self.name,
            description: self.description,
            price: cost,
            cost_price: cost,
            billing_cycles: Json::default(),
            specs: Json(self.specs),
            interface_id,
            group_id,
            is_active: false,
            created_at: at,
            updated_at: at,
        }
    }

    /// What the provider does not say stays as the shop has it.
    fn merged(self, product: &Product) -> Product {
        let mut product = product.clone();
        if !self.description.is_empty() {
            product.description = self.description;
        }
        product.cost_price = self.cost.unwrap_or(product.cost_price);
        product
    }
}

/// Reads what `sync_products` answered: a list, or an object that has it as `products`.
fn read(answer: Value, currency: &str) -> Result<Vec<Offer>> {
    let items = match answer {
        Value::Array(items) => items,
        Value::Object(mut object) => match object.remove("products") {
            Some(Value::Array(items)) => items,
            _ => return Err(nonsense("an object without a list of `products`")),
        },
        _ => return Err(nonsense("no list of products")),
    };
    if items.len() > SYNC_MAX {
        return Err(nonsense(&format!("{} products, at most {SYNC_MAX} are allowed", items.len())));
    }
    let mut offers: Vec<Offer> = Vec::with_capacity(items.len());
    for (item, number) in items.iter().zip(1..) {
        let Value::Object(item) = item else { return Err(nonsense(&format!("product {number}, which is no object"))) };
        let offer = read_item(item, currency)
            .map_err(|error| nonsense(&format!("product {number}, which can't be used: {error}")))?;
        if !offers.iter().any(|other| other.name == offer.name && other.specs == offer.specs) {
            offers.push(offer);
        }
    }
    Ok(offers)
}

fn nonsense(what: &str) -> Error {
    Error::internal("plugin.sync_products", format!("the provider's plugin answered with {what}"))
}

fn read_item(item: &Map<String, Value>, currency: &str) -> Result<Offer> {
    let word = |key: &str| item.get(key).map(plain).unwrap_or_default();
    let mut specs = Specs::new();
    for key in SPEC_KEYS {
        specs.insert(key.to_owned(), word(key));
    }
    for map in ["extra_specs", "specs"] {
        if let Some(Value::Object(given)) = item.get(map) {
            specs.extend(given.iter().map(|(key, value)| (key.clone(), plain(value))));
        }
    }
    // Providers write "any" as nothing or as 0; a product that fixed it could not be ordered.
    specs.retain(|_, value| !value.is_empty() && value != "0");
    let in_our_terms = matches!(word("billing_cycle").as_str(), "" | "monthly")
        && (word("currency").is_empty() || word("currency").eq_ignore_ascii_case(currency));
    let price = ["cost_price", "price", "price_per_month"].map(word).into_iter().find(|price| !price.is_empty());
    let cost = match price {
        Some(price) if in_our_terms => Some(cost(&price)?).filter(|cost| !cost.is_zero()),
        _ => None,
    };
    Ok(Offer {
        name: text::required("name", &word("name"), NAME_MAX)?,
        description: text::optional("description", &word("description"), NOTE_MAX)?,
        specs: checked_specs(&specs)?,
        cost,
    })
}

/// An amount that a script tells: any decimals, rounded to two; zero or more.
///
/// # Errors
/// `money.malformed` and `money.out_of_range`.
pub(crate) fn cost(price: &str) -> Result<Money> {
    let malformed = || {
        let shown = text::shown(price, text::SHOWN_MAX);
        Error::invalid("money.malformed", format!("`price` is `{shown}`, expected an amount such as `29.00`"))
    };
    let price: Decimal = price.parse().map_err(|_| malformed())?;
    if price.is_sign_negative() && !price.is_zero() {
        return Err(malformed());
    }
    Money::round_half_away_from_zero(price)
}

/// A value as a spec holds it: scripts write `2` and `"2"` alike.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(item: &Value) -> Result<Offer> {
        Ok(read(json!([item]), "EUR")?.remove(0))
    }

    #[test]
    fn an_offer_is_read_from_either_form() {
        let flat = one(&json!({
            "name": " S ", "region": "eu", "cpu_cores": 2, "memory_gb": 0, "os": "", "price": "5.005", "currency": "eur",
            "billing_cycle": "monthly", "stock": 3
        }))
        .unwrap();
        let specs: Specs = [("region", "eu"), ("cpu_cores", "2")].map(|(k, v)| (k.into(), v.into())).into();
        assert_eq!((flat.name.as_str(), &flat.specs), ("S", &specs));
        assert_eq!(flat.cost.unwrap().to_string(), "5.01");
        let mapped =
            one(&json!({ "name": "S", "specs": { "region": "eu", "cpu_cores": "2" }, "price_per_month": 5 })).unwrap();
        assert_eq!((&mapped.specs, mapped.cost.unwrap().to_string().as_str()), (&specs, "5.00"));
    }

    #[test]
    fn a_price_in_other_terms_is_no_price() {
        for item in [
            json!({ "name": "S" }),
            json!({ "name": "S", "price": "0.00" }),
            json!({ "name": "S", "price": "5", "currency": "CNY" }),
            json!({ "name": "S", "price": "50", "billing_cycle": "yearly" }),
        ] {
            assert_eq!(one(&item).unwrap().cost, None, "{item}");
        }
    }

    #[test]
    fn nonsense_is_the_plugins_fault_and_names_the_product() {
        for answer in [
            json!("x"),
            json!({ "items": [] }),
            json!([1]),
            json!([{ "name": "" }]),
            json!([{ "name": "S", "price": "-1" }]),
            json!([{ "name": "S", "price": "cheap" }]),
            Value::Array(vec![json!({ "name": "S" }); SYNC_MAX + 1]),
        ] {
            let error = read(answer, "EUR").unwrap_err();
            assert_eq!((error.kind(), error.code()), (crate::core::error::Kind::Internal, "plugin.sync_products"));
        }
        assert!(read(json!([{ "name": "S" }, { "name": "" }]), "EUR").unwrap_err().to_string().contains("product 2"));
        assert_eq!(read(json!({ "products": [{ "name": "S" }, { "name": "S" }] }), "EUR").unwrap().len(), 1);
    }
}
