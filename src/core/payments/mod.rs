//! Payments: attempts to pay an order, an invoice or a top-up, from the balance or through a gateway. What a successful
//! one sets in motion is in `settlement`.

mod model;
mod operations;
pub(crate) mod store;

pub use self::{
    model::{Method, Payment, PaymentStatus, Purpose},
    operations::{PaymentFilter, get, list},
};
