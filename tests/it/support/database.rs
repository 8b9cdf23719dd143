//! Fresh databases. PostgreSQL is started once for the whole run, on a Unix socket in a directory of its own; it ends
//! with the process, however that ends. Without PostgreSQL these tests fail: a skipped test proves nothing.

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::wait;
use rustbill::core::database::{Database, Location, Options};

/// A database of one test.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    /// Also the home of everything else that the test writes.
    pub(crate) directory: TempDir,
}

impl TestDatabase {
    pub(crate) fn sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        Self { url: format!("sqlite://{}", directory.path().join("test.db").display()), directory }
    }

    /// A copy of a migrated template, which takes a fraction of a second.
    pub(crate) async fn postgres() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = Postgres::shared().await;
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server.create(&name, Some(TEMPLATE)).await;
        Self { url: server.url(&name), directory: TempDir::new().unwrap() }
    }

    /// One without any table.
    pub(crate) async fn empty_postgres(name: &str) -> Self {
        let server = Postgres::shared().await;
        server.create(name, None).await;
        Self { url: server.url(name), directory: TempDir::new().unwrap() }
    }

    pub(crate) async fn connect(&self) -> Database {
        Database::connect(Location::parse(&self.url).unwrap(), &Options::default()).await.unwrap()
    }
}

const TEMPLATE: &str = "migrated";

/// A PostgreSQL server of this run.
struct Postgres {
    socket: PathBuf,
    /// Its end closes the pipe that the watching shell reads from, and the shell stops the server.
    _watch: Child,
}

impl Postgres {
    async fn shared() -> &'static Self {
        static SERVER: OnceCell<Postgres> = OnceCell::const_new();
        SERVER
            .get_or_init(|| async {
                let server = Self::start().await;
                server.create(TEMPLATE, None).await;
                let database = Database::connect(Location::parse(&server.url(TEMPLATE)).unwrap(), &Options::default())
                    .await
                    .unwrap();
                database.migrate().await.unwrap();
                database.close().await;
                server
            })
            .await
    }

    async fn start() -> Self {
        let binaries = binaries();
        let directory = TempDir::new().unwrap().keep();
        let (data, socket) = (directory.join("data"), directory.join("socket"));
        std::fs::create_dir(&socket).unwrap();
        // PostgreSQL refuses to run as root; the package made a user for it.
        let is_root =
            std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
        let switch: &[&str] =
            if is_root { &["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] } else { &["env"] };
        if is_root {
            let owned = Command::new("chown").args(["-R", "postgres:postgres"]).arg(&directory).status().unwrap();
            assert!(owned.success(), "the user `postgres` is missing; `make setup` installs PostgreSQL");
        }
        let run = |program: &str| {
            let mut command = Command::new(switch[0]);
            command.args(&switch[1..]).arg(binaries.join(program)).current_dir("/");
            command
        };
        let made = run("initdb")
            .args(["--username=rustbill", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        let script = format!(
            "{} {}/postgres -D {} -k {} -c listen_addresses='' -c max_connections=400 -c shared_buffers=64MB >{}/log 2>&1 & \
             server=$!; read -r _; kill -QUIT $server; wait $server; rm -rf {}",
            switch.join(" "),
            binaries.display(),
            data.display(),
            socket.display(),
            // The log is written by this shell, not by the server's user.
            directory.display(),
            directory.display(),
        );
        // In a group of its own: Ctrl-C ends the tests, and their end is what stops the server.
        let watch = Command::new("sh")
            .args(["-c", &script])
            .current_dir("/")
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let server = Self { socket, _watch: watch };
        wait::until("PostgreSQL answers", async || PgConnection::connect(&server.url("postgres")).await.is_ok()).await;
        server
    }

    fn url(&self, database: &str) -> String {
        let socket = self.socket.display().to_string().replace('/', "%2F");
        format!("postgres://rustbill@{socket}/{database}")
    }

    async fn create(&self, name: &str, template: Option<&str>) {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let template = template.map(|template| format!(" TEMPLATE {template}")).unwrap_or_default();
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}{template}"))).await.unwrap();
    }
}

/// Where Debian puts the newest server's programs, or wherever the PATH has them.
fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|path| path.join("postgres").exists())
        .collect();
    found.sort();
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|directory: &PathBuf| Path::new(directory).join("postgres").exists())
    };
    found.pop().or_else(on_path).expect("PostgreSQL is not installed; `make setup` installs it")
}
