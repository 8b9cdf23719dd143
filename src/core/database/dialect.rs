//! The only SQL that differs between the databases: row locks, the time of leases between machines, and the bell that
//! other processes hear. Everything else is one text.
//!
//! SQLite needs none of it, since a transaction there is the only writer from its first statement on, and one machine has
//! all of it.

use super::{Query, Tx};
use crate::core::{error::Result, time::Timestamp};

/// Keeps off everybody who would change the row, but not the foreign key checks of rows that point at it: `FOR UPDATE`
/// would make an insert that refers to a customer wait for whoever holds the customer, and so take locks in an order
/// that no statement shows.
const LOCK: &str = " FOR NO KEY UPDATE";
/// As [`LOCK`], passing over rows that somebody holds.
const LOCK_FREE_ONES: &str = " FOR NO KEY UPDATE SKIP LOCKED";
/// Keeps off only [`LOCK_ALONE`]: many may hold it, and who changes the row as [`LOCK`] does goes on.
const LOCK_SHARED: &str = " FOR KEY SHARE";
/// Keeps off everybody, and waits for everybody.
const LOCK_ALONE: &str = " FOR UPDATE";

impl Tx {
    /// A `SELECT` that locks the rows it finds until the transaction ends.
    pub fn q_for_update(&mut self, select: &'static str) -> LockingQuery<'_> {
        let postgres = matches!(self, Self::Postgres(_));
        LockingQuery { query: self.q(select), suffix: if postgres { LOCK } else { "" } }
    }

    /// A `SELECT` that locks the rows it finds and passes over those that another transaction holds.
    pub fn q_skip_locked(&mut self, select: &'static str) -> LockingQuery<'_> {
        let postgres = matches!(self, Self::Postgres(_));
        LockingQuery { query: self.q(select), suffix: if postgres { LOCK_FREE_ONES } else { "" } }
    }

    /// A `SELECT` whose rows stay what they are for whoever waits with [`Tx::q_alone`], until the transaction ends.
    pub fn q_shared(&mut self, select: &'static str) -> LockingQuery<'_> {
        let postgres = self.is_postgres();
        LockingQuery { query: self.q(select), suffix: if postgres { LOCK_SHARED } else { "" } }
    }

    /// A `SELECT` that waits until no transaction holds its rows in whatever way, and then holds them alone.
    pub fn q_alone(&mut self, select: &'static str) -> LockingQuery<'_> {
        let postgres = self.is_postgres();
        LockingQuery { query: self.q(select), suffix: if postgres { LOCK_ALONE } else { "" } }
    }

    /// Whether several machines may share the database.
    #[must_use]
    pub const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Rings for everybody who listens on the channel, when this transaction commits. On SQLite nobody does: what
    /// happens in the process itself has bells of its own.
    ///
    /// # Errors
    /// When the database can't be used.
    pub async fn notify(&mut self, channel: &'static str) -> Result<()> {
        if self.is_postgres() {
            self.q("SELECT pg_notify($1, '')").bind(channel).execute().await?;
        }
        Ok(())
    }
}

impl Query<'_> {
    /// Adds the time as machines that share a database must read it: PostgreSQL's own, which they all see alike, at this
    /// very moment. SQLite takes `at`, since there is one machine.
    pub fn push_now(self, at: Timestamp) -> Self {
        if self.is_postgres() { self.push("clock_timestamp()") } else { self.push_bind("", at) }
    }
}

/// A query whose lock clause comes last, after every filter and limit.
#[must_use = "a query does nothing until it is run"]
pub struct LockingQuery<'e> {
    query: Query<'e>,
    suffix: &'static str,
}

impl<'e> LockingQuery<'e> {
    /// As [`Query::bind`].
    pub fn bind(self, value: impl super::Bind) -> Self {
        Self { query: self.query.bind(value), ..self }
    }

    /// As [`Query::push_bind`].
    pub fn push_bind(self, sql: &'static str, value: impl super::Bind) -> Self {
        Self { query: self.query.push_bind(sql, value), ..self }
    }

    /// As [`Query::push`].
    pub fn push(self, sql: &'static str) -> Self {
        Self { query: self.query.push(sql), ..self }
    }

    /// As [`Query::push_now`].
    pub fn push_now(self, at: Timestamp) -> Self {
        Self { query: self.query.push_now(at), ..self }
    }

    /// The finished query.
    pub fn lock(self) -> Query<'e> {
        self.query.push(self.suffix)
    }
}
