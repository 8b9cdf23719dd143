//! The schema's versions. Two folders with the same numbers, compiled into the binary.
//!
//! One process migrates at a time. On PostgreSQL that is who holds a lock of the session: a table can't hold it, since an
//! empty database has none, and whoever dies in the middle loses its connection and with it the lock.

use std::time::Duration;

use sqlx::{
    Connection as _, PgConnection,
    migrate::{MigrateError, Migrator},
};

use super::{Database, Location, Pools, connect::lock_file, failure::failed};
use crate::core::error::{Error, Result};

/// The time limits of PostgreSQL's sessions, lifted.
pub(super) const UNLIMITED: [(&str, &str); 3] =
    [("statement_timeout", "0"), ("lock_timeout", "0"), ("idle_in_transaction_session_timeout", "0")];

/// How long a process waits for another one that migrates.
pub const MIGRATION_WAIT: Duration = Duration::from_mins(1);
/// How often it looks whether that one is done.
const LOOK: Duration = Duration::from_millis(200);
/// The number of the lock: `rustbill` in ASCII.
const MIGRATION_LOCK: i64 = 0x7275_7374_6269_6c6c;

static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");
pub(super) static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// One migration and whether it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationRow {
    /// Its number.
    pub version: i64,
    /// What its file name says.
    pub description: String,
    /// Whether it is applied here.
    pub applied: bool,
}

/// The state of the schema.
#[derive(Clone, Debug, Default)]
pub struct MigrationStatus {
    /// Every migration that this binary knows, in order.
    pub migrations: Vec<MigrationRow>,
    /// Versions that the database has and this binary does not know: a newer program was here.
    pub unknown: Vec<i64>,
}

/// The versions of the schema that this program knows, in order.
pub fn known_versions() -> impl Iterator<Item = i64> {
    SQLITE.iter().map(|migration| migration.version)
}

impl MigrationStatus {
    /// How many still have to run.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.migrations.iter().filter(|row| !row.applied).count()
    }
}

#[derive(sqlx::FromRow)]
struct Applied {
    version: i64,
    success: bool,
}

impl Database {
    fn migrator(&self) -> &'static Migrator {
        match self.pools {
            Pools::Postgres(_) => &POSTGRES,
            Pools::Sqlite { .. } => &SQLITE,
        }
    }

    /// What is applied and what is missing.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn migration_status(&self) -> Result<MigrationStatus> {
        let applied = self.applied().await?;
        let is_applied = |version: i64| applied.iter().any(|row| row.version == version && row.success);
        let known: Vec<MigrationRow> = self
            .migrator()
            .iter()
            .map(|migration| MigrationRow {
                version: migration.version,
                description: migration.description.to_string(),
                applied: is_applied(migration.version),
            })
            .collect();
        let unknown = applied
            .iter()
            .map(|row| row.version)
            .filter(|version| known.iter().all(|row| row.version != *version))
            .collect();
        Ok(MigrationStatus { migrations: known, unknown })
    }

    async fn applied(&self) -> Result<Vec<Applied>> {
        let exists = match self.pools {
            Pools::Postgres(_) => {
                self.q("SELECT CAST(COUNT(*) AS BIGINT) FROM information_schema.tables WHERE table_name = '_sqlx_migrations' AND table_schema = current_schema()")
            }
            Pools::Sqlite { .. } => self.q("SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'"),
        };
        if exists.scalar::<i64>().await? == 0 {
            return Ok(Vec::new());
        }
        self.q("SELECT version, success FROM _sqlx_migrations ORDER BY version").all().await
    }

    /// Brings the schema up to this binary's version; nothing happens when it is there. Several processes may call
    /// it at once: one works, the others wait for up to [`MIGRATION_WAIT`]. Says whether this one had something to do.
    ///
    /// # Errors
    /// `database.newer` when a newer program was here; `database.migration` when a step fails, naming it;
    /// `database.migrating` when another process took too long.
    pub async fn migrate(&self) -> Result<bool> {
        self.migrate_within(MIGRATION_WAIT).await
    }

    /// As [`Database::migrate`], waiting no longer than this on PostgreSQL.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    pub async fn migrate_within(&self, patience: Duration) -> Result<bool> {
        match &self.pools {
            Pools::Postgres(pool) => {
                // On a connection of its own: the time limits of the others would cut a long step short.
                let options = pool.connect_options().as_ref().clone().options(UNLIMITED);
                let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
                if !self.lead(&mut connection, patience).await? {
                    return Ok(false);
                }
                let has_work = self.migration_status().await?.pending() > 0;
                let done = POSTGRES.run(&mut connection).await.map_err(refused);
                // The lock goes with the connection, also where closing it in an orderly way fails.
                let _closed = connection.close().await;
                done.map(|()| has_work)
            }
            Pools::Sqlite { write, .. } => {
                let Location::Sqlite(path) = &self.location else {
                    return Err(Error::internal("database.location", "a SQLite database without a file"));
                };
                // sqlx takes no lock on SQLite: two processes would run the same step.
                let lock = lock_file(path, "migrate.lock")?;
                let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
                let _held = locked.map_err(std::io::Error::other).and_then(|lock| lock).map_err(|cause| {
                    Error::unavailable("database.lock", "can't take the migration lock").caused_by(cause)
                })?;
                let has_work = self.migration_status().await?.pending() > 0;
                SQLITE.run(write).await.map_err(refused)?;
                Ok(has_work)
            }
        }
    }

    /// Waits until this connection is the one that migrates; `false` when another process brought the schema up to date
    /// meanwhile.
    async fn lead(&self, connection: &mut PgConnection, patience: Duration) -> Result<bool> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut is_told = false;
        loop {
            let try_lock = sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock($1)").bind(MIGRATION_LOCK);
            if try_lock.fetch_one(&mut *connection).await.map_err(failed)? {
                return Ok(true);
            }
            let status = self.migration_status().await?;
            if status.pending() == 0 && status.unknown.is_empty() {
                return Ok(false);
            }
            if tokio::time::Instant::now() >= deadline {
                let waited = patience.as_secs();
                return Err(Error::unavailable(
                    "database.migrating",
                    format!("another server has been migrating the {} for {waited} s", self.location),
                )
                .hint("wait until it is done (`rustbill db status` tells), then start again"));
            }
            if !is_told {
                is_told = true;
                tracing::warn!(pending = status.pending(), "another server migrates the database; waiting for it");
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn refused(cause: MigrateError) -> Error {
    match cause {
        MigrateError::VersionMissing(version) => Error::unavailable(
            "database.newer",
            format!("the database has migration {version}, which this program does not know"),
        )
        .hint("run the newer rustbill that made it"),
        MigrateError::VersionMismatch(version) => {
            Error::internal("database.migration", format!("migration {version} was changed after it ran here"))
        }
        cause => Error::internal("database.migration", "a migration failed").caused_by(cause),
    }
}
