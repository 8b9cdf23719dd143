//! Use cases of orders. Paying them is in `settlement`, making their servers in `worker`.

use serde_json::json;
use sqlx::types::Json;

use super::{
    model::{Order, OrderStatus},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    customers::{self, Customer},
    database::{Tx, is_foreign_key_violation},
    error::{Error, Result},
    event::EventType,
    id::Id,
    money::Money,
    outbox::{self, NewEvent},
    page::{Page, PageRequest},
    plugins::{self, Kind},
    products::{
        self, BillingCycle, Product, Specs,
        spec::{self, Template},
    },
    text::{self, NOTE_MAX},
    time::Timestamp,
};

/// What a list of orders is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// One customer's.
    pub customer_id: Option<Id>,
    /// In one state.
    pub status: Option<OrderStatus>,
    /// Made by one provider.
    pub provider_interface_id: Option<Id>,
    /// A pattern of `text::search_filter` over identifier, product and customer.
    pub search: Option<String>,
}

/// An order to be placed.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// Whose; a customer orders for itself.
    pub customer_id: Option<Id>,
    /// What.
    pub product_id: Id,
    /// The product's provider; if given it must be that one.
    pub provider_interface_id: Option<Id>,
    /// What the customer chose.
    pub wish: Specs,
    /// How often is paid.
    pub billing_cycle: BillingCycle,
    /// The installation's currency, or empty.
    pub currency: String,
    /// Notes.
    pub notes: String,
}

/// Places an order, which is then pending. The price is the product's, whatever the caller says. For everybody who is
/// logged in.
///
/// # Errors
/// NotFound for an unknown product or customer; PermissionDenied for another customer; InvalidArgument for a product
/// that can't be ordered, a cycle that it does not offer, a specification that does not fit.
pub async fn place(app: &App, actor: &Actor, new: &NewOrder) -> Result<Order> {
    actor.require(Permission::Authenticated)?;
    let prepared = prepare(app, actor, new).await?;
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let (order, _) = write(&mut tx, at, actor, &prepared).await?;
    tx.commit().await?;
    app.wake.notify_one();
    Ok(order)
}

/// An order that was checked, and may be written.
pub(crate) struct Prepared {
    customer_id: Id,
    product: Product,
    server_spec: Specs,
    billing_cycle: BillingCycle,
    total_amount: Money,
    currency: String,
    notes: String,
}

/// Everything of [`place`] that comes before its transaction: the provider's script is asked here.
///
/// # Errors
/// As [`place`].
pub(crate) async fn prepare(app: &App, actor: &Actor, new: &NewOrder) -> Result<Prepared> {
    let customer_id = actor.one_customer(new.customer_id)?;
    let currency = &app.settings.billing.currency;
    if !new.currency.is_empty() && new.currency != *currency {
        let shown = text::shown(&new.currency, text::SHOWN_MAX);
        return Err(Error::invalid("order.currency", format!("`currency` is `{shown}`, this shop uses `{currency}`")));
    }
    let notes = text::optional("notes", &new.notes, NOTE_MAX)?;
    let product = products::store::find(&app.database, new.product_id)
        .await?
        .ok_or_else(|| Error::not_found("product", new.product_id))?;
    if !product.is_active {
        return Err(Error::invalid("product.inactive", format!("the product `{}` can't be ordered now", product.name)));
    }
    if let Some(given) = new.provider_interface_id
        && given != product.interface_id
    {
        return Err(Error::invalid(
            "order.provider",
            format!("`provider_interface_id` is `{given}`, the product's is `{}`", product.interface_id),
        ));
    }
    let total_amount = product.price_of(new.billing_cycle)?;
    let interface = plugins::usable(
        &app.database,
        product.interface_id,
        &[Kind::FirstPartyProvider, Kind::UpstreamProvider],
        "provider_interface_id",
    )
    .await?;
    let template = app.plugins.call_json(&interface, "spec_template", json!({})).await.and_then(Template::read);
    let template = template.map_err(|cause| {
        // What a script says is for its operator, not for those who buy.
        Error::unavailable("provider.failed", format!("`{}` can't be ordered now", product.name))
            .hint("try again later")
            .caused_by(cause)
    })?;
    let server_spec = spec::complete(&template, &product.specs.0, &new.wish)?;
    let (billing_cycle, currency) = (new.billing_cycle, currency.clone());
    Ok(Prepared { customer_id, product, server_spec, billing_cycle, total_amount, currency, notes })
}

/// Writes a new order, which is then pending, with its event and its entry in the operation log; gives back its
/// customer as well, which is locked.
///
/// # Errors
/// NotFound for a product that is gone; `customer.inactive`.
pub(crate) async fn write(tx: &mut Tx, at: Timestamp, actor: &Actor, prepared: &Prepared) -> Result<(Order, Customer)> {
    let Prepared { customer_id, product, .. } = prepared;
    // Locked, so that it is not deleted or disabled meanwhile.
    let customer = customers::lock(tx, *customer_id).await?;
    if !customer.is_active {
        return Err(Error::invalid("customer.inactive", format!("the customer `{}` is disabled", customer.name)));
    }
    let order = Order {
        id: Id::generate(),
        customer_id: *customer_id,
        product_id: product.id,
        product_name: product.name.clone(),
        provider_interface_id: product.interface_id,
        provider_instance_id: String::new(),
        server_spec: Json(prepared.server_spec.clone()),
        billing_cycle: prepared.billing_cycle,
        total_amount: prepared.total_amount,
        currency: prepared.currency.clone(),
        gateway_interface_id: None,
        gateway_payment_id: String::new(),
        status: OrderStatus::Pending,
        status_reason: String::new(),
        notes: prepared.notes.clone(),
        activated_at: None,
        ended_at: None,
        created_at: at,
        updated_at: at,
    };
    let search = text::search_text(&[&order.id.to_string(), &order.product_name, &customer.name, &customer.email]);
    // The product was read before the provider's script ran; it may be gone by now.
    store::insert(tx, &order, &search).await.map_err(|error| {
        if is_foreign_key_violation(&error) { Error::not_found("product", order.product_id) } else { error }
    })?;
    outbox::enqueue(tx, at, NewEvent::of_order(EventType::OrderCreated, order.id, json!({}))).await?;
    let detail = json!({ "after": order });
    audit::record(
        tx,
        at,
        actor,
        audit::Entry { action: "order.create", target_type: "order", target_id: order.id, detail: &detail },
    )
    .await?;
    Ok((order, customer))
}

/// A page of orders; customers see their own.
///
/// # Errors
/// PermissionDenied for another customer's.
pub async fn list(app: &App, actor: &Actor, filter: &OrderFilter, page: PageRequest) -> Result<Page<Order>> {
    let filter = OrderFilter { customer_id: actor.scope()?.narrow(filter.customer_id)?, ..filter.clone() };
    store::list(&app.database, &filter, page).await
}

/// One order.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<Order> {
    actor.require(Permission::Authenticated)?;
    let order = store::find(&app.database, id).await?.ok_or_else(|| Error::not_found("order", id))?;
    actor.require_customer(order.customer_id)?;
    Ok(order)
}
