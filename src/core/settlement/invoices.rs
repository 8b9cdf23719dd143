//! What becomes of invoices: issued, paid, late or taken back.

use serde_json::json;

use super::{posting, receipt};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    balance::{self, Movement, TransactionType},
    customers::{self, Customer},
    database::Tx,
    error::{Error, Result},
    id::Id,
    invoices::{self, Invoice, InvoiceStatus},
    ledger::{self, Account, Kind, Posting, Subject},
    money::Money,
    payments::{self, Method, Payment},
    text::{self, NOTE_MAX},
    time::Timestamp,
};

/// What to change of an invoice.
#[derive(Clone, Debug, Default)]
pub struct InvoiceUpdate {
    /// Another state.
    pub status: Option<InvoiceStatus>,
    /// Other notes; an empty text takes them away.
    pub notes: Option<String>,
}

/// Changes an invoice, all of it or nothing. For administrators.
///
/// # Errors
/// NotFound; `invoice.no_change`; `invoice.wrong_state`, naming both states; `invoice.issued` for the notes of anything
/// but a draft; `invoice.not_due` for one that is to be overdue before its time; `invoice.paid_in_part` for one that is
/// to be cancelled although money came for it; PermissionDenied for others.
pub async fn update_invoice(app: &App, actor: &Actor, id: Id, change: &InvoiceUpdate) -> Result<Invoice> {
    actor.require(Permission::Admin)?;
    let change = InvoiceUpdate {
        status: change.status,
        notes: change.notes.as_deref().map(|text| text::optional("notes", text, NOTE_MAX)).transpose()?,
    };
    if let InvoiceUpdate { status: None, notes: None } = &change {
        return Err(Error::invalid("invoice.no_change", "nothing to change, expected `status` or `notes`"));
    }
    let invoice = app.database.retry(|| update(app, actor, id, &change)).await?;
    app.wake.notify_one();
    Ok(invoice)
}

async fn update(app: &App, actor: &Actor, id: Id, change: &InvoiceUpdate) -> Result<Invoice> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let (_, mut invoice) = lock(&mut tx, id).await?;
    if let Some(notes) = &change.notes {
        if invoice.status != InvoiceStatus::Draft {
            return Err(Error::invalid(
                "invoice.issued",
                format!("the invoice is {}; only the notes of a draft can be changed", invoice.status),
            ));
        }
        invoices::store::set_notes(&mut tx, at, id, notes).await?;
        let changed = Invoice { notes: notes.clone(), updated_at: at, ..invoice.clone() };
        invoices::record_change(&mut tx, at, actor, "invoice.update", &invoice, &changed).await?;
        invoice = changed;
    }
    if let Some(to) = change.status {
        invoice.status.check_move(to)?;
        move_to(&mut tx, at, actor, &invoice, to).await?;
    }
    let mut after = invoices::store::find_head(&mut tx, id).await?.ok_or_else(|| Error::not_found("invoice", id))?;
    after.items = invoices::store::items(&mut tx, id).await?;
    tx.commit().await?;
    Ok(after)
}

/// The invoice without its lines, locked after its customer.
async fn lock(tx: &mut Tx, id: Id) -> Result<(Customer, Invoice)> {
    let found = invoices::store::find_head(&mut *tx, id).await?.ok_or_else(|| Error::not_found("invoice", id))?;
    let customer = customers::lock(tx, found.customer_id).await?;
    Ok((customer, invoices::store::lock(tx, id).await?))
}

/// Makes a move that the states allow, and all that belongs to it.
async fn move_to(tx: &mut Tx, at: Timestamp, actor: &Actor, invoice: &Invoice, to: InvoiceStatus) -> Result<()> {
    match to {
        // No invoice comes back to it.
        InvoiceStatus::Draft => Ok(()),
        InvoiceStatus::Issued => invoices::issue_held(tx, at, actor, invoice).await.map(|_| ()),
        InvoiceStatus::Paid => {
            let left = invoice.total_amount.minus(invoice.paid_amount)?;
            let note = format!("recorded by {}", actor.name());
            let payment = receipt::of_invoice(at, invoice, left, Method::Manual, note);
            book(tx, at, actor, invoice, &payment).await?;
            posting::invoice_paid(tx, at, &payment).await
        }
        InvoiceStatus::Overdue if invoice.due_date >= at.date() => Err(Error::invalid(
            "invoice.not_due",
            format!("the invoice can be paid until {}, it is not overdue yet", invoice.due_date),
        )),
        InvoiceStatus::Overdue => invoices::set_overdue(tx, at, actor, invoice).await,
        InvoiceStatus::Cancelled => cancel(tx, at, actor, invoice).await,
    }
}

