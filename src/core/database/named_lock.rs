//! Locks by name: advisory locks of PostgreSQL, and within the process on SQLite, which has one server.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use sqlx::{
    Either, Postgres,
    pool::PoolConnection,
    postgres::{PgAdvisoryLock, PgAdvisoryLockGuard},
};

use super::{Database, Pools, failure::failed};
use crate::core::error::{Error, Result};

/// Names that are taken in this process.
pub(super) type Taken = Arc<Mutex<BTreeSet<&'static str>>>;

/// A lock that was taken; given back when it is dropped.
pub struct NamedLock(Held);

enum Held {
    /// The lock belongs to the session, so the connection is lent meanwhile.
    Postgres(Option<PgAdvisoryLockGuard<PoolConnection<Postgres>>>),
    Process(Taken, &'static str),
}

impl Database {
    /// Takes a lock unless somebody has it. It is not for what must be right: a connection that breaks ends it.
    ///
    /// # Errors
    /// `database.unavailable` when the database can't be used.
    pub async fn try_lock_named(&self, name: &'static str) -> Result<Option<NamedLock>> {
        match &self.pools {
            Pools::Postgres(pool) => {
                let pool = pool.clone();
                // In a task of its own: cancelled half-way, the lock could stay with a connection of the pool.
                let taken = tokio::spawn(async move {
                    let connection = pool.acquire().await?;
                    PgAdvisoryLock::new(format!("rustbill {name}")).try_acquire(connection).await
                });
                match taken.await {
                    Ok(Ok(Either::Left(guard))) => Ok(Some(NamedLock(Held::Postgres(Some(guard))))),
                    Ok(Ok(Either::Right(_))) => Ok(None),
                    Ok(Err(cause)) => Err(failed(cause)),
                    Err(stopped) => {
                        Err(Error::unavailable("database.unavailable", "the server is stopping").caused_by(stopped))
                    }
                }
            }
            Pools::Sqlite { .. } => {
                let is_free = self.taken.lock().is_ok_and(|mut taken| taken.insert(name));
                Ok(is_free.then(|| NamedLock(Held::Process(Arc::clone(&self.taken), name))))
            }
        }
    }
}

impl Drop for NamedLock {
    fn drop(&mut self) {
        match &mut self.0 {
            Held::Postgres(guard) => {
                // Without a runtime the connection is about to end, and the lock with it.
                if let (Some(guard), Ok(runtime)) = (guard.take(), tokio::runtime::Handle::try_current()) {
                    runtime.spawn(async move { guard.release_now().await.map(drop) });
                }
            }
            Held::Process(taken, name) => {
                if let Ok(mut taken) = taken.lock() {
                    taken.remove(name);
                }
            }
        }
    }
}
