//! Instances: the servers that customers have, one for each order that runs.

mod model;
mod operations;
pub(crate) mod store;

pub use self::{
    model::{Instance, InstanceStatus, Operation, Power},
    operations::{InstanceFilter, get, list},
};
