//! The configuration that rustbill writes by itself, so that it runs on a bare machine.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Loaded, Lookup, Settings};
use crate::core::{
    error::{Error, Result},
    private_file,
    secret::{Secret, random_text},
};

/// The first line of a file that rustbill wrote. While it stands, a missing administrator is made with a random
/// password; so a first run that was cut short is finished by the next one.
const MARK: &str = "# Written by rustbill.";
/// Characters of the random JWT secret.
const SECRET_LENGTH: usize = 64;

/// What a new configuration says.
#[derive(Clone, Debug)]
pub struct Choices {
    /// `[server].host`
    pub host: String,
    /// `[server].port`
    pub port: u16,
    /// `[db].url`; empty for the file in the data directory.
    pub database_url: Secret,
    /// `[plugins].plugins_dir`
    pub plugins_dir: PathBuf,
}

impl Choices {
    /// The defaults, with everything in `directory`.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        let server = super::Server::default();
        Self {
            host: server.host,
            port: server.port,
            database_url: Secret::default(),
            plugins_dir: directory.join("plugins"),
        }
    }
}

/// Whether rustbill wrote this text.
pub(super) fn is_own(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Loads the configuration; where there is none at all, writes one into the data directory first.
///
/// # Errors
/// As [`Settings::load`]; `config.first_run` when the data directory can't be written.
pub fn prepare(lookup: &Lookup) -> Result<Loaded> {
    let loaded = Settings::load(lookup)?;
    // Who passes the secret as a variable configures by variables alone; there is nothing to write.
    if !loaded.files.is_empty() || !loaded.settings.jwt.secret.reveal().is_empty() {
        return Ok(loaded);
    }
    let directory = lookup.data_directory()?;
    let mut choices = Choices::in_directory(&directory);
    // A database that only a variable names would be another one as soon as the variable is missing.
    if lookup.names_database() {
        choices.database_url = loaded.settings.db.url.clone();
    }
    let written = write(&directory.join("config.toml"), &choices);
    let first_run = match written {
        Ok(()) => true,
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => false,
        Err(cause) => {
            return Err(Error::unavailable("config.first_run", format!("can't set up {}", directory.display()))
                .hint("set RUSTBILL_HOME to a directory that may be written, or name a configuration with --config")
                .caused_by(cause));
        }
    };
    Ok(Loaded { first_run, ..Settings::load(lookup)? })
}

/// Writes a new configuration with mode 600 and a random JWT secret; it is there as a whole or not at all.
///
/// # Errors
/// What the system says, also that the file exists.
pub fn write(path: &Path, choices: &Choices) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    private_file::create_directory(directory)?;
    private_file::create_directory(&choices.plugins_dir)?;
    let text = render(choices)?;
    // A link to a finished file never shows a reader half of it, and only one of two writers can make it.
    let draft = directory.join(format!(".config.toml.{}", random_text(12)));
    private_file::create(&draft, &text)?;
    let linked = match fs::hard_link(&draft, path) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => private_file::create(path, &text),
        linked => linked,
    };
    fs::remove_file(&draft)?;
    linked
}

fn render(choices: &Choices) -> io::Result<String> {
    let plugins = choices.plugins_dir.to_str().ok_or_else(|| io::Error::other("the path is not UTF-8"))?;
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let url = choices.database_url.reveal();
    let database = if url.is_empty() {
        "# url = \"postgres://user:password@host:5432/rustbill\"".to_owned()
    } else {
        format!("url = {}", quoted(url))
    };
    Ok(format!(
        r#"{MARK} Yours to edit; every key is in config.example.toml.
# Remove the line above once there is an administrator: then rustbill never makes one with a random password.

[server]
# The address and the port for everything: gRPC, gRPC-Web, /health, /ready. Put a proxy with TLS in front of it.
host = {host}
port = {port}

[db]
# Without a URL the data is in the SQLite file rustbill.db in the data directory.
{database}

[jwt]
# Signs the customers' tokens. Who knows it can act as any customer; a change logs all of them out.
secret = {secret}

[plugins]
# Scripts of your own, besides those in the program.
plugins_dir = {plugins}

# [session]
# Set it once browsers reach the server over HTTPS.
# cookie_secure = true

# [billing]
# The one currency of balances, orders and reports; decide before the first order.
# currency = "CNY"
"#,
        host = quoted(&choices.host),
        port = choices.port,
        secret = quoted(&random_text(SECRET_LENGTH)),
        plugins = quoted(plugins),
    ))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, sync::Barrier};

    use super::*;

    fn lookup(directory: &Path) -> Lookup {
        let home = directory.join("data \"home\"").display().to_string();
        Lookup {
            config: None,
            env: BTreeMap::from([("RUSTBILL_HOME".to_owned(), home)]),
            directory: directory.to_owned(),
            system_file: directory.join("etc/config.toml"),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_first_run_writes_private_files_and_the_second_uses_them() {
        let dir = tempfile::tempdir().unwrap();
        let lookup = lookup(dir.path());
        let data = lookup.data_directory().unwrap();
        let first = prepare(&lookup).unwrap();
        assert!(first.first_run && first.unattended && first.warnings.is_empty());
        assert!(first.settings.validate().is_ok());
        assert_eq!(first.settings.plugins.plugins_dir, data.join("plugins"));
        assert!(first.settings.plugins.plugins_dir.is_dir());
        assert_eq!(first.settings.db.url.reveal(), format!("sqlite://{}/rustbill.db", data.display()));
        assert_eq!((mode(&data), mode(&data.join("config.toml"))), (0o700, 0o600));

        let second = prepare(&lookup).unwrap();
        assert!(!second.first_run && second.unattended);
        assert_eq!(second.settings.jwt.secret, first.settings.jwt.secret);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn of_many_first_runs_at_once_one_writes() {
        const RUNS: usize = 8;
        let dir = tempfile::tempdir().unwrap();
        let (lookup, barrier) = (lookup(dir.path()), Barrier::new(RUNS));
        let run = || {
            barrier.wait();
            prepare(&lookup).unwrap()
        };
        let loaded: Vec<Loaded> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..RUNS).map(|_| scope.spawn(run)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(loaded.iter().filter(|loaded| loaded.first_run).count(), 1);
        assert!(loaded.iter().all(|other| other.settings.jwt.secret == loaded[0].settings.jwt.secret));
    }

    #[test]
    fn a_configuration_of_the_operators_own_is_not_unattended() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.toml"), "[server]\nport = 1\n").unwrap();
        let loaded = prepare(&lookup(dir.path())).unwrap();
        assert!(!loaded.first_run && !loaded.unattended);
        assert!(loaded.settings.validate().is_err(), "the secret is missing");
    }

    #[test]
    fn who_configures_by_variables_gets_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut lookup = lookup(dir.path());
        lookup.env.insert("RUSTBILL_JWT__SECRET".to_owned(), "x".repeat(40));
        assert!(prepare(&lookup).unwrap().files.is_empty());
        assert!(!lookup.data_directory().unwrap().exists());
    }
}
