//! The numbers of invoices: within a year each that was given out belongs to one invoice.

use std::collections::HashMap;

use super::{
    model::{CheckReport, Code, Difference},
    rows::InvoiceRow,
    store::{self, Counter},
};
use crate::core::{
    database::Tx,
    error::Result,
    invoices::{self, InvoiceStatus},
};

/// Numbers that are looked up at once.
const BATCH: i64 = 500;

/// How many numbers each year gave out.
pub(super) struct Numbers(Vec<Counter>);

impl Numbers {
    pub(super) async fn read(tx: &mut Tx) -> Result<Self> {
        store::counters(tx).await.map(Self)
    }

    /// Whether an invoice has a number exactly when it was issued, and one that was given out.
    pub(super) fn examine(&self, invoice: &InvoiceRow, report: &mut CheckReport) {
        let (expected, is_right) = match (&invoice.invoice_number, invoice.status) {
            // A draft that was cancelled never got one.
            (None, InvoiceStatus::Draft | InvoiceStatus::Cancelled) => return,
            (None, InvoiceStatus::Issued | InvoiceStatus::Overdue | InvoiceStatus::Paid) => ("a number", false),
            (Some(_), InvoiceStatus::Draft) => ("no number", false),
            (Some(number), _) => ("a number that was given out", self.has_given(number)),
        };
        if !is_right {
            let found = invoice.invoice_number.as_deref().unwrap_or("none");
            report.note(invoice.about(Difference::new(Code::InvoiceNumber, expected, found)));
        }
    }

    fn has_given(&self, number: &str) -> bool {
        let Some((year, counter)) = number.strip_prefix("INV-").and_then(|rest| rest.split_once('-')) else {
            return false;
        };
        let (Ok(year), Ok(counter)) = (year.parse::<i32>(), counter.parse::<i64>()) else { return false };
        // Written another way it would not be found among those that were given out.
        invoices::number(year, counter) == number
            && self.0.iter().any(|of| of.year == i64::from(year) && (1..=of.last_number).contains(&counter))
    }

    /// Looks for every number that was given out, a few at a time.
    pub(super) async fn walk(&self, tx: &mut Tx, report: &mut CheckReport) -> Result<()> {
        for Counter { year, last_number } in &self.0 {
            let mut first = 1;
            while first <= *last_number {
                let last = (first + BATCH - 1).min(*last_number);
                let year = i32::try_from(*year).unwrap_or_default();
                let numbers: Vec<String> = (first..=last).map(|counter| invoices::number(year, counter)).collect();
                let mut holders: HashMap<String, u32> = HashMap::new();
                for number in store::with_numbers(tx, &numbers).await? {
                    *holders.entry(number).or_default() += 1;
                }
                for number in numbers {
                    let code = match holders.get(&number) {
                        None => Code::InvoiceNumberMissing,
                        Some(1) => continue,
                        Some(_) => Code::InvoiceNumberTwice,
                    };
                    let count = holders.get(&number).copied().unwrap_or(0);
                    let found = format!("{count} invoices");
                    report.note(Difference::new(code, &format!("one invoice {number}"), &found));
                }
                first = last + 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_out_is_a_number() {
        let numbers = Numbers(vec![Counter { year: 2026, last_number: 1_000_001 }]);
        for number in ["INV-2026-000001", "INV-2026-1000001"] {
            assert!(numbers.has_given(number), "{number}");
        }
        for number in
            ["INV-2026-1", "INV-2026-000000", "INV-2026-1000002", "INV-2025-000001", "INV-2026-+00001", "R-1", ""]
        {
            assert!(!numbers.has_given(number), "{number}");
        }
    }
}
