//! Paying an order, also together with placing it.

use serde_json::json;

use super::{
    gateway::{self, Target},
    invoices, posting, receipt,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    balance::{self, Movement, TransactionType},
    customers::{self, Customer},
    database::Tx,
    error::{Error, Result},
    event::EventType,
    id::Id,
    ledger::{Account, Kind},
    orders::{self, NewOrder, Order, OrderStatus},
    outbox::{self, NewEvent},
    payments::{self, Method, Payment},
    time::Timestamp,
};

/// Places an order and, with a gateway, begins its payment. An order that stands is worth more than a payment that does
/// not: when the gateway fails, the order stays pending without a payment, and paying can be tried again.
///
/// # Errors
/// As `orders::place`; NotFound and InvalidArgument for a gateway that can't be used, before anything is written.
pub async fn order_and_pay(
    app: &App,
    actor: &Actor,
    new: &NewOrder,
    gateway_interface_id: Option<Id>,
) -> Result<(Order, Option<Payment>)> {
    actor.require(Permission::Authenticated)?;
    let Some(gateway) = gateway_interface_id else { return Ok((orders::place(app, actor, new).await?, None)) };
    gateway::usable(app, gateway).await?;
    let order = orders::place(app, actor, new).await?;
    let payment = match pay_order(app, actor, order.id, Some(gateway)).await {
        Ok(payment) => Some(payment),
        Err(error) => {
            tracing::warn!(order = %order.id, code = error.code(), %error, "an order was placed, but its payment could not begin");
            None
        }
    };
    // The payment left its gateway with the order.
    let order = orders::store::find(&app.database, order.id).await.ok().flatten().unwrap_or(order);
    Ok((order, payment))
}

/// Pays an order: from its customer's balance, at once; or through a gateway, which then says how. For administrators
/// and the order's customer.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's order; `order.wrong_state` for one that is not pending;
/// `balance.insufficient`; Internal when the gateway fails.
pub async fn pay_order(app: &App, actor: &Actor, order_id: Id, gateway_interface_id: Option<Id>) -> Result<Payment> {
    actor.require(Permission::Authenticated)?;
    match gateway_interface_id {
        Some(gateway) => gateway::start(app, actor, Target::Order(order_id), gateway, "").await,
        None => app.database.retry(|| pay_from_balance(app, actor, order_id)).await,
    }
}

/// Pays an order, or what is left of an invoice: through a gateway, which then says how; or, without one, from the
/// customer's balance, at once. For administrators and the customer itself.
///
/// # Errors
/// As [`pay_order`] and [`start`](super::start); `payment.gateway` for a recharge without a gateway.
pub async fn pay(
    app: &App,
    actor: &Actor,
    target: Target,
    gateway_interface_id: Option<Id>,
    return_url: &str,
) -> Result<Payment> {
    actor.require(Permission::Authenticated)?;
    match (gateway_interface_id, target) {
        (Some(gateway), target) => gateway::start(app, actor, target, gateway, return_url).await,
        (None, Target::Order(order)) => pay_order(app, actor, order, None).await,
        (None, Target::Invoice(invoice)) => {
            app.database.retry(|| invoices::pay_from_balance(app, actor, invoice)).await
        }
        (None, Target::Recharge { .. }) => Err(Error::invalid(
            "payment.gateway",
            "`gateway_interface_id` is missing: a balance is not paid from itself",
        )),
    }
}

async fn pay_from_balance(app: &App, actor: &Actor, order_id: Id) -> Result<Payment> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let found = orders::store::find(&mut tx, order_id).await?.ok_or_else(|| Error::not_found("order", order_id))?;
    actor.require_customer(found.customer_id)?;
    let customer = customers::lock(&mut tx, found.customer_id).await?;
    let order = orders::store::lock(&mut tx, order_id).await?;
    let payment = take_from_balance(&mut tx, at, actor, &customer, &order).await?;
    tx.commit().await?;
    app.wake.notify_one();
    Ok(payment)
}

/// Places an order and pays it from its customer's balance, both or neither.
///
/// # Errors
/// As `orders::place`, and `balance.insufficient`.
pub async fn order_from_balance(app: &App, actor: &Actor, new: &NewOrder) -> Result<Order> {
    actor.require(Permission::Authenticated)?;
    let prepared = orders::prepare(app, actor, new).await?;
    app.database
        .retry(|| async {
            let at = app.clock.now();
            let mut tx = app.database.begin().await?;
            let (order, customer) = orders::write(&mut tx, at, actor, &prepared).await?;
            take_from_balance(&mut tx, at, actor, &customer, &order).await?;
            let paid = orders::store::find(&mut tx, order.id).await?;
            tx.commit().await?;
            app.wake.notify_one();
            paid.ok_or_else(|| Error::not_found("order", order.id))
        })
        .await
}

/// Pays a pending order of a customer, both of which are locked.
async fn take_from_balance(
    tx: &mut Tx,
    at: Timestamp,
    actor: &Actor,
    customer: &Customer,
    order: &Order,
) -> Result<Payment> {
    order.status.check_move(OrderStatus::Paid)?;
    if !customer.is_active {
        return Err(Error::invalid("customer.inactive", format!("the customer `{}` is disabled", customer.name)));
    }
    let payment = receipt::of_order(at, order, Method::Balance, String::new());
    let movement = Movement {
        customer_id: order.customer_id,
        transaction_type: TransactionType::Payment,
        amount: order.total_amount.negated(),
        kind: Kind::OrderPaid,
        against: Account::Revenue,
        about: posting::of(&payment),
        reference_id: payment.id.to_string(),
        description: format!("Order {}: {}", order.id, order.product_name),
    };
    payments::store::insert(tx, &payment).await?;
    balance::apply(tx, at, movement).await?;
    orders::store::set_gateway(tx, at, order.id, None, "").await?;
    orders::store::advance(tx, at, order, OrderStatus::Paid, "").await?;
    outbox::enqueue(tx, at, NewEvent::of_order(EventType::OrderPaid, order.id, json!({ "payment_id": payment.id })))
        .await?;
    let detail = json!({ "before": order.status, "after": OrderStatus::Paid, "payment_id": payment.id, "amount": payment.amount });
    audit::record(
        tx,
        at,
        actor,
        audit::Entry { action: "order.pay", target_type: "order", target_id: order.id, detail: &detail },
    )
    .await?;
    Ok(payment)
}
