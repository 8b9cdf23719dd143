//! PostgreSQL's own programs: where they are, whether they fit the server, and how they are run. Passwords go into their
//! environment, which only the same user can read; everybody on the machine can read arguments.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use crate::core::{
    error::{Error, Result},
    secret::Secret,
};

/// Where Debian puts the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// What is kept of a program's complaints.
const COMPLAINT_MAX_BYTES: u64 = 16 * 1024;
/// What libpq and the driver of this program both understand in a URL, by the names that the latter takes.
const PARAMETERS: [(&str, &str); 12] = [
    ("host", "host"),
    ("hostaddr", "hostaddr"),
    ("port", "port"),
    ("user", "user"),
    ("dbname", "dbname"),
    ("sslmode", "sslmode"),
    ("ssl-mode", "sslmode"),
    ("sslrootcert", "sslrootcert"),
    ("ssl-root-cert", "sslrootcert"),
    ("ssl-ca", "sslrootcert"),
    ("sslcert", "sslcert"),
    ("sslkey", "sslkey"),
];

/// A program that fits.
#[derive(Clone, Debug)]
pub(super) struct Program {
    path: PathBuf,
}

/// The place of a database, as libpq takes it.
pub(super) struct Server {
    url: String,
    password: Option<Secret>,
}

impl Server {
    /// Takes the password out of a URL.
    pub(super) fn of(url: &str) -> Result<Self> {
        let malformed = || Error::invalid("config.database_url", "`db.url` is no PostgreSQL URL");
        let mut parsed = reqwest::Url::parse(url).map_err(|_| malformed())?;
        let mut password = parsed
            .password()
            .map(|text| Secret::new(percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()));
        parsed.set_password(None).map_err(|()| malformed())?;
        let mut kept = BTreeMap::new();
        for (name, value) in parsed.query_pairs() {
            if name == "password" {
                password = Some(Secret::new(value.into_owned()));
            } else if let Some((_, known)) = PARAMETERS.iter().find(|(own, _)| *own == name) {
                kept.insert(*known, value.into_owned());
            }
        }
        parsed.set_query(None);
        if !kept.is_empty() {
            parsed.query_pairs_mut().extend_pairs(&kept);
        }
        Ok(Self { url: parsed.into(), password })
    }
}

impl Program {
    /// Finds one for a server of the major version `server`: the one that was named, else the closest of those on the
    /// PATH and where Debian has them. An older program than the server can't read it.
    pub(super) fn find(name: &str, option: &str, named: Option<&Path>, server: u32) -> Result<Self> {
        let candidates = named.map_or_else(|| installed(name), |path| vec![path.to_owned()]);
        let mut found: Vec<(u32, PathBuf)> =
            candidates.into_iter().filter_map(|path| Some((major(&path)?, path))).collect();
        if found.is_empty() {
            let error = match named {
                Some(path) => format!("{} does not run as {name}", path.display()),
                None => format!("{name} is neither on the PATH nor in {DEBIAN}"),
            };
            return Err(Error::unavailable("backup.program_missing", error).hint(format!(
                "install PostgreSQL's client programs of version {server} or later, or name one with `{option} PATH`"
            )));
        }
        // The same version first: a later one writes what an older server does not understand.
        found.sort_by_key(|(version, _)| (*version < server, *version));
        match found.into_iter().next() {
            Some((version, path)) if version >= server => Ok(Self { path }),
            Some((version, path)) => Err(Error::unavailable(
                "backup.program_old",
                format!("{} is of version {version}, and the server of version {server}", path.display()),
            )
            .hint(format!(
                "install PostgreSQL's client programs of version {server}, or name one with `{option} PATH`"
            ))),
            None => Err(Error::internal("backup.program_missing", "no program")),
        }
    }

    /// Another program of the same installation.
    pub(super) fn sibling(&self, name: &str) -> Self {
        Self { path: self.path.with_file_name(name) }
    }

    /// A command without a terminal to ask for passwords at.
    pub(super) fn command(&self, server: Option<&Server>) -> Command {
        let mut command = Command::new(&self.path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some(server) = server {
            command.arg("--no-password").arg("--dbname").arg(&server.url);
            command.env("PGAPPNAME", crate::core::database::APPLICATION);
            if let Some(password) = &server.password {
                command.env("PGPASSWORD", password.reveal());
            }
        }
        command
    }

    /// Starts a command of [`Program::command`].
    pub(super) fn start(&self, mut command: Command) -> Result<Running> {
        let mut child = command.spawn().map_err(|cause| {
            Error::unavailable("backup.program_missing", format!("can't run {}", self.path.display())).caused_by(cause)
        })?;
        let complaints = child.stderr.take().map(|stderr| std::thread::spawn(move || first_part(stderr)));
        Ok(Running { child, complaints, name: self.path.display().to_string() })
    }
}

/// A program at work. Dropped, it is ended.
pub(super) struct Running {
    pub(super) child: Child,
    complaints: Option<JoinHandle<String>>,
    name: String,
}

impl Running {
    /// Waits for its end.
    ///
    /// # Errors
    /// `backup.program` with what it complained of.
    pub(super) fn finish(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait();
        let complaint = self.complaints.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => {
                let last = complaint.trim().lines().last().unwrap_or_default().to_owned();
                Err(Error::unavailable("backup.program", format!("{} ended with {status}: {last}", self.name))
                    .caused_by(complaint))
            }
            Err(cause) => Err(Error::internal("backup.program", format!("{} is lost", self.name)).caused_by(cause)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads everything, so that the program is never held up, and keeps the beginning.
fn first_part(mut stderr: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = stderr.by_ref().take(COMPLAINT_MAX_BYTES).read_to_end(&mut kept);
    let _ = io::copy(&mut stderr, &mut io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}

fn installed(name: &str) -> Vec<PathBuf> {
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let folders: Vec<PathBuf> = on_path;
    let debian = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    folders.into_iter().chain(debian).map(|folder| folder.join(name)).filter(|path| path.is_file()).collect()
}

/// `15` of `pg_dump (PostgreSQL) 15.18 (Debian …)`.
fn major(path: &Path) -> Option<u32> {
    let output = Command::new(path).arg("--version").stdin(Stdio::null()).output().ok()?;
    major_of(&String::from_utf8_lossy(&output.stdout))
}

fn major_of(version: &str) -> Option<u32> {
    let (_, behind) = version.split_once("(PostgreSQL) ")?;
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_in_all_its_forms() {
        assert_eq!(major_of("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_of("psql (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_of("something else 3.1"), None);
    }

    #[test]
    fn a_password_is_taken_out_of_the_url_wherever_it_is() {
        for url in [
            "postgres://shop:hunter%232@db:5433/shop?ssl-mode=require&statement-cache-capacity=9",
            "postgres://shop@db:5433/shop?password=hunter%232&sslmode=require",
        ] {
            let server = Server::of(url).unwrap();
            assert_eq!(server.url, "postgres://shop@db:5433/shop?sslmode=require");
            assert_eq!(server.password.unwrap().reveal(), "hunter#2");
        }
        let server = Server::of("postgres://rustbill@%2Ftmp%2Fsocket/shop").unwrap();
        assert_eq!(server.url, "postgres://rustbill@%2Ftmp%2Fsocket/shop");
    }
}
