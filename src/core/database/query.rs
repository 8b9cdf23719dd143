//! The query layer: one SQL text with `$1` placeholders, values encoded for whichever database is there.

use std::borrow::Cow;

use sqlx::{
    Arguments as _, AssertSqlSafe, Decode, Encode, FromRow, PgPool, Postgres, Sqlite, SqlitePool, Type,
    postgres::{PgArguments, PgConnection, PgRow},
    sqlite::{SqliteArguments, SqliteConnection, SqliteRow},
};

use super::{Database, Pools, Tx, failure::failed, interrupt};
use crate::core::error::{Error, Result};

/// A value that both databases take.
pub trait Bind:
    Encode<'static, Postgres> + Type<Postgres> + Encode<'static, Sqlite> + Type<Sqlite> + Send + 'static
{
}
impl<T> Bind for T where
    T: Encode<'static, Postgres> + Type<Postgres> + Encode<'static, Sqlite> + Type<Sqlite> + Send + 'static
{
}

/// A row that both databases give; `#[derive(sqlx::FromRow)]` makes one.
pub trait Row: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

/// A single column that both databases give.
pub trait Scalar:
    for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + Type<Sqlite> + Send + Unpin
{
}
impl<T> Scalar for T where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + Type<Sqlite> + Send + Unpin
{
}

/// Where a query runs: `&Database` for reading outside of any transaction, `&mut Tx` for everything else.
pub trait Source<'e>: Send + Sized {
    /// Starts a query. Only constant text is taken, so nothing from outside gets into SQL except through `bind`.
    fn q(self, sql: &'static str) -> Query<'e>;
}

impl<'e> Source<'e> for &'e Database {
    fn q(self, sql: &'static str) -> Query<'e> {
        match &self.pools {
            Pools::Postgres(pool) => Query::new(Target::PostgresPool(pool, PgArguments::default()), sql),
            Pools::Sqlite { read, .. } => Query::new(Target::SqlitePool(read, SqliteArguments::default()), sql),
        }
    }
}

impl<'e> Source<'e> for &'e mut Tx {
    fn q(self, sql: &'static str) -> Query<'e> {
        match self {
            Tx::Postgres(tx) => Query::new(Target::Postgres(tx, PgArguments::default()), sql),
            Tx::Sqlite(tx) => Query::new(Target::Sqlite(tx, SqliteArguments::default()), sql),
        }
    }
}

