//! Invoices that were not paid in time.

use serde_json::json;

use super::{
    model::{Invoice, InvoiceStatus},
    operations::record_change,
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    database::Tx,
    error::{Kind, Result},
    event::EventType,
    id::Id,
    outbox::{self, NewEvent},
    time::Timestamp,
};

/// Invoices that are looked up at once.
const BATCH: i64 = 200;

/// Makes every issued invoice overdue whose last day to pay is over, each in a transaction of its own. Several servers
/// may do it at once: whoever comes second finds the invoice overdue. For administrators, and for the worker.
///
/// Returns the number of invoices.
///
/// # Errors
/// When the database can't be used. An invoice that can't be moved is passed over; the log names it.
pub async fn mark_overdue(app: &App, actor: &Actor) -> Result<u32> {
    actor.require(Permission::Admin)?;
    let today = app.clock.now().date();
    let (mut count, mut after) = (0, None);
    loop {
        let batch = store::past_due(&app.database, today, after, BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = Some(*last);
        for id in batch {
            match app.database.retry(|| mark_one(app, actor, id)).await {
                Ok(moved) => count += u32::from(moved),
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                Err(error) => tracing::error!(invoice = %id, %error, "an invoice could not be made overdue"),
            }
        }
    }
    if count > 0 {
        app.wake.notify_one();
    }
    Ok(count)
}

/// Says whether it was still to be moved.
async fn mark_one(app: &App, actor: &Actor, id: Id) -> Result<bool> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let invoice = store::lock(&mut tx, id).await?;
    if invoice.status != InvoiceStatus::Issued {
        return Ok(false);
    }
    set_overdue(&mut tx, at, actor, &invoice).await?;
    tx.commit().await?;
    Ok(true)
}

/// Makes an invoice overdue that the transaction holds, and leaves the event.
///
/// # Errors
/// `invoice.wrong_state`.
pub(crate) async fn set_overdue(tx: &mut Tx, at: Timestamp, actor: &Actor, invoice: &Invoice) -> Result<()> {
    store::advance(tx, at, invoice, InvoiceStatus::Overdue).await?;
    let event =
        NewEvent { event_type: EventType::InvoiceOverdue, subject_id: invoice.id, order_id: None, payload: json!({}) };
    outbox::enqueue(tx, at, event).await?;
    let after = Invoice { status: InvoiceStatus::Overdue, updated_at: at, ..invoice.clone() };
    record_change(tx, at, actor, "invoice.overdue", invoice, &after).await
}
