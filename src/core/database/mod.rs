//! The database: one [`Database`], one [`Tx`], one way to write a query, for SQLite and PostgreSQL alike.
//!
//! - `query.rs`: `source.q("… $1").bind(value).all::<Row>()`; the same text for both.
//! - `dialect.rs`: the few texts that differ, all about locks.
//! - `connect.rs`: pools and their settings. `migrate.rs`: the migrations and who may run them.
//! - `listen.rs`: hearing what other servers ring.
//! - `failure.rs`: driver errors to ours. `interrupt.rs`: cutting a run off, as a crash would.
//! - `named_lock.rs`: locks by name, for what is only cheaper when one does it.
//! - `session.rs`, `table.rs`, `content.rs`, `maintenance.rs`: work on whole databases, for backups and moves: one
//!   connection, the catalogue, what tables hold, and what only one of the two databases can do.
//! - `citus.rs`: where each table is in a cluster.
//!
//! SQLite has one writer. Its transactions take the write lock at once (`BEGIN IMMEDIATE`), so a transaction never
//! finds out halfway that it can't write. Nothing else but SQL happens inside a transaction: no HTTP, no e-mail, and
//! no second transaction, which on SQLite would wait for the first for ever.

pub mod citus;
mod connect;
mod content;
pub mod dialect;
mod failure;
pub mod interrupt;
mod listen;
mod maintenance;
mod migrate;
mod named_lock;
mod purge;
mod query;
mod session;
mod table;

use std::{future::Future, sync::Arc, time::Duration};

use rand::RngExt as _;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use self::failure::failed;
pub use self::{
    connect::{Location, Options},
    content::{Content, Digest},
    failure::{is_foreign_key_violation, is_unique_violation},
    listen::Listener,
    maintenance::{Locks, RUNTIME_TABLES, is_serving, restore_prelude, tables_aside_hint},
    migrate::{MIGRATION_WAIT, MigrationRow, MigrationStatus, known_versions},
    named_lock::NamedLock,
    purge::Expired,
    query::{Bind, Query, Row, Source},
    session::{APPLICATION, Session, TextRow},
    table::{Column, Kind, Table},
};
use crate::core::error::{Error, Result};

/// How often a transaction is run again after it had to give way to another one.
const CONFLICT_ATTEMPTS_MAX: u32 = 8;
/// The first wait before running it again; it doubles, with jitter.
const CONFLICT_BACKOFF: Duration = Duration::from_millis(5);

/// A connected database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Pools,
    location: Location,
    /// Held by the one server of a SQLite file; see [`Database::lock_for_serving`].
    serving: Arc<std::sync::Mutex<Option<std::fs::File>>>,
    /// Of SQLite; see [`Database::try_lock_named`].
    taken: named_lock::Taken,
}

#[derive(Clone)]
enum Pools {
    Postgres(PgPool),
    Sqlite { read: SqlitePool, write: SqlitePool },
}

/// A transaction. Finish it with [`Tx::commit`]; dropped, it is rolled back.
pub enum Tx {
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
    /// On SQLite, holding its write lock.
    Sqlite(Transaction<'static, Sqlite>),
}

impl Database {
    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// `database.unavailable` when no connection can be had in time.
    #[expect(clippy::disallowed_methods, reason = "the one place that begins transactions, in a task of its own")]
    pub async fn begin(&self) -> Result<Tx> {
        // sqlx loses track of a connection whose `begin` is cancelled: later statements on it run inside a
        // transaction that nobody commits. A task of its own is never cancelled half-way.
        let begun = match &self.pools {
            Pools::Postgres(pool) => {
                let pool = pool.clone();
                tokio::spawn(async move { pool.begin().await.map(Tx::Postgres) }).await
            }
            Pools::Sqlite { write, .. } => {
                let pool = write.clone();
                tokio::spawn(async move { pool.begin_with("BEGIN IMMEDIATE").await.map(Tx::Sqlite) }).await
            }
        };
        begun_in_a_task(begun)
    }

