//! The catalogue: categories hold groups, groups hold products. What a product is, is in `products`.

pub mod categories;
pub mod groups;
mod model;
pub(crate) mod store;

pub use self::model::{Category, Group, Placement};
