//! The check itself.

use super::{
    chain::Walk,
    model::{CheckReport, Progress},
    numbers::Numbers,
    rows::{CustomerRow, Examined, InvoiceRow, MovementRow, OrderRow, PaymentRow, TransactionRow},
    store::{self, Paged},
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    database::Tx,
    error::{Error, Result},
    id::Id,
};

/// Computes everything that tells of money once more from the ledger, and names what differs. That something differs is no
/// error but the answer. Sees the database as it was when it began, and keeps nobody from writing. For administrators.
///
/// # Errors
/// PermissionDenied for others; `money.out_of_range` when a sum is no amount any more; what the database says.
pub async fn check(app: &App, actor: &Actor) -> Result<CheckReport> {
    check_with_progress(app, actor, &|_| ()).await
}

/// As [`check`]; tells how far it got, page by page.
///
/// # Errors
/// As [`check`].
pub async fn check_with_progress(
    app: &App,
    actor: &Actor,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<CheckReport> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.snapshot().await?;
    let total = u64::try_from(store::count(&mut tx).await?).unwrap_or(0);
    let mut run = Run { tx, report: CheckReport::begin(), done: 0, total, progress };
    run.over::<TransactionRow>(|_, _| ()).await?;
    run.over::<CustomerRow>(|_, _| ()).await?;
    run.over::<MovementRow>(|_, _| ()).await?;
    run.over_chains().await?;
    run.over::<OrderRow>(|_, _| ()).await?;
    run.over::<PaymentRow>(|_, _| ()).await?;
    let numbers = Numbers::read(&mut run.tx).await?;
    run.over::<InvoiceRow>(|invoice, report| numbers.examine(invoice, report)).await?;
    numbers.walk(&mut run.tx, &mut run.report).await?;
    run.tx.rollback().await?;
    Ok(run.report)
}

/// A check under way.
struct Run<'a> {
    tx: Tx,
    report: CheckReport,
    done: u64,
    total: u64,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
}

impl Run<'_> {
    /// Walks over all rows of a kind, one page at a time.
    async fn over<R: Paged + Examined + Sync>(&mut self, more: impl Fn(&R, &mut CheckReport) + Send) -> Result<()> {
        let mut after = Id::NIL;
        loop {
            let page = store::page::<R>(&mut self.tx, after).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id();
            for row in &page {
                row.examine(&mut self.report)?;
                more(row, &mut self.report);
            }
            self.advance(page.len());
        }
    }

    async fn over_chains(&mut self) -> Result<()> {
        let mut walk = Walk::begin();
        let mut after = None;
        loop {
            let mut page = store::links(&mut self.tx, after.as_ref()).await?;
            for link in &page {
                walk.over(link, &mut self.report);
            }
            self.advance(page.len());
            after = page.pop();
            if after.is_none() {
                walk.finish(&mut self.report);
                return Ok(());
            }
        }
    }

    fn advance(&mut self, rows: usize) {
        self.done += u64::try_from(rows).unwrap_or(0);
        (self.progress)(Progress { done: self.done, total: self.total });
    }
}

/// The error of a command that found differences.
#[must_use]
pub fn found_differences(report: &CheckReport) -> Error {
    let count = report.differences_total;
    let (noun, verb) = if count == 1 { ("difference", "was") } else { ("differences", "were") };
    Error::internal("ledger.differences", format!("{count} {noun} {verb} found in the books"))
        .hint("nothing was changed; docs/ledger.md says what each code means and what to do")
}
