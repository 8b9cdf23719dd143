//! Ending an order that has, or may have, a server.

use serde_json::json;

use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    database::Tx,
    error::{Error, Result},
    event::EventType,
    id::Id,
    instances::{self, Operation},
    orders::{self, Order, OrderStatus},
    outbox::{self, NewEvent},
    time::Timestamp,
};

/// Ends a server with its order, for good. The worker gives it back to its provider a moment later, and the instance is
/// `terminated` then. For administrators and the server's customer.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's; `instance.wrong_state` for one that is terminated or was never
/// made; `order.wrong_state` for one whose order is not active or suspended.
pub async fn terminate(app: &App, actor: &Actor, instance_id: Id) -> Result<()> {
    actor.require(Permission::Authenticated)?;
    app.database
        .retry(|| async {
            let at = app.clock.now();
            let mut tx = app.database.begin().await?;
            let found = instances::store::find(&mut tx, instance_id)
                .await?
                .ok_or_else(|| Error::not_found("instance", instance_id))?;
            actor.require_customer(found.customer_id)?;
            let order = orders::store::lock(&mut tx, found.order_id).await?;
            let instance = instances::store::lock(&mut tx, instance_id).await?;
            instance.status.check(Operation::Terminate)?;
            end_order(&mut tx, at, &order, OrderStatus::Terminated, "").await?;
            let detail = audit::change(order.status, OrderStatus::Terminated);
            let entry =
                audit::Entry { action: "order.terminate", target_type: "order", target_id: order.id, detail: &detail };
            audit::record(&mut tx, at, actor, entry).await?;
            let detail = json!({ "before": instance.status, "order_id": order.id });
            let entry = audit::Entry {
                action: "instance.terminate",
                target_type: "instance",
                target_id: instance.id,
                detail: &detail,
            };
            audit::record(&mut tx, at, actor, entry).await?;
            tx.commit().await
        })
        .await?;
    app.wake.notify_one();
    Ok(())
}

/// Moves an order that this transaction holds to its end, and leaves the event by which the worker gives its server
/// back.
///
/// # Errors
/// `order.wrong_state`, naming both states.
pub(super) async fn end_order(tx: &mut Tx, at: Timestamp, order: &Order, to: OrderStatus, reason: &str) -> Result<()> {
    orders::store::advance(tx, at, order, to, reason).await?;
    outbox::enqueue(tx, at, NewEvent::of_order(EventType::OrderEnded, order.id, json!({}))).await.map(|_| ())
}
