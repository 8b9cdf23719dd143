//! `rustbill db`: the schema's state, the check of the books, backups, and moves between databases.

mod check;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Context, arguments::Sure, output::Spinner};
use crate::core::{
    backup::{self, Manifest, Wish},
    database::{Location, citus},
    error::{Error, Result},
    settings::Loaded,
    time::Clock,
};

/// What the system sends to a process that passes its limit on the size of files.
const SIGXFSZ: i32 = 25;

/// Look at the database, check the money in it, save it, bring it back, move it
#[derive(Debug, Subcommand)]
pub(super) enum Db {
    /// Show which migrations ran
    Status,
    /// Run the migrations that have not run
    #[command(after_help = "`rustbill serve` does the same when it starts.")]
    Migrate,
    /// Check that all money is accounted for; changes nothing
    ///
    /// Balances, orders, payments, refunds and invoices are computed once more from the entries of the ledger, and each
    /// difference is named. The server does the same every night. Ends with code 1 when something differs.
    #[command(after_help = "Examples:\n  rustbill db check\n  rustbill db check --output json")]
    Check,
    /// Save everything in one file, also while servers run
    #[command(after_help = BACKUP)]
    Backup(Backup),
    /// Replace everything in the database by what a backup holds
    #[command(after_help = RESTORE)]
    Restore(Restore),
    /// Check a backup without restoring it
    #[command(after_help = "Example:\n  rustbill db verify /var/backups/rustbill.tar")]
    Verify {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Copy everything into another database, from SQLite to PostgreSQL or back
    #[command(after_help = COPY)]
    Copy {
        /// Where to: `sqlite://PATH` or `postgres://…`; empty, or not there yet
        #[arg(long, value_name = "URL")]
        to: String,
    },
    /// Print the statements that spread a PostgreSQL database over a Citus cluster
    #[command(after_help = "Example:\n  rustbill db citus | psql -v ON_ERROR_STOP=1 -h coordinator -d rustbill")]
    Citus,
}

const BACKUP: &str = "\
Examples:
  rustbill db backup                              rustbill-YYYYMMDD-HHMMSS.tar in this directory
  rustbill db backup /var/backups/ --verify       the same in that one, read again afterwards
  rustbill db backup shop.tar --force --with-config

The configuration is not in it unless you ask for it. Without its jwt.secret and the secrets of your interfaces a restored database is of little use: keep them somewhere too.";

const RESTORE: &str = "\
Examples:
  rustbill db restore rustbill-20260131-020000.tar
  rustbill db restore shop.tar --force --yes      over a database with data, without asking

Stop all servers first. Whatever goes wrong, the database is as it was before.";

const COPY: &str = "\
Examples:
  rustbill db copy --to postgres://rustbill@db.example:5432/rustbill
  PGPASSWORD=secret rustbill db copy --to postgres://rustbill@db.example/rustbill
  rustbill db copy --to sqlite:///var/lib/rustbill/rustbill.db

Stop all servers first: what they write meanwhile is not copied. Then write the new URL into [db].url and keep the rest of the configuration, above all jwt.secret.";

/// What to save, and where
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file, or the directory for one with the time in its name
    #[arg(value_name = "FILE|DIR")]
    path: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Save the configuration too, with its secrets
    #[arg(long)]
    with_config: bool,
    /// Read the finished file again and check it
    #[arg(long)]
    verify: bool,
    /// The `pg_dump` to use
    #[arg(long, value_name = "PATH")]
    pg_dump: Option<PathBuf>,
}

/// What to bring back
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace a database that has data
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    sure: Sure,
    /// The `pg_restore` to use; `psql` is taken from the same place
    #[arg(long = "pg-restore", value_name = "PATH")]
    program: Option<PathBuf>,
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

/// A backup as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    file: String,
    size: u64,
    rows: u64,
    #[serde(flatten)]
    manifest: &'a Manifest,
}

impl Db {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Status => status(context).await,
            Self::Migrate => migrate(context).await,
            Self::Check => check::run(context).await,
            Self::Backup(command) => stoppable(command.run(context)).await,
            Self::Restore(command) => stoppable(command.run(context)).await,
            Self::Verify { file } => verify(context, &file),
            Self::Copy { to } => stoppable(copy(context, &to)).await,
            Self::Citus => context.printer.line(citus::distribute().trim_end()),
        }
    }
}

