//! Where money meets what it pays for: paying orders and invoices, topping up balances, confirming payments, giving
//! money back. What belongs together commits together: the payment's state, the ledger row, the order's state, the
//! event.
//!
//! Locks are always taken in the same order: customer, order or invoice, payment.

mod gateway;
mod pay;
mod refund;
mod settle;

pub use self::{
    gateway::{Target, start},
    pay::{order_and_pay, order_from_balance, pay_order},
    refund::cancel_and_refund,
    settle::confirm,
};
