//! Where money meets what it pays for: paying orders and invoices, topping up balances, confirming payments, giving
//! money back, and what administrators do by hand. What belongs together commits together: the payment's state, the
//! ledger row, the order's state, the event.
//!
//! Locks are always taken in the same order: customer, order or invoice, payment.

mod callback;
mod gateway;
mod give_back;
mod invoices;
mod orders;
mod pay;
mod poll;
mod posting;
mod query;
mod receipt;
mod refund;
mod refund_wallet;
mod report;
mod settle;
mod terminate;
mod unpaid;

pub(crate) use self::give_back::{continue_refund, is_being_refunded};
pub(crate) use self::orders::begin_provisioning;
pub use self::{
    callback::{Answer, Notice, PAYLOAD_MAX, handle_callback},
    gateway::{Target, start},
    give_back::{refund, refund_order},
    invoices::{InvoiceUpdate, update_invoice},
    orders::{OrderUpdate, delete_order, resume_order, update_order},
    pay::{order_and_pay, order_from_balance, pay, pay_order},
    poll::ask_due,
    query::query,
    refund::cancel_and_refund,
    settle::confirm,
    terminate::terminate,
    unpaid::{PATIENCE as PAYMENT_PATIENCE, cancel_unpaid},
};
