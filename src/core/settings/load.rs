//! Files and variables to [`Settings`].

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use figment::{Figment, providers::Serialized};

use super::{
    Plugins, Settings,
    explain::{self, CODE},
    first_run,
};
use crate::core::{
    error::{Error, Result},
    secret::Secret,
};

/// The permission bits of those who are neither the owner nor in its group.
const OTHERS: u32 = 0o007;
/// What variables that set a key start with.
const PREFIX: &str = "RUSTBILL_";

/// Where to look: the arguments and the environment, captured, so that tests need not touch those of the process.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// What `--config` named.
    pub config: Option<PathBuf>,
    /// The environment's variables.
    pub env: BTreeMap<String, String>,
    /// What relative paths start from.
    pub directory: PathBuf,
    /// The file of the whole machine.
    pub system_file: PathBuf,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings, all layers merged.
    pub settings: Settings,
    /// The files that they came from, in order; none without any configuration.
    pub files: Vec<PathBuf>,
    /// Whether this call wrote the configuration.
    pub first_run: bool,
    /// Whether there is none or rustbill wrote it by itself. Then a missing administrator is made with a random
    /// password; with a configuration of the operator's own its absence is refused.
    pub unattended: bool,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

impl Lookup {
    /// The environment of this process.
    #[must_use]
    pub fn of_process(config: Option<PathBuf>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            config,
            env: std::env::vars_os().filter_map(text).collect(),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            system_file: PathBuf::from("/etc/rustbill/config.toml"),
        }
    }

    /// A variable; an empty one counts as unset.
    pub(super) fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a variable names the database.
    pub(super) fn names_database(&self) -> bool {
        self.var("DATABASE_URL").or_else(|| self.var("RUSTBILL_DB__URL")).is_some()
    }

    /// Where the data is while nothing else is configured.
    ///
    /// # Errors
    /// `config.no_home` without any of the variables that say so.
    pub fn data_directory(&self) -> Result<PathBuf> {
        if let Some(home) = self.var("RUSTBILL_HOME") {
            return Ok(self.directory.join(home));
        }
        // Relative values of XDG variables are invalid by their specification.
        if let Some(data) = self.var("XDG_DATA_HOME").map(Path::new).filter(|path| path.is_absolute()) {
            return Ok(data.join("rustbill"));
        }
        let home = self.var("HOME").ok_or_else(|| {
            Error::invalid("config.no_home", "there is no data directory: HOME is not set")
                .hint("set RUSTBILL_HOME, or [db].url in a configuration file")
        })?;
        Ok(self.directory.join(home).join(".local/share/rustbill"))
    }

    /// The file that `--config` or `CONFIG_FILE` names.
    #[must_use]
    pub fn named_file(&self) -> Option<PathBuf> {
        let named = self.config.as_deref().or_else(|| self.var("CONFIG_FILE").map(Path::new));
        named.map(|path| self.directory.join(path))
    }

    fn main_file(&self) -> Option<PathBuf> {
        if let Some(named) = self.named_file() {
            return Some(named);
        }
        let usual = [self.directory.join("config.toml"), self.system_file.clone()];
        if let Some(found) = usual.into_iter().find(|path| path.exists()) {
            return Some(found);
        }
        self.data_directory().ok().map(|directory| directory.join("config.toml")).filter(|own| own.exists())
    }

    fn overlay_file(&self, main: Option<&Path>) -> Option<PathBuf> {
        if let Some(named) = self.var("LOCAL_CONFIG_FILE") {
            return Some(self.directory.join(named));
        }
        main.map(|main| main.with_file_name("config.local.toml")).filter(|path| path.exists())
    }
}

