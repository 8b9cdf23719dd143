//! Use cases of invoices.

use chrono::NaiveDate;
use serde_json::json;

use super::{
    model::{Invoice, InvoiceItem, InvoiceStatus, number},
    store,
};
use crate::core::{
    actor::{Actor, Permission, Scope},
    app::App,
    audit, customers,
    database::Tx,
    error::{Error, Result},
    event::EventType,
    id::Id,
    ledger::{self, Account, Kind, Posting, Subject},
    money::Money,
    outbox::{self, NewEvent},
    page::{Page, PageRequest},
    text::{self, NAME_MAX, NOTE_MAX},
    time::Timestamp,
};

/// Lines of an invoice.
const ITEMS_MAX: usize = 500;

/// A line to be written.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// What it is for.
    pub description: String,
    /// How many, from 1.
    pub quantity: u32,
    /// How much each.
    pub unit_price: Money,
    /// Quantity times unit price.
    pub amount: Money,
}

/// An invoice to be made.
#[derive(Clone, Debug)]
pub struct NewInvoice {
    /// Who owes.
    pub customer_id: Id,
    /// The first day that it is for.
    pub billing_period_start: NaiveDate,
    /// The last day that it is for.
    pub billing_period_end: NaiveDate,
    /// The sum of its items.
    pub amount: Money,
    /// The tax on that.
    pub tax_amount: Money,
    /// Both.
    pub total_amount: Money,
    /// The last day to pay.
    pub due_date: NaiveDate,
    /// Notes.
    pub notes: String,
    /// Its lines.
    pub items: Vec<NewItem>,
}

/// What a list of invoices is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct InvoiceFilter {
    /// One customer's.
    pub customer_id: Option<Id>,
    /// In one state.
    pub status: Option<InvoiceStatus>,
}

