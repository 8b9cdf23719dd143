//! One connection without time limits, for work on whole databases: backups, restores and moves.
//!
//! Its SQL is made of names that the database's own catalogue gave, always quoted. Every value comes and goes as text,
//! in the form that `table.rs` names, so that one kind of row fits both databases.

use std::{path::Path, str::FromStr as _};

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use sqlx::{
    Arguments as _, AssertSqlSafe, ColumnIndex, ConnectOptions as _, Connection as _, Decode, Row, Type,
    postgres::{PgArguments, PgConnectOptions, PgConnection},
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection},
};

use super::{
    Location,
    connect::SQLITE_BUSY,
    failure::failed,
    migrate::{SQLITE, UNLIMITED},
    table::Table,
};
use crate::core::error::{Error, Result};

/// A row as texts; `None` is NULL.
pub type TextRow = Vec<Option<String>>;

/// The name under which PostgreSQL lists these connections, so that they can be told from servers.
pub const APPLICATION: &str = "rustbill-maintenance";
/// Values that one statement of SQLite takes.
const SQLITE_VALUES_MAX: usize = 30_000;

/// A connection of its own. Dropped, whatever it began is rolled back.
pub struct Session {
    pub(super) connection: Connection,
}

pub(super) enum Connection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Session {
    /// Connects to a database that is there.
    ///
    /// # Errors
    /// `database.missing` for a SQLite file that is not there, `database.unavailable` for what can't be opened.
    pub async fn open(location: &Location) -> Result<Self> {
        let connection = match location {
            Location::Postgres(url) => {
                let options = PgConnectOptions::from_str(url).map_err(failed)?;
                let options = options
                    .application_name(APPLICATION)
                    .options(UNLIMITED)
                    .options([("timezone", "UTC")])
                    .disable_statement_logging();
                PgConnection::connect_with(&options).await.map(Connection::Postgres)
            }
            Location::Sqlite(path) => {
                if !path.exists() {
                    return Err(Error::none_such("database.missing", format!("there is no {location}"))
                        .hint("check [db].url in the configuration"));
                }
                SqliteConnection::connect_with(&file(path)).await.map(Connection::Sqlite)
            }
        };
        let connection = connection.map_err(|cause| {
            Error::unavailable("database.unavailable", format!("can't open {location}"))
                .hint("check that the database runs and lets this user in")
                .caused_by(cause)
        })?;
        Ok(Self { connection })
    }

    /// A new database in memory with this program's schema and nothing else.
    ///
    /// # Errors
    /// `database.migration` when a migration fails.
    pub async fn pristine() -> Result<Self> {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.map_err(failed)?;
        SQLITE
            .run(&mut connection)
            .await
            .map_err(|cause| Error::internal("database.migration", "a migration failed").caused_by(cause))?;
        Ok(Self { connection: Connection::Sqlite(connection) })
    }

    /// Whether it is PostgreSQL's.
    #[must_use]
    pub const fn is_postgres(&self) -> bool {
        matches!(self.connection, Connection::Postgres(_))
    }

