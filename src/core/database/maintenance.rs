//! What backups and restores ask of one database that the other one does not know.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use super::{
    Location,
    connect::lock_file,
    session::{APPLICATION, Session},
};
use crate::core::{
    error::{Error, Result},
    time::Timestamp,
};

/// Tables that tell of the servers that run now; they mean nothing in another place or at another time.
pub const RUNTIME_TABLES: [&str; 2] = ["instance_heartbeat", "leader_role"];
/// More rows than these no migration writes.
const PRISTINE_ROWS_MAX: u64 = 1000;
/// Where PostgreSQL's tables are, and where they wait while a restore is checked.
const SCHEMA: &str = "public";
const SCHEMA_ASIDE: &str = "rustbill_before_restore";

/// Keeps servers and migrations away from a SQLite file for as long as it lives. PostgreSQL has no such locks.
#[derive(Debug, Default)]
pub struct Locks {
    _held: Vec<File>,
}

impl Locks {
    /// Takes them.
    ///
    /// # Errors
    /// `database.in_use` when a server or a migration is at work.
    pub fn take(location: &Location) -> Result<Self> {
        let Location::Sqlite(path) = location else { return Ok(Self::default()) };
        let mut held = Vec::new();
        for (suffix, who) in [("serve.lock", "a server runs"), ("migrate.lock", "a migration runs")] {
            let lock = lock_file(path, suffix)?;
            lock.try_lock().map_err(|cause| {
                let error = Error::unavailable("database.in_use", format!("{who} on the {location}"));
                match cause {
                    TryLockError::WouldBlock => error.hint("stop it first"),
                    TryLockError::Error(cause) => error.caused_by(cause),
                }
            })?;
            held.push(lock);
        }
        Ok(Self { _held: held })
    }
}

