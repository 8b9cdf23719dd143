//! Taking a server that exists at a provider into our records.

use serde_json::json;
use sqlx::types::Json;

use super::{
    answer::{nonsense, word},
    servers::ProviderServer,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit, customers,
    database::{Source, Tx},
    error::{Error, Result},
    id::Id,
    instances::{self, Instance, InstanceStatus},
    money::Money,
    orders::{self, Order, OrderStatus},
    plugins::{self, Interface, Kind},
    products::{self, BillingCycle},
    text::{self, NAME_MAX},
    time::Timestamp,
};

/// Makes an instance of a server that an upstream provider holds for us. It gets an order that costs nothing, of a
/// customer who stands for nobody, so that everything which holds for servers holds for it too: it can be looked at,
/// controlled and given back. For administrators.
///
/// # Errors
/// NotFound for an unknown interface; `plugin.wrong_type` for one that is no upstream provider; `instance.known` for a
/// server that we have, or that an order of ours is just getting; `instance.gone` for one that the provider says is no more; Internal when the script refuses,
/// fails or answers nonsense; PermissionDenied for others.
pub async fn import(app: &App, actor: &Actor, interface: Id, instance_id: &str) -> Result<Instance> {
    const FUNCTION: &str = "import_upstream_instance";
    actor.require(Permission::Admin)?;
    let instance_id = text::required("instance_id", instance_id, NAME_MAX)?;
    let interface = plugins::of_kind(&app.database, interface, &[Kind::UpstreamProvider], "interface_id").await?;
    // Asked before the provider, which may take what it is asked for as an order to do something.
    require_unknown(&app.database, &interface, &instance_id).await?;
    let answer = app.plugins.call_json(&interface, FUNCTION, json!({ "instance_id": instance_id })).await?;
    if !answer.is_object() {
        return Err(nonsense(&interface, FUNCTION, "no object that describes a server"));
    }
    let mut server = ProviderServer::read(&answer);
    if server.instance_id.is_empty() {
        server.instance_id = instance_id;
    }
    // A script that remembers for which order of ours it bought the server names it.
    let buyer = Id::parse("order_id", &word(&answer, &["order_id"])).ok();
    let status = InstanceStatus::from_provider(&server.status);
    if matches!(status, InstanceStatus::Terminated | InstanceStatus::Error) {
        let shown = text::shown(&server.instance_id, NAME_MAX);
        let message = format!("the server `{shown}` is {status}, so there is nothing to take over");
        return Err(Error::invalid("instance.gone", message));
    }
    let once = || write(app, actor, &interface, &server, status, buyer);
    match app.database.retry(once).await {
        // Somebody else made the customer for unassigned servers at the same moment: now it is there.
        Err(error) if error.code() == "name.taken" => app.database.retry(once).await,
        result => result,
    }
}

async fn require_unknown(source: impl Source<'_>, interface: &Interface, instance_id: &str) -> Result<()> {
    match instances::store::find_by_provider(source, interface.id, instance_id).await? {
        None => Ok(()),
        Some(known) => {
            let shown = text::shown(instance_id, NAME_MAX);
            Err(Error::already_exists("instance.known", format!("the server `{shown}` is our instance `{}`", known.id)))
        }
    }
}

/// Refuses a server that an order of ours is just getting: it was bought and is not written down yet.
async fn require_not_expected(tx: &mut Tx, interface: &Interface, instance_id: &str, buyer: Id) -> Result<()> {
    let Some(waiting) = instances::store::find_by_order(tx, buyer).await? else { return Ok(()) };
    let is_open = !matches!(waiting.status, InstanceStatus::Terminated | InstanceStatus::Error);
    // An order that was given another server by hand does not wait for this one.
    let is_nameless = waiting.provider_instance_id.is_empty();
    if waiting.provider_interface_id != interface.id || !is_open || !is_nameless {
        return Ok(());
    }
    let shown = text::shown(instance_id, NAME_MAX);
    let message = format!("the server `{shown}` was bought for our instance `{}`, which waits for it", waiting.id);
    Err(Error::already_exists("instance.known", message))
}

async fn write(
    app: &App,
    actor: &Actor,
    interface: &Interface,
    server: &ProviderServer,
    status: InstanceStatus,
    buyer: Option<Id>,
) -> Result<Instance> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    // Two that import the same server come one after the other.
    plugins::store::lock(&mut tx, interface.id).await?;
    require_unknown(&mut tx, interface, &server.instance_id).await?;
    if let Some(buyer) = buyer {
        require_not_expected(&mut tx, interface, &server.instance_id, buyer).await?;
    }
    let order = match waiting_order(&mut tx, interface, &server.instance_id).await? {
        Some(order) => order,
        None => free_order(app, &mut tx, at, actor, interface, &server.instance_id).await?,
    };
    let instance = Instance {
        id: Id::generate(),
        customer_id: order.customer_id,
        order_id: order.id,
        product_id: order.product_id,
        product_name: order.product_name,
        provider_interface_id: interface.id,
        provider_instance_id: server.instance_id.clone(),
        status,
        ip_address: server.ip_address.clone(),
        server_spec: order.server_spec,
        created_at: at,
        updated_at: at,
    };
    instances::store::insert(&mut tx, &instance).await?;
    let detail = json!({ "after": instance });
    audit::record(
        &mut tx,
        at,
        actor,
        audit::Entry { action: "instance.import", target_type: "instance", target_id: instance.id, detail: &detail },
    )
    .await?;
    tx.commit().await?;
    Ok(instance)
}

/// An order that runs on this server and whose instance is not there.
async fn waiting_order(tx: &mut Tx, interface: &Interface, instance_id: &str) -> Result<Option<Order>> {
    let Some(order) = orders::store::find_by_provider(&mut *tx, interface.id, instance_id).await? else {
        return Ok(None);
    };
    let runs = matches!(order.status, OrderStatus::Active | OrderStatus::Suspended);
    let has_instance = instances::store::find_by_order(tx, order.id).await?.is_some();
    Ok((runs && !has_instance).then_some(order))
}

/// An order for nothing. It counts as never activated: no instalment of it is ever due.
async fn free_order(
    app: &App,
    tx: &mut Tx,
    at: Timestamp,
    actor: &Actor,
    interface: &Interface,
    instance_id: &str,
) -> Result<Order> {
    let customer = customers::nobody(tx, at, actor).await?;
    let product = products::placeholder(tx, at, actor, interface.id).await?;
    let order = Order {
        id: Id::generate(),
        customer_id: customer.id,
        product_id: product.id,
        product_name: product.name,
        provider_interface_id: interface.id,
        provider_instance_id: instance_id.to_owned(),
        server_spec: Json::default(),
        billing_cycle: BillingCycle::Monthly,
        total_amount: Money::ZERO,
        currency: app.settings.billing.currency.clone(),
        gateway_interface_id: None,
        gateway_payment_id: String::new(),
        status: OrderStatus::Active,
        status_reason: String::new(),
        notes: format!("Imported from {}", interface.display_name),
        activated_at: None,
        ended_at: None,
        created_at: at,
        updated_at: at,
    };
    let search = text::search_text(&[&order.id.to_string(), &order.product_name, &customer.name, instance_id]);
    orders::store::insert(tx, &order, &search).await?;
    let detail = json!({ "after": order });
    let entry = audit::Entry { action: "order.import", target_type: "order", target_id: order.id, detail: &detail };
    audit::record(tx, at, actor, entry).await?;
    Ok(order)
}