    /// Runs statements whose text holds no value from outside.
    ///
    /// # Errors
    /// See `failure.rs`.
    pub(super) async fn run(&mut self, sql: impl Into<String>) -> Result<()> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql.into()));
        match &mut self.connection {
            Connection::Postgres(connection) => query.execute(connection).await.map(drop),
            Connection::Sqlite(connection) => query.execute(connection).await.map(drop),
        }
        .map_err(failed)
    }

    /// The rows of a query whose columns are all texts, one after the other.
    pub(super) fn stream(&mut self, sql: impl Into<String>) -> BoxStream<'_, Result<TextRow>> {
        let sql = AssertSqlSafe(sql.into());
        match &mut self.connection {
            Connection::Postgres(connection) => {
                sqlx::query(sql).persistent(false).fetch(connection).map(|row| texts(&row.map_err(failed)?)).boxed()
            }
            Connection::Sqlite(connection) => {
                sqlx::query(sql).persistent(false).fetch(connection).map(|row| texts(&row.map_err(failed)?)).boxed()
            }
        }
    }

    /// All rows of the same.
    pub(super) async fn rows(&mut self, sql: impl Into<String>) -> Result<Vec<TextRow>> {
        self.stream(sql).try_collect().await
    }

    /// The first column of the first row; `None` when there is no row, or NULL in it.
    pub(super) async fn text(&mut self, sql: impl Into<String>) -> Result<Option<String>> {
        Ok(self.rows(sql).await?.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
    }

    /// A number.
    pub(super) async fn number(&mut self, sql: impl Into<String>) -> Result<i64> {
        let text = self.text(sql).await?;
        text.as_deref()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::internal("database.failed", "the database gave no number where one is due"))
    }

    /// From now on everything is read as it is at this moment, and nothing can be written.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn begin_snapshot(&mut self) -> Result<()> {
        if self.is_postgres() {
            return self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
        }
        // SQLite's snapshot is taken by the first read.
        self.run("BEGIN").await?;
        self.number("SELECT CAST(COUNT(*) AS TEXT) FROM sqlite_master").await.map(drop)
    }

    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// When another writer does not give way in time.
    pub async fn begin_write(&mut self) -> Result<()> {
        self.run(if self.is_postgres() { "BEGIN" } else { "BEGIN IMMEDIATE" }).await
    }

    /// Makes everything since [`Session::begin_write`] last.
    ///
    /// # Errors
    /// When the database refuses; then nothing of it happened.
    pub async fn commit(&mut self) -> Result<()> {
        self.run("COMMIT").await
    }

    /// The name under which PostgreSQL's programs can read the same snapshot.
    ///
    /// # Errors
    /// When it is not PostgreSQL, or no transaction is open.
    pub async fn export_snapshot(&mut self) -> Result<String> {
        let name = self.text("SELECT pg_export_snapshot()").await?;
        name.ok_or_else(|| Error::internal("database.failed", "PostgreSQL exported no snapshot"))
    }

    /// The version of the database's program, such as `15.18` or `3.51.3`.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn engine_version(&mut self) -> Result<String> {
        let sql = if self.is_postgres() { "SHOW server_version" } else { "SELECT sqlite_version()" };
        let text = self.text(sql).await?.unwrap_or_default();
        // Distributions write their own version behind it.
        Ok(text.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Puts rows into a table. They come in the order and the form of its columns.
    ///
    /// # Errors
    /// `copy.nul` for a text that PostgreSQL can't hold; `copy.insert` when the table does not take a row.
    pub async fn insert(&mut self, table: &Table, rows: &[TextRow]) -> Result<()> {
        let refused = |cause: Error| {
            Error::internal("copy.insert", format!("the table `{}` does not take a row", table.name)).caused_by(cause)
        };
        match &mut self.connection {
            Connection::Postgres(connection) => {
                refuse_nul(table, rows)?;
                let mut arguments = PgArguments::default();
                for index in 0..table.columns.len() {
                    let values: Vec<Option<&str>> =
                        rows.iter().map(|row| row.get(index).and_then(Option::as_deref)).collect();
                    arguments.add(values).map_err(|cause| refused(failed(sqlx::Error::Encode(cause))))?;
                }
                let sql = AssertSqlSafe(table.insert_into_postgres());
                sqlx::query_with(sql, arguments).execute(connection).await.map_err(|cause| refused(failed(cause)))?;
            }
            Connection::Sqlite(connection) => {
                for rows in rows.chunks((SQLITE_VALUES_MAX / table.columns.len().max(1)).max(1)) {
                    let mut arguments = SqliteArguments::default();
                    for value in rows.iter().flatten() {
                        arguments.add(value.clone()).map_err(|cause| refused(failed(sqlx::Error::Encode(cause))))?;
                    }
                    let sql = AssertSqlSafe(table.insert_into_sqlite(rows.len()));
                    sqlx::query_with(sql, arguments)
                        .execute(&mut *connection)
                        .await
                        .map_err(|cause| refused(failed(cause)))?;
                }
            }
        }
        Ok(())
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// When its end can't be told; the database notices all the same.
    pub async fn close(self) -> Result<()> {
        match self.connection {
            Connection::Postgres(connection) => connection.close().await,
            Connection::Sqlite(connection) => connection.close().await,
        }
        .map_err(failed)
    }
}

fn file(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}

/// PostgreSQL's texts can't hold the character NUL, SQLite's can.
fn refuse_nul(table: &Table, rows: &[TextRow]) -> Result<()> {
    for row in rows {
        let column = row.iter().zip(&table.columns).find(|(value, _)| value.as_ref().is_some_and(|v| v.contains('\0')));
        if let Some((_, column)) = column {
            let message = format!("a text in `{}.{}` holds a NUL character", table.name, column.name);
            return Err(Error::invalid("copy.nul", message).hint("PostgreSQL can't hold it: change that text first"));
        }
    }
    Ok(())
}

fn texts<'r, R: Row>(row: &'r R) -> Result<TextRow>
where
    usize: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    (0..row.len()).map(|index| row.try_get::<Option<String>, _>(index).map_err(failed)).collect()
}
