//! The command line: one file per noun.
//!
//! To add a noun, write `src/cmd/<noun>.rs` with a clap type and
//! `pub(super) async fn run(self, context: &Context) -> Result<()>`, then add it to [`Command`]. A command parses, calls
//! one operation of the core with `context.app().await?` and `&context.actor`, and prints with `context.printer`:
//! nothing else prints (`output.rs`), and errors become exit codes in `failure.rs`. What several nouns read is in
//! `arguments.rs`, how models are shown in `show.rs`.

mod apikey;
mod arguments;
mod audit;
mod balance;
mod category;
mod customer;
mod dashboard;
mod db;
mod demo;
mod failure;
mod group;
mod idempotent;
mod init;
mod instance;
mod invoice;
mod notify;
mod order;
mod output;
mod payment;
mod plugin;
mod product;
mod serve;
mod show;
mod ticket;
mod user;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use tokio::sync::OnceCell;

pub use self::output::{Format, Printer};
use crate::core::{
    actor::Actor,
    app::App,
    error::{Error, Result},
    settings::{Loaded, Lookup, Settings},
    time::Clock,
};

/// What commands log when `RUST_LOG` says nothing; the server says more.
const COMMAND_FILTER: &str = "warn";

const EXAMPLES: &str = "\
Examples:
  rustbill serve                          start; on a bare machine it sets itself up first
  rustbill demo                           watch a whole sale happen, on a scratch database
  rustbill init --yes --port 8080         write a configuration and make the administrator
  rustbill db status                      which migrations ran
  rustbill db status --output json        the same for programs
  rustbill user list                      administrators
  rustbill plugin list                    plugins that were found
  rustbill order list --status pending    orders that are not paid
  rustbill serve --config /etc/rustbill/config.toml";

/// Billing and provisioning for people who resell cloud servers.
#[derive(Debug, Parser)]
#[command(
    name = "rustbill",
    version,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}\n\n{ENVIRONMENT}", failure::help()),
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// The configuration file [default: ./config.toml, /etc/rustbill/config.toml, or the data directory's]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    output: Format,
    /// Never use colours
    #[arg(long, global = true)]
    no_color: bool,
    /// Make the change once: the same command with the same key prints the first result again, for 24 hours
    #[arg(long, global = true, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(subcommand)]
    command: Command,
}

const ENVIRONMENT: &str = "\
Variables:
  CONFIG_FILE, LOCAL_CONFIG_FILE          the configuration file and the one that is laid over it
  DATABASE_URL                            sets [db].url
  RUSTBILL_SECTION__KEY                   sets any key, such as RUSTBILL_SERVER__PORT=8080
  RUSTBILL_HOME                           the data directory
  RUST_LOG, RUST_LOG_FORMAT=json          what is logged to stderr, and how
  NO_COLOR                                never use colours
  RUSTBILL_PASSWORD                       the password of `rustbill user create` and `user passwd`";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server; on a bare machine it sets itself up first
    Serve(serve::Serve),
    /// Watch a whole sale happen, from the empty shop to the invoice
    Demo(demo::Demo),
    /// Write a configuration and make the first administrator
    Init(init::Init),
    /// Look at the database and bring its schema up to date
    #[command(subcommand)]
    Db(db::Db),
    #[command(subcommand)]
    User(user::UserCommand),
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    #[command(subcommand)]
    Balance(balance::BalanceCommand),
    #[command(subcommand)]
    Apikey(apikey::ApiKeyCommand),
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    #[command(subcommand)]
    Product(product::ProductCommand),
    #[command(subcommand)]
    Group(group::GroupCommand),
    #[command(subcommand)]
    Category(category::CategoryCommand),
    #[command(subcommand)]
    Order(order::OrderCommand),
    #[command(subcommand)]
    Instance(instance::InstanceCommand),
    #[command(subcommand)]
    Payment(payment::PaymentCommand),
    #[command(subcommand)]
    Invoice(invoice::InvoiceCommand),
    #[command(subcommand)]
    Ticket(ticket::TicketCommand),
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    Dashboard(dashboard::Dashboard),
    /// Run plugin scripts for the server that started this process
    #[command(hide = true)]
    PluginWorker,
}

impl Cli {
    /// Runs the command to its end.
    #[must_use]
    pub fn run(self) -> ExitCode {
        if matches!(self.command, Command::PluginWorker) {
            // Scripts run without a runtime, a log or a configuration; whatever they need they ask the server for.
            return ExitCode::from(u8::try_from(crate::core::plugins::engine::run_worker()).unwrap_or(1));
        }
        let is_server = matches!(self.command, Command::Serve(_));
        crate::server::telemetry::start(if is_server {
            crate::server::telemetry::SERVER_FILTER
        } else {
            COMMAND_FILTER
        });
        let mut context = Context::new(Lookup::of_process(self.config), Printer::new(self.output, self.no_color));
        let result = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|cause| Error::internal("cli.runtime", "can't start").caused_by(cause))
            .and_then(|runtime| {
                runtime.block_on(async {
                    let result = match self.idempotency_key {
                        Some(key) => idempotent::run(self.command, &mut context, &key).await,
                        // Boxed: all commands together make a large future.
                        None => Box::pin(self.command.run(&context)).await,
                    };
                    // Also after a failure: no script process stays behind, and SQLite's log goes into its file.
                    context.close().await;
                    result
                })
            });
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure::report(&error, &context.printer),
        }
    }
}

