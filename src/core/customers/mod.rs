//! Customers: who buys, and on which credit. Their money is in `balance`, their logins in `identity`.

mod model;
mod operations;
pub(crate) mod store;

pub(crate) use self::operations::{find_nobody, insert, nobody};
pub use self::{
    model::Customer,
    operations::{CustomerFilter, CustomerUpdate, NewCustomer, create, delete, get, list, update},
    store::lock,
};
