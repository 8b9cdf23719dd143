//! `order_paid`: the order's server is made, or the money goes back.
//!
//! Three steps, each of which may be the last before a crash, and each of which can be done again:
//! 1. a transaction moves the order to `provisioning` and writes the server that is to be;
//! 2. the provider makes it, with the order's identifier as the key that keeps a second call from making a second one;
//! 3. a transaction writes what the provider said, moves the order to `active`, leaves the next event, and ends this one.
//!
//! A provider may say in step 2 that the server is being made. Then a transaction keeps what it is called, and the event
//! comes back to ask how it is (`pending.rs`) in the place of step 2, until it runs.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    handle,
    pending::{self, Waiting},
};
use crate::core::{
    actor::Actor,
    app::App,
    audit,
    database::Tx,
    error::{Error, Result},
    event::EventType,
    id::Id,
    instances::{self, InstanceStatus},
    notifications,
    orders::{self, Order, OrderStatus},
    outbox::{self, Claim, FAILURES_MAX, NewEvent},
    plugins::{self, FAILED, Interface, REFUSED},
    settlement, text,
    time::Timestamp,
};

/// How long an order whose money is on its way back waits until it is looked at again.
const REFUND_WAIT: TimeDelta = TimeDelta::seconds(10);
/// Characters of a reason that is kept with the order.
const REASON_MAX: usize = 300;

/// What a provider answers when the server is there, or is being made.
pub(super) struct Made {
    pub(super) instance_id: String,
    pub(super) status: InstanceStatus,
    pub(super) ip_address: String,
}

/// Handles `order_paid`.
pub(super) async fn provision(app: &App, claim: &Claim) -> Result<()> {
    let order_id = claim
        .order_id
        .ok_or_else(|| Error::internal("event.payload", format!("the event `{}` names no order", claim.id)))?;
    let Some(order) = begin(app, claim, order_id).await? else { return Ok(()) };
    let interface = plugins::find(&app.database, order.provider_interface_id).await?;
    let asked = match Waiting::of(claim) {
        Some(waiting) => pending::ask(app, &interface, &order, waiting).await,
        None => ask_provider(app, &interface, &order).await,
    };
    match asked {
        Ok(made) => complete(app, claim, &order, &made).await,
        // Somebody cancelled the order, or made the server by hand: neither the money nor the server is ours any more.
        Err(error) if !is_wanted(app, order_id).await? => {
            tracing::info!(order = %order_id, %error, "a server could not be made that nobody waits for any more");
            handle::finish(app, claim).await
        }
        // The provider said no: asking again would not help.
        Err(error) if error.code() == REFUSED => give_back(app, claim, &interface, &order, error).await,
        // It began and did not come to its end, again and again.
        Err(error) if error.code() == FAILED && claim.failures + 1 >= FAILURES_MAX => {
            give_back(app, claim, &interface, &order, error).await
        }
        Err(error) => Err(error),
    }
}

/// Whether the order still waits for its server.
async fn is_wanted(app: &App, order_id: Id) -> Result<bool> {
    let order = orders::store::find(&app.database, order_id).await?;
    Ok(order.is_some_and(|order| order.status == OrderStatus::Provisioning))
}

/// Ends an order that can't be fulfilled. When the script did not come to its end before, a server may have been made all
/// the same: it is given back first, and as long as that is not certain the order stays as it is and is tried again.
async fn give_back(app: &App, claim: &Claim, interface: &Interface, order: &Order, cause: Error) -> Result<()> {
    let is_certain = claim.failures == 0 && claim.attempt == 1 && cause.code() == REFUSED;
    if !is_certain {
        let business = json!({ "order_id": order.id, "instance_id": order.provider_instance_id });
        match app.plugins.call_text(interface, "terminate_instance", business).await {
            Ok(_) => {}
            // There is none: the usual answer.
            Err(error) if error.code() == REFUSED => {
                tracing::info!(order = %order.id, %error, "no server to give back");
            }
            Err(error) => return Err(error),
        }
    }
    compensate(app, claim, order, &cause).await
}

/// Step 1. `None` when there is nothing to be done any more, or not now; then the event is ended or put back.
async fn begin(app: &App, claim: &Claim, order_id: Id) -> Result<Option<Order>> {
    // Told once, whether the worker or an administrator took the order on, and before the waiting for a slow provider.
    // Notifiers are asked before the transaction, since they are scripts.
    let is_open = orders::store::find(&app.database, order_id)
        .await?
        .is_some_and(|order| matches!(order.status, OrderStatus::Paid | OrderStatus::Provisioning));
    let is_untold =
        is_open && Waiting::of(claim).is_none() && !outbox::was_told(&app.database, claim.event_type, order_id).await?;
    let deliveries = if is_untold { notifications::fan_out(app, claim).await? } else { Vec::new() };
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let order = orders::store::lock(&mut tx, order_id).await?;
    match order.status {
        // All of its money is on its way back: a server would be made for nothing. Either the order ends with the refund,
        // or the gateway refuses and it goes on from here.
        OrderStatus::Paid if settlement::is_being_refunded(&mut tx, order_id).await? => {
            // It may take days until somebody knows, and is no failure that the log should have each time.
            outbox::ask_later(&mut tx, at, claim, REFUND_WAIT, claim.payload.clone()).await?;
            tx.commit().await?;
            Ok(None)
        }
        OrderStatus::Paid | OrderStatus::Provisioning => {
            if order.status == OrderStatus::Paid {
                settlement::begin_provisioning(&mut tx, at, &order).await?;
            }
            // An earlier attempt that lost its claim may have told meanwhile.
            if !deliveries.is_empty() && !outbox::was_told(&mut tx, claim.event_type, order_id).await? {
                notifications::write(&mut tx, at, deliveries).await?;
            }
            outbox::hold(&mut tx, claim).await?;
            tx.commit().await?;
            Ok(Some(order))
        }
        OrderStatus::Pending
        | OrderStatus::Active
        | OrderStatus::Suspended
        | OrderStatus::Completed
        | OrderStatus::Terminated
        | OrderStatus::Cancelled
        | OrderStatus::Refunded => {
            outbox::finish(&mut tx, at, claim).await?;
            tx.commit().await?;
            Ok(None)
        }
    }
}

