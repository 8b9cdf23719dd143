//! The double-entry ledger: under every movement of money lies a transaction whose entries sum to nothing.
//!
//! An amount is positive where money is owed by us or earned, and negative where it lies with us or is owed to us, so that
//! the entry of a wallet is the very amount that its customer sees.
//!
//! | What happens | Kind | From (negative) | To (positive) |
//! |---|---|---|---|
//! | A top-up through a gateway, a confirmed transfer, a late second payment | `top_up` | `gateway` | `wallet` |
//! | A correction by hand, up; down with the signs turned | `adjustment` | `adjustments` | `wallet` |
//! | An order is paid from the balance, through a gateway, by hand | `order_paid` | `wallet`, `gateway`, `by_hand` | `revenue` |
//! | An invoice is issued, with what is left to pay of it | `invoice_issued` | `receivable` | `revenue` |
//! | An invoice is paid from the balance, through a gateway, by hand | `invoice_paid` | `wallet`, `gateway`, `by_hand` | `receivable` |
//! | An invoice is cancelled, with what was left to pay | `invoice_cancelled` | `revenue` | `receivable` |
//! | What paid an order or an invoice goes back to the balance | `refund` | `refunds` | `wallet` |
//! | What paid an order or an invoice goes back through its gateway | `refund` | `refunds` | `gateway` |
//! | A refund of a top-up is asked for | `refund_reserved` | `wallet` | `reserved` |
//! | … and arrived at the payer | `refund` | `reserved` | `gateway` |
//! | … and was refused by the gateway | `refund_released` | `reserved` | `wallet` |
//! | What could not be derived when the ledger was begun | `opening` | `opening` | any |
//!
//! A first instalment was paid with its order: the invoice that lists it is booked without it. Credit is no posting: a
//! wallet below zero is what its customer owes. A late second payment is one for something that is paid or gone.
//!
//! Rows are only ever added, which triggers hold. [`post`] is the one function that writes them, in the transaction of
//! what they describe; a wallet moves through `balance::apply` alone, which calls it.

mod model;
mod operations;
mod store;

pub use self::{
    model::{Account, Kind, Posting, Subject},
    operations::post,
};
