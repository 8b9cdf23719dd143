//! The operation log: who changed what, when and from where, written in the transaction of the change itself.
//!
//! Secrets never get in: an operation records the fields that it changed, and leaves passwords, tokens and the
//! values of a plugin's secret settings out.
//!
//! A little later the worker seals new entries into a chain of hashes (`chain.rs`), whose end is recorded beside it: an
//! entry that is changed, moved or removed afterwards is found by [`verify`]. Who writes an entry never waits for that.

mod chain;
mod model;
mod operations;
mod store;

use serde::Serialize;
use serde_json::Value;

pub use self::{
    model::{Break, LogFilter, OperationLog, Problem, Verification},
    operations::{SEAL_BATCH, broken, list, seal, verify},
    store::record,
};
use crate::core::id::Id;

/// What was done to what.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Noun and verb, such as `order.pay`.
    pub action: &'static str,
    /// The noun of the target, such as `order`.
    pub target_type: &'static str,
    /// Which one.
    pub target_id: Id,
    /// What changed, as `{"before": …, "after": …}` or the new values.
    pub detail: &'a Value,
}

/// The detail of a change: what was and what is.
pub fn change(before: impl Serialize, after: impl Serialize) -> Value {
    serde_json::json!({ "before": before, "after": after })
}
