//! Orders and their states.

use chrono::NaiveDate;
use sqlx::types::Json;

use crate::core::{
    error::Result,
    id::Id,
    money::Money,
    products::{BillingCycle, Specs},
    time::{Timestamp, add_months},
};

crate::text_enum! {
    /// How far an order got.
    OrderStatus, "status" {
        /// Placed, not paid.
        Pending = "pending",
        /// Paid in full.
        Paid = "paid",
        /// Its server is being made.
        Provisioning = "provisioning",
        /// Its server runs.
        Active = "active",
        /// Its server is taken from the customer for now.
        Suspended = "suspended",
        /// Ended as agreed; final.
        Completed = "completed",
        /// Its server was given back; final.
        Terminated = "terminated",
        /// Ended before it ran; final.
        Cancelled = "cancelled",
        /// Its payment was given back in full; final.
        Refunded = "refunded",
    }
}

impl OrderStatus {
    /// Where it may go from here. Every pair that is not here is refused.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Paid, Self::Cancelled],
            Self::Paid => &[Self::Provisioning, Self::Cancelled, Self::Refunded],
            Self::Provisioning => &[Self::Active, Self::Cancelled],
            Self::Active => &[Self::Suspended, Self::Completed, Self::Terminated, Self::Refunded],
            Self::Suspended => &[Self::Active, Self::Terminated, Self::Refunded],
            Self::Completed | Self::Terminated | Self::Cancelled | Self::Refunded => &[],
        }
    }
}

crate::moves!(OrderStatus, "order", "order.wrong_state");

/// An order.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Order {
    /// The identifier.
    pub id: Id,
    /// Whose.
    pub customer_id: Id,
    /// What was bought.
    pub product_id: Id,
    /// What it was called then.
    pub product_name: String,
    /// Who makes the server.
    pub provider_interface_id: Id,
    /// What the provider calls the server; empty until it is made.
    pub provider_instance_id: String,
    /// What the server has.
    pub server_spec: Json<Specs>,
    /// How often is paid.
    pub billing_cycle: BillingCycle,
    /// What one cycle costs; never changes.
    pub total_amount: Money,
    /// The currency of that.
    pub currency: String,
    /// The gateway of the payment; none: the balance, or not paid yet.
    pub gateway_interface_id: Option<Id>,
    /// What the gateway calls the payment.
    pub gateway_payment_id: String,
    /// How far it got.
    pub status: OrderStatus,
    /// Why it is so, where that needs saying.
    pub status_reason: String,
    /// Notes of the customer or the operator.
    pub notes: String,
    /// When its server ran first.
    pub activated_at: Option<Timestamp>,
    /// When it came to an end.
    pub ended_at: Option<Timestamp>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// One cycle of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instalment {
    /// Its number, from 1. The first was paid with the order.
    pub number: u32,
    /// Its first day.
    pub begins: NaiveDate,
    /// The day before the next one begins.
    pub ends: NaiveDate,
}

/// Most instalments that one look at an order counts: two hundred years of months.
const INSTALMENTS_MAX: u32 = 2400;

impl Order {
    /// The instalments that begin on a day from `start` to `end`, both included. None begin before the order became
    /// active or after it ended.
    ///
    /// # Errors
    /// `date.out_of_range` beyond the calendar.
    pub fn instalments(&self, start: NaiveDate, end: NaiveDate) -> Result<Vec<Instalment>> {
        let Some(first) = self.activated_at.map(Timestamp::date) else { return Ok(Vec::new()) };
        let last = self.ended_at.map_or(end, |ended| ended.date().min(end));
        let months = self.billing_cycle.months();
        let mut found = Vec::new();
        for number in 1..=INSTALMENTS_MAX {
            // Counted from the first day each time, so that the day of the month is kept.
            let begins = add_months(first, (number - 1) * months)?;
            if begins > last {
                break;
            }
            if begins >= start {
                let next = add_months(first, number * months)?;
                found.push(Instalment { number, begins, ends: next.pred_opt().unwrap_or(next) });
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveTime, TimeZone as _, Utc};

    use super::*;

    #[test]
    fn the_states_are_those_of_the_contract() {
        use OrderStatus::{Active, Cancelled, Completed, Paid, Pending, Provisioning, Refunded, Suspended, Terminated};
        let allowed = [
            (Pending, Paid),
            (Pending, Cancelled),
            (Paid, Provisioning),
            (Paid, Cancelled),
            (Paid, Refunded),
            (Provisioning, Active),
            (Provisioning, Cancelled),
            (Active, Suspended),
            (Active, Completed),
            (Active, Terminated),
            (Active, Refunded),
            (Suspended, Active),
            (Suspended, Terminated),
            (Suspended, Refunded),
        ];
        for &from in OrderStatus::ALL {
            for &to in OrderStatus::ALL {
                let result = from.check_move(to);
                assert_eq!(result.is_ok(), allowed.contains(&(from, to)), "{from} to {to}");
                if let Err(error) = result {
                    assert!(error.to_string().contains(from.as_str()) && error.to_string().contains(to.as_str()));
                }
            }
        }
    }

    fn order(activated: (i32, u32, u32), cycle: BillingCycle) -> Order {
        let id = Id::generate();
        let day = NaiveDate::from_ymd_opt(activated.0, activated.1, activated.2).unwrap();
        let at = Timestamp::new(Utc.from_utc_datetime(&day.and_time(NaiveTime::MIN)));
        Order {
            id,
            customer_id: id,
            product_id: id,
            product_name: String::new(),
            provider_interface_id: id,
            provider_instance_id: String::new(),
            server_spec: Json(Specs::new()),
            billing_cycle: cycle,
            total_amount: Money::ZERO,
            currency: "CNY".to_owned(),
            gateway_interface_id: None,
            gateway_payment_id: String::new(),
            status: OrderStatus::Active,
            status_reason: String::new(),
            notes: String::new(),
            activated_at: Some(at),
            ended_at: None,
            created_at: at,
            updated_at: at,
        }
    }

    fn days(order: &Order, start: &str, end: &str) -> Vec<String> {
        let found = order.instalments(start.parse().unwrap(), end.parse().unwrap()).unwrap();
        found.iter().map(|instalment| format!("{} {}", instalment.number, instalment.begins)).collect()
    }

    #[test]
    fn instalments_keep_the_day_of_the_month() {
        let order = order((2026, 1, 31), BillingCycle::Monthly);
        assert_eq!(
            days(&order, "2026-01-01", "2026-04-30"),
            ["1 2026-01-31", "2 2026-02-28", "3 2026-03-31", "4 2026-04-30"]
        );
        assert_eq!(days(&order, "2026-02-28", "2026-02-28"), ["2 2026-02-28"]);
        assert_eq!(days(&order, "2026-03-01", "2026-03-30"), Vec::<String>::new());
    }

    #[test]
    fn longer_cycles_and_the_end_of_an_order() {
        let mut order = order((2024, 2, 29), BillingCycle::Yearly);
        assert_eq!(
            days(&order, "2024-01-01", "2028-12-31"),
            ["1 2024-02-29", "2 2025-02-28", "3 2026-02-28", "4 2027-02-28", "5 2028-02-29"]
        );
        order.ended_at = Some(Timestamp::new(Utc.with_ymd_and_hms(2025, 6, 1, 0, 0, 0).unwrap()));
        assert_eq!(days(&order, "2024-01-01", "2028-12-31"), ["1 2024-02-29", "2 2025-02-28"]);
        order.activated_at = None;
        assert!(days(&order, "2024-01-01", "2028-12-31").is_empty());
    }
}
