//! Figures for the first page of the administration: what there is, what came in, what is owed.
//!
//! **Revenue** is what was paid for orders and invoices, through a gateway or from the balance, less what was given
//! back. It belongs to the day of the payment, in UTC, also what is given back later. Topping up a balance is no revenue;
//! spending it is. **Receivable** is what is left to pay of issued and overdue invoices.

mod model;
mod operations;
mod store;

pub use self::{
    model::{DayRevenue, Overview},
    operations::{DAYS_MAX, overview},
};
