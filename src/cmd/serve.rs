//! `rustbill serve`: from nothing to a server that answers.

use clap::Args;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::core::{
    app::App,
    cluster::Instance,
    error::{Error, Result},
    identity::{self, Bootstrapped},
    settings::{Loaded, Server, first_run},
    time::Clock,
};

/// The exit code of a process that a second signal ended.
const INTERRUPTED: i32 = 130;
/// The exit code of a server that ended in order to be started again, as sysexits(3) has it for what may work later: not
/// zero, so that a process manager with "restart on failure" does so.
const RESTART: i32 = 75;

/// Start the server; on a bare machine it sets itself up first
#[derive(Debug, Args)]
#[command(after_help = "\
Without any configuration it writes one into the data directory, makes an administrator and prints the password once.

Examples:
  rustbill serve
  DATABASE_URL=postgres://rustbill:secret@localhost/rustbill rustbill serve
  RUST_LOG=debug RUST_LOG_FORMAT=json rustbill serve --config /etc/rustbill/config.toml")]
pub(super) struct Serve {}

impl Serve {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let Loaded { settings, files, first_run, unattended, warnings } = first_run::prepare(&context.lookup)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        settings.validate()?;
        let clock = Clock::system();
        let instance = Instance::new(clock.now());
        let app = App::open(settings, clock).await?;
        app.database.lock_for_serving()?;
        if let Some(redis) = &app.redis {
            redis.greet().await;
        }
        let has_migrated = app.database.migrate().await?;
        // The port comes before the password: what is printed once must not be followed by a failure.
        let listener = bind(&app.settings.server).await?;
        let administrator = identity::bootstrap(&app, unattended).await?;
        if first_run && let Some(file) = files.first() {
            context.printer.line(&format!("This is the first run; the configuration is {}", file.display()))?;
        }
        if let Some(made) = administrator {
            announce(context, &made)?;
        }
        let shutdown = CancellationToken::new();
        stop_on_signal(shutdown.clone())?;
        let address = listener
            .local_addr()
            .map_err(|cause| Error::internal("server.failed", "the listener has no address").caused_by(cause))?;
        tracing::info!(%address, server = %instance.id, database = %app.database.location(), "serving");
        context.printer.line(&format!("RustBill is ready at http://{address}"))?;
        work(&app, listener, instance.at(address), has_migrated, shutdown).await?;
        if app.restart.is_cancelled() {
            tracing::info!("stopped in order to be started again");
            std::process::exit(RESTART);
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Serves and works as `instance` until `shutdown` is cancelled, and closes the application. `has_migrated` says whether
/// this process has just brought the schema up to date.
pub(super) async fn work(
    app: &App,
    listener: TcpListener,
    instance: Instance,
    has_migrated: bool,
    shutdown: CancellationToken,
) -> Result<()> {
    let worker = crate::core::worker::start_as(app.clone(), instance, has_migrated, shutdown.clone());
    let (restart, stop) = (app.restart.clone(), shutdown.clone());
    let watching = tokio::spawn(async move {
        restart.cancelled().await;
        stop.cancel();
    });
    let served = crate::server::serve(app.clone(), listener, shutdown.clone()).await;
    // Also when serving failed: what the worker has begun comes to its end.
    shutdown.cancel();
    if let Err(cause) = worker.await {
        tracing::error!(%cause, "the worker ended by itself");
    }
    watching.abort();
    app.plugins.shutdown().await;
    app.database.close().await;
    served
}

/// Says who was made, and the password where rustbill chose it.
pub(super) fn announce(context: &Context, made: &Bootstrapped) -> Result<()> {
    let name = &made.username;
    match &made.generated_password {
        Some(password) => context.printer.line(&format!(
            "The administrator is `{name}` with the password {}\nIt is shown only now; change it after the first login",
            password.reveal()
        )),
        None => context.printer.line(&format!("The administrator `{name}` was made")),
    }
}

async fn bind(server: &Server) -> Result<TcpListener> {
    TcpListener::bind((server.host.as_str(), server.port)).await.map_err(|cause| {
        let address = format!("{}:{}", server.host, server.port);
        let hint = match cause.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another program has this port: stop it, or set [server].port (or RUSTBILL_SERVER__PORT) to a free one"
            }
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege: set [server].port to a higher one"
            }
            _ => "check [server].host",
        };
        Error::unavailable("server.bind", format!("can't listen on {address}")).hint(hint).caused_by(cause)
    })
}

/// The first signal asks the server to finish, the second ends it.
pub(super) fn stop_on_signal(shutdown: CancellationToken) -> Result<()> {
    let listen = |kind| {
        signal(kind).map_err(|cause| Error::internal("server.signal", "can't listen for signals").caused_by(cause))
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping; a second signal ends it at once");
        shutdown.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_key_to_change() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(&Server { port, ..Server::default() }).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("can't listen on 127.0.0.1:{port}")), "{error}");
        assert!(error.advice().unwrap().contains("[server].port"));
    }
}