/// Takes an invoice back. Its lines stay as they are, so its instalments count as billed for ever and are not billed
/// again. First instalments, which were paid with their orders, stay paid there; other money must not be forgotten.
async fn cancel(tx: &mut Tx, at: Timestamp, actor: &Actor, invoice: &Invoice) -> Result<()> {
    let lines = invoices::store::items(&mut *tx, invoice.id).await?;
    let with_orders = Money::sum(lines.iter().filter(|line| line.instalment == Some(1)).map(|line| line.amount))?;
    if invoice.paid_amount > with_orders {
        let paid = invoice.paid_amount.minus(with_orders)?;
        return Err(Error::invalid("invoice.paid_in_part", format!("{paid} of the invoice was paid already")));
    }
    invoices::store::advance(tx, at, invoice, InvoiceStatus::Cancelled).await?;
    // A draft is owed by nobody yet.
    if invoice.status != InvoiceStatus::Draft {
        let left = invoice.total_amount.minus(invoice.paid_amount)?;
        let (kind, from, to) = (Kind::InvoiceCancelled, Account::Revenue, Account::Receivable);
        let about = Subject { invoice_id: Some(invoice.id), ..Subject::default() };
        ledger::post(tx, at, &Posting::transfer(invoice.customer_id, kind, from, to, left).about(about)).await?;
    }
    let after = Invoice { status: InvoiceStatus::Cancelled, updated_at: at, ..invoice.clone() };
    invoices::record_change(tx, at, actor, "invoice.cancel", invoice, &after).await
}

/// Writes the payment of all that is left of an invoice; the ledger is the caller's.
async fn book(tx: &mut Tx, at: Timestamp, actor: &Actor, invoice: &Invoice, payment: &Payment) -> Result<()> {
    payments::store::insert(tx, payment).await?;
    invoices::store::set_paid(tx, at, invoice).await?;
    let detail = json!({
        "before": invoice.status, "after": InvoiceStatus::Paid, "payment_id": payment.id, "method": payment.method,
        "amount": payment.amount,
    });
    let entry = audit::Entry { action: "invoice.pay", target_type: "invoice", target_id: invoice.id, detail: &detail };
    audit::record(tx, at, actor, entry).await
}

/// Pays what is left of an invoice from its customer's balance. For administrators and the customer itself.
pub(super) async fn pay_from_balance(app: &App, actor: &Actor, id: Id) -> Result<Payment> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let found = invoices::store::find_head(&mut tx, id).await?.ok_or_else(|| Error::not_found("invoice", id))?;
    actor.require_customer(found.customer_id)?;
    let (customer, invoice) = lock(&mut tx, id).await?;
    if !invoices::is_visible(actor, &invoice)? {
        return Err(Error::not_found("invoice", id));
    }
    invoice.status.check_move(InvoiceStatus::Paid)?;
    if !customer.is_active {
        return Err(Error::invalid("customer.inactive", format!("the customer `{}` is disabled", customer.name)));
    }
    let left = invoice.total_amount.minus(invoice.paid_amount)?;
    let payment = receipt::of_invoice(at, &invoice, left, Method::Balance, String::new());
    let movement = Movement {
        customer_id: invoice.customer_id,
        transaction_type: TransactionType::Payment,
        amount: left.negated(),
        kind: Kind::InvoicePaid,
        against: Account::Receivable,
        about: posting::of(&payment),
        reference_id: payment.id.to_string(),
        description: format!("Invoice {}", invoice.invoice_number.as_deref().unwrap_or_default()),
    };
    book(&mut tx, at, actor, &invoice, &payment).await?;
    balance::apply(&mut tx, at, movement).await?;
    tx.commit().await?;
    Ok(payment)
}
