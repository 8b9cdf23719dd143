//! An entry of the operation log and what is found when the chain is checked.

use serde_json::Value;
use sqlx::types::Json;

use crate::core::{id::Id, time::Timestamp};

/// An entry as it is stored.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct OperationLog {
    /// The identifier.
    pub id: Id,
    /// What acted: `admin`, `customer`, `api_key`, `local`, `system`, …
    pub actor_type: String,
    /// Which one; empty where there is no identifier.
    pub actor_id: String,
    /// Its name at that time.
    pub actor_name: String,
    /// Noun and verb, such as `order.pay`.
    pub action: String,
    /// The noun of the target.
    pub target_type: String,
    /// Which one.
    pub target_id: String,
    /// What changed.
    pub detail: Json<Value>,
    /// Where it came from: an address, `cli` or `system`.
    pub source: String,
    /// When.
    pub created_at: Timestamp,
    /// Its place in the chain, from 1; none until it is sealed.
    pub position: Option<i64>,
    /// The hash over its content and the hash before it, in hexadecimal; none until it is sealed.
    pub hash: Option<String>,
}

/// What a list of entries is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// One actor's.
    pub actor_id: Option<Id>,
    /// One action.
    pub action: Option<String>,
    /// One kind of target.
    pub target_type: Option<String>,
    /// One target.
    pub target_id: Option<Id>,
}

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Head {
    /// The place of the last sealed entry; 0 before the first one.
    pub(super) position: i64,
    /// Its hash; empty before the first one.
    pub(super) hash: String,
}

crate::text_enum! {
    /// How a chain is broken.
    Break, "break" {
        /// The content of an entry, its position or its hash is not what was sealed.
        Changed = "changed",
        /// An entry that stood elsewhere was moved here.
        Moved = "moved",
        /// There is no entry at a position before the end.
        Missing = "missing",
        /// The newest entries are gone.
        Truncated = "truncated",
        /// The record of the chain's end does not fit the entries.
        Head = "head",
    }
}

/// The first place where a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// How.
    pub kind: Break,
    /// Where.
    pub position: i64,
    /// The entry that is there, if there is one.
    pub id: Option<Id>,
    /// The same as a sentence.
    pub message: String,
}

/// What a check of the chain found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Verification {
    /// Whether every sealed entry is as it was sealed.
    pub intact: bool,
    /// Entries that are, from the first one on.
    pub verified: i64,
    /// Entries that are not sealed yet, for which nothing can be said.
    pub unsealed: i64,
    /// The last position, as recorded. Together with `hash` worth keeping elsewhere: whoever can write to the database
    /// can also write a whole new chain, but not one that ends in the same hash.
    pub position: i64,
    /// The hash there.
    pub hash: String,
    /// Where it breaks first.
    pub problem: Option<Problem>,
}
