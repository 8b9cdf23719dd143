//! The only SQL that differs between the databases: row locks. Everything else is one text.
//!
//! SQLite needs none of it, since a transaction there is the only writer from its first statement on.

use super::{Query, Tx};

/// Keeps off everybody who would change the row, but not the foreign key checks of rows that point at it: `FOR UPDATE`
/// would make an insert that refers to a customer wait for whoever holds the customer, and so take locks in an order
/// that no statement shows.
const LOCK: &str = " FOR NO KEY UPDATE";
/// As [`LOCK`], passing over rows that somebody holds.
const LOCK_FREE_ONES: &str = " FOR NO KEY UPDATE SKIP LOCKED";

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

    /// The finished query.
    pub fn lock(self) -> Query<'e> {
        self.query.push(self.suffix)
    }
}
