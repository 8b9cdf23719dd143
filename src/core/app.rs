//! The one handle that adapters hold.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::core::{
    database::{Database, Location, Options},
    error::{Error, Result},
    plugins::PluginHost,
    redis::Redis,
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
    /// Rung by who wants the operation log sealed now.
    pub seal: Arc<Notify>,
    /// Cancelled when somebody asked for a restart; `serve` watches it.
    pub restart: CancellationToken,
    /// Runs the scripts.
    pub plugins: PluginHost,
    /// What several servers may share besides the database; `None` unless configured.
    pub redis: Option<Redis>,
}

/// This program's own file, of which scripts get their processes.
///
/// # Errors
/// `app.program` when the system can't tell.
pub fn program() -> Result<PathBuf> {
    std::env::current_exe()
        .map_err(|cause| Error::internal("app.program", "can't find this program's own file").caused_by(cause))
}

impl App {
    /// Connects to the configured database. Migrations are left to the caller. Scripts run in child processes of this
    /// very program.
    ///
    /// # Errors
    /// When a URL is malformed or the database can't be reached. That Redis can't be is no error.
    pub async fn open(settings: Settings, clock: Clock) -> Result<Self> {
        let program = program()?;
        Self::open_with_program(settings, clock, program).await
    }

    /// As [`App::open`], where the program is not the running one: for tests, which are another one.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_with_program(settings: Settings, clock: Clock, program: PathBuf) -> Result<Self> {
        let redis = Redis::open(&settings.redis, &settings.jwt.secret)?;
        let location = Location::parse(settings.db.url.reveal())?;
        let database = Database::connect(location, &Options::from(&settings.db)).await?;
        let plugins = PluginHost::new(program, &settings.plugins, database.clone(), clock.clone())?;
        let settings = Arc::new(settings);
        Ok(Self {
            database,
            clock,
            settings,
            wake: Arc::default(),
            seal: Arc::default(),
            restart: CancellationToken::new(),
            plugins,
            redis,
        })
    }
}
