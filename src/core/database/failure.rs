//! Driver errors to ours. What a remote caller sees never holds SQL or connection details.

use std::error::Error as _;

use sqlx::error::ErrorKind;

use crate::core::error::{CONFLICT, Error};

/// PostgreSQL: a serialization failure, a deadlock, a lock that did not come in time.
const POSTGRES_CONFLICTS: [&str; 3] = ["40001", "40P01", "55P03"];
/// SQLite: BUSY and its extended forms, LOCKED.
const SQLITE_CONFLICTS: [&str; 5] = ["5", "261", "517", "773", "6"];

/// Translates a driver's error.
pub(super) fn failed(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::PoolTimedOut => {
            Error::unavailable("database.unavailable", "no database connection was free in time")
                .hint("try again, or raise [db].max_connections")
                .caused_by(error)
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            Error::unavailable("database.unavailable", "the database can't be reached").caused_by(error)
        }
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            let conflicts: &[&str] = if database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                &POSTGRES_CONFLICTS
            } else {
                &SQLITE_CONFLICTS
            };
            if conflicts.contains(&code.as_ref()) {
                return Error::unavailable(CONFLICT, "the database is busy with the same data")
                    .hint("try again")
                    .caused_by(error);
            }
            // 57P01 to 57P03: the server is shutting down or starting; class 08: the connection broke; 53300: full.
            if code.starts_with("57P0") || code.starts_with("08") || code == "53300" {
                return Error::unavailable("database.unavailable", "the database can't be reached").caused_by(error);
            }
            Error::internal("database.failed", "the database refused a statement").caused_by(error)
        }
        _ => Error::internal("database.failed", "the database could not be used").caused_by(error),
    }
}

fn database_kind(error: &Error) -> Option<ErrorKind> {
    let sqlx::Error::Database(database) = error.source()?.downcast_ref::<sqlx::Error>()? else { return None };
    Some(database.kind())
}

/// Whether a write broke a promise that something is there once only.
#[must_use]
pub fn is_unique_violation(error: &Error) -> bool {
    matches!(database_kind(error), Some(ErrorKind::UniqueViolation))
}

/// Whether a write would have left a reference to nothing.
#[must_use]
pub fn is_foreign_key_violation(error: &Error) -> bool {
    matches!(database_kind(error), Some(ErrorKind::ForeignKeyViolation))
}
