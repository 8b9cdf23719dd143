//! Where money meets what it pays for: paying orders and invoices, topping up balances, confirming payments, giving
//! money back. What belongs together commits together: the payment's state, the ledger row, the order's state, the
//! event.
//!
//! Locks are always taken in the same order: customer, order or invoice, payment.

mod callback;
mod gateway;
mod give_back;
mod pay;
mod query;
mod refund;
mod report;
mod settle;
mod terminate;

pub(crate) use self::give_back::{continue_refund, is_being_refunded};
pub use self::{
    callback::{Answer, Notice, PAYLOAD_MAX, handle_callback},
    gateway::{Target, start},
    give_back::{refund, refund_order},
    pay::{order_and_pay, order_from_balance, pay_order},
    query::query,
    refund::cancel_and_refund,
    settle::confirm,
    terminate::terminate,
};
