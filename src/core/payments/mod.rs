//! Payments: attempts to pay an order, an invoice or a top-up, from the balance or through a gateway. What a successful
//! one sets in motion is in `settlement`.

mod model;
mod operations;
pub(crate) mod query_store;
pub(crate) mod refund_store;
pub(crate) mod store;
pub(crate) mod transaction_store;

pub use self::{
    model::{Method, Payment, PaymentStatus, Purpose, Refund, RefundStatus},
    operations::{PaymentFilter, get, list},
};
