//! What administrators do with orders by hand: move them along, correct what the provider calls their server, write
//! notes, delete them. A move does the same as what usually causes it.

use serde_json::json;

use super::{
    give_back::{is_being_refunded, refund_order},
    posting, receipt,
    refund::cancel_and_refund,
    terminate::end_order,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit, customers,
    database::{Tx, is_foreign_key_violation},
    error::{Error, Result},
    event::EventType,
    id::Id,
    instances::{self, Instance, InstanceStatus},
    invoices,
    orders::{self, Order, OrderStatus},
    outbox::{self, NewEvent},
    payments::{self, Method},
    text::{self, NAME_MAX, NOTE_MAX},
    time::Timestamp,
};

/// Why an order was cancelled that somebody cancelled by hand. The operation log says who.
const BY_HAND: &str = "cancelled by an administrator";

/// What to change of an order.
#[derive(Clone, Debug, Default)]
pub struct OrderUpdate {
    /// Another state.
    pub status: Option<OrderStatus>,
    /// What the provider calls the server.
    pub provider_instance_id: Option<String>,
    /// Other notes; an empty text takes them away.
    pub notes: Option<String>,
}

/// Changes an order, all of it or nothing. For administrators.
///
/// # Errors
/// NotFound; `order.no_change`; `order.wrong_state`, naming both states; `order.no_instance` when an order without a
/// server is to become active; `order.refunding` for one that is to be provisioned while its money is on its way back; as
/// `refund` for a move to refunded; PermissionDenied for others.
pub async fn update_order(app: &App, actor: &Actor, id: Id, change: &OrderUpdate) -> Result<Order> {
    actor.require(Permission::Admin)?;
    let change = OrderUpdate {
        status: change.status,
        provider_instance_id: change
            .provider_instance_id
            .as_deref()
            .map(|text| text::required("provider_instance_id", text, NAME_MAX))
            .transpose()?,
        notes: change.notes.as_deref().map(|text| text::optional("notes", text, NOTE_MAX)).transpose()?,
    };
    if let OrderUpdate { status: None, provider_instance_id: None, notes: None } = &change {
        return Err(Error::invalid(
            "order.no_change",
            "nothing to change, expected `status`, `provider_instance_id` or `notes`",
        ));
    }
    let order = match change.status {
        Some(OrderStatus::Refunded) => give_back(app, actor, id, change).await?,
        _ => app.database.retry(|| update(app, actor, id, &change, None)).await?,
    };
    app.wake.notify_one();
    Ok(order)
}

/// Lets a suspended order go on. For administrators.
///
/// Unlike a move to active it never activates an order that still waits for its server.
///
/// # Errors
/// NotFound; `order.wrong_state` when it is not suspended; PermissionDenied for others.
pub async fn resume_order(app: &App, actor: &Actor, id: Id) -> Result<Order> {
    actor.require(Permission::Admin)?;
    let change = OrderUpdate { status: Some(OrderStatus::Active), ..OrderUpdate::default() };
    let order = app.database.retry(|| update(app, actor, id, &change, Some(OrderStatus::Suspended))).await?;
    app.wake.notify_one();
    Ok(order)
}

/// The money leaves first, through its gateway if it came that way, and the refund moves the order. What else is to be
/// changed follows.
async fn give_back(app: &App, actor: &Actor, id: Id, change: OrderUpdate) -> Result<Order> {
    let order = orders::store::find(&app.database, id).await?.ok_or_else(|| Error::not_found("order", id))?;
    order.status.check_move(OrderStatus::Refunded)?;
    refund_order(app, actor, id).await?;
    if change.provider_instance_id.is_none() && change.notes.is_none() {
        return orders::store::find(&app.database, id).await?.ok_or_else(|| Error::not_found("order", id));
    }
    let rest = OrderUpdate { status: None, ..change };
    app.database.retry(|| update(app, actor, id, &rest, None)).await
}

