//! The invoices of a period: one for each customer whose orders have instalments that begin in it.

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::{
    model::{Invoice, InvoiceItem, InvoiceStatus, number},
    operations::{announce, post_issued, record},
    store::{self, Billed},
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    customers,
    error::{Error, Kind, Result},
    id::Id,
    money::Money,
    orders,
    time::Timestamp,
};

/// Days that a customer has to pay.
const DUE_DAYS: TimeDelta = TimeDelta::days(14);
/// Customers that are looked up at once.
const CUSTOMERS_BATCH: i64 = 500;
/// Days of a period.
const PERIOD_DAYS_MAX: i64 = 3660;

/// Makes an issued invoice for each customer, with a line for every instalment that begins on a day from `start` to
/// `end`, both included, and was never billed before. The first instalment of an order was paid with it. Each customer
/// is a transaction of its own; a run that was cut short is finished by the next one. For administrators.
///
/// Returns the number of invoices.
///
/// # Errors
/// `invoice.period` for a period that is empty or too long; `invoice.incomplete` when some customers could not be billed,
/// after all others were: the log names each, and the next run tries them again.
pub async fn generate(app: &App, actor: &Actor, start: NaiveDate, end: NaiveDate) -> Result<u32> {
    actor.require(Permission::Admin)?;
    if start > end || (end - start).num_days() > PERIOD_DAYS_MAX {
        return Err(Error::invalid(
            "invoice.period",
            format!("the period from {start} to {end} is empty or longer than {PERIOD_DAYS_MAX} days"),
        ));
    }
    let after_end = Timestamp::new((end + TimeDelta::days(1)).and_time(NaiveTime::MIN).and_utc());
    let (mut count, mut failures) = (0, 0_u32);
    let mut after: Option<Id> = None;
    loop {
        let batch = orders::store::customers_to_invoice(&app.database, after_end, after, CUSTOMERS_BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = Some(*last);
        for customer in batch {
            match app.database.retry(|| generate_for(app, actor, customer, start, end, after_end)).await {
                Ok(made) => count += u32::from(made),
                // One customer must not keep the others from their invoices; a database that is away stops them all.
                Err(error) if error.kind() != Kind::Unavailable => {
                    tracing::error!(%customer, %error, "a customer could not be billed");
                    failures += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
    if failures == 0 {
        return Ok(count);
    }
    Err(Error::internal(
        "invoice.incomplete",
        format!("{count} invoices were made, {failures} customers could not be billed"),
    )
    .hint("the log names them; the next run tries them again"))
}

/// The invoice of one customer; says whether there was anything to bill.
async fn generate_for(
    app: &App,
    actor: &Actor,
    customer_id: Id,
    start: NaiveDate,
    end: NaiveDate,
    after_end: Timestamp,
) -> Result<bool> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    // Two runs at once meet here, and the later one sees what the earlier one billed.
    customers::lock(&mut tx, customer_id).await?;
    let billed = store::billed(&mut tx, customer_id).await?;
    let id = Id::generate();
    let mut items = Vec::new();
    let mut paid = Money::ZERO;
    for order in orders::store::to_invoice(&mut tx, customer_id, after_end).await? {
        for instalment in order.instalments(start, end)? {
            let line = Billed { order_id: order.id, instalment: i64::from(instalment.number) };
            if billed.contains(&line) {
                continue;
            }
            if instalment.number == 1 {
                paid = paid.plus(order.total_amount)?;
            }
            items.push(InvoiceItem {
                id: Id::generate(),
                invoice_id: id,
                position: i64::try_from(items.len()).unwrap_or(i64::MAX - 1) + 1,
                description: format!(
                    "{} ({}), {} to {}",
                    order.product_name, order.billing_cycle, instalment.begins, instalment.ends
                ),
                quantity: 1,
                unit_price: order.total_amount,
                amount: order.total_amount,
                order_id: Some(order.id),
                instalment: Some(line.instalment),
            });
        }
    }
    if items.is_empty() {
        return Ok(false);
    }
    let amount = Money::sum(items.iter().map(|item| item.amount))?;
    let is_paid = paid == amount;
    let counter = store::next_number(&mut tx, at.year()).await?;
    let invoice = Invoice {
        id,
        customer_id,
        invoice_number: Some(number(at.year(), counter)),
        billing_period_start: start,
        billing_period_end: end,
        amount,
        tax_amount: Money::ZERO,
        total_amount: amount,
        paid_amount: paid,
        currency: app.settings.billing.currency.clone(),
        status: if is_paid { InvoiceStatus::Paid } else { InvoiceStatus::Issued },
        due_date: at.date() + DUE_DAYS,
        notes: String::new(),
        issued_at: Some(at),
        paid_at: is_paid.then_some(at),
        created_at: at,
        updated_at: at,
        items,
    };
    store::insert(&mut tx, &invoice).await?;
    post_issued(&mut tx, at, &invoice).await?;
    announce(&mut tx, at, &invoice).await?;
    record(&mut tx, at, actor, "invoice.generate", &invoice).await?;
    tx.commit().await?;
    app.wake.notify_one();
    Ok(true)
}
