//! Invoices: what customers owe, by number.
//!
//! A draft has no number. The number comes when it is issued, without gaps within a year, and from then on only its
//! state changes.

mod generate;
mod model;
mod operations;
mod overdue;
pub(crate) mod store;

pub use self::{
    generate::generate,
    model::{Invoice, InvoiceItem, InvoiceStatus},
    operations::{InvoiceFilter, NewInvoice, NewItem, create, delete, get, issue, list},
    overdue::mark_overdue,
};
pub(crate) use self::{
    model::number,
    operations::{is_visible, issue_held, record_change},
    overdue::set_overdue,
};
