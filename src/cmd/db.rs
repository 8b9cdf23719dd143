//! `rustbill db`: the schema's state.

use clap::Subcommand;
use serde::Serialize;

use super::Context;
use crate::core::error::Result;

/// Look at the database and bring its schema up to date
#[derive(Debug, Subcommand)]
pub(super) enum Db {
    /// Show which migrations ran
    Status,
    /// Run the migrations that have not run
    #[command(after_help = "`rustbill serve` does the same when it starts.")]
    Migrate,
}

#[derive(Serialize)]
struct Status<'a> {
    location: String,
    pending: usize,
    unknown: &'a [i64],
    migrations: Vec<Migration>,
}

#[derive(Serialize)]
struct Migration {
    version: i64,
    description: String,
    applied: bool,
}

impl Db {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Status => status(context).await,
            Self::Migrate => migrate(context).await,
        }
    }
}

async fn status(context: &Context) -> Result<()> {
    let database = &context.open().await?.database;
    let found = database.migration_status().await?;
    let (location, pending) = (database.location().to_string(), found.pending());
    let row = |version: i64, description: &str, state: &str| {
        vec![format!("{version:03}"), description.to_owned(), state.to_owned()]
    };
    let mut rows: Vec<Vec<String>> = found
        .migrations
        .iter()
        .map(|m| row(m.version, &m.description, if m.applied { "applied" } else { "pending" }))
        .collect();
    rows.extend(found.unknown.iter().map(|version| row(*version, "", "unknown to this program")));
    let migrations = found
        .migrations
        .iter()
        .map(|m| Migration { version: m.version, description: m.description.clone(), applied: m.applied })
        .collect();
    let json = Status { location: location.clone(), pending, unknown: &found.unknown, migrations };
    context.printer.list(&["version", "description", "state"], rows, &json)?;
    context.printer.note(&format!("{location}: {pending} pending"));
    Ok(())
}

async fn migrate(context: &Context) -> Result<()> {
    let database = &context.open().await?.database;
    let before = database.migration_status().await?.pending();
    database.migrate().await?;
    let location = database.location();
    let text = match before {
        0 => format!("{location} is up to date"),
        1 => format!("{location}: 1 migration was applied"),
        several => format!("{location}: {several} migrations were applied"),
    };
    context.printer.line(&text)?;
    Ok(())
}
