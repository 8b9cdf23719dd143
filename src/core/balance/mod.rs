//! What customers have: the balance and its ledger. Each movement is one row that says what was before and after;
//! rows are never changed. `balance` of a customer always equals the sum of its rows.
//!
//! Each row is the customer's view of one entry of its wallet in the double-entry `ledger`, with the same amount.

mod model;
mod operations;
mod store;

pub use self::{
    model::{Balance, Transaction, TransactionType},
    operations::{Movement, TransactionFilter, adjust, apply, get, list},
};
