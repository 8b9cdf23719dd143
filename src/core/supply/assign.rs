//! Giving a server that was imported to the customer whose it is.

use serde_json::json;

use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit, customers,
    database::Tx,
    error::{Error, Result},
    id::Id,
    instances::{self, Instance, InstanceStatus},
    orders::{self, Order, OrderStatus},
    text,
};

/// Gives a server that belongs to nobody, with its order that costs nothing, to a customer, who can use it from then on.
/// No money moves, and nothing is ever billed for it. For administrators.
///
/// # Errors
/// NotFound for an unknown server or customer; `instance.owned` for one that has a customer; `instance.wrong_state` for
/// one that is no more; `customer.inactive`; PermissionDenied for others.
pub async fn assign(app: &App, actor: &Actor, instance_id: Id, customer_id: Id) -> Result<Instance> {
    actor.require(Permission::Admin)?;
    app.database
        .retry(|| async {
            let mut tx = app.database.begin().await?;
            let instance = write(app, &mut tx, actor, instance_id, customer_id).await?;
            tx.commit().await?;
            Ok(instance)
        })
        .await
}

async fn write(app: &App, tx: &mut Tx, actor: &Actor, instance_id: Id, customer_id: Id) -> Result<Instance> {
    let at = app.clock.now();
    let found = instances::store::find(&mut *tx, instance_id)
        .await?
        .ok_or_else(|| Error::not_found("instance", instance_id))?;
    let customer = customers::lock(tx, customer_id).await?;
    let order = orders::store::lock(tx, found.order_id).await?;
    let instance = instances::store::lock(tx, instance_id).await?;
    require_free(tx, &order, &instance).await?;
    if !customer.is_active {
        return Err(Error::invalid("customer.inactive", format!("the customer `{}` is disabled", customer.name)));
    }
    let assigned = Order { customer_id, updated_at: at, ..order.clone() };
    let result = Instance { customer_id, updated_at: at, ..instance.clone() };
    // Both rows are written anew: what a table is distributed by can't be changed.
    instances::store::delete(tx, &instance).await?;
    orders::store::delete(tx, order.id).await?;
    let name = &result.provider_instance_id;
    let id = assigned.id.to_string();
    let search = text::search_text(&[&id, &assigned.product_name, &customer.name, &customer.email, name]);
    orders::store::insert(tx, &assigned, &search).await?;
    instances::store::insert(tx, &result).await?;
    let detail = json!({ "before": { "customer_id": instance.customer_id }, "after": { "customer_id": customer_id }, "order_id": order.id });
    let entry =
        audit::Entry { action: "instance.assign", target_type: "instance", target_id: instance.id, detail: &detail };
    audit::record(tx, at, actor, entry).await?;
    Ok(result)
}

/// Only what was imported has no customer; what was paid for, or is over, stays where it is.
async fn require_free(tx: &mut Tx, order: &Order, instance: &Instance) -> Result<()> {
    let nobody = customers::find_nobody(&mut *tx).await?;
    if nobody.is_none_or(|nobody| nobody.id != order.customer_id) {
        let message = format!("the server belongs to the customer `{}`", order.customer_id);
        return Err(Error::already_exists("instance.owned", message)
            .hint("only servers that `rustbill plugin import-server` took over can be assigned, once"));
    }
    let is_over = matches!(instance.status, InstanceStatus::Terminated | InstanceStatus::Error);
    if is_over || !matches!(order.status, OrderStatus::Active | OrderStatus::Suspended) {
        let message = format!(
            "the instance is {} and its order is {}, so there is nothing to assign",
            instance.status, order.status
        );
        return Err(Error::invalid("instance.wrong_state", message));
    }
    Ok(())
}
