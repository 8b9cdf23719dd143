//! What a server is, what it holds, and what is told of all of them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use crate::core::{id::Id, time::Timestamp};

crate::text_enum! {
    /// What only one server may do at a time. The roles are elected independently of each other.
    Role, "role" {
        /// Who brought the schema up to date last, or would be the one to tell of it.
        Migration = "migration",
        /// What comes with the calendar: invoices that become overdue, the check of the books.
        Billing = "billing",
        /// Events, payments of which no notice came, orders that nobody paid, plugins' health, the operation log's seal.
        EventWorker = "event_worker",
    }
}

/// The proof of a role: it is good for as long as the row of the role names this holder and this epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fence {
    /// Which role.
    pub role: Role,
    /// The server.
    pub holder: Id,
    /// Which take-over of the role it was, from 1.
    pub epoch: i64,
}

/// Who a server is.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Made at the start of the server; later ones sort after earlier ones.
    pub id: Id,
    /// The machine's name.
    pub host: String,
    /// The program's version.
    pub version: &'static str,
    /// Where it listens.
    pub address: String,
    /// When it started, by its own clock.
    pub started_at: Timestamp,
}

impl Instance {
    /// This process, which has just started.
    #[must_use]
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            id: Id::generate(),
            host: host_name(),
            version: env!("CARGO_PKG_VERSION"),
            address: String::new(),
            started_at,
        }
    }

    /// The same, listening at an address.
    #[must_use]
    pub fn at(self, address: SocketAddr) -> Self {
        Self { address: address.to_string(), ..self }
    }
}

/// What the system calls the machine; nothing where it does not say.
fn host_name() -> String {
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|file| std::fs::read_to_string(file).ok())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| crate::core::text::shown(name.trim(), crate::core::text::NAME_MAX))
        .unwrap_or_default()
}

/// The connections of a server to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// That wait for work.
    pub idle: i64,
    /// That work.
    pub active: i64,
    /// The most that there may be.
    pub max: i64,
}

/// A host that a server leaves alone for a while because it failed again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// The host and its port.
    pub host: String,
    /// `open`: it is not asked; `half_open`: the next request looks whether it is back.
    pub state: String,
    /// Since when, RFC 3339, by the clock of the server.
    pub since: String,
}

/// A server as the others see it.
#[derive(Clone, Debug, Serialize)]
pub struct ServerStatus {
    /// Which.
    pub id: Id,
    /// The machine's name.
    pub host: String,
    /// The program's version.
    pub version: String,
    /// Where it listens.
    pub address: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Its last word.
    pub heartbeat_at: Timestamp,
    /// Seconds since then.
    pub heartbeat_age_secs: i64,
    /// Whether it counts as being there.
    pub is_live: bool,
    /// Its connections to the database.
    pub pool: Pool,
    /// The hosts that it leaves alone.
    pub breakers: Vec<Breaker>,
}

/// A role and who has it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RoleStatus {
    /// Which.
    pub role: Role,
    /// Who has it; nobody when it is free, or when the lease ran out and nobody took over yet.
    pub holder: Option<Id>,
    /// How often it was taken over.
    pub epoch: i64,
    /// Since when the holder has it.
    pub acquired_at: Option<Timestamp>,
    /// Seconds since the holder renewed it.
    pub renewed_secs_ago: Option<i64>,
    /// Seconds after which a role that is not renewed is free.
    pub ttl_secs: i64,
}

/// All servers and all roles.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterStatus {
    /// Those that are there and those that were within the last day, in the order of their starts.
    pub servers: Vec<ServerStatus>,
    /// All roles.
    pub roles: Vec<RoleStatus>,
}

/// A row of `leader_role`, with the moment at which it was read.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(super) struct RoleRow {
    pub(super) role: Role,
    pub(super) holder: Option<Id>,
    pub(super) epoch: i64,
    pub(super) heartbeat_at: Option<Timestamp>,
    pub(super) acquired_at: Option<Timestamp>,
    pub(super) ttl_secs: i64,
    pub(super) now: Timestamp,
}

/// A row of `instance_heartbeat`, with the moment at which it was read.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct ServerRow {
    pub(super) instance_id: Id,
    pub(super) heartbeat_at: Timestamp,
    pub(super) pool_idle: i64,
    pub(super) pool_active: i64,
    pub(super) pool_max: i64,
    pub(super) host: String,
    pub(super) version: String,
    pub(super) address: String,
    pub(super) started_at: Timestamp,
    pub(super) breakers: Json<Vec<Breaker>>,
    pub(super) now: Timestamp,
}
