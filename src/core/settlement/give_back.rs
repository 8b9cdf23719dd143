//! Refunds that an administrator asks for.
//!
//! A payment from the balance goes back there at once. What came through a gateway leaves in three steps, of which a crash
//! may cut off each:
//! 1. a transaction writes the refund as pending, which reserves its amount, and leaves an event that this call holds;
//! 2. the gateway's script is asked, with the refund's identifier as the key that keeps a second call from paying twice;
//! 3. a transaction writes what it said and ends the event.
//!
//! As long as it is not known whether the money left, the refund stays pending and its amount reserved; the worker takes
//! the event over and asks again with the same key.

use serde_json::{Value, json};

use super::{
    posting, refund_wallet,
    report::{Report, Standing},
    terminate::end_order,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    customers::{self, Customer},
    database::{Source, Tx},
    error::{Error, Result},
    event::EventType,
    id::Id,
    money::Money,
    orders::{self, Order, OrderStatus},
    outbox::{self, Claim, NewEvent},
    payments::{self, Method, Payment, PaymentStatus, Purpose, Refund, RefundStatus, refund_store, transaction_store},
    plugins::{self, FAILED, Interface, REFUSED},
    text,
    time::Timestamp,
};

/// Characters of a gateway's words that are kept with a refund.
const NOTE_MAX: usize = 300;

/// What reserving a refund led to.
enum Reserved {
    /// All is done.
    Done(Box<Payment>),
    /// The gateway is to be asked, by whoever holds this claim.
    AtGateway(Claim),
}

/// How a refund through a gateway ended.
enum End {
    Given(Box<Payment>),
    Refused(Error),
}

/// Gives money of a successful payment back: `amount`, or what is left of it. From the balance it came, to the balance it
/// goes; through a gateway it came, through its script it goes. What an administrator recorded by hand goes to the
/// balance. A top-up is taken out of the balance again. When nothing is left, the payment is refunded, and so is its
/// order, whose server is given back. An invoice stays paid. For administrators.
///
/// # Errors
/// NotFound; `payment.wrong_state` for a payment that did not succeed; `payment.over_refund` for more than is left;
/// `order.wrong_state` while the order's server is being made; `balance.insufficient` for a top-up that was spent;
/// `payment.gateway` when the gateway refuses, and nothing changed then; `payment.refund_pending` when it is not known
/// whether the money left, and then the worker finds out; PermissionDenied for others.
pub async fn refund(app: &App, actor: &Actor, payment_id: Id, amount: Option<Money>) -> Result<Payment> {
    actor.require(Permission::Admin)?;
    let reserved = app.database.retry(|| reserve(app, actor, payment_id, amount)).await?;
    app.wake.notify_one();
    let claim = match reserved {
        Reserved::Done(payment) => return Ok(*payment),
        Reserved::AtGateway(claim) => claim,
    };
    let end = tokio::select! {
        end = carry_out(app, actor, &claim) => end,
        lost = outbox::keep(&app.database, &app.clock, &claim) => Err(lost),
    };
    app.wake.notify_one();
    match end {
        Ok(End::Given(payment)) => Ok(*payment),
        Ok(End::Refused(error)) => Err(error),
        Err(cause) => {
            tracing::error!(payment = %payment_id, %cause, "it is not known whether a refund left; the gateway is asked again");
            let problem = cause.to_string();
            if let Err(error) = app.database.retry(|| put_back(app, &claim, &problem)).await {
                tracing::warn!(event = %claim.id, %error, "a refund could not be put back; its claim runs out");
            }
            Err(Error::internal(
                "payment.refund_pending",
                "the gateway gave no clear answer; the refund stays reserved and the server asks again",
            )
            .hint("look at the payment later, and do not refund it another time")
            .caused_by(cause))
        }
    }
}

