//! Invoices: what customers owe, by number.
//!
//! A draft has no number. The number comes when it is issued, without gaps within a year, and from then on only its
//! state changes.

mod generate;
mod model;
mod operations;
pub(crate) mod store;

pub(crate) use self::operations::is_visible;
pub use self::{
    generate::generate,
    model::{Invoice, InvoiceItem, InvoiceStatus},
    operations::{InvoiceFilter, InvoiceUpdate, NewInvoice, NewItem, create, get, issue, list, update},
};
