//! Invoices and their states.

use chrono::NaiveDate;

use crate::core::{id::Id, money::Money, time::Timestamp};

crate::text_enum! {
    /// How far an invoice got.
    InvoiceStatus, "status" {
        /// Being written; without a number.
        Draft = "draft",
        /// Sent; to be paid.
        Issued = "issued",
        /// Paid in full; final.
        Paid = "paid",
        /// Not paid in time.
        Overdue = "overdue",
        /// Taken back; final.
        Cancelled = "cancelled",
    }
}

impl InvoiceStatus {
    /// Where it may go from here. Every pair that is not here is refused.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::Issued, Self::Cancelled],
            Self::Issued => &[Self::Paid, Self::Overdue, Self::Cancelled],
            Self::Overdue => &[Self::Paid, Self::Cancelled],
            Self::Paid | Self::Cancelled => &[],
        }
    }
}

crate::moves!(InvoiceStatus, "invoice", "invoice.wrong_state");

/// An invoice.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Invoice {
    /// The identifier.
    pub id: Id,
    /// Who owes.
    pub customer_id: Id,
    /// The number; none before it is issued.
    pub invoice_number: Option<String>,
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
    /// How much of it is paid.
    pub paid_amount: Money,
    /// The currency.
    pub currency: String,
    /// How far it got.
    pub status: InvoiceStatus,
    /// The last day to pay.
    pub due_date: NaiveDate,
    /// Notes.
    pub notes: String,
    /// When it got its number.
    pub issued_at: Option<Timestamp>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Its lines.
    #[sqlx(skip)]
    pub items: Vec<InvoiceItem>,
}

/// A line of an invoice.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct InvoiceItem {
    /// The identifier.
    pub id: Id,
    /// The invoice.
    pub invoice_id: Id,
    /// Its place, from 1.
    pub position: i64,
    /// What it is for.
    pub description: String,
    /// How many.
    pub quantity: i64,
    /// How much each.
    pub unit_price: Money,
    /// Quantity times unit price.
    pub amount: Money,
    /// The order, if it is for an instalment of one.
    pub order_id: Option<Id>,
    /// Which instalment, from 1.
    pub instalment: Option<i64>,
}

/// The number of an invoice: `INV-2026-000001`.
#[must_use]
pub(crate) fn number(year: i32, counter: i64) -> String {
    format!("INV-{year}-{counter:06}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_are_those_of_the_contract() {
        use InvoiceStatus::{Cancelled, Draft, Issued, Overdue, Paid};
        let allowed = [
            (Draft, Issued),
            (Draft, Cancelled),
            (Issued, Paid),
            (Issued, Overdue),
            (Issued, Cancelled),
            (Overdue, Paid),
            (Overdue, Cancelled),
        ];
        for &from in InvoiceStatus::ALL {
            for &to in InvoiceStatus::ALL {
                assert_eq!(from.check_move(to).is_ok(), allowed.contains(&(from, to)), "{from} to {to}");
            }
        }
    }

    #[test]
    fn numbers_have_six_digits_and_go_on_beyond() {
        assert_eq!(number(2026, 1), "INV-2026-000001");
        assert_eq!(number(2026, 1_234_567), "INV-2026-1234567");
    }
}