/// Gives back what is left of the payment of an order, which thereby becomes refunded. For administrators.
///
/// # Errors
/// NotFound; `order.wrong_state` for an order that can't be refunded; `payment.refund_open` while a part of it is on its
/// way; as [`refund`].
pub async fn refund_order(app: &App, actor: &Actor, order_id: Id) -> Result<Payment> {
    actor.require(Permission::Admin)?;
    let order =
        orders::store::find(&app.database, order_id).await?.ok_or_else(|| Error::not_found("order", order_id))?;
    order.status.check_move(OrderStatus::Refunded)?;
    let payment = payments::store::successful_of_order(&app.database, order_id).await?;
    let payment = payment.ok_or_else(|| {
        Error::invalid("payment.missing", format!("the order `{order_id}` has no successful payment to give back"))
    })?;
    let open = refund_store::open_amount(&app.database, payment.id).await?;
    if !open.is_zero() {
        let message = format!("{open} of the payment `{}` is on its way back and its end is not known yet", payment.id);
        return Err(Error::invalid("payment.refund_open", message).hint("try again when it has ended"));
    }
    refund(app, actor, payment.id, None).await
}

/// Whether all that was paid for an order is on its way back, and it is not known yet whether it arrives.
pub(crate) async fn is_being_refunded(tx: &mut Tx, order: Id) -> Result<bool> {
    let Some(payment) = payments::store::successful_of_order(&mut *tx, order).await? else { return Ok(false) };
    let open = refund_store::open_amount(&mut *tx, payment.id).await?;
    Ok(!open.is_zero() && payment.refunded_amount.plus(open)? == payment.amount)
}

/// Handles `refund_requested`: the worker's way to a refund whose caller did not bring it to its end.
pub(crate) async fn continue_refund(app: &App, claim: &Claim) -> Result<()> {
    match carry_out(app, &Actor::system("worker"), claim).await? {
        End::Given(_) => {}
        End::Refused(error) => tracing::warn!(event = %claim.id, %error, "a gateway refused a refund"),
    }
    Ok(())
}

async fn put_back(app: &App, claim: &Claim, problem: &str) -> Result<()> {
    let mut tx = app.database.begin().await?;
    outbox::retry_later(&mut tx, app.clock.now(), claim, claim.failures + 1, problem).await?;
    tx.commit().await
}

/// What a refund is about, locked in order.
struct Held {
    customer: Customer,
    order: Option<Order>,
    payment: Payment,
}

async fn hold(tx: &mut Tx, payment_id: Id) -> Result<Held> {
    let found = payments::store::find(&mut *tx, payment_id).await?;
    let found = found.ok_or_else(|| Error::not_found("payment", payment_id))?;
    let customer = customers::lock(tx, found.customer_id).await?;
    let order = match found.order_id {
        Some(id) => Some(orders::store::lock(tx, id).await?),
        None => None,
    };
    let payment = payments::store::lock(tx, payment_id).await?;
    Ok(Held { customer, order, payment })
}

