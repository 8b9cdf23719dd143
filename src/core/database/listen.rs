//! Hearing what other servers ring with [`super::Tx::notify`]. PostgreSQL delivers it after the commit of whoever rang.

use sqlx::postgres::{PgListener, PgPoolOptions};

use super::{Database, Pools, failure::failed};
use crate::core::error::Result;

/// Hears the bells of some channels, on a connection of its own that comes back by itself.
pub struct Listener(PgListener);

impl Database {
    /// Listens on these channels. Nothing on SQLite, where nobody rings.
    ///
    /// # Errors
    /// `database.unavailable` when no connection can be had.
    pub async fn listen(&self, channels: &[&'static str]) -> Result<Option<Listener>> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(None) };
        // Not one of the pool's connections: this one is never given back. It must not be cut off for being idle.
        let own = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(pool.connect_options().as_ref().clone());
        let mut listener = PgListener::connect_with(&own).await.map_err(failed)?;
        listener.listen_all(channels.iter().copied()).await.map_err(failed)?;
        Ok(Some(Listener(listener)))
    }
}

impl Listener {
    /// Waits for the next bell and gives its channel; nothing when the connection was lost and stands again, and bells may
    /// have been missed.
    ///
    /// # Errors
    /// When the connection can't be had again. Make a new listener after a while.
    pub async fn next(&mut self) -> Result<Option<String>> {
        let heard = self.0.try_recv().await.map_err(failed)?;
        Ok(heard.map(|bell| bell.channel().to_owned()))
    }
}
