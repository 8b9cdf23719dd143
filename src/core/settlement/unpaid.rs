//! Orders that nobody pays.

use chrono::TimeDelta;

use super::refund::cancel_and_refund;
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    customers,
    error::{Kind, Result},
    orders::{self, Order, OrderStatus},
};

/// How long an order waits for its payment.
pub const PATIENCE: TimeDelta = TimeDelta::hours(24);
/// Orders that are looked up at once.
const BATCH: i64 = 200;
/// What the order says afterwards, and its customer is told.
const REASON: &str = "not paid within 24 hours";

/// Cancels every order that was placed more than [`PATIENCE`] ago and is not paid, each in a transaction of its own that
/// leaves the event. Money that comes later, such as a slow bank transfer, goes to the customer's balance. For
/// administrators, and for the worker.
///
/// Returns the number of orders.
///
/// # Errors
/// When the database can't be used. An order that can't be cancelled is passed over; the log names it.
pub async fn cancel_unpaid(app: &App, actor: &Actor) -> Result<u32> {
    actor.require(Permission::Admin)?;
    let before = app.clock.now().plus(-PATIENCE);
    let (mut count, mut after) = (0, None);
    loop {
        let batch = orders::store::unpaid(&app.database, before, after, BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = Some(last.id);
        for order in &batch {
            match app.database.retry(|| cancel(app, actor, order)).await {
                Ok(cancelled) => count += u32::from(cancelled),
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                Err(error) => tracing::error!(order = %order.id, %error, "an unpaid order could not be cancelled"),
            }
        }
    }
    if count > 0 {
        app.wake.notify_one();
    }
    Ok(count)
}

/// Says whether it still was to be cancelled: it may have been paid, cancelled or deleted meanwhile.
async fn cancel(app: &App, actor: &Actor, order: &Order) -> Result<bool> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    customers::lock(&mut tx, order.customer_id).await?;
    let order = match orders::store::lock(&mut tx, order.id).await {
        Ok(order) if order.status == OrderStatus::Pending => order,
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == Kind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    cancel_and_refund(&mut tx, at, actor, &order, REASON).await?;
    tx.commit().await?;
    Ok(true)
}