/// With `only_from` an order in another state is left alone.
async fn update(
    app: &App,
    actor: &Actor,
    id: Id,
    change: &OrderUpdate,
    only_from: Option<OrderStatus>,
) -> Result<Order> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let before = lock(&mut tx, id).await?;
    if let Some(from) = only_from.filter(|from| *from != before.status) {
        let is = before.status;
        return Err(Error::invalid(
            "order.wrong_state",
            format!("the order is {is}, and only one that is {from} can go on"),
        )
        .hint("`rustbill order show` tells how far it got"));
    }
    let mut order = before.clone();
    if let Some(notes) = &change.notes {
        orders::store::set_notes(&mut tx, at, id, notes).await?;
    }
    if let Some(given) = &change.provider_instance_id {
        orders::store::set_provider_instance(&mut tx, at, id, given).await?;
        instances::store::set_provider_instance(&mut tx, at, id, given).await?;
        order.provider_instance_id.clone_from(given);
    }
    if let Some(to) = change.status {
        order.status.check_move(to)?;
        move_to(&mut tx, at, actor, &order, to).await?;
    }
    let after = orders::store::find(&mut tx, id).await?.ok_or_else(|| Error::not_found("order", id))?;
    record(&mut tx, at, actor, "order.update", &after, &audit::change(&before, &after)).await?;
    tx.commit().await?;
    Ok(after)
}

/// The order, locked after its customer.
async fn lock(tx: &mut Tx, id: Id) -> Result<Order> {
    let found = orders::store::find(&mut *tx, id).await?.ok_or_else(|| Error::not_found("order", id))?;
    customers::lock(tx, found.customer_id).await?;
    orders::store::lock(tx, id).await
}

/// Makes a move that the states allow, and all that belongs to it.
async fn move_to(tx: &mut Tx, at: Timestamp, actor: &Actor, order: &Order, to: OrderStatus) -> Result<()> {
    match to {
        // No order comes back to the first, and the other is a refund's.
        OrderStatus::Pending | OrderStatus::Refunded => Ok(()),
        OrderStatus::Paid => record_payment(tx, at, actor, order).await,
        // The worker waits for the same: a server must not be made for money that leaves.
        OrderStatus::Provisioning if is_being_refunded(tx, order.id).await? => {
            Err(Error::invalid("order.refunding", format!("the order `{}` is being refunded", order.id))
                .hint("it is refunded when the gateway has given the money back, or goes on when the gateway refuses"))
        }
        OrderStatus::Provisioning => begin_provisioning(tx, at, order).await,
        OrderStatus::Active if order.status == OrderStatus::Suspended => {
            set_power(tx, at, order, to, InstanceStatus::Running, EventType::OrderResumed).await
        }
        OrderStatus::Active => activate(tx, at, order).await,
        OrderStatus::Suspended => {
            set_power(tx, at, order, to, InstanceStatus::Suspended, EventType::OrderSuspended).await
        }
        OrderStatus::Completed | OrderStatus::Terminated => end_order(tx, at, order, to, "").await,
        OrderStatus::Cancelled => {
            cancel_and_refund(tx, at, actor, order, BY_HAND).await?;
            // The provider may be making the server right now; when it is done, the server is given back.
            if order.status == OrderStatus::Provisioning {
                enqueue(tx, at, EventType::OrderEnded, order).await?;
            }
            Ok(())
        }
    }
}

/// The money came by another way: the order is paid as it is by any payment, so that its server is made.
async fn record_payment(tx: &mut Tx, at: Timestamp, actor: &Actor, order: &Order) -> Result<()> {
    let payment = receipt::of_order(at, order, Method::Manual, format!("recorded by {}", actor.name()));
    payments::store::insert(tx, &payment).await?;
    posting::order_paid(tx, at, &payment).await?;
    orders::store::set_gateway(tx, at, order.id, None, "").await?;
    orders::store::advance(tx, at, order, OrderStatus::Paid, "").await?;
    let event = NewEvent::of_order(EventType::OrderPaid, order.id, json!({ "payment_id": payment.id }));
    outbox::enqueue(tx, at, event).await?;
    let entry = audit::Entry {
        action: "payment.record",
        target_type: "payment",
        target_id: payment.id,
        detail: &json!({ "after": payment }),
    };
    audit::record(tx, at, actor, entry).await
}