impl Settings {
    /// Finds and merges all layers: files, `DATABASE_URL`, `RUSTBILL_SECTION__KEY`.
    ///
    /// # Errors
    /// `config.unreadable` for a file; `config.invalid`, naming file, line and key, for what is in it.
    pub fn load(lookup: &Lookup) -> Result<Loaded> {
        let main = lookup.main_file();
        let overlay = lookup.overlay_file(main.as_deref());
        let files: Vec<PathBuf> = main.into_iter().chain(overlay).collect();
        let mut figment = Figment::new();
        let mut warnings = Vec::new();
        let mut unattended = true;
        for (position, path) in files.iter().enumerate() {
            let text = read(path)?;
            if position == 0 {
                unattended = first_run::is_own(&text);
            }
            figment = figment.merge(Serialized::defaults(explain::check(&path.display().to_string(), &text)?));
            warnings.extend(readable_by_others(path));
        }
        if let Some(url) = lookup.var("DATABASE_URL") {
            figment = figment.merge(Serialized::defaults(table("db", "url", toml::Value::from(url))));
        }
        for (name, value) in &lookup.env {
            if let Some(layer) = variable(name, value)? {
                figment = figment.merge(Serialized::defaults(layer));
            }
        }
        let mut settings: Settings = figment
            .extract()
            .map_err(|cause| Error::invalid(CODE, "the configuration can't be merged").caused_by(Box::new(cause)))?;
        if settings.db.url.reveal().is_empty() {
            settings.db.url = Secret::new(format!("sqlite://{}/rustbill.db", lookup.data_directory()?.display()));
        }
        warnings.extend(settings.unused());
        // Without a configuration everything is in the data directory; `./plugins` would be wherever one happens to be.
        if files.is_empty() && settings.plugins.plugins_dir == Plugins::default().plugins_dir {
            settings.plugins.plugins_dir = lookup.data_directory()?.join("plugins");
        }
        Ok(Loaded { settings, files, first_run: false, unattended, warnings })
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|cause| {
        let missing = cause.kind() == io::ErrorKind::NotFound;
        let error = Error::invalid("config.unreadable", format!("can't read the configuration {}", path.display()))
            .caused_by(cause);
        if missing { error.hint("`rustbill init` writes one") } else { error }
    })
}

fn readable_by_others(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.mode();
    (mode & OTHERS != 0).then(|| {
        format!(
            "{} holds secrets and has mode {:o}, so that others may use it: chmod 600 {0}",
            path.display(),
            mode & 0o777
        )
    })
}

/// The layer of one variable; nothing for those that set no key. Names without `__` are left alone, because container
/// platforms set some of their own (`RUSTBILL_PORT`) for a service called rustbill.
fn variable(name: &str, value: &str) -> Result<Option<toml::Table>> {
    let Some((section, key)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")) else {
        return Ok(None);
    };
    let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
    let full = format!("{section}.{key}");
    if !explain::is_key(&full) {
        return Err(explain::unknown(&format!("variable {name}"), &full));
    }
    // The variable's text has no type of its own: it is taken as text where the key takes text, else as TOML, else as
    // a list with commas.
    let as_toml = || format!("value = {value}").parse::<toml::Table>().ok()?.remove("value");
    let as_list = || toml::Value::from(value.split(',').map(str::trim).filter(|v| !v.is_empty()).collect::<Vec<_>>());
    let readings = [Some(toml::Value::from(value)), as_toml(), Some(as_list())];
    let mut layers = readings.into_iter().flatten().map(|value| table(&section, &key, value));
    let accepted = layers.find(|layer| layer.clone().try_into::<Settings>().is_ok());
    accepted.map(Some).ok_or_else(|| {
        let line = format!("[{section}]\n{key} = {}", toml::Value::from(value));
        let told = explain::check(&format!("variable {name}"), &line).err().map(|error| error.public_message());
        Error::invalid(CODE, told.unwrap_or_default().replacen(", line 2", "", 1))
    })
}

