//! Orders: what a customer bought, for how much, and how far it got.

mod model;
mod operations;
pub(crate) mod store;

pub(crate) use self::operations::{prepare, write};
pub use self::{
    model::{Order, OrderStatus},
    operations::{NewOrder, OrderFilter, get, list, place},
};
