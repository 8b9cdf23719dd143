//! Locks over all servers, for work that is costly and that one of them can do for all: a scan for plugins, a round of
//! health checks.
//!
//! With Redis a lock is a key there that ends by itself; without, or while Redis is away, an advisory lock of PostgreSQL;
//! on SQLite, which has one server, a note in the process. Two servers that see Redis differently take different locks,
//! and a lease may end before the work does: then both work. So **these locks save work and promise nothing**. What must
//! happen once (money, deliveries, invoices) rests on row locks and claims in the database, and never on these.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::core::{app::App, database::NamedLock, error::Result, redis::RedisLock};

/// How often somebody who waits for a lock tries again.
const RETRY: Duration = Duration::from_millis(250);

/// A lock that was taken. Dropped, it is given back a little later.
pub struct Lock(Option<Held>);

enum Held {
    Redis(RedisLock),
    Database(NamedLock),
}

/// Takes a lock unless another server has it. `lease` is when a lock in Redis ends although its holder did not say so.
///
/// # Errors
/// `database.unavailable` when neither Redis nor the database can be used.
pub async fn try_take(app: &App, name: &'static str, lease: Duration) -> Result<Option<Lock>> {
    if let Some(redis) = &app.redis
        && let Some(taken) = redis.lock(name, lease).await
    {
        return Ok(taken.map(|taken| Lock(Some(Held::Redis(taken)))));
    }
    let taken = app.database.try_lock_named(name).await?;
    Ok(taken.map(|taken| Lock(Some(Held::Database(taken)))))
}

/// Waits for a lock, and goes on without one when it does not come in time or nobody can be asked.
pub async fn take_or_go_on(app: &App, name: &'static str, lease: Duration, patience: Duration) -> Option<Lock> {
    let end = Instant::now() + patience;
    loop {
        match try_take(app, name, lease).await {
            Ok(Some(lock)) => return Some(lock),
            Ok(None) if Instant::now() < end => sleep(RETRY).await,
            Ok(None) => return None,
            Err(error) => {
                tracing::debug!(%error, name, "a lock could not be taken");
                return None;
            }
        }
    }
}

impl Lock {
    /// Gives it back now.
    pub async fn release(mut self) {
        if let Some(held) = self.0.take() {
            release(held).await;
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Without a runtime its lease ends it.
        if let (Some(held), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(release(held));
        }
    }
}

async fn release(held: Held) {
    match held {
        Held::Redis(lock) => lock.release().await,
        Held::Database(lock) => drop(lock),
    }
}
