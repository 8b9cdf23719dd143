//! Where the data is, and the pools to it.

use std::{
    fmt,
    fs::{File, TryLockError},
    path::PathBuf,
    str::FromStr as _,
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Connection as _,
    postgres::{PgConnectOptions, PgConnection, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Database, Pools, failure::failed};
use crate::core::error::{Error, Result};

/// How long a writer waits for SQLite's one write connection.
const SQLITE_WRITE_ACQUIRE: Duration = Duration::from_secs(30);
/// How long SQLite waits for another process that holds its write lock.
pub(super) const SQLITE_BUSY: Duration = Duration::from_secs(10);
/// Connections that read a SQLite file at the same time.
const SQLITE_READERS_MAX: u32 = 4;
/// Safety nets of every PostgreSQL session, in milliseconds.
const POSTGRES_SESSION: [(&str, &str); 4] = [
    ("statement_timeout", "30000"),
    ("lock_timeout", "10000"),
    ("idle_in_transaction_session_timeout", "60000"),
    ("timezone", "UTC"),
];

/// The database that a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A PostgreSQL server; the whole URL, with its password.
    Postgres(String),
}

impl Location {
    /// Reads `sqlite://PATH` or `postgres://…`.
    ///
    /// # Errors
    /// `config.database_url` for anything else; the message never shows a password.
    pub fn parse(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            if path.is_empty() {
                return Err(Error::invalid("config.database_url", "`db.url` names no file, expected `sqlite://PATH`"));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return match PgConnectOptions::from_str(url) {
                Ok(_) => Ok(Self::Postgres(url.to_owned())),
                Err(_) => Err(Error::invalid(
                    "config.database_url",
                    "`db.url` is no PostgreSQL URL, expected `postgres://user:password@host:5432/database`",
                )
                .hint("characters such as `@`, `/` and `#` in a password must be percent-encoded")),
            };
        }
        let scheme = url.split_once("://").map_or("no scheme", |(scheme, _)| scheme);
        Err(Error::invalid(
            "config.database_url",
            format!("`db.url` has `{scheme}`, expected `sqlite://PATH` or `postgres://…`"),
        ))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "SQLite file {}", path.display()),
            Self::Postgres(url) => match PgConnectOptions::from_str(url) {
                Ok(options) => {
                    let database = options.get_database().unwrap_or("postgres");
                    match options.get_socket() {
                        Some(socket) => write!(f, "PostgreSQL database {database} at {}", socket.display()),
                        None => {
                            write!(f, "PostgreSQL database {database} at {}:{}", options.get_host(), options.get_port())
                        }
                    }
                }
                Err(_) => f.write_str("PostgreSQL"),
            },
        }
    }
}

/// Settings of the pool, as in the configuration's `[db]`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most connections to PostgreSQL.
    pub max_connections: u32,
    /// Connections that are kept open.
    pub min_connections: u32,
    /// How long an unused connection lives.
    pub idle_timeout: Duration,
    /// How long any connection lives.
    pub max_lifetime: Duration,
    /// How long a query waits for a connection.
    pub acquire_timeout: Duration,
    /// Whether each connection is tried before it is used.
    pub test_before_acquire: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::from(&crate::core::settings::Db::default())
    }
}

impl From<&crate::core::settings::Db> for Options {
    fn from(db: &crate::core::settings::Db) -> Self {
        Self {
            max_connections: db.max_connections,
            min_connections: db.min_connections,
            idle_timeout: Duration::from_secs(db.idle_timeout_secs),
            max_lifetime: Duration::from_secs(db.max_lifetime_secs),
            acquire_timeout: Duration::from_secs(db.acquire_timeout_secs),
            test_before_acquire: db.test_before_acquire,
        }
    }
}

impl Database {
    /// Connects. A missing SQLite file is created, with mode 600.
    ///
    /// # Errors
    /// `database.unavailable` when the database can't be reached, naming it without its password.
    pub async fn connect(location: Location, options: &Options) -> Result<Self> {
        let pools = match &location {
            Location::Postgres(url) => connect_postgres(url, options).await,
            Location::Sqlite(path) => connect_sqlite(path, options).await,
        }
        .map_err(|cause| {
            Error::unavailable("database.unavailable", format!("can't open {location}"))
                .hint("check [db].url, and that the database runs and lets this user in")
                .caused_by(cause)
        })?;
        Ok(Self { pools, location, serving: Arc::default(), taken: Arc::default() })
    }

