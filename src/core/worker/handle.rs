//! One event: dispatch, keep its claim alive, and decide what a failure means.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use super::{end, power, provision};
use crate::core::{
    app::App,
    error::{Error, Kind, Result},
    event::EventType,
    notifications,
    outbox::{self, Claim, FAILURES_MAX},
    settlement,
};

/// Handles an event to its end: done, put back for later, or given up.
pub(super) async fn handle(app: &App, claim: &Claim) {
    let outcome = tokio::select! {
        outcome = AssertUnwindSafe(dispatch(app, claim)).catch_unwind() => outcome.unwrap_or_else(|_| {
            Err(Error::internal("event.panic", "the handler panicked; the log says where"))
        }),
        lost = outbox::keep(&app.database, &app.clock, claim) => Err(lost),
    };
    if let Err(error) = outcome {
        tracing::warn!(event = %claim.id, kind = %claim.event_type, attempt = claim.attempt, %error, "an event could not be handled");
        if let Err(error) = app.database.retry(|| set_aside(app, claim, &error)).await {
            tracing::warn!(event = %claim.id, %error, "a failed event could not be put back; its claim runs out");
        }
    }
    // The next event of the same subject may be free now.
    app.wake.notify_one();
}

async fn dispatch(app: &App, claim: &Claim) -> Result<()> {
    if notifications::is_delivery(claim) {
        notifications::deliver(app, claim).await?;
        return finish(app, claim).await;
    }
    match claim.event_type {
        EventType::OrderPaid => provision::provision(app, claim).await,
        EventType::OrderEnded => end::end(app, claim).await,
        EventType::RefundRequested => settlement::continue_refund(app, claim).await,
        EventType::OrderSuspended => power::switch(app, claim, power::Power::Stop).await,
        EventType::OrderResumed => power::switch(app, claim, power::Power::Start).await,
        EventType::OrderCreated
        | EventType::OrderProvisioned
        | EventType::OrderCancelled
        | EventType::InstanceTerminated
        | EventType::TicketAssigned
        | EventType::TicketReplied
        | EventType::InvoiceIssued
        | EventType::InvoiceOverdue
        | EventType::VerificationCode => {
            let deliveries = notifications::fan_out(app, claim).await?;
            let at = app.clock.now();
            let mut tx = app.database.begin().await?;
            notifications::write(&mut tx, at, deliveries).await?;
            outbox::finish(&mut tx, at, claim).await?;
            tx.commit().await
        }
    }
}

/// Ends an event that needs nothing more.
pub(super) async fn finish(app: &App, claim: &Claim) -> Result<()> {
    let mut tx = app.database.begin().await?;
    outbox::finish(&mut tx, app.clock.now(), claim).await?;
    tx.commit().await
}

/// Puts a failed event back, or aside when it failed too often. What can't be reached now, and a faulty database, is no
/// failure of the event. An order that is paid is never put aside: its money would be gone without a server. Nor is a
/// refund, whether its money left must be found out, nor the end of an order, whose server somebody pays for.
async fn set_aside(app: &App, claim: &Claim, error: &Error) -> Result<()> {
    let is_own_fault = error.kind() == Kind::Unavailable || error.code().starts_with("database.");
    let failures = if is_own_fault { claim.failures } else { claim.failures + 1 };
    let problem = error.to_string();
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    // Money would be lost, or a server that nobody pays for would run on.
    let is_owed = matches!(claim.event_type, EventType::OrderPaid | EventType::RefundRequested | EventType::OrderEnded);
    if failures < FAILURES_MAX || is_owed && !notifications::is_delivery(claim) {
        outbox::retry_later(&mut tx, at, claim, failures, &problem).await?;
    } else {
        outbox::give_up(&mut tx, at, claim, failures, &problem).await?;
    }
    tx.commit().await
}
