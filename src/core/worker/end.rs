//! Gives the server of an order that ended back to its provider.

use serde_json::json;

use super::handle;
use crate::core::{
    actor::Actor,
    app::App,
    audit,
    error::{Error, Result},
    event::EventType,
    instances::{self, Instance, InstanceStatus},
    orders,
    outbox::{self, Claim, NewEvent},
    plugins::{self, REFUSED},
};

/// Handles `order_ended`. It comes after the order's provisioning, since events of one order are handled in their order.
pub(super) async fn end(app: &App, claim: &Claim) -> Result<()> {
    let order_id = claim
        .order_id
        .ok_or_else(|| Error::internal("event.payload", format!("the event `{}` names no order", claim.id)))?;
    let instance = instances::store::find_by_order(&app.database, order_id).await?;
    match instance {
        Some(instance) if !matches!(instance.status, InstanceStatus::Terminated | InstanceStatus::Error) => {
            give_back(app, &instance).await?;
            complete(app, claim, &instance).await
        }
        // There never was one, or it is gone already.
        _ => handle::finish(app, claim).await,
    }
}

async fn give_back(app: &App, instance: &Instance) -> Result<()> {
    let interface = plugins::find(&app.database, instance.provider_interface_id).await?;
    let business = json!({ "order_id": instance.order_id, "instance_id": instance.provider_instance_id });
    match app.plugins.call_text(&interface, "terminate_instance", business).await {
        Ok(_) => Ok(()),
        // A server whose making never ended: the provider's usual answer is that there is none.
        Err(error) if error.code() == REFUSED && instance.provider_instance_id.is_empty() => Ok(()),
        Err(error) => Err(error),
    }
}

async fn complete(app: &App, claim: &Claim, instance: &Instance) -> Result<()> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    orders::store::lock(&mut tx, instance.order_id).await?;
    instances::store::end(&mut tx, at, instance.order_id).await?;
    outbox::enqueue(&mut tx, at, NewEvent::of_order(EventType::InstanceTerminated, instance.order_id, json!({})))
        .await?;
    let detail = audit::change(instance.status, InstanceStatus::Terminated);
    audit::record(
        &mut tx,
        at,
        &Actor::system("worker"),
        audit::Entry { action: "instance.end", target_type: "instance", target_id: instance.id, detail: &detail },
    )
    .await?;
    outbox::finish(&mut tx, at, claim).await?;
    tx.commit().await
}
