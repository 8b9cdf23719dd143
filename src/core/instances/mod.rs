//! Instances: the servers that customers have, one for each order that runs.

mod model;
pub(crate) mod store;

pub use self::model::{Instance, InstanceStatus};
