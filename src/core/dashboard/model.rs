//! The figures.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::core::money::Money;

/// What came in on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DayRevenue {
    /// The day, in UTC.
    pub date: NaiveDate,
    /// How much, less what was given back of it.
    pub amount: Money,
    /// How many orders were paid on it and not given back in full.
    pub orders: u32,
}

/// What the administration shows first.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Overview {
    /// How many there are, by kind; the names are in `proto/dashboard.proto`.
    pub counts: BTreeMap<String, u64>,
    /// From the first day of this month.
    pub revenue_this_month: Money,
    /// Of the whole month before.
    pub revenue_last_month: Money,
    /// What is left to pay of issued and overdue invoices.
    pub receivable: Money,
    /// The currency of all amounts.
    pub currency: String,
    /// One entry per day, oldest first, ending today; days without revenue too.
    pub revenue: Vec<DayRevenue>,
}
