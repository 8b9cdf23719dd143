//! The servers that share a database: who they are, and which one does what only one may do at a time.
//!
//! A server registers itself when it starts (`member.rs`), tells every ten seconds that it is there, and tries to get
//! the roles that nobody has. A role is a lease in `leader_role`: `election.rs` says who may take it, `model.rs` what
//! its holder has in hand, which is a [`Fence`]. Every transaction in the name of a role proves its fence with
//! [`prove`]: whoever was paused, cut off or replaced finds that the role is another's and commits nothing.
//!
//! Leases between machines are measured by PostgreSQL's own clock, never by those of the machines, so that two servers
//! whose clocks differ can't both believe that they lead. That is the one place where a rule does not take its time from
//! `App::clock`; see `store.rs`. SQLite has one server, which a lock on the file guarantees: it holds all roles from its
//! first moment on, and nothing there is a question of time.
//!
//! This slice knows no other.

mod bell;
mod election;
mod member;
mod model;
mod operations;
mod roles;
mod store;

use std::time::Duration;

use chrono::TimeDelta;

pub use self::{
    member::Member,
    model::{Breaker, ClusterStatus, Fence, Instance, Pool, Role, RoleStatus, ServerStatus},
    operations::status,
    roles::Roles,
    store::{LOST, prove},
};

/// How often a server tells that it is there, and renews its roles. Less where a role's `ttl_secs` asks for it.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long after its last word a server counts as being there.
pub const LIVE_FOR: TimeDelta = TimeDelta::seconds(30);
/// How long the row of a server that is gone is kept.
pub const KEPT_FOR: TimeDelta = TimeDelta::days(1);
/// Rung in the transaction of every event that is due at once, so that whoever takes events hears of it.
pub const EVENT_BELL: &str = "rustbill_events";
/// How often a server looks whether a role has become free, besides being told.
const LOOK: Duration = Duration::from_secs(2);
