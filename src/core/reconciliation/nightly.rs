//! The check of every night.

use chrono::{NaiveDate, TimeDelta};
use serde_json::json;

use super::{
    model::{CheckReport, Difference},
    operations::check,
    store,
};
use crate::core::{actor::Actor, app::App, audit, error::Result, id::Id, time::Timestamp};

/// From when on a day's check is due, after midnight UTC: few people buy then.
const DUE: TimeDelta = TimeDelta::hours(3);
/// After how long a run that did not end is given up, and another server begins it again.
const GIVEN_UP: TimeDelta = TimeDelta::hours(2);
/// Differences that the operation log keeps; the server's log names all that the report lists.
const KEPT_MAX: usize = 20;

/// Runs the check of this day, unless it is too early or somebody did: of several servers that ask, one runs it. What
/// differs is logged as errors, one a line, and left in the operation log as `ledger.differ`, where administrators see it.
/// Gives back what a run found.
///
/// # Errors
/// As [`check`]; then the day's run is begun again later.
pub async fn run_if_due(app: &App) -> Result<Option<CheckReport>> {
    let begun = app.clock.now();
    let day = begun.date();
    if begun < Timestamp::start_of(day).plus(DUE) || !begin(app, day, begun).await? {
        return Ok(None);
    }
    let actor = Actor::system("billing");
    let report = check(app, &actor).await?;
    for difference in &report.differences {
        log(difference);
    }
    if end(app, &actor, day, begun, &report).await? {
        let (differences, checked) = (report.differences_total, report.checked);
        tracing::info!(differences, transactions = checked.transactions, "the books were checked");
    }
    Ok(Some(report))
}

async fn begin(app: &App, day: NaiveDate, at: Timestamp) -> Result<bool> {
    let given_up = at.plus(-GIVEN_UP);
    // Looking costs a reader; only finding something costs the one writer of SQLite.
    if store::has_run(&app.database, day, given_up).await? {
        return Ok(false);
    }
    app.database
        .retry(|| async {
            let mut tx = app.database.begin().await?;
            let begun = store::begin_run(&mut tx, day, at, given_up).await?;
            tx.commit().await?;
            Ok(begun)
        })
        .await
}

/// Says whether the run was still this server's.
async fn end(app: &App, actor: &Actor, day: NaiveDate, begun: Timestamp, report: &CheckReport) -> Result<bool> {
    let count = i64::try_from(report.differences_total).unwrap_or(i64::MAX);
    let kept: Vec<&Difference> = report.differences.iter().take(KEPT_MAX).collect();
    let detail = json!({ "day": day, "differences": report.differences_total, "first": kept });
    app.database
        .retry(|| async {
            let at = app.clock.now();
            let mut tx = app.database.begin().await?;
            if !store::end_run(&mut tx, day, begun, at, count).await? {
                return Ok(false);
            }
            if !report.clean {
                let entry = audit::Entry {
                    action: "ledger.differ",
                    target_type: "ledger",
                    target_id: Id::generate(),
                    detail: &detail,
                };
                audit::record(&mut tx, at, actor, entry).await?;
            }
            tx.commit().await?;
            Ok(true)
        })
        .await
}

fn log(difference: &Difference) {
    let Difference { code, message, customer_id, order_id, invoice_id, payment_id, row_id, expected, found } =
        difference;
    tracing::error!(
        %code, ?customer_id, ?order_id, ?invoice_id, ?payment_id, ?row_id, expected, found,
        "the books differ: {message}"
    );
}
