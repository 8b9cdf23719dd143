//! Giving money back when an order could not be fulfilled.

use serde_json::json;

use super::posting;
use crate::core::{
    actor::Actor,
    audit,
    balance::{self, Movement, TransactionType},
    customers,
    database::Tx,
    error::Result,
    event::EventType,
    id::Id,
    ledger::{Account, Kind},
    money::Money,
    orders::{self, Order, OrderStatus},
    outbox::{self, NewEvent},
    payments,
    time::Timestamp,
};

/// Cancels an order and returns what was paid for it to its customer's balance, whichever way it was paid: the
/// compensation of a provisioning that failed. Part of the worker's transaction.
///
/// # Errors
/// NotFound; `order.wrong_state` for an order that can't be cancelled.
pub async fn cancel_and_refund(
    tx: &mut Tx,
    at: Timestamp,
    actor: &Actor,
    order: &Order,
    reason: &str,
) -> Result<Money> {
    customers::lock(tx, order.customer_id).await?;
    let order = orders::store::lock(tx, order.id).await?;
    order.status.check_move(OrderStatus::Cancelled)?;
    let mut returned = Money::ZERO;
    if let Some(payment) = payments::store::successful_of_order(&mut *tx, order.id).await? {
        let payment = payments::store::lock(tx, payment.id).await?;
        // What a gateway is giving back just now comes from there, or later to the balance if the gateway refuses.
        let open = payments::refund_store::open_amount(&mut *tx, payment.id).await?;
        returned = payment.amount.minus(payment.refunded_amount)?.minus(open)?;
        if !returned.is_zero() || open.is_zero() {
            payments::store::set_refunded(tx, at, &payment, payment.refunded_amount.plus(returned)?).await?;
            let movement = Movement {
                customer_id: order.customer_id,
                transaction_type: TransactionType::Refund,
                amount: returned,
                kind: Kind::Refund,
                against: Account::Refunds,
                about: posting::of(&payment),
                reference_id: payment.id.to_string(),
                description: format!("Order {} was cancelled: {}", order.id, order.product_name),
            };
            balance::apply(tx, at, movement).await?;
        }
    }
    orders::store::advance(tx, at, &order, OrderStatus::Cancelled, reason).await?;
    announce(tx, at, order.id, reason, returned).await?;
    let detail =
        json!({ "before": order.status, "after": OrderStatus::Cancelled, "reason": reason, "refunded": returned });
    audit::record(
        tx,
        at,
        actor,
        audit::Entry { action: "order.cancel", target_type: "order", target_id: order.id, detail: &detail },
    )
    .await?;
    Ok(returned)
}

async fn announce(tx: &mut Tx, at: Timestamp, order: Id, reason: &str, returned: Money) -> Result<()> {
    let payload = json!({ "reason": reason, "refunded": returned });
    outbox::enqueue(tx, at, NewEvent::of_order(EventType::OrderCancelled, order, payload)).await.map(|_| ())
}
