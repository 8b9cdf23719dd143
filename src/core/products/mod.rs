//! Products: what is sold, for how much, through which provider.

mod model;
mod operations;
mod providers;
pub mod spec;
pub(crate) mod store;

pub use self::{
    model::{BillingCycle, Product, Specs},
    operations::{NewProduct, ProductFilter, create, get, list},
    providers::{Provider, providers},
};
