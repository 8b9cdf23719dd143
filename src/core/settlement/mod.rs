//! Where money meets what it pays for: paying orders and invoices, topping up balances, confirming payments, giving
//! money back, and what administrators do by hand. What belongs together commits together: the payment's state, the ledger row, the order's state, the
//! event.
//!
//! Locks are always taken in the same order: customer, order or invoice, payment.

mod gateway;
mod invoices;
mod orders;
mod pay;
mod receipt;
mod refund;
mod settle;

pub(crate) use self::orders::begin_provisioning;
pub use self::{
    gateway::{Target, start},
    invoices::{InvoiceUpdate, update_invoice},
    orders::{OrderUpdate, delete_order, update_order},
    pay::{order_and_pay, pay, pay_order},
    refund::cancel_and_refund,
    settle::confirm,
};
