//! The one use case of the figures.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Days, Months, NaiveDate};

use super::{
    model::{DayRevenue, Overview},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    error::{Error, Result},
    money::Money,
    orders::OrderStatus,
    time::{Timestamp, parse_date},
};

/// Days of revenue when nobody says how many.
const DAYS_DEFAULT: u32 = 30;
/// Most days of revenue; more are cut.
pub const DAYS_MAX: u32 = 366;

/// Counts, revenue and what is owed. Revenue covers `days` days up to today: 0 means 30, more than 366 are cut. For
/// administrators.
///
/// # Errors
/// PermissionDenied for others; `money.out_of_range` when a sum has more than twelve digits.
pub async fn overview(app: &App, actor: &Actor, days: u32) -> Result<Overview> {
    actor.require(Permission::Admin)?;
    let days = if days == 0 { DAYS_DEFAULT } else { days.min(DAYS_MAX) };
    let today = app.clock.now().date();
    let beyond = || Error::internal("dashboard.date", format!("{today} is at the calendar's beginning"));
    let first_day = today.checked_sub_days(Days::new(u64::from(days) - 1)).ok_or_else(beyond)?;
    let this_month = today.with_day(1).ok_or_else(beyond)?;
    let last_month = this_month.checked_sub_months(Months::new(1)).ok_or_else(beyond)?;

    let mut by_day = BTreeMap::new();
    for row in store::revenue(&app.database, Timestamp::start_of(first_day.min(last_month))).await? {
        let date = parse_date("paid_at", &row.day)?;
        let orders = u32::try_from(row.orders).unwrap_or(u32::MAX);
        by_day.insert(date, DayRevenue { date, amount: row.amount, orders });
    }
    let sum = |from: NaiveDate, to: NaiveDate| Money::sum(by_day.range(from..to).map(|(_, day)| day.amount));
    let after_today = today.succ_opt().ok_or_else(beyond)?;
    let nothing = |date| DayRevenue { date, amount: Money::ZERO, orders: 0 };
    Ok(Overview {
        counts: counts(app).await?,
        revenue_this_month: sum(this_month, after_today)?,
        revenue_last_month: sum(last_month, this_month)?,
        receivable: store::receivable(&app.database).await?,
        currency: app.settings.billing.currency.clone(),
        revenue: first_day
            .iter_days()
            .take(days as usize)
            .map(|date| by_day.get(&date).copied().unwrap_or_else(|| nothing(date)))
            .collect(),
    })
}

/// Every count, also of states that nothing is in.
async fn counts(app: &App) -> Result<BTreeMap<String, u64>> {
    let states = OrderStatus::ALL.iter().map(|status| format!("orders_{status}"));
    let invoices = ["invoices_issued", "invoices_overdue"].map(str::to_owned);
    let mut counts: BTreeMap<String, u64> = states.chain(invoices).map(|name| (name, 0)).collect();
    for row in store::counts(&app.database).await? {
        counts.insert(row.name, u64::try_from(row.count).unwrap_or_default());
    }
    Ok(counts)
}