/// Ctrl-C ends the work in an orderly way: what was begun is removed. So does a limit on the size of files, which would
/// end the process at once if nobody listened.
async fn stoppable(work: impl Future<Output = Result<()>>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen =
        |kind| signal(kind).map_err(|cause| Error::internal("cli.signal", "can't listen for signals").caused_by(cause));
    let _too_large = listen(SignalKind::from_raw(SIGXFSZ))?;
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Err(stopped()),
        _ = terminate.recv() => Err(stopped()),
    }
}

fn stopped() -> Error {
    Error::unavailable("cli.stopped", "stopped before its end")
}

/// The configuration, and the database that it names, without opening that.
fn configured(context: &Context) -> Result<(Loaded, Location)> {
    let loaded = context.load()?;
    let location = Location::parse(loaded.settings.db.url.reveal())?;
    Ok((loaded, location))
}

fn show(context: &Context, file: &std::path::Path, size: u64, manifest: &Manifest) -> Result<()> {
    let rows = manifest.tables.values().sum();
    let shown = Shown { file: file.display().to_string(), size, rows, manifest };
    let fields = vec![
        ("file", shown.file.clone()),
        ("size", size.to_string()),
        ("database", format!("{} {}", manifest.database, manifest.engine_version)),
        ("schema", format!("{:03}", manifest.schema)),
        ("program", manifest.program.clone()),
        ("created_at", manifest.created_at.clone()),
        ("files", manifest.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ")),
        ("tables", manifest.tables.len().to_string()),
        ("rows", rows.to_string()),
        ("ledger_sha256", manifest.ledger_sha256.clone()),
    ];
    context.printer.item(fields, &shown)
}

/// Tells a spinner what is being done.
fn teller(spinner: &Spinner) -> impl Fn(&str) + Send + Sync + '_ {
    |text| spinner.say(text)
}

impl Backup {
    async fn run(self, context: &Context) -> Result<()> {
        let (loaded, location) = configured(context)?;
        let config = if self.with_config { loaded.files } else { Vec::new() };
        let wish = Wish { path: self.path, force: self.force, config, pg_dump: self.pg_dump };
        let spinner = context.printer.spinner("saving the database");
        let progress = teller(&spinner);
        let made = backup::make(&context.actor, &location, Clock::system().now(), &wish, &progress).await?;
        if self.verify {
            backup::verify(&context.actor, &made.path, &progress)?;
        }
        drop(progress);
        drop(spinner);
        show(context, &made.path, made.size, &made.manifest)
    }
}

impl Restore {
    async fn run(self, context: &Context) -> Result<()> {
        let (_, location) = configured(context)?;
        if self.force && backup::occupied(&context.actor, &location).await? {
            self.sure.ask(&format!("Replace everything in the {location}?"))?;
        }
        let spinner = context.printer.spinner("restoring");
        let progress = teller(&spinner);
        let at = Clock::system().now();
        let restored =
            backup::restore(&context.actor, &location, at, &self.file, self.force, self.program, &progress).await?;
        drop(progress);
        drop(spinner);
        let size = size_of(&self.file);
        show(context, &self.file, size, &restored.manifest)?;
        context.printer.note(&format!("restored into the {location}; {} migrations were applied", restored.migrated));
        Ok(())
    }
}

fn verify(context: &Context, file: &std::path::Path) -> Result<()> {
    let spinner = context.printer.spinner("checking");
    let manifest = backup::verify(&context.actor, file, &teller(&spinner))?;
    drop(spinner);
    show(context, file, size_of(file), &manifest)
}

fn size_of(file: &std::path::Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

async fn copy(context: &Context, to: &str) -> Result<()> {
    let (_, from) = configured(context)?;
    let to = Location::parse(to)?;
    let spinner = context.printer.spinner("copying");
    let progress = teller(&spinner);
    let copied = backup::copy(&context.actor, &from, &to, &progress).await?;
    drop(progress);
    drop(spinner);
    let rows = copied
        .tables
        .iter()
        .map(|table| vec![table.table.clone(), table.content.rows.to_string(), table.content.sha256.clone()]);
    context.printer.list(&["table", "rows", "sha256"], rows.collect(), &copied)?;
    let left_out = copied.left_out.join(", ");
    context.printer.note(&format!("the ledger's hash is {}; not copied: {left_out}", copied.ledger_sha256));
    if copied.source_in_use {
        context.printer.note("warning: a server works on the source: what it writes from now on is not in the copy");
    }
    context.printer.note(&format!("now write the URL of the {to} into [db].url; jwt.secret must stay the same"));
    Ok(())
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
