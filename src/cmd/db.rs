//! `rustbill db`: the schema's state, and whether the money in it is right.

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Format};
use crate::core::{
    error::Result,
    id::Id,
    reconciliation::{self, CheckReport, Difference},
};

/// Look at the database, bring its schema up to date, and check the money in it
#[derive(Debug, Subcommand)]
pub(super) enum Db {
    /// Show which migrations ran
    Status,
    /// Run the migrations that have not run
    #[command(after_help = "`rustbill serve` does the same when it starts.")]
    Migrate,
    /// Check that all money is accounted for; changes nothing
    ///
    /// Balances, orders, payments, refunds and invoices are computed once more from the entries of the ledger, and each
    /// difference is named. The server does the same every night. Ends with code 1 when something differs.
    #[command(after_help = "Examples:\n  rustbill db check\n  rustbill db check --output json")]
    Check,
}

#[derive(Serialize)]
struct Status<'a> {
    location: String,
    pending: usize,
    unknown: &'a [i64],
    migrations: Vec<Migration>,
}

#[derive(Serialize)]
struct Migration {
    version: i64,
    description: String,
    applied: bool,
}

impl Db {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Status => status(context).await,
            Self::Migrate => migrate(context).await,
            Self::Check => check(context).await,
        }
    }
}

async fn status(context: &Context) -> Result<()> {
    let database = &context.open().await?.database;
    let found = database.migration_status().await?;
    let (location, pending) = (database.location().to_string(), found.pending());
    let row = |version: i64, description: &str, state: &str| {
        vec![format!("{version:03}"), description.to_owned(), state.to_owned()]
    };
    let mut rows: Vec<Vec<String>> = found
        .migrations
        .iter()
        .map(|m| row(m.version, &m.description, if m.applied { "applied" } else { "pending" }))
        .collect();
    rows.extend(found.unknown.iter().map(|version| row(*version, "", "unknown to this program")));
    let migrations = found
        .migrations
        .iter()
        .map(|m| Migration { version: m.version, description: m.description.clone(), applied: m.applied })
        .collect();
    let json = Status { location: location.clone(), pending, unknown: &found.unknown, migrations };
    context.printer.list(&["version", "description", "state"], rows, &json)?;
    context.printer.note(&format!("{location}: {pending} pending"));
    Ok(())
}

async fn migrate(context: &Context) -> Result<()> {
    let database = &context.open().await?.database;
    let before = database.migration_status().await?.pending();
    database.migrate().await?;
    let location = database.location();
    let text = match before {
        0 => format!("{location} is up to date"),
        1 => format!("{location}: 1 migration was applied"),
        several => format!("{location}: {several} migrations were applied"),
    };
    context.printer.line(&text)?;
    Ok(())
}

async fn check(context: &Context) -> Result<()> {
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