/// Moves a paid order to `provisioning` and writes the server that is to be. Part of the worker's transaction too.
///
/// # Errors
/// `order.wrong_state`.
pub(crate) async fn begin_provisioning(tx: &mut Tx, at: Timestamp, order: &Order) -> Result<()> {
    orders::store::advance(tx, at, order, OrderStatus::Provisioning, "").await?;
    let instance = Instance {
        id: Id::generate(),
        customer_id: order.customer_id,
        order_id: order.id,
        product_id: order.product_id,
        product_name: order.product_name.clone(),
        provider_interface_id: order.provider_interface_id,
        provider_instance_id: order.provider_instance_id.clone(),
        status: InstanceStatus::Provisioning,
        ip_address: String::new(),
        server_spec: order.server_spec.clone(),
        created_at: at,
        updated_at: at,
    };
    instances::store::insert(tx, &instance).await
}

/// The server is there, whoever made it.
async fn activate(tx: &mut Tx, at: Timestamp, order: &Order) -> Result<()> {
    if order.provider_instance_id.is_empty() {
        return Err(Error::invalid(
            "order.no_instance",
            "`provider_instance_id` is missing: an active order has a server, and the provider must be able to find it",
        )
        .hint("give what the provider calls the server with the same change"));
    }
    orders::store::advance(tx, at, order, OrderStatus::Active, "").await?;
    instances::store::set_status_of_order(tx, at, order.id, InstanceStatus::Running).await?;
    enqueue(tx, at, EventType::OrderProvisioned, order).await
}

/// Takes the server from its customer for now, or gives it back; the worker has the provider do it.
async fn set_power(
    tx: &mut Tx,
    at: Timestamp,
    order: &Order,
    to: OrderStatus,
    status: InstanceStatus,
    event: EventType,
) -> Result<()> {
    orders::store::advance(tx, at, order, to, "").await?;
    instances::store::set_status_of_order(tx, at, order.id, status).await?;
    enqueue(tx, at, event, order).await
}

async fn enqueue(tx: &mut Tx, at: Timestamp, event: EventType, order: &Order) -> Result<()> {
    outbox::enqueue(tx, at, NewEvent::of_order(event, order.id, json!({}))).await.map(|_| ())
}

/// Deletes an order behind which nothing stands: no payment in whatever state, no line of an invoice, no server. For
/// administrators.
///
/// # Errors
/// NotFound; `order.in_use`, naming what stands in the way; PermissionDenied for others.
pub async fn delete_order(app: &App, actor: &Actor, id: Id) -> Result<()> {
    actor.require(Permission::Admin)?;
    app.database.retry(|| delete(app, actor, id)).await
}

async fn delete(app: &App, actor: &Actor, id: Id) -> Result<()> {
    let mut tx = app.database.begin().await?;
    let order = lock(&mut tx, id).await?;
    let in_use = |held: &str| {
        Error::invalid("order.in_use", format!("the order {id} has {held}"))
            .hint("cancel or terminate it instead, such as with `rustbill order cancel`")
    };
    let counted = |count: i64, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let payments = payments::store::count_of_order(&mut tx, id).await?;
    let lines = invoices::store::lines_of_order(&mut tx, id).await?;
    let instances = i64::from(instances::store::find_by_order(&mut tx, id).await?.is_some());
    let held: Vec<String> = [
        counted(payments, "payment", "payments"),
        counted(lines, "line of an invoice", "lines of invoices"),
        counted(instances, "server", "servers"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !held.is_empty() {
        return Err(in_use(&held.join(", ")));
    }
    orders::store::delete(&mut tx, id)
        .await
        .map_err(|error| if is_foreign_key_violation(&error) { in_use("something new") } else { error })?;
    record(&mut tx, app.clock.now(), actor, "order.delete", &order, &json!({ "before": order })).await?;
    tx.commit().await
}

async fn record(
    tx: &mut Tx,
    at: Timestamp,
    actor: &Actor,
    action: &'static str,
    order: &Order,
    detail: &serde_json::Value,
) -> Result<()> {
    audit::record(tx, at, actor, audit::Entry { action, target_type: "order", target_id: order.id, detail }).await
}
