//! The schema's versions. Two folders with the same numbers, compiled into the binary.

use sqlx::{
    Connection as _, PgConnection,
    migrate::{MigrateError, Migrator},
};

use super::{Database, Location, Pools, connect::lock_file, failure::failed};
use crate::core::error::{Error, Result};

/// The time limits of PostgreSQL's sessions, lifted.
pub(super) const UNLIMITED: [(&str, &str); 3] =
    [("statement_timeout", "0"), ("lock_timeout", "0"), ("idle_in_transaction_session_timeout", "0")];

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
    /// it at once: one works, the others wait.
    ///
    /// # Errors
    /// `database.newer` when a newer program was here; `database.migration` when a step fails, naming it.
    pub async fn migrate(&self) -> Result<()> {
        if let Location::Sqlite(path) = &self.location {
            // sqlx takes no lock on SQLite: two processes would run the same step.
            let lock = lock_file(path, "migrate.lock")?;
            let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
            let _held = locked.map_err(std::io::Error::other).and_then(|lock| lock).map_err(|cause| {
                Error::unavailable("database.lock", "can't take the migration lock").caused_by(cause)
            })?;
            return self.run_migrations().await;
        }
        self.run_migrations().await
    }

    async fn run_migrations(&self) -> Result<()> {
        let done = match &self.pools {
            // On a connection of its own: the time limits of the others would cut a long step short, and the wait for
            // another server that is at work.
            Pools::Postgres(pool) => {
                match PgConnection::connect_with(&pool.connect_options().as_ref().clone().options(UNLIMITED)).await {
                    Ok(mut connection) => POSTGRES.run(&mut connection).await,
                    Err(cause) => return Err(failed(cause)),
                }
            }
            Pools::Sqlite { write, .. } => SQLITE.run(write).await,
        };
        done.map_err(|cause| match cause {
            MigrateError::VersionMissing(version) => Error::unavailable(
                "database.newer",
                format!("the database has migration {version}, which this program does not know"),
            )
            .hint("run the newer rustbill that made it"),
            MigrateError::VersionMismatch(version) => {
                Error::internal("database.migration", format!("migration {version} was changed after it ran here"))
            }
            cause => Error::internal("database.migration", "a migration failed").caused_by(cause),
        })
    }
}