impl Database {
    /// As [`Source::q`], without the trait in scope.
    pub fn q(&self, sql: &'static str) -> Query<'_> {
        Source::q(self, sql)
    }
}

impl Tx {
    /// As [`Source::q`], without the trait in scope.
    pub fn q(&mut self, sql: &'static str) -> Query<'_> {
        Source::q(self, sql)
    }
}

enum Target<'e> {
    PostgresPool(&'e PgPool, PgArguments),
    Postgres(&'e mut PgConnection, PgArguments),
    SqlitePool(&'e SqlitePool, SqliteArguments),
    Sqlite(&'e mut SqliteConnection, SqliteArguments),
}

/// A query in the making.
#[must_use = "a query does nothing until it is run"]
pub struct Query<'e> {
    target: Target<'e>,
    sql: Cow<'static, str>,
    bound: usize,
    problem: Option<Error>,
}

/// Runs one of sqlx's fetching methods on whatever the query runs on.
macro_rules! run {
    ($query:expr, $make:expr, $method:ident) => {
        run!($query, $make, $method, |found| found)
    };
    ($query:expr, $make:expr, $method:ident, |$found:ident| $value:expr) => {{
        let (target, sql) = $query.ready()?;
        interrupt::moment().await;
        let result = match target {
            Target::PostgresPool(pool, arguments) => $make(sql, arguments).$method(pool).await.map(|$found| $value),
            Target::Postgres(connection, arguments) => {
                $make(sql, arguments).$method(connection).await.map(|$found| $value)
            }
            Target::SqlitePool(pool, arguments) => $make(sql, arguments).$method(pool).await.map(|$found| $value),
            Target::Sqlite(connection, arguments) => {
                $make(sql, arguments).$method(connection).await.map(|$found| $value)
            }
        };
        result.map_err(failed)
    }};
}

impl<'e> Query<'e> {
    const fn new(target: Target<'e>, sql: &'static str) -> Self {
        Self { target, sql: Cow::Borrowed(sql), bound: 0, problem: None }
    }

    /// Adds the value of the next placeholder.
    pub fn bind(mut self, value: impl Bind) -> Self {
        let added = match &mut self.target {
            Target::PostgresPool(_, arguments) | Target::Postgres(_, arguments) => arguments.add(value),
            Target::SqlitePool(_, arguments) | Target::Sqlite(_, arguments) => arguments.add(value),
        };
        self.bound += 1;
        if let Err(cause) = added {
            let message = format!("can't encode value {} of a query", self.bound);
            self.problem.get_or_insert_with(|| Error::internal("database.encode", message).caused_by(cause));
        }
        self
    }

    /// Adds constant text, for filters that are there only sometimes.
    pub fn push(mut self, sql: &'static str) -> Self {
        self.sql.to_mut().push_str(sql);
        self
    }

    /// Adds constant text and, behind it, a placeholder with its value: `.push_bind(" AND status = ", status)`.
    pub fn push_bind(self, sql: &'static str, value: impl Bind) -> Self {
        let mut query = self.push(sql).bind(value);
        let placeholder = format!("${}", query.bound);
        query.sql.to_mut().push_str(&placeholder);
        query
    }

    /// As [`Query::push_bind`] when there is a value, else nothing.
    pub fn filter(self, sql: &'static str, value: Option<impl Bind>) -> Self {
        match value {
            Some(value) => self.push_bind(sql, value),
            None => self,
        }
    }

    /// A page: limit and offset, at the end of the text.
    pub fn page(self, limit: i64, offset: i64) -> Self {
        self.push_bind(" LIMIT ", limit).push_bind(" OFFSET ", offset)
    }

    /// Whether it runs on PostgreSQL.
    pub(super) const fn is_postgres(&self) -> bool {
        matches!(self.target, Target::PostgresPool(..) | Target::Postgres(..))
    }

    fn ready(self) -> Result<(Target<'e>, AssertSqlSafe<String>)> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        // SQLite binds NULL to placeholders without a value; a wrong count must not pass in silence on either.
        let wanted = placeholders(&self.sql);
        if wanted != self.bound {
            let message = format!("a query has {wanted} placeholders and {} values: {}", self.bound, self.sql);
            return Err(Error::internal("database.placeholders", message));
        }
        Ok((self.target, AssertSqlSafe(self.sql.into_owned())))
    }

    /// Runs it and says how many rows it touched.
    ///
    /// # Errors
    /// See [`super::failure`].
    pub async fn execute(self) -> Result<u64> {
        run!(self, sqlx::query_with, execute, |done| done.rows_affected())
    }

    /// Runs a change that must touch exactly one row.
    ///
    /// # Errors
    /// `database.row_count` when it touched another number.
    pub async fn execute_one(self) -> Result<()> {
        let text = self.sql.clone();
        match self.execute().await? {
            1 => Ok(()),
            count => Err(Error::internal(
                "database.row_count",
                format!("a change touched {count} rows in place of one: {text}"),
            )),
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// See [`super::failure`].
    pub async fn all<T: Row>(self) -> Result<Vec<T>> {
        run!(self, sqlx::query_as_with::<_, T, _>, fetch_all)
    }

    /// The row, or none.
    ///
    /// # Errors
    /// See [`super::failure`].
    pub async fn opt<T: Row>(self) -> Result<Option<T>> {
        run!(self, sqlx::query_as_with::<_, T, _>, fetch_optional)
    }

    /// The one row that must be there.
    ///
    /// # Errors
    /// See [`super::failure`].
    pub async fn one<T: Row>(self) -> Result<T> {
        run!(self, sqlx::query_as_with::<_, T, _>, fetch_one)
    }

    /// The first column of the one row that must be there.
    ///
    /// # Errors
    /// See [`super::failure`].
    pub async fn scalar<T: Scalar>(self) -> Result<T> {
        run!(self, sqlx::query_scalar_with::<_, T, _>, fetch_one)
    }

    /// The first column of the row, or none.
    ///
    /// # Errors
    /// See [`super::failure`].
    pub async fn scalar_opt<T: Scalar>(self) -> Result<Option<T>> {
        run!(self, sqlx::query_scalar_with::<_, T, _>, fetch_optional)
    }

    /// The first column of all rows.
    ///
    /// # Errors
    /// See [`super::failure`].
    pub async fn scalars<T: Scalar>(self) -> Result<Vec<T>> {
        run!(self, sqlx::query_scalar_with::<_, T, _>, fetch_all)
    }
}

/// The highest `$n` of a text. No text of ours holds a dollar sign in quotes.
fn placeholders(sql: &str) -> usize {
    sql.split('$')
        .skip(1)
        .filter_map(|rest| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            rest.get(..digits)?.parse::<usize>().ok()
        })
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::placeholders;

    #[test]
    fn counts_the_highest_placeholder() {
        assert_eq!(placeholders("SELECT 1"), 0);
        assert_eq!(placeholders("a = $1 OR b = $1 AND c = $12"), 12);
    }
}
