//! Prices and purchases. Administrators deal with the provider, everybody else with the shop.

use serde_json::{Value, json};

use super::{
    answer::{nonsense, word},
    servers::ProviderServer,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    error::{Error, Result},
    id::Id,
    money::Money,
    orders::NewOrder,
    plugins::{self, Interface},
    products::{
        self, BillingCycle, PROVIDERS, Product, Specs, cost, plain,
        spec::{self, Template},
    },
    settlement,
};

/// Products of one provider that a customer's wish is compared with, and that a customer is shown.
const PRODUCTS_MAX: i64 = 1_000;

/// What a server costs.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Quote {
    /// How much.
    pub amount: Money,
    /// In which currency.
    pub currency: String,
    /// For which time.
    pub billing_cycle: BillingCycle,
}

/// What was bought.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Bought {
    /// What the seller calls it: a provider its server, this shop its order.
    pub provider_instance_id: String,
    /// How it is, in the seller's word.
    pub status: String,
    /// Where it is reached; may be empty.
    pub ip_address: String,
}

/// What a provider sells. For administrators the provider is asked, as `products::sync` does. For others nothing is
/// written: they are shown what is on sale, as the catalogue does.
///
/// # Errors
/// NotFound for an interface that is unknown or disabled and for an unknown group; `plugin.wrong_type`; Unauthenticated
/// for nobody.
pub async fn sync_products(app: &App, actor: &Actor, interface: Id, group: Option<Id>) -> Result<Vec<Product>> {
    actor.require(Permission::Authenticated)?;
    if actor.require(Permission::Admin).is_ok() {
        return products::sync(app, actor, interface, group).await;
    }
    let interface = plugins::enabled(&app.database, interface, &PROVIDERS, "interface_id").await?;
    let found = products::store::on_sale(&app.database, interface.id, PRODUCTS_MAX).await?;
    Ok(found.into_iter().map(|product| Product { cost_price: Money::ZERO, ..product }).collect())
}

/// What a server with this specification costs: administrators are told the provider's price, others the shop's for a
/// month.
///
/// # Errors
/// NotFound for an interface that is unknown or disabled, and `product.no_match` when the shop sells no such server;
/// `plugin.wrong_type`; `spec.…` for a specification that does not fit the provider's template; Internal when the script
/// refuses, fails or answers nonsense; Unauthenticated for nobody.
pub async fn quote(app: &App, actor: &Actor, interface: Id, wish: &Specs) -> Result<Quote> {
    actor.require(Permission::Authenticated)?;
    let interface = plugins::enabled(&app.database, interface, &PROVIDERS, "interface_id").await?;
    let template = template(app, &interface).await?;
    if actor.require(Permission::Admin).is_err() {
        let product = cheapest(app, &interface, &template, wish).await?;
        let billing_cycle = BillingCycle::Monthly;
        let currency = app.settings.billing.currency.clone();
        return Ok(Quote { amount: product.price_of(billing_cycle)?, currency, billing_cycle });
    }
    let spec = spec::complete(&template, &Specs::new(), wish)?;
    let answer = app.plugins.call_json(&interface, "query_price", described(&interface, json!({}), &spec)).await?;
    read_quote(&interface, &answer, &app.settings.billing.currency)
}

/// Buys a server. An administrator buys at the provider: there is no order of ours, and `supply::import` takes the
/// server into the records. Others buy from the shop, the cheapest product that fits, for a month, from their balance.
///
/// # Errors
/// As [`quote`]; for others also `balance.insufficient`, and then nothing was ordered.
pub async fn buy(app: &App, actor: &Actor, interface: Id, wish: &Specs) -> Result<Bought> {
    actor.require(Permission::Authenticated)?;
    let interface = plugins::enabled(&app.database, interface, &PROVIDERS, "interface_id").await?;
    let template = template(app, &interface).await?;
    if actor.require(Permission::Admin).is_err() {
        return buy_here(app, actor, &cheapest(app, &interface, &template, wish).await?, wish).await;
    }
    let spec = spec::complete(&template, &Specs::new(), wish)?;
    buy_there(app, actor, &interface, &spec).await
}