/// Step 2.
async fn ask_provider(app: &App, interface: &Interface, order: &Order) -> Result<Made> {
    let mut business = json!({
        "order_id": order.id,
        "customer_id": order.customer_id,
        "product_id": order.product_id,
        "product_name": order.product_name,
        "billing_cycle": order.billing_cycle,
        "server_spec": order.server_spec.0,
    });
    // The values of the specification stand beside the others too, as the authors' documentation has it.
    interface.add_values(&mut business, &order.server_spec.0);
    let answer = app.plugins.call_json(interface, "create_instance", business).await?;
    let field = |name| plugins::answer_text(&answer, name);
    let made = Made {
        instance_id: field("instance_id").to_owned(),
        status: InstanceStatus::from_provider(field("status")),
        ip_address: field("ip_address").to_owned(),
    };
    // An answer like this says neither that there is a server nor that there is none.
    if made.instance_id.is_empty() || matches!(made.status, InstanceStatus::Error | InstanceStatus::Terminated) {
        let said = format!("instance_id `{}`, status `{}`", made.instance_id, field("status"));
        return Err(Error::internal(
            FAILED,
            format!("`{}` answered without a server that runs: {said}", interface.display_name),
        ));
    }
    Ok(made)
}

/// Step 3.
async fn complete(app: &App, claim: &Claim, order: &Order, made: &Made) -> Result<()> {
    let at = app.clock.now();
    let actor = Actor::system("worker");
    let mut tx = app.database.begin().await?;
    let current = orders::store::lock(&mut tx, order.id).await?;
    if current.status != OrderStatus::Provisioning {
        keep_late(&mut tx, at, &current, made).await?;
        outbox::finish(&mut tx, at, claim).await?;
        return tx.commit().await;
    }
    instances::store::update(&mut tx, at, order.id, made.status, &made.instance_id, &made.ip_address).await?;
    if current.provider_instance_id != made.instance_id {
        orders::store::set_provider_instance(&mut tx, at, order.id, &made.instance_id).await?;
    }
    if made.status == InstanceStatus::Provisioning {
        let (wait, payload) = Waiting::next(claim, at);
        outbox::ask_later(&mut tx, at, claim, wait, payload).await?;
        return tx.commit().await;
    }
    orders::store::advance(&mut tx, at, &current, OrderStatus::Active, "").await?;
    outbox::enqueue(&mut tx, at, NewEvent::of_order(EventType::OrderProvisioned, order.id, json!({}))).await?;
    let detail =
        json!({ "before": current.status, "after": OrderStatus::Active, "provider_instance_id": made.instance_id });
    audit::record(
        &mut tx,
        at,
        &actor,
        audit::Entry { action: "order.provision", target_type: "order", target_id: order.id, detail: &detail },
    )
    .await?;
    outbox::finish(&mut tx, at, claim).await?;
    tx.commit().await
}

/// The order was moved by hand while the provider made its server. What the provider calls the server is kept, so that
/// the order's end, a later event, gives it back. Where the order has another server by now, this one is nobody's.
async fn keep_late(tx: &mut Tx, at: Timestamp, order: &Order, made: &Made) -> Result<()> {
    let is_kept = order.provider_instance_id.is_empty() || order.provider_instance_id == made.instance_id;
    if is_kept {
        orders::store::set_provider_instance(tx, at, order.id, &made.instance_id).await?;
        instances::store::set_provider_instance(tx, at, order.id, &made.instance_id).await?;
    } else {
        tracing::warn!(order = %order.id, server = made.instance_id, "the provider made a server for an order that has another one; remove it by hand");
    }
    let detail = json!({ "status": order.status, "provider_instance_id": made.instance_id, "kept": is_kept });
    let entry =
        audit::Entry { action: "order.provision_late", target_type: "order", target_id: order.id, detail: &detail };
    audit::record(tx, at, &Actor::system("worker"), entry).await
}

/// The provider can't make it: the order is cancelled and the money goes back, in one transaction with the event's end.
async fn compensate(app: &App, claim: &Claim, order: &Order, cause: &Error) -> Result<()> {
    let reason = text::shown(&cause.public_message(), REASON_MAX);
    tracing::warn!(order = %order.id, %cause, "an order could not be provisioned; its money goes back");
    app.database
        .retry(|| async {
            let at = app.clock.now();
            let mut tx = app.database.begin().await?;
            settlement::cancel_and_refund(&mut tx, at, &Actor::system("worker"), order, &reason).await?;
            instances::store::update(&mut tx, at, order.id, InstanceStatus::Error, "", "").await?;
            outbox::finish(&mut tx, at, claim).await?;
            tx.commit().await
        })
        .await
}