    /// Takes the right to be the one server of a SQLite file, for as long as this `Database` lives. Several servers
    /// may share PostgreSQL, where this does nothing.
    ///
    /// # Errors
    /// `database.in_use` when another server has it.
    pub fn lock_for_serving(&self) -> Result<()> {
        let Location::Sqlite(path) = &self.location else { return Ok(()) };
        let lock = lock_file(path, "serve.lock")?;
        lock.try_lock().map_err(|cause| {
            let error = Error::unavailable("database.in_use", format!("another server runs on {}", path.display()))
                .hint("stop it first, or use PostgreSQL for several servers");
            match cause {
                TryLockError::WouldBlock => error,
                TryLockError::Error(cause) => error.caused_by(cause),
            }
        })?;
        if let Ok(mut serving) = self.serving.lock() {
            *serving = Some(lock);
        }
        Ok(())
    }
}

/// Opens the lock file `<database>.<suffix>`.
pub(super) fn lock_file(database: &std::path::Path, suffix: &str) -> Result<File> {
    let mut name = database.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    let path = PathBuf::from(name);
    crate::core::private_file::open_or_create(&path).map_err(|cause| {
        Error::unavailable("database.lock", format!("can't open the lock file {}", path.display())).caused_by(cause)
    })
}

async fn connect_postgres(url: &str, options: &Options) -> Result<Pools> {
    let connect =
        PgConnectOptions::from_str(url).map_err(failed)?.application_name("rustbill").options(POSTGRES_SESSION);
    // The pool tries until its time is over and then says only that. One attempt of our own says what is wrong.
    let attempt = tokio::time::timeout(options.acquire_timeout, PgConnection::connect_with(&connect)).await;
    attempt
        .map_err(|_| Error::unavailable("database.unavailable", "no answer in time"))?
        .map_err(failed)?
        .close()
        .await
        .map_err(failed)?;
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .min_connections(options.min_connections.min(options.max_connections))
        .idle_timeout(options.idle_timeout)
        .max_lifetime(options.max_lifetime)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(options.test_before_acquire)
        .connect_with(connect)
        .await
        .map_err(failed)?;
    Ok(Pools::Postgres(pool))
}

async fn connect_sqlite(path: &std::path::Path, options: &Options) -> Result<Pools> {
    if let Some(parent) = path.parent() {
        crate::core::private_file::create_directory(parent).map_err(|cause| {
            Error::unavailable("database.unavailable", format!("can't create {}", parent.display())).caused_by(cause)
        })?;
    }
    crate::core::private_file::open_or_create(path).map_err(|cause| {
        Error::unavailable("database.unavailable", format!("can't open {}", path.display())).caused_by(cause)
    })?;
    // FULL: a payment that was acknowledged is on the disk. WAL: readers and the writer do not wait for each other.
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY)
        .pragma("trusted_schema", "OFF");
    let write = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(SQLITE_WRITE_ACQUIRE)
        .test_before_acquire(false)
        .connect_with(connect.clone())
        .await
        .map_err(failed)?;
    let read = SqlitePoolOptions::new()
        .min_connections(0)
        .max_connections(SQLITE_READERS_MAX)
        .idle_timeout(options.idle_timeout)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .connect_with(connect.pragma("query_only", "ON"))
        .await
        .map_err(failed)?;
    Ok(Pools::Sqlite { read, write })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_kinds_of_url_and_never_shows_a_password() {
        assert_eq!(Location::parse("sqlite:///var/lib/x.db").unwrap(), Location::Sqlite("/var/lib/x.db".into()));
        let location = Location::parse("postgres://rustbill:hunter2@db.example:5433/shop").unwrap();
        assert_eq!(location.to_string(), "PostgreSQL database shop at db.example:5433");
        for url in ["", "mysql://root:hunter2@host/db", "sqlite://", "postgres://user:hunter2@host:port/db"] {
            let error = Location::parse(url).unwrap_err();
            assert_eq!(error.code(), "config.database_url");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