/// Writes a draft. For administrators.
///
/// # Errors
/// NotFound for an unknown customer; `invoice.sum` when the amounts do not add up, naming both; InvalidArgument for
/// fields that break their rules.
pub async fn create(app: &App, actor: &Actor, new: &NewInvoice) -> Result<Invoice> {
    actor.require(Permission::Admin)?;
    check(new)?;
    let at = app.clock.now();
    let id = Id::generate();
    let items = new
        .items
        .iter()
        .zip(1..)
        .map(|(item, position)| {
            Ok(InvoiceItem {
                id: Id::generate(),
                invoice_id: id,
                position,
                description: text::required("items.description", &item.description, NAME_MAX)?,
                quantity: i64::from(item.quantity),
                unit_price: item.unit_price,
                amount: item.amount,
                order_id: None,
                instalment: None,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let invoice = Invoice {
        id,
        customer_id: new.customer_id,
        invoice_number: None,
        billing_period_start: new.billing_period_start,
        billing_period_end: new.billing_period_end,
        amount: new.amount,
        tax_amount: new.tax_amount,
        total_amount: new.total_amount,
        paid_amount: Money::ZERO,
        currency: app.settings.billing.currency.clone(),
        status: InvoiceStatus::Draft,
        due_date: new.due_date,
        notes: text::optional("notes", &new.notes, NOTE_MAX)?,
        issued_at: None,
        paid_at: None,
        created_at: at,
        updated_at: at,
        items,
    };
    let mut tx = app.database.begin().await?;
    customers::lock(&mut tx, new.customer_id).await?;
    store::insert(&mut tx, &invoice).await?;
    record(&mut tx, at, actor, "invoice.create", &invoice).await?;
    tx.commit().await?;
    Ok(invoice)
}

fn check(new: &NewInvoice) -> Result<()> {
    if new.billing_period_start > new.billing_period_end {
        return Err(Error::invalid(
            "invoice.period",
            format!(
                "`billing_period_start` is {}, after `billing_period_end` {}",
                new.billing_period_start, new.billing_period_end
            ),
        ));
    }
    if new.items.is_empty() || new.items.len() > ITEMS_MAX {
        return Err(Error::invalid(
            "invoice.items",
            format!("`items` has {} lines, expected 1 to {ITEMS_MAX}", new.items.len()),
        ));
    }
    for (item, line) in new.items.iter().zip(1..) {
        if item.quantity == 0 {
            return Err(Error::invalid(
                "invoice.items",
                format!("`items` line {line}: `quantity` is 0, expected 1 or more"),
            ));
        }
        let product = item.unit_price.times(item.quantity)?;
        if product != item.amount {
            return Err(Error::invalid(
                "invoice.sum",
                format!("`items` line {line}: `amount` is {}, quantity times unit price is {product}", item.amount),
            ));
        }
    }
    let sum = Money::sum(new.items.iter().map(|item| item.amount))?;
    if sum != new.amount {
        return Err(Error::invalid(
            "invoice.sum",
            format!("`amount` is {}, the sum of the items is {sum}", new.amount),
        ));
    }
    if sum.is_negative() || new.tax_amount.is_negative() {
        return Err(Error::invalid("invoice.sum", "an amount is negative, expected zero or more"));
    }
    let total = new.amount.plus(new.tax_amount)?;
    if total != new.total_amount {
        return Err(Error::invalid(
            "invoice.sum",
            format!("`total_amount` is {}, amount and tax are {total}", new.total_amount),
        ));
    }
    Ok(())
}

/// Gives a draft its number and sends it. For administrators.
///
/// # Errors
/// NotFound; `invoice.wrong_state` for anything but a draft.
pub async fn issue(app: &App, actor: &Actor, id: Id) -> Result<Invoice> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let at = app.clock.now();
    let invoice = store::lock(&mut tx, id).await?;
    let invoice = issue_held(&mut tx, at, actor, &invoice).await?;
    tx.commit().await?;
    app.wake.notify_one();
    Ok(invoice)
}

/// Issues a draft that the transaction holds, and leaves the event.
///
/// # Errors
/// `invoice.wrong_state` for anything but a draft.
pub(crate) async fn issue_held(tx: &mut Tx, at: Timestamp, actor: &Actor, invoice: &Invoice) -> Result<Invoice> {
    invoice.status.check_move(InvoiceStatus::Issued)?;
    let number = number(at.year(), store::next_number(tx, at.year()).await?);
    store::set_issued(tx, at, invoice.id, &number).await?;
    let mut invoice = Invoice {
        status: InvoiceStatus::Issued,
        invoice_number: Some(number),
        issued_at: Some(at),
        updated_at: at,
        items: store::items(&mut *tx, invoice.id).await?,
        ..invoice.clone()
    };
    post_issued(tx, at, &invoice).await?;
    // Nothing to pay is paid.
    if invoice.total_amount == invoice.paid_amount {
        store::set_paid(tx, at, &invoice).await?;
        invoice = Invoice { status: InvoiceStatus::Paid, paid_at: Some(at), ..invoice };
    }
    announce(tx, at, &invoice).await?;
    record(tx, at, actor, "invoice.issue", &invoice).await?;
    Ok(invoice)
}

/// Books what is left to pay of an invoice that got its number. What was paid before, which is first instalments, was booked
/// with their orders.
pub(super) async fn post_issued(tx: &mut Tx, at: Timestamp, invoice: &Invoice) -> Result<()> {
    let left = invoice.total_amount.minus(invoice.paid_amount)?;
    if left.is_zero() {
        return Ok(());
    }
    let (kind, from, to) = (Kind::InvoiceIssued, Account::Receivable, Account::Revenue);
    let about = Subject { invoice_id: Some(invoice.id), ..Subject::default() };
    ledger::post(tx, at, &Posting::transfer(invoice.customer_id, kind, from, to, left).about(about)).await.map(drop)
}

/// Deletes an invoice that never got a number. For administrators.
///
/// # Errors
/// NotFound; `invoice.issued` for one with a number; PermissionDenied for others.
pub async fn delete(app: &App, actor: &Actor, id: Id) -> Result<()> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let invoice = store::lock(&mut tx, id).await?;
    if let Some(number) = &invoice.invoice_number {
        let error = Error::invalid(
            "invoice.issued",
            format!("the invoice {number} is {}; only a draft can be deleted", invoice.status),
        );
        let can_be_cancelled = invoice.status.check_move(InvoiceStatus::Cancelled).is_ok();
        return Err(if can_be_cancelled {
            error.hint("cancel it instead, such as with `rustbill invoice cancel`")
        } else {
            error
        });
    }
    let invoice = Invoice { items: store::items(&mut tx, id).await?, ..invoice };
    store::delete(&mut tx, id).await?;
    let detail = json!({ "before": invoice });
    let entry = audit::Entry { action: "invoice.delete", target_type: "invoice", target_id: id, detail: &detail };
    audit::record(&mut tx, app.clock.now(), actor, entry).await?;
    tx.commit().await
}

/// Leaves the event that an invoice was issued.
pub(super) async fn announce(tx: &mut Tx, at: Timestamp, invoice: &Invoice) -> Result<()> {
    let event =
        NewEvent { event_type: EventType::InvoiceIssued, subject_id: invoice.id, order_id: None, payload: json!({}) };
    outbox::enqueue(tx, at, event).await.map(|_| ())
}

/// Writes the audit entry of a new or changed invoice.
pub(super) async fn record(
    tx: &mut Tx,
    at: Timestamp,
    actor: &Actor,
    action: &'static str,
    invoice: &Invoice,
) -> Result<()> {
    let detail = json!({ "after": invoice });
    audit::record(
        tx,
        at,
        actor,
        audit::Entry { action, target_type: "invoice", target_id: invoice.id, detail: &detail },
    )
    .await
}

/// Writes the audit entry of a changed invoice: what was and what is.
///
/// # Errors
/// When the database refuses it.
pub(crate) async fn record_change(
    tx: &mut Tx,
    at: Timestamp,
    actor: &Actor,
    action: &'static str,
    before: &Invoice,
    after: &Invoice,
) -> Result<()> {
    let detail = audit::change(before, after);
    audit::record(tx, at, actor, audit::Entry { action, target_type: "invoice", target_id: after.id, detail: &detail })
        .await
}

/// A page of invoices with their lines; customers see their own, and no drafts.
///
/// # Errors
/// PermissionDenied for another customer's.
pub async fn list(app: &App, actor: &Actor, filter: InvoiceFilter, page: PageRequest) -> Result<Page<Invoice>> {
    let scope = actor.scope()?;
    let filter = InvoiceFilter { customer_id: scope.narrow(filter.customer_id)?, ..filter };
    store::list(&app.database, &filter, scope == Scope::All, page).await
}

/// One invoice with its lines. A draft does not exist for its customer.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<Invoice> {
    actor.require(Permission::Authenticated)?;
    let invoice = store::find(&app.database, id).await?.ok_or_else(|| Error::not_found("invoice", id))?;
    actor.require_customer(invoice.customer_id)?;
    if is_visible(actor, &invoice)? { Ok(invoice) } else { Err(Error::not_found("invoice", id)) }
}

/// Whether an invoice exists for this actor: a draft does not for its customer.
///
/// # Errors
/// Unauthenticated for nobody.
pub(crate) fn is_visible(actor: &Actor, invoice: &Invoice) -> Result<bool> {
    Ok(invoice.status != InvoiceStatus::Draft || actor.scope()? == Scope::All)
}