/// Step 1, which for everything but gateways is all.
async fn reserve(app: &App, actor: &Actor, payment_id: Id, amount: Option<Money>) -> Result<Reserved> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let held = hold(&mut tx, payment_id).await?;
    let payment = &held.payment;
    if payment.status == PaymentStatus::Refunded {
        return Err(Error::invalid(
            "payment.wrong_state",
            format!("the payment `{}` is refunded already, nothing of it is left to refund", payment.id),
        ));
    }
    payment.status.check_move(PaymentStatus::Refunded)?;
    let open = refund_store::open_amount(&mut tx, payment.id).await?;
    let left = payment.amount.minus(payment.refunded_amount)?.minus(open)?;
    let amount = amount.unwrap_or(left);
    if amount.is_negative() || amount > left || amount.is_zero() && !payment.amount.is_zero() {
        return Err(over_refund(payment, amount, left, open));
    }
    // A server that is being made can be given back only when it is known whether there is one.
    if let Some(order) = held.order.as_ref().filter(|order| order.status == OrderStatus::Provisioning) {
        order.status.check_move(OrderStatus::Refunded).map_err(|error| error.hint("wait until the server runs"))?;
    }
    let is_through_gateway = payment.method == Method::Gateway;
    let refund = Refund {
        id: Id::generate(),
        customer_id: payment.customer_id,
        payment_id: payment.id,
        amount,
        status: if is_through_gateway { RefundStatus::Pending } else { RefundStatus::Success },
        note: String::new(),
        created_at: at,
        updated_at: at,
    };
    refund_store::insert(&mut tx, &refund).await?;
    if payment.purpose == Purpose::Recharge {
        refund_wallet::take(&mut tx, at, &held.customer, payment, &refund).await?;
    } else if !is_through_gateway {
        refund_wallet::give(&mut tx, at, payment, &refund).await?;
    }
    if is_through_gateway {
        let event = NewEvent {
            event_type: EventType::RefundRequested,
            subject_id: refund.id,
            order_id: None,
            payload: json!({ "refund_id": refund.id, "payment_id": payment.id }),
        };
        let claim = outbox::enqueue_claimed(&mut tx, at, event).await?;
        record(&mut tx, at, actor, "payment.refund_request", &refund).await?;
        tx.commit().await?;
        return Ok(Reserved::AtGateway(claim));
    }
    let refunded = book(&mut tx, at, &held, refund.amount).await?;
    record(&mut tx, at, actor, "payment.refund", &refund).await?;
    tx.commit().await?;
    Ok(Reserved::Done(Box::new(refunded)))
}

fn over_refund(payment: &Payment, amount: Money, left: Money, open: Money) -> Error {
    let reserved = if open.is_zero() { String::new() } else { format!(" ({open} is being given back just now)") };
    Error::invalid(
        "payment.over_refund",
        format!(
            "`amount` is `{amount}`, expected more than 0.00 and at most the {left} that is left of the payment `{}`{reserved}",
            payment.id
        ),
    )
}

/// The payment has given this much back; when that is all of it, its order is refunded and the server given back.
async fn book(tx: &mut Tx, at: Timestamp, held: &Held, amount: Money) -> Result<Payment> {
    let payment = &held.payment;
    let refunded = payment.refunded_amount.plus(amount)?;
    payments::store::set_refunded(tx, at, payment, refunded).await?;
    if refunded == payment.amount
        && let Some(order) = held.order.as_ref().filter(|order| order.status.check_move(OrderStatus::Refunded).is_ok())
    {
        end_order(tx, at, order, OrderStatus::Refunded, "the payment was refunded").await?;
    }
    let booked = payments::store::find(&mut *tx, payment.id).await?;
    booked.ok_or_else(|| Error::not_found("payment", payment.id))
}

async fn record(tx: &mut Tx, at: Timestamp, actor: &Actor, action: &'static str, refund: &Refund) -> Result<()> {
    let detail = json!({ "after": refund });
    let entry = audit::Entry { action, target_type: "payment", target_id: refund.payment_id, detail: &detail };
    audit::record(tx, at, actor, entry).await
}

/// Steps 2 and 3. An error means that nothing is known: then nothing was written either.
async fn carry_out(app: &App, actor: &Actor, claim: &Claim) -> Result<End> {
    let refund = refund_of(&app.database, claim).await?;
    let payment = payments::store::find(&app.database, refund.payment_id).await?;
    let payment = payment.ok_or_else(|| Error::not_found("payment", refund.payment_id))?;
    let gateway = payment.gateway_interface_id.ok_or_else(|| {
        Error::internal("payment.gateway", format!("the payment `{}` has lost its gateway", payment.id))
    })?;
    let interface = plugins::find(&app.database, gateway).await?;
    match ask(app, &interface, &payment, &refund).await {
        Ok(()) => {
            let (payment, _) = app.database.retry(|| end(app, actor, claim, RefundStatus::Success, "")).await?;
            Ok(End::Given(Box::new(payment)))
        }
        Err(error) if error.code() == REFUSED => {
            let note = text::shown(&error.public_message(), NOTE_MAX);
            let (payment, status) = app.database.retry(|| end(app, actor, claim, RefundStatus::Failed, &note)).await?;
            if status == RefundStatus::Success {
                return Ok(End::Given(Box::new(payment)));
            }
            let name = &interface.display_name;
            let told = Error::internal("payment.gateway", format!("the gateway `{name}` refused the refund"))
                .hint("nothing was given back; the server's log has the reason");
            Ok(End::Refused(told.caused_by(error)))
        }
        Err(error) => Err(error),
    }
}