    /// Begins a transaction that only reads, and sees everything as it was at one moment however long it takes. On SQLite
    /// it keeps nobody from writing.
    ///
    /// # Errors
    /// `database.unavailable` when no connection can be had in time.
    #[expect(clippy::disallowed_methods, reason = "begun in a task of its own, as in `begin`")]
    pub async fn snapshot(&self) -> Result<Tx> {
        let begun = match &self.pools {
            Pools::Postgres(pool) => {
                let pool = pool.clone();
                let text = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
                tokio::spawn(async move { pool.begin_with(text).await.map(Tx::Postgres) }).await
            }
            Pools::Sqlite { read, .. } => {
                let pool = read.clone();
                tokio::spawn(async move { pool.begin_with("BEGIN DEFERRED").await.map(Tx::Sqlite) }).await
            }
        };
        begun_in_a_task(begun)
    }

    /// Runs `work`, which begins and commits a transaction of its own, again when it lost against a concurrent one.
    ///
    /// # Errors
    /// What `work` returns; the conflict itself after [`CONFLICT_ATTEMPTS_MAX`] attempts.
    pub async fn retry<T, F: Future<Output = Result<T>>>(&self, mut work: impl FnMut() -> F) -> Result<T> {
        let mut wait = CONFLICT_BACKOFF;
        for _ in 1..CONFLICT_ATTEMPTS_MAX {
            match work().await {
                Err(error) if error.is_conflict() => {
                    // With jitter, so that two that met do not meet again.
                    let jitter = rand::rng().random_range(0.5..1.5);
                    tokio::time::sleep(wait.mul_f32(jitter)).await;
                    wait *= 2;
                }
                result => return result,
            }
        }
        work().await
    }

    /// Where the data is, without its password.
    #[must_use]
    pub const fn location(&self) -> &Location {
        &self.location
    }

    /// Whether several servers may share it.
    #[must_use]
    pub const fn is_postgres(&self) -> bool {
        matches!(self.pools, Pools::Postgres(_))
    }

    /// Connections of all pools: those that wait for work, those that work, and the most that there may be.
    #[must_use]
    pub fn pool_figures(&self) -> (u64, u64, u64) {
        let figures = |idle: usize, size: u32, max: u32| {
            let idle = u64::try_from(idle).unwrap_or(u64::MAX).min(u64::from(size));
            (idle, u64::from(size) - idle, u64::from(max))
        };
        match &self.pools {
            Pools::Postgres(pool) => figures(pool.num_idle(), pool.size(), pool.options().get_max_connections()),
            Pools::Sqlite { read, write } => figures(
                read.num_idle() + write.num_idle(),
                read.size() + write.size(),
                read.options().get_max_connections() + write.options().get_max_connections(),
            ),
        }
    }

    /// Connections of the (reading) pool: idle and in all.
    #[must_use]
    pub fn pool_size(&self) -> (usize, u32) {
        match &self.pools {
            Pools::Postgres(pool) => (pool.num_idle(), pool.size()),
            Pools::Sqlite { read, .. } => (read.num_idle(), read.size()),
        }
    }

    /// Asks the database for an answer, for `/ready`.
    ///
    /// # Errors
    /// `database.unavailable` when there is none.
    pub async fn ping(&self) -> Result<()> {
        self.q("SELECT CAST(1 AS BIGINT)").scalar::<i64>().await.map(|_| ())
    }

    /// Closes all connections; transactions that are still open are rolled back.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Postgres(pool) => pool.close().await,
            Pools::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

fn begun_in_a_task(begun: Result<Result<Tx, sqlx::Error>, tokio::task::JoinError>) -> Result<Tx> {
    match begun {
        Ok(tx) => tx.map_err(failed),
        Err(stopped) => Err(Error::unavailable("database.unavailable", "the server is stopping").caused_by(stopped)),
    }
}

impl Tx {
    /// Makes everything in the transaction last.
    ///
    /// # Errors
    /// `database.conflict` when another transaction won; then nothing of this one happened.
    pub async fn commit(self) -> Result<()> {
        interrupt::moment().await;
        match self {
            Self::Postgres(tx) => tx.commit().await,
            Self::Sqlite(tx) => tx.commit().await,
        }
        .map_err(failed)?;
        interrupt::moment().await;
        Ok(())
    }

    /// Undoes everything in the transaction. Dropping does the same, a little later.
    ///
    /// # Errors
    /// `database.unavailable` when the connection is gone; it is rolled back all the same.
    pub async fn rollback(self) -> Result<()> {
        match self {
            Self::Postgres(tx) => tx.rollback().await,
            Self::Sqlite(tx) => tx.rollback().await,
        }
        .map_err(failed)
    }
}
