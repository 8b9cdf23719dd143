//! `rustbill demo`: a whole sale on a scratch database, through the public API over the network.
//!
//! - `scratch.rs`: the directory and its configuration.
//! - `stage.rs`: shows steps; `callers.rs`: who calls the API; `receiver.rs`: who hears the webhooks.
//! - `shop.rs`, `sale.rs`: the steps; `summary.rs`: what there is in the end.

mod callers;
mod receiver;
mod sale;
mod scratch;
mod shop;
mod stage;
mod summary;

use std::path::PathBuf;

use clap::Args;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::{receiver::Receiver, scratch::Scratch, shop::Place, stage::Stage};
use super::{
    Context,
    serve::{stop_on_signal, work},
};
use crate::core::{
    app::App,
    cluster::Instance,
    error::{Error, Result},
    identity,
    secret::Secret,
    time::Clock,
};

/// Watch a whole sale happen, from the empty shop to the invoice
#[derive(Debug, Args)]
#[command(after_help = "\
It starts a server on a free port of this machine, plays operator and customer through the public API, and serves \
until Ctrl-C, so that you can look around. Nothing else is touched.

Examples:
  rustbill demo
  rustbill demo --exit
  rustbill demo --directory /tmp/shop
  rustbill demo --database-url postgres://rustbill:secret@localhost/empty")]
pub(super) struct Demo {
    /// Work in this directory and keep it [default: a scratch directory that is removed in the end]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// An empty database, such as `postgres://…` [default: a SQLite file in the directory]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// End after the run instead of serving until Ctrl-C
    #[arg(long)]
    exit: bool,
}

/// A server in this process.
struct House {
    place: Place,
    clock: Clock,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<()>>,
}

impl Demo {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        // Dropped last, when the server has closed its files.
        let scratch = Scratch::create(self.directory.as_deref())?;
        let clock = Clock::system();
        // It hears until the server has ended: what is under way then is still delivered.
        let mut receiver = Receiver::start(clock.clone()).await?;
        let mut stage = Stage::new(&context.printer);
        stage.act("The server")?;
        // Boxed: it opens a whole application.
        let start = Box::pin(start(&scratch, self.database_url.as_deref(), clock));
        let house = stage.step("server starts", start).await?;
        let told = tokio::select! {
            // A story that is over ends by itself; only one that is cut short counts as interrupted.
            biased;
            told = self.tell(context, &mut stage, &scratch, &house, &mut receiver) => told,
            () = house.shutdown.cancelled() => Err(Error::unavailable("demo.interrupted", "the demo was interrupted")),
        };
        house.shutdown.cancel();
        let served = house
            .serving
            .await
            .map_err(|cause| Error::internal("demo.server", "the server ended by itself").caused_by(cause));
        // A server that failed explains the step that failed with it.
        served.flatten().and(told)
    }

    /// The story, and then business until somebody asks for an end.
    async fn tell(
        &self,
        context: &Context,
        stage: &mut Stage<'_>,
        scratch: &Scratch,
        house: &House,
        receiver: &mut Receiver,
    ) -> Result<()> {
        let place = &house.place;
        let shop = shop::open(stage, place, receiver).await?;
        let books = sale::run(stage, place, &shop, receiver, &house.clock).await?;
        let total = stage.total();
        summary::print(context, place, &shop, &books)?;
        if !self.exit {
            summary::print_invitation(context, place, &shop, scratch)?;
        }
        context.printer.line(&format!("\n{total}, and everything went well."))?;
        if self.exit {
            return Ok(());
        }
        context.printer.line("Serving until Ctrl-C; events show up here as they reach the webhook.")?;
        receiver.skip_to_now();
        loop {
            tokio::select! {
                () = house.shutdown.cancelled() => return Ok(()),
                Some(event) = receiver.next() => {
                    context.printer.line(&format!("webhook {}: {}", event.name, event.title))?;
                }
            }
        }
    }
}

/// From nothing to a server that answers, as `rustbill serve` does it.
async fn start(scratch: &Scratch, database_url: Option<&str>, clock: Clock) -> Result<(House, String)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(|cause| Error::unavailable("demo.bind", "can't listen on 127.0.0.1").caused_by(cause))?;
    let address = listener
        .local_addr()
        .map_err(|cause| Error::internal("demo.address", "the listener has no address").caused_by(cause))?;
    let settings = scratch.configure(&listener, database_url)?;
    settings.validate()?;
    let app = App::open(settings, clock.clone()).await?;
    let status = app.database.migration_status().await?;
    if status.pending() < status.migrations.len() || !status.unknown.is_empty() {
        let problem = format!("the {} is in use already", app.database.location());
        return Err(Error::invalid("demo.not_empty", problem).hint("name an empty database"));
    }
    app.database.lock_for_serving()?;
    let has_migrated = app.database.migrate().await?;
    let made = identity::bootstrap(&app, true).await?;
    let administrator =
        made.ok_or_else(|| Error::internal("demo.administrator", "there is an administrator already"))?;
    let place = Place {
        address,
        config: scratch.config(),
        currency: app.settings.billing.currency.clone(),
        username: administrator.username,
        password: administrator.generated_password.unwrap_or_else(|| Secret::new("")),
    };
    let database = if app.database.is_postgres() { "PostgreSQL" } else { "SQLite" };
    let sentence = format!("server starts on {address} with {database}");
    let shutdown = CancellationToken::new();
    stop_on_signal(shutdown.clone())?;
    let stop = shutdown.clone();
    let instance = Instance::new(clock.now()).at(address);
    let serving = tokio::spawn(async move { work(&app, listener, instance, has_migrated, stop).await });
    Ok((House { place, clock, shutdown, serving }, sentence))
}
