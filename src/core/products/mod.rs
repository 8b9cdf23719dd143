//! Products: what is sold, for how much, through which provider.

mod batch;
mod model;
mod operations;
mod pricing;
mod providers;
pub mod spec;
pub(crate) mod store;
mod upstream;

pub(crate) use self::operations::{PROVIDERS, placeholder};
pub(crate) use self::upstream::{cost, plain};

pub use self::{
    batch::{BATCH_MAX, delete_all, reprice, set_active, set_group},
    model::{BillingCycle, Product, Specs},
    operations::{NewProduct, ProductFilter, ProductUpdate, create, delete, get, list, update},
    pricing::Markup,
    providers::{Provider, providers},
    upstream::{UpstreamItem, import, sync},
};