fn table(section: &str, key: &str, value: toml::Value) -> toml::Table {
    let keys = toml::Table::from_iter([(key.to_owned(), value)]);
    toml::Table::from_iter([(section.to_owned(), toml::Value::Table(keys))])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn lookup(directory: &Path, env: &[(&str, &str)]) -> Lookup {
        let home = directory.join("home").display().to_string();
        let mut env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        env.entry("HOME".to_owned()).or_insert(home);
        Lookup { config: None, env, directory: directory.to_owned(), system_file: directory.join("etc/config.toml") }
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn files_are_found_in_order_and_laid_over_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let port = |lookup: &Lookup| Settings::load(lookup).unwrap().settings.server.port;
        let plain = lookup(dir.path(), &[]);
        assert_eq!(port(&plain), 50051);
        assert!(Settings::load(&plain).unwrap().files.is_empty());

        write(&at("home/.local/share/rustbill/config.toml"), "[server]\nport = 1");
        assert_eq!(port(&plain), 1);
        write(&at("etc/config.toml"), "[server]\nport = 2");
        assert_eq!(port(&plain), 2);
        write(&at("config.toml"), "[server]\nport = 3\nallowed_origins = [\"a\", \"b\"]");
        assert_eq!(port(&plain), 3);
        write(&at("config.local.toml"), "[server]\nport = 4\nallowed_origins = [\"c\"]");
        let loaded = Settings::load(&plain).unwrap();
        assert_eq!((loaded.settings.server.port, loaded.files.len()), (4, 2));
        assert_eq!(loaded.settings.server.allowed_origins, ["c"], "arrays are replaced");

        write(&at("other/named.toml"), "[server]\nport = 5");
        assert_eq!(port(&lookup(dir.path(), &[("CONFIG_FILE", "other/named.toml")])), 5);
        assert_eq!(port(&lookup(dir.path(), &[("LOCAL_CONFIG_FILE", "other/named.toml")])), 5);
        assert_eq!(port(&Lookup { config: Some(at("other/named.toml")), ..plain.clone() }), 5);
        let missing = Lookup { config: Some(at("missing.toml")), ..plain };
        assert_eq!(Settings::load(&missing).unwrap_err().code(), "config.unreadable");
    }

    #[test]
    fn variables_win_and_take_the_type_of_their_key() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("config.toml"), "[server]\nport = 3\n[db]\nurl = \"sqlite://from-file\"");
        let loaded = Settings::load(&lookup(
            dir.path(),
            &[
                ("DATABASE_URL", "postgres://u@h/d"),
                ("RUSTBILL_SERVER__PORT", "8080"),
                ("RUSTBILL_SERVER__ALLOWED_ORIGINS", "https://a.example, https://b.example"),
                ("RUSTBILL_JWT__SECRET", "12345678901234567890123456789012"),
                ("RUSTBILL_SESSION__COOKIE_SECURE", "true"),
                ("RUSTBILL_PLUGINS__ALLOW_PRIVATE", "[\"10.0.0.0/8\"]"),
                ("RUSTBILL_HOME", "/nowhere"),
                ("RUSTBILL_PORT", "tcp://10.0.0.1:50051"),
            ],
        ));
        let settings = loaded.unwrap().settings;
        assert_eq!(settings.db.url.reveal(), "postgres://u@h/d");
        assert_eq!(settings.server.port, 8080);
        assert_eq!(settings.server.allowed_origins, ["https://a.example", "https://b.example"]);
        assert_eq!(settings.jwt.secret.reveal(), "12345678901234567890123456789012");
        assert!(settings.session.cookie_secure);
        assert_eq!(settings.plugins.allow_private.len(), 1);
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for (name, value, expected) in [
            (
                "RUSTBILL_SERVER__PROT",
                "1",
                "variable RUSTBILL_SERVER__PROT: unknown key `server.prot`; the nearest key is `server.port`",
            ),
            (
                "RUSTBILL_SERVER__PORT",
                "many",
                "variable RUSTBILL_SERVER__PORT: `server.port` is string \"many\", expected a whole number from 0 to 65535",
            ),
        ] {
            let error = Settings::load(&lookup(dir.path(), &[(name, value)])).unwrap_err();
            assert_eq!(error.public_message(), expected);
        }
    }

    #[test]
    fn the_data_directory_follows_the_variables() {
        let dir = tempfile::tempdir().unwrap();
        let url = |env: &[(&str, &str)]| {
            Settings::load(&lookup(dir.path(), env)).unwrap().settings.db.url.reveal().to_owned()
        };
        assert_eq!(url(&[("RUSTBILL_HOME", "/a"), ("XDG_DATA_HOME", "/b")]), "sqlite:///a/rustbill.db");
        assert_eq!(url(&[("XDG_DATA_HOME", "/b")]), "sqlite:///b/rustbill/rustbill.db");
        assert_eq!(url(&[("XDG_DATA_HOME", "b"), ("HOME", "/h")]), "sqlite:///h/.local/share/rustbill/rustbill.db");
        let error = Settings::load(&lookup(dir.path(), &[("HOME", "")])).unwrap_err();
        assert_eq!(error.code(), "config.no_home");
    }

    #[test]
    fn a_file_that_others_may_read_is_warned_about() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        write(&path, "");
        assert!(Settings::load(&lookup(dir.path(), &[])).unwrap().warnings.is_empty());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let warnings = Settings::load(&lookup(dir.path(), &[])).unwrap().warnings;
        assert!(warnings[0].contains("chmod 600"), "{warnings:?}");
    }
}