impl Command {
    async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Serve(command) => command.run(context).await,
            Self::Demo(command) => Box::pin(command.run(context)).await,
            Self::Init(command) => command.run(context).await,
            Self::Db(command) => command.run(context).await,
            Self::User(command) => command.run(context).await,
            Self::Customer(command) => command.run(context).await,
            Self::Balance(command) => command.run(context).await,
            Self::Apikey(command) => command.run(context).await,
            Self::Plugin(command) => command.run(context).await,
            Self::Product(command) => command.run(context).await,
            Self::Group(command) => command.run(context).await,
            Self::Category(command) => command.run(context).await,
            Self::Order(command) => command.run(context).await,
            Self::Instance(command) => command.run(context).await,
            Self::Payment(command) => command.run(context).await,
            Self::Invoice(command) => command.run(context).await,
            Self::Ticket(command) => command.run(context).await,
            Self::Notify(command) => command.run(context).await,
            Self::Audit(command) => command.run(context).await,
            Self::Dashboard(command) => command.run(context).await,
            // `Cli::run` took it before there was a context.
            Self::PluginWorker => Ok(()),
        }
    }
}

/// What every command has.
pub struct Context {
    /// Where the configuration is looked for.
    pub lookup: Lookup,
    /// The only way to print.
    pub printer: Printer,
    /// Who acts: somebody at this machine.
    pub actor: Actor,
    app: OnceCell<App>,
    /// Set once the schema was found to be this program's.
    is_ready: OnceCell<()>,
}

impl Context {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(lookup: Lookup, printer: Printer) -> Self {
        Self { lookup, printer, actor: Actor::local(), app: OnceCell::new(), is_ready: OnceCell::new() }
    }

    /// The application, opened at the first call. An empty database gets its schema at once.
    ///
    /// # Errors
    /// `database.pending` when an existing database needs migrations, besides what the configuration and the database
    /// have to say.
    pub async fn app(&self) -> Result<&App> {
        let app = self.open().await?;
        self.is_ready.get_or_try_init(|| self.require_schema(app)).await?;
        Ok(app)
    }

    /// The application, whatever state its schema is in.
    ///
    /// # Errors
    /// What the configuration and the database have to say.
    pub async fn open(&self) -> Result<&App> {
        self.app
            .get_or_try_init(|| async {
                let Loaded { settings, warnings, .. } = Settings::load(&self.lookup)?;
                for warning in warnings {
                    self.printer.note(&format!("warning: {warning}"));
                }
                App::open(settings, Clock::system()).await
            })
            .await
    }

    /// Ends what [`Context::open`] began.
    async fn close(&self) {
        if let Some(app) = self.app.get() {
            app.plugins.shutdown().await;
            app.database.close().await;
        }
    }

    async fn require_schema(&self, app: &App) -> Result<()> {
        let status = app.database.migration_status().await?;
        let pending = status.pending();
        let is_empty = pending == status.migrations.len() && status.unknown.is_empty();
        // A newer program's database is refused by `migrate` itself.
        if is_empty || !status.unknown.is_empty() {
            app.database.migrate().await?;
            // An operator who meant another database must not take this one for it.
            self.printer.note(&format!("made a new database: {}", app.database.location()));
            return Ok(());
        }
        if pending == 0 {
            return Ok(());
        }
        Err(Error::unavailable(
            "database.pending",
            format!("{pending} migrations have not run on the {}", app.database.location()),
        )
        .hint("make a backup, then run `rustbill db migrate`"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_documents_itself() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        for part in ["Examples:", "Exit codes:", "RUSTBILL_SECTION__KEY", "--output", "--no-color"] {
            assert!(help.contains(part), "{part}");
        }
    }

    /// Longer lines are wrapped by a terminal in the middle, and then can't be copied.
    #[test]
    fn examples_can_be_copied() {
        fn walk(command: &clap::Command, found: &mut Vec<String>) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let mut before = "";
            for line in help.lines().filter(|line| line.starts_with("  ")) {
                let goes_on = line.starts_with("    -") || before.ends_with('\\');
                if line.chars().count() > 100 || (goes_on && !before.ends_with('\\')) {
                    found.push(line.to_owned());
                }
                before = line;
            }
            command.get_subcommands().for_each(|command| walk(command, found));
        }
        let mut found = Vec::new();
        walk(&Cli::command(), &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }

    /// The terminal wraps the help, so a paragraph that was wrapped before would be broken twice.
    #[test]
    fn paragraphs_of_the_help_are_wrapped_once() {
        fn walk(command: &clap::Command, found: &mut Vec<String>) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
            for (line, next) in help.lines().zip(help.lines().skip(1)) {
                if is_prose(line) && is_prose(next) && !line.ends_with('.') {
                    found.push(format!("{}: {line}", command.get_name()));
                }
            }
            command.get_subcommands().for_each(|command| walk(command, found));
        }
        let mut found = Vec::new();
        walk(&Cli::command(), &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }

    #[tokio::test]
    async fn a_fresh_database_is_migrated_and_an_old_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let lookup = Lookup {
            config: None,
            env: [("RUSTBILL_HOME".to_owned(), dir.path().display().to_string())].into(),
            directory: dir.path().to_owned(),
            system_file: dir.path().join("etc.toml"),
        };
        let context = Context::new(lookup.clone(), Printer::new(Format::Table, true));
        let app = context.app().await.unwrap();
        assert_eq!(app.database.migration_status().await.unwrap().pending(), 0);

        let mut tx = app.database.begin().await.unwrap();
        tx.q("DELETE FROM _sqlx_migrations WHERE version = $1").bind(1_i64).execute().await.unwrap();
        tx.commit().await.unwrap();
        let again = Context::new(lookup, Printer::new(Format::Table, true));
        let error = again.app().await.err().unwrap();
        assert_eq!(error.code(), "database.pending");
        assert!(error.advice().unwrap().contains("rustbill db migrate"));
    }
}
