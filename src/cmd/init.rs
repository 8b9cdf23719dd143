//! `rustbill init`: a configuration of the operator's choice, and the first administrator.

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

use clap::Args;
use dialoguer::{Input, Password};

use super::{Context, serve::announce};
use crate::core::{
    app::App,
    error::{Error, Result},
    identity,
    secret::Secret,
    settings::{
        Bootstrap, Settings,
        first_run::{self, Choices},
    },
    time::Clock,
};

/// Write a configuration and make the first administrator
#[derive(Debug, Args)]
#[command(after_help = "\
Where it is written: the file of --config or CONFIG_FILE, else config.toml in the data directory. The password of \
the administrator can be passed as RUSTBILL_BOOTSTRAP__ADMIN_PASSWORD; without one it is random and printed once.

Examples:
  rustbill init
  rustbill init --yes
  rustbill init --yes --config /etc/rustbill/config.toml --host 0.0.0.0 \\
    --database-url postgres://rustbill:secret@db/rustbill")]
pub(super) struct Init {
    /// Ask nothing: take what is not given from the defaults
    #[arg(long, short)]
    yes: bool,
    /// The address to listen on
    #[arg(long)]
    host: Option<String>,
    /// The port to listen on
    #[arg(long)]
    port: Option<u16>,
    /// `sqlite://PATH` or `postgres://…` [default: a SQLite file in the data directory]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

struct Answers {
    choices: Choices,
    password: Option<Secret>,
}

impl Init {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let path = target(context)?;
        let directory = path.parent().unwrap_or(Path::new(".")).to_owned();
        // Scripts lie beside the data, which need not be where the configuration is.
        let plugins = context.lookup.data_directory().unwrap_or(directory);
        let answers = if self.yes {
            self.given(Choices::in_directory(&plugins))
        } else if io::stdin().is_terminal() && io::stderr().is_terminal() {
            self.ask(context, Choices::in_directory(&plugins))?
        } else {
            return Err(Error::invalid("init.no_terminal", "there is no terminal to ask on").hint(
                "run `rustbill init --yes`, with --host, --port and --database-url where the defaults don't fit",
            ));
        };
        first_run::write(&path, &answers.choices).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => exists(&path),
            _ => Error::unavailable("init.write", format!("can't write {}", path.display())).caused_by(cause),
        })?;
        let app = match try_out(context, answers.password).await {
            Ok(app) => app,
            Err(error) => {
                // So that the next attempt does not find a configuration that never worked.
                let _ = std::fs::remove_file(&path);
                return Err(error);
            }
        };
        context.printer.line(&format!("The configuration is {}", path.display()))?;
        if let Some(made) = identity::bootstrap(&app, true).await? {
            announce(context, &made)?;
        }
        let named =
            context.lookup.named_file().map_or_else(String::new, |path| format!(" --config {}", path.display()));
        context.printer.line(&format!("Next: rustbill serve{named}"))?;
        app.database.close().await;
        Ok(())
    }

    fn given(self, defaults: Choices) -> Answers {
        let choices = Choices {
            host: self.host.unwrap_or(defaults.host),
            port: self.port.unwrap_or(defaults.port),
            database_url: self.database_url.map_or(defaults.database_url, Secret::new),
            plugins_dir: defaults.plugins_dir,
        };
        Answers { choices, password: None }
    }

    fn ask(self, context: &Context, defaults: Choices) -> Result<Answers> {
        let failed = |cause| Error::invalid("init.cancelled", "the questions were not answered").caused_by(cause);
        let host: String = Input::new()
            .with_prompt("Address to listen on")
            .default(self.host.unwrap_or(defaults.host))
            .interact_text()
            .map_err(failed)?;
        let port: u16 = Input::new()
            .with_prompt("Port")
            .default(self.port.unwrap_or(defaults.port))
            .interact_text()
            .map_err(failed)?;
        let database: String = Input::new()
            .with_prompt("Database URL (empty: a SQLite file in the data directory)")
            .with_initial_text(self.database_url.unwrap_or_default())
            .allow_empty(true)
            .interact_text()
            .map_err(failed)?;
        context.printer.note(&format!("The administrator is `{}`.", Bootstrap::default().admin_username));
        let password = Password::new()
            .with_prompt("Password of the administrator (empty: a random one)")
            .with_confirmation("Once more", "They differ")
            .allow_empty_password(true)
            .interact()
            .map_err(failed)?;
        let choices = Choices { host, port, database_url: Secret::new(database), plugins_dir: defaults.plugins_dir };
        Ok(Answers { choices, password: Some(password).filter(|text| !text.is_empty()).map(Secret::new) })
    }
}

/// Where the configuration goes. One that exists stays as it is, also one that would come before the new one.
fn target(context: &Context) -> Result<PathBuf> {
    if let Some(named) = context.lookup.named_file() {
        return if named.exists() { Err(exists(&named)) } else { Ok(named) };
    }
    match Settings::load(&context.lookup)?.files.first() {
        Some(found) => Err(exists(found)),
        None => Ok(context.lookup.data_directory()?.join("config.toml")),
    }
}

fn exists(path: &Path) -> Error {
    Error::already_exists("init.exists", format!("there is a configuration: {}", path.display()))
        .hint("edit it, or name another file with --config")
}

/// Loads what was written just as the server will, with the variables on top, and opens the database.
async fn try_out(context: &Context, password: Option<Secret>) -> Result<App> {
    let mut settings = Settings::load(&context.lookup)?.settings;
    settings.validate()?;
    if let Some(password) = password {
        settings.bootstrap.admin_password = password;
    }
    let app = App::open(settings, Clock::system()).await?;
    app.database.migrate().await?;
    Ok(app)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cmd::{Format, Printer},
        core::settings::Lookup,
    };

    fn context(directory: &Path) -> Context {
        let lookup = Lookup {
            config: None,
            env: [("RUSTBILL_HOME".to_owned(), directory.join("data").display().to_string())].into(),
            directory: directory.to_owned(),
            system_file: directory.join("etc.toml"),
        };
        Context::new(lookup, Printer::new(Format::Table, true))
    }

    fn init(database_url: Option<&str>) -> Init {
        Init { yes: true, host: None, port: Some(8080), database_url: database_url.map(str::to_owned) }
    }

    #[tokio::test]
    async fn it_writes_once_and_only_what_works() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(dir.path());
        let error = init(Some("sqlite:///dev/null/x.db")).run(&context).await.unwrap_err();
        assert_eq!(error.code(), "database.unavailable");
        assert!(Settings::load(&context.lookup).unwrap().files.is_empty(), "nothing stays of a failed attempt");

        init(None).run(&context).await.unwrap();
        let loaded = Settings::load(&context.lookup).unwrap();
        assert_eq!(loaded.settings.server.port, 8080);
        assert!(loaded.settings.validate().is_ok());
        assert_eq!(init(None).run(&context).await.unwrap_err().code(), "init.exists");
    }
}