async fn buy_here(app: &App, actor: &Actor, product: &Product, wish: &Specs) -> Result<Bought> {
    let new = NewOrder {
        customer_id: None,
        product_id: product.id,
        provider_interface_id: Some(product.interface_id),
        wish: wish.clone(),
        billing_cycle: BillingCycle::Monthly,
        currency: String::new(),
        notes: String::new(),
    };
    let order = settlement::order_from_balance(app, actor, &new).await?;
    Ok(Bought { provider_instance_id: order.id.to_string(), status: "pending".to_owned(), ip_address: String::new() })
}

/// That it is about to be bought is written before the provider is asked: a call that is sent again with its idempotency
/// key, after a crash in between, must not buy a second one.
async fn buy_there(app: &App, actor: &Actor, interface: &Interface, spec: &Specs) -> Result<Bought> {
    const FUNCTION: &str = "create_instance";
    // The key by which the script knows a purchase that it made already.
    let purchase = Id::generate();
    note(app, actor, "supply.buy", purchase, &json!({ "interface_id": interface.id, "server_spec": spec })).await?;
    let business = json!({
        "order_id": purchase,
        "customer_id": "",
        "product_id": "",
        "product_name": "",
        "billing_cycle": BillingCycle::Monthly,
    });
    let answer = app.plugins.call_json(interface, FUNCTION, described(interface, business, spec)).await?;
    let server = ProviderServer::read(&answer);
    if server.instance_id.is_empty() {
        return Err(nonsense(interface, FUNCTION, "no `instance_id`: look there whether a server was made"));
    }
    note(app, actor, "supply.bought", purchase, &json!({ "interface_id": interface.id, "after": server })).await?;
    Ok(Bought { provider_instance_id: server.instance_id, status: server.status, ip_address: server.ip_address })
}

async fn note(app: &App, actor: &Actor, action: &'static str, purchase: Id, detail: &Value) -> Result<()> {
    let mut tx = app.database.begin().await?;
    let entry = audit::Entry { action, target_type: "purchase", target_id: purchase, detail };
    audit::record(&mut tx, app.clock.now(), actor, entry).await?;
    tx.commit().await
}

async fn template(app: &App, interface: &Interface) -> Result<Template> {
    app.plugins.call_json(interface, "spec_template", json!({})).await.and_then(Template::read).map_err(|cause| {
        // What a script says is for its operator, not for those who buy.
        Error::unavailable("provider.failed", "the provider can't be asked now")
            .hint("try again later")
            .caused_by(cause)
    })
}

/// The cheapest product on sale that fits a wish and can be had for a month.
async fn cheapest(app: &App, interface: &Interface, template: &Template, wish: &Specs) -> Result<Product> {
    let on_sale = products::store::on_sale(&app.database, interface.id, PRODUCTS_MAX).await?;
    let fitting = on_sale.into_iter().filter_map(|product| {
        let price = product.price_of(BillingCycle::Monthly).ok()?;
        spec::complete(template, &product.specs.0, wish).is_ok().then_some((price, product))
    });
    // Of several at one price the oldest, which comes first.
    fitting.min_by_key(|(price, _)| *price).map(|(_, product)| product).ok_or_else(|| {
        Error::none_such("product.no_match", "nothing on sale has this specification for a month")
            .hint("`ProductService/ListProducts` shows what is on sale")
    })
}

/// The values of a specification, whole and each under its own name, beside fields and settings whose names none of them
/// can take.
fn described(interface: &Interface, mut business: Value, spec: &Specs) -> Value {
    business["server_spec"] = json!(spec);
    interface.add_values(&mut business, spec);
    business
}

/// A price is an object, or the amount alone.
fn read_quote(interface: &Interface, answer: &Value, currency: &str) -> Result<Quote> {
    const FUNCTION: &str = "query_price";
    let (amount, given, cycle) = match answer {
        Value::Object(_) => (
            word(answer, &["amount", "price", "price_per_month"]),
            word(answer, &["currency"]),
            word(answer, &["billing_cycle"]),
        ),
        other => (plain(other), String::new(), String::new()),
    };
    let amount = cost(&amount).map_err(|error| nonsense(interface, FUNCTION, &format!("a price: {error}")))?;
    let billing_cycle = match cycle.as_str() {
        "" => BillingCycle::Monthly,
        word => BillingCycle::parse(word)
            .map_err(|error| nonsense(interface, FUNCTION, &format!("a billing cycle: {error}")))?,
    };
    let currency = if given.is_empty() { currency } else { &given }.to_owned();
    Ok(Quote { amount, currency, billing_cycle })
}
