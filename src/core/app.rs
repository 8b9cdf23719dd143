//! The one handle that adapters hold.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::core::{
    database::{Database, Location, Options},
    error::Result,
    settings::Settings,
    time::Clock,
};

/// Everything an operation needs. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub database: Database,
    /// The time.
    pub clock: Clock,
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Rung after a commit that left an event for the worker.
    pub wake: Arc<Notify>,
}

impl App {
    /// Connects to the configured database. Migrations are left to the caller.
    ///
    /// # Errors
    /// When the URL is malformed or the database can't be reached.
    pub async fn open(settings: Settings, clock: Clock) -> Result<Self> {
        let location = Location::parse(settings.db.url.reveal())?;
        let database = Database::connect(location, &Options::from(&settings.db)).await?;
        Ok(Self { database, clock, settings: Arc::new(settings), wake: Arc::default() })
    }
}