/// Whether a server runs on this SQLite file.
#[must_use]
pub fn is_serving(path: &Path) -> bool {
    // Whoever takes the lock gives it back at once.
    lock_file(path, "serve.lock").is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

impl Session {
    /// Whether there is nothing but what the migrations themselves write.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn is_pristine(&mut self) -> Result<bool> {
        let mut pristine = Self::pristine().await?;
        let seeds = pristine.tables().await?;
        for table in self.tables().await? {
            if RUNTIME_TABLES.contains(&table.name.as_str()) {
                continue;
            }
            let rows = self.count(&table).await?;
            if rows == 0 {
                continue;
            }
            let Some(seed) = seeds.iter().find(|seed| seed.name == table.name) else { return Ok(false) };
            if rows > PRISTINE_ROWS_MAX || self.content(&table).await? != pristine.content(seed).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many others are connected to this PostgreSQL database, this kind of session aside.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(in crate::core) async fn others(&mut self) -> Result<i64> {
        if !self.is_postgres() {
            return Ok(0);
        }
        self.number(format!(
            "SELECT CAST(COUNT(*) AS TEXT) FROM pg_stat_activity WHERE datname = current_database() \
             AND backend_type = 'client backend' AND application_name <> '{APPLICATION}'"
        ))
        .await
    }

    /// How many servers gave a sign of life after this moment. A pool between them and the database can hide their
    /// connections, not this.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(in crate::core) async fn servers_since(&mut self, moment: Timestamp) -> Result<i64> {
        let known = self.number(
            "SELECT CAST(COUNT(*) AS TEXT) FROM information_schema.columns WHERE table_name = 'instance_heartbeat' \
             AND column_name = 'heartbeat_at' AND table_schema = current_schema()",
        );
        if known.await? == 0 {
            return Ok(0);
        }
        let micros = moment.unix_micros();
        self.number(format!(
            "SELECT CAST(COUNT(*) AS TEXT) FROM instance_heartbeat \
             WHERE CAST(EXTRACT(EPOCH FROM heartbeat_at) * 1000000 AS BIGINT) > {micros}"
        ))
        .await
    }

    /// Refuses a PostgreSQL whose tables are not where backups look for them.
    ///
    /// # Errors
    /// `backup.schema` for another schema than `public`.
    pub(in crate::core) async fn require_public_schema(&mut self) -> Result<()> {
        let schema = self.text("SELECT CAST(current_schema() AS TEXT)").await?.unwrap_or_default();
        if schema == SCHEMA {
            return Ok(());
        }
        Err(Error::invalid("backup.schema", format!("the tables are in the schema `{schema}`, expected `{SCHEMA}`"))
            .hint("take the search path out of [db].url, or use PostgreSQL's own programs"))
    }

    /// Whether tables of an earlier restore still wait at the side.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(in crate::core) async fn has_tables_aside(&mut self) -> Result<bool> {
        let count = format!("SELECT CAST(COUNT(*) AS TEXT) FROM pg_namespace WHERE nspname = '{SCHEMA_ASIDE}'");
        Ok(self.number(count).await? > 0)
    }

    /// Ends a restore that went well.
    ///
    /// # Errors
    /// When the database refuses.
    pub(in crate::core) async fn drop_tables_aside(&mut self) -> Result<()> {
        self.run(format!("DROP SCHEMA {SCHEMA_ASIDE} CASCADE")).await?;
        // A database that was just filled has no figures to plan by.
        self.run("ANALYZE").await
    }

    /// Ends a restore that went wrong: everything is as it was before.
    ///
    /// # Errors
    /// When the database refuses.
    pub(in crate::core) async fn put_tables_back(&mut self) -> Result<()> {
        self.run(format!("BEGIN; DROP SCHEMA {SCHEMA} CASCADE; ALTER SCHEMA {SCHEMA_ASIDE} RENAME TO {SCHEMA}; COMMIT"))
            .await
    }

    /// Writes a whole, consistent copy of a SQLite database into an empty file, beside everybody who works on it.
    ///
    /// # Errors
    /// When the disk is full or the database is damaged.
    pub(in crate::core) async fn vacuum_into(&mut self, path: &Path) -> Result<()> {
        let Some(path) = path.to_str() else {
            return Err(Error::invalid("backup.path", format!("{} is no UTF-8 path", path.display())));
        };
        self.run(format!("VACUUM INTO '{}'", path.replace('\'', "''"))).await
    }

    /// Reads a SQLite database through and checks its structure and its references.
    ///
    /// # Errors
    /// `backup.damaged` with the first problem.
    pub(in crate::core) async fn check_integrity(&mut self) -> Result<()> {
        let found = self.text("PRAGMA integrity_check(1)").await?.unwrap_or_default();
        let problem = if found == "ok" {
            self.text("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1")
                .await?
                .map(|table| format!("a row of `{table}` refers to nothing"))
        } else {
            Some(found)
        };
        problem.map_or(Ok(()), |problem| {
            Err(Error::internal("backup.damaged", format!("the database is damaged: {problem}")))
        })
    }

    /// Brings everything of a SQLite database into its one file, which only works while nobody else has it open.
    ///
    /// # Errors
    /// `database.in_use` when somebody has.
    pub(in crate::core) async fn make_one_file(&mut self) -> Result<()> {
        let mode = self.text("PRAGMA journal_mode = DELETE").await;
        match mode {
            Ok(Some(mode)) if mode == "delete" => Ok(()),
            Err(error) if !error.is_conflict() => Err(error),
            _ => Err(Error::unavailable("database.in_use", "another program has the database open")
                .hint("end it first: a command of rustbill, or a viewer of SQLite files")),
        }
    }
}

/// What PostgreSQL's `psql` is told before the restored tables: the old ones go aside, in the same transaction.
#[must_use]
pub fn restore_prelude() -> String {
    format!(
        "SET lock_timeout = '10s';\nSET client_min_messages = warning;\nBEGIN;\n\
         ALTER SCHEMA {SCHEMA} RENAME TO {SCHEMA_ASIDE};\nCREATE SCHEMA {SCHEMA};\n"
    )
}

/// What to do about tables that an earlier restore left behind.
#[must_use]
pub fn tables_aside_hint() -> String {
    format!("look at it, then remove it: psql -c 'DROP SCHEMA {SCHEMA_ASIDE} CASCADE'")
}
