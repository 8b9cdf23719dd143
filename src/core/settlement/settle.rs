//! The moment when the money of a payment is there.

use serde_json::json;

use super::posting;
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    balance::{self, Movement, TransactionType},
    customers,
    database::Tx,
    error::{Error, Result},
    event::EventType,
    id::Id,
    invoices,
    ledger::Kind,
    orders::{self, OrderStatus},
    outbox::{self, NewEvent},
    payments::{self, Payment, PaymentStatus, Purpose, store::Outcome},
    text::{self, NAME_MAX},
    time::Timestamp,
};

/// Confirms a payment that no gateway reports, such as a bank transfer. For administrators.
///
/// # Errors
/// NotFound; `payment.wrong_state` for one that is not pending; PermissionDenied for others.
pub async fn confirm(app: &App, actor: &Actor, payment_id: Id, gateway_tx_id: &str, note: &str) -> Result<Payment> {
    actor.require(Permission::Admin)?;
    let gateway_tx_id = text::optional("gateway_tx_id", gateway_tx_id, NAME_MAX)?;
    let note = text::optional("note", note, NAME_MAX)?;
    let payment = app
        .database
        .retry(|| async {
            let at = app.clock.now();
            let mut tx = app.database.begin().await?;
            let payment = settle(&mut tx, at, payment_id, &gateway_tx_id, &note).await?;
            let detail = json!({ "before": PaymentStatus::Pending, "after": payment });
            audit::record(
                &mut tx,
                at,
                actor,
                audit::Entry {
                    action: "payment.confirm",
                    target_type: "payment",
                    target_id: payment.id,
                    detail: &detail,
                },
            )
            .await?;
            tx.commit().await?;
            Ok(payment)
        })
        .await?;
    app.wake.notify_one();
    Ok(payment)
}

/// Books a pending payment: what it is for is paid, in this transaction. Money for something that is paid or gone
/// already goes to the customer's balance, so that it is never lost and never pays twice.
pub(super) async fn settle(
    tx: &mut Tx,
    at: Timestamp,
    payment_id: Id,
    gateway_tx_id: &str,
    note: &str,
) -> Result<Payment> {
    let found =
        payments::store::find(&mut *tx, payment_id).await?.ok_or_else(|| Error::not_found("payment", payment_id))?;
    customers::lock(tx, found.customer_id).await?;
    let order = match found.order_id {
        Some(id) => Some(orders::store::lock(tx, id).await?),
        None => None,
    };
    let invoice = match found.invoice_id {
        Some(id) => Some(invoices::store::lock(tx, id).await?),
        None => None,
    };
    let payment = payments::store::lock(tx, payment_id).await?;
    payment.status.check_move(PaymentStatus::Success)?;

    let order = order.filter(|order| order.status == OrderStatus::Pending);
    let invoice = invoice.filter(|invoice| {
        invoice.status.check_move(invoices::InvoiceStatus::Paid).is_ok()
            && invoice.total_amount.minus(invoice.paid_amount).is_ok_and(|left| left == payment.amount)
    });
    if let Some(order) = &order {
        // Another payment may have been begun since; this one paid it.
        let (gateway, name) = (payment.gateway_interface_id, &payment.gateway_payment_id);
        orders::store::set_gateway(tx, at, order.id, gateway, name).await?;
        orders::store::advance(tx, at, order, OrderStatus::Paid, "").await?;
        posting::order_paid(tx, at, &payment).await?;
        outbox::enqueue(
            tx,
            at,
            NewEvent::of_order(EventType::OrderPaid, order.id, json!({ "payment_id": payment.id })),
        )
        .await?;
    } else if let Some(invoice) = &invoice {
        invoices::store::set_paid(tx, at, invoice).await?;
        posting::invoice_paid(tx, at, &payment).await?;
    } else {
        if payment.purpose != Purpose::Recharge {
            tracing::warn!(payment = %payment.id, "a payment came for something that is paid or gone; it goes to the balance");
            payments::store::redirect_to_balance(tx, at, &payment).await?;
        }
        let payment = Payment { order_id: None, invoice_id: None, ..payment.clone() };
        credit(tx, at, &payment, payment.id).await?;
    }
    payments::store::advance(
        tx,
        at,
        &payment,
        &Outcome { status: PaymentStatus::Success, gateway_tx_id, note, paid_at: Some(at) },
    )
    .await?;
    let booked = payments::store::find(&mut *tx, payment_id).await?;
    booked.ok_or_else(|| Error::not_found("payment", payment_id))
}

/// Puts the money of a payment onto its customer's balance. The ledger's row tells the customer of the payment `told`.
pub(super) async fn credit(tx: &mut Tx, at: Timestamp, payment: &Payment, told: Id) -> Result<()> {
    let movement = Movement {
        customer_id: payment.customer_id,
        transaction_type: TransactionType::Recharge,
        amount: payment.amount,
        kind: Kind::TopUp,
        against: posting::source(payment),
        about: posting::of(payment),
        reference_id: payment.id.to_string(),
        description: format!("Payment {told}"),
    };
    balance::apply(tx, at, movement).await.map(drop)
}
