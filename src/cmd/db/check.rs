//! `rustbill db check`: whether the money is right.

use super::super::{Context, Format};
use crate::core::{
    error::Result,
    id::Id,
    reconciliation::{self, CheckReport, Difference},
};

/// Prints what the check of the books found.
pub(super) async fn run(context: &Context) -> Result<()> {
    let app = context.app().await?;
    let bar = context.printer.progress("checking the books");
    let found = reconciliation::check_with_progress(app, &context.actor, &|at| bar.at(at.done, at.total)).await;
    drop(bar);
    let report = found?;
    if report.clean && context.printer.format() == Format::Table {
        return context.printer.line(&summary(&report));
    }
    let rows = report.differences.iter().map(row).collect();
    let columns = ["code", "customer_id", "order_id", "invoice_id", "payment_id", "row_id", "expected", "found"];
    context.printer.list(&columns, rows, &report)?;
    if report.clean {
        return Ok(());
    }
    Err(reconciliation::found_differences(&report))
}

fn summary(report: &CheckReport) -> String {
    let reconciliation::Checked { transactions, customers, orders, payments, invoices, .. } = report.checked;
    format!(
        "the books are right: {transactions} transactions, {customers} customers, {orders} orders, {payments} payments, \
         {invoices} invoices"
    )
}

fn row(difference: &Difference) -> Vec<String> {
    let Difference { code, customer_id, order_id, invoice_id, payment_id, row_id, expected, found, .. } = difference;
    let id = |id: &Option<Id>| id.map(|id| id.to_string()).unwrap_or_default();
    vec![
        code.to_string(),
        id(customer_id),
        id(order_id),
        id(invoice_id),
        id(payment_id),
        id(row_id),
        expected.clone(),
        found.clone(),
    ]
}
