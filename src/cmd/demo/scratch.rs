//! Where the demo lives: a directory with a configuration, as `rustbill init` would write it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use tokio::net::TcpListener;

use crate::core::{
    error::{Error, Result},
    private_file,
    secret::{Secret, random_text},
    settings::{
        Lookup, Settings,
        first_run::{self, Choices},
    },
};

/// Characters of the directory's random name.
const NAME_LENGTH: usize = 12;
/// Where the demo's own webhook receiver is, and nothing else of this machine or its network.
const RECEIVER: [u8; 4] = [127, 0, 0, 1];

/// The directory of one demo; unless it is kept, it is removed when this is dropped.
pub(super) struct Scratch {
    path: PathBuf,
    is_kept: bool,
}

impl Scratch {
    /// A directory of mode 700: `wanted`, which is kept, or one with a random name.
    pub(super) fn create(wanted: Option<&Path>) -> Result<Self> {
        let failed = |path: &Path, cause: io::Error| {
            Error::unavailable("demo.directory", format!("can't make the directory {}", path.display()))
                .caused_by(cause)
        };
        if let Some(path) = wanted {
            let path = std::path::absolute(path).map_err(|cause| failed(path, cause))?;
            private_file::create_directory(&path).map_err(|cause| failed(&path, cause))?;
            return Ok(Self { path, is_kept: true });
        }
        let path = std::env::temp_dir().join(format!("rustbill-demo-{}", random_text(NAME_LENGTH)));
        private_file::create_directory(&path).map_err(|cause| failed(&path, cause))?;
        Ok(Self { path, is_kept: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Writes the configuration for a server on `listener`, and reads it as the server and the command line will.
    pub(super) fn configure(&self, listener: &TcpListener, database_url: Option<&str>) -> Result<Settings> {
        let address = listener
            .local_addr()
            .map_err(|cause| Error::internal("demo.address", "the listener has no address").caused_by(cause))?;
        // Named, though it is the default: so the file alone leads to the data, whatever the environment says.
        let own = || format!("sqlite://{}/rustbill.db", self.path.display());
        let choices = Choices {
            host: address.ip().to_string(),
            port: address.port(),
            database_url: Secret::new(database_url.map_or_else(own, str::to_owned)),
            ..Choices::in_directory(&self.path)
        };
        let file = self.config();
        first_run::write(&file, &choices).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::already_exists("demo.exists", format!("there is a configuration: {}", file.display())).hint(
                    format!(
                        "name an empty directory, or go on with that one: rustbill serve --config {}",
                        file.display()
                    ),
                )
            }
            _ => Error::unavailable("demo.config", format!("can't write {}", file.display())).caused_by(cause),
        })?;
        let lookup = Lookup {
            config: Some(file),
            env: BTreeMap::new(),
            directory: self.path.clone(),
            system_file: self.path.join("none.toml"),
        };
        let mut settings = Settings::load(&lookup)?.settings;
        settings.plugins.allow_private = vec![std::net::IpAddr::from(RECEIVER).into()];
        Ok(settings)
    }

    /// A command line for `rustbill arguments` that leads to this directory from the reader's shell.
    pub(super) fn command_line(&self, reader: &Lookup, arguments: &str) -> String {
        let program = program(reader);
        let mut there = reader.clone();
        there.env.insert("RUSTBILL_HOME".to_owned(), self.path.display().to_string());
        let leads_here = |lookup: &Lookup| {
            let url = |lookup| Settings::load(lookup).map(|loaded| (loaded.files, loaded.settings.db.url));
            let own = Lookup { config: Some(self.config()), env: BTreeMap::new(), ..reader.clone() };
            matches!((url(lookup), url(&own)), (Ok(found), Ok(own)) if found == own)
        };
        if leads_here(&there) {
            return format!("RUSTBILL_HOME={} {program} {arguments}", quoted(&self.path));
        }
        // Another configuration or a variable would win and lead to real data.
        format!("env -i CONFIG_FILE={} {program} {arguments}", quoted(&self.config()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(directory = %self.path.display(), %error, "can't remove the scratch directory");
        }
    }
}

/// `rustbill` where the shell finds this very program by that name, else its whole path.
fn program(reader: &Lookup) -> String {
    let Ok(own) = std::env::current_exe() else { return "rustbill".to_owned() };
    let path = reader.env.get("PATH").map(String::as_str).unwrap_or_default();
    let found = std::env::split_paths(path).map(|directory| directory.join("rustbill")).find(|file| file.is_file());
    if found.and_then(|file| file.canonicalize().ok()).is_some_and(|file| file == own) {
        return "rustbill".to_owned();
    }
    quoted(&own)
}

/// A path as a word of the shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    async fn listener() -> TcpListener {
        TcpListener::bind(("127.0.0.1", 0)).await.unwrap()
    }

    #[tokio::test]
    async fn a_scratch_directory_is_private_and_goes_away() {
        let scratch = Scratch::create(None).unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let settings = scratch.configure(&listener().await, None).unwrap();
        assert!(settings.validate().is_ok());
        assert_eq!(settings.db.url.reveal(), format!("sqlite://{}/rustbill.db", path.display()));
        drop(scratch);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_directory_of_ones_own_stays_and_serves_one_demo_only() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = dir.path().join("new");
        Scratch::create(Some(&wanted)).unwrap().configure(&listener().await, None).unwrap();
        assert!(wanted.join("config.toml").exists());
        let error = Scratch::create(Some(&wanted)).unwrap().configure(&listener().await, None).unwrap_err();
        assert_eq!(error.code(), "demo.exists");
    }

    #[tokio::test]
    async fn the_command_line_leads_to_the_scratch_directory_and_never_elsewhere() {
        let (dir, scratch) = (tempfile::tempdir().unwrap(), Scratch::create(None).unwrap());
        scratch.configure(&listener().await, None).unwrap();
        let mut reader = Lookup {
            config: None,
            env: BTreeMap::new(),
            directory: dir.path().to_owned(),
            system_file: dir.path().join("etc.toml"),
        };
        let home = format!("RUSTBILL_HOME={} ", scratch.path().display());
        assert!(scratch.command_line(&reader, "order list").starts_with(&home));
        reader.env.insert("DATABASE_URL".to_owned(), "postgres://real/data".to_owned());
        let file = format!("env -i CONFIG_FILE={} ", scratch.config().display());
        assert!(scratch.command_line(&reader, "order list").starts_with(&file));
        reader.env.clear();
        fs::write(dir.path().join("config.toml"), "").unwrap();
        assert!(scratch.command_line(&reader, "order list").starts_with(&file));
    }
}