async fn refund_of(source: impl Source<'_>, claim: &Claim) -> Result<Refund> {
    let id = claim.payload.get("refund_id").and_then(Value::as_str).unwrap_or_default();
    refund_store::find(source, Id::parse("refund_id", id)?).await
}

/// Step 2: [`REFUSED`] when the money certainly stayed, any other error when that is not known.
async fn ask(app: &App, interface: &Interface, payment: &Payment, refund: &Refund) -> Result<()> {
    let known_as = transaction_store::known_as(&app.database, payment.id).await?;
    let business = json!({
        "payment_id": known_as,
        "gateway_payment_id": payment.gateway_payment_id,
        "gateway_tx_id": payment.gateway_tx_id,
        "order_id": payment.order_id.map(|id| id.to_string()).unwrap_or_default(),
        "invoice_id": payment.invoice_id.map(|id| id.to_string()).unwrap_or_default(),
        "refund_id": refund.id,
        "amount": refund.amount,
        "money": refund.amount,
        "total_amount": payment.amount,
        "currency": payment.currency,
        "reason": format!("Refund of payment {known_as}"),
    });
    let answer = app.plugins.call_json(interface, "refund", business).await?;
    let unclear = |what: &str| Error::internal(FAILED, format!("`{}` {what}", interface.display_name));
    match Report::read(&answer).map(|report| report.standing) {
        Some(Standing::Success | Standing::Refunded | Standing::Duplicate) => Ok(()),
        Some(Standing::Failed) => {
            Err(Error::internal(REFUSED, format!("`{}` answered: failed", interface.display_name)))
        }
        Some(Standing::Pending) => Err(unclear("has not finished the refund yet")),
        None => Err(unclear("did not say how the refund stands")),
    }
}

/// Step 3, in one transaction with the event's end: the payment, and how the refund ended.
async fn end(
    app: &App,
    actor: &Actor,
    claim: &Claim,
    status: RefundStatus,
    note: &str,
) -> Result<(Payment, RefundStatus)> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let refund = refund_of(&mut tx, claim).await?;
    let held = hold(&mut tx, refund.payment_id).await?;
    let is_cancelled = held.order.as_ref().is_some_and(|order| order.status == OrderStatus::Cancelled);
    // Cancelling gave back what was not reserved then. The rest goes the same way when the gateway does not take it.
    let to_balance = status == RefundStatus::Failed && is_cancelled;
    let status = if to_balance { RefundStatus::Success } else { status };
    refund_store::end(&mut tx, at, refund.id, status, note).await?;
    let payment = match status {
        RefundStatus::Success => {
            if to_balance {
                refund_wallet::give(&mut tx, at, &held.payment, &refund).await?;
            } else {
                posting::refund_left(&mut tx, at, &refund, &held.payment).await?;
            }
            book(&mut tx, at, &held, refund.amount).await?
        }
        RefundStatus::Pending | RefundStatus::Failed => {
            if held.payment.purpose == Purpose::Recharge {
                refund_wallet::release(&mut tx, at, &held.payment, &refund).await?;
            }
            held.payment
        }
    };
    let refund = Refund { status, note: note.to_owned(), updated_at: at, ..refund };
    let action = if status == RefundStatus::Success { "payment.refund" } else { "payment.refund_fail" };
    record(&mut tx, at, actor, action, &refund).await?;
    outbox::finish(&mut tx, at, claim).await?;
    tx.commit().await?;
    Ok((payment, status))
}
