//! A Redis server of one test: it can be killed, stopped, and started again on the same address. It ends with the
//! process, however that ends.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use rustbill::core::{
    app::App,
    redis::{Patience, Redis},
    secret::Secret,
    settings::{self, Settings},
};
use tempfile::TempDir;

use super::{
    wait,
    world::{PROGRAM, World},
};

/// Below the ports that the system gives to connections, so that nobody takes one while its server is down.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// What a busy machine needs where a test is not about time-outs.
pub(crate) const PATIENT: Patience = Patience {
    connect: Duration::from_secs(20),
    command: Duration::from_secs(20),
    cool_down: Duration::from_millis(20),
};

/// The server.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    arguments: Vec<String>,
    /// What it keeps on disk.
    pub(crate) directory: TempDir,
    password: String,
    running: Mutex<Option<Running>>,
}

struct Running {
    pid: String,
    /// Its end closes the pipe that the watching shell reads from, and the shell ends the server.
    watch: Child,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        Self::start_with("", |_| Vec::new()).await
    }

    /// With a password, and arguments that depend on the directory.
    pub(crate) async fn start_with(password: &str, arguments: impl FnOnce(&std::path::Path) -> Vec<String>) -> Self {
        let directory = TempDir::new().unwrap();
        let mut arguments = arguments(directory.path());
        if !password.is_empty() {
            arguments.extend(["--requirepass".to_owned(), password.to_owned()]);
        }
        let server =
            Self { port: free_port(), arguments, directory, password: password.to_owned(), running: Mutex::default() };
        server.run().await;
        server
    }

    /// Starts it, again after [`RedisServer::kill`].
    pub(crate) async fn run(&self) {
        // The log of an earlier run says that it is ready, too.
        let _ = std::fs::remove_file(self.directory.path().join("log"));
        let directory = self.directory.path().display();
        let has_tls = self.arguments.iter().any(|argument| argument.starts_with("--tls"));
        let plain_port = if has_tls { 0 } else { self.port };
        let script = format!(
            "redis-server --port {plain_port} --bind 127.0.0.1 --save '' --dir {directory} {} >{directory}/log 2>&1 & \
             echo $!; read -r _; kill -KILL $!; wait $!",
            self.arguments.join(" "),
        );
        let mut watch = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut pid = String::new();
        BufReader::new(watch.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        *self.running.lock().unwrap() = Some(Running { pid: pid.trim().to_owned(), watch });
        let log = self.directory.path().join("log");
        wait::until("Redis is ready (`make setup` installs it)", async || {
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains("Ready to accept connections"))
        })
        .await;
    }

    pub(crate) fn url(&self) -> String {
        let login = if self.password.is_empty() { String::new() } else { format!(":{}@", self.password) };
        format!("redis://{login}127.0.0.1:{}", self.port)
    }

    fn signal(&self, signal: &str) {
        let running = self.running.lock().unwrap();
        let pid = &running.as_ref().unwrap().pid;
        assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
    }

    /// It hangs, as if the machine did.
    pub(crate) fn hang(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.signal("-KILL");
        let running = self.running.lock().unwrap().take();
        end(running);
    }

    fn connection(&self) -> ::redis::Connection {
        ::redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// What a command answers.
    pub(crate) fn ask<T: ::redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut sent = ::redis::cmd(command[0]);
        sent.arg(&command[1..]);
        sent.query(&mut self.connection()).unwrap()
    }

    pub(crate) fn keys(&self, pattern: &str) -> Vec<String> {
        self.ask(&["KEYS", pattern])
    }

    /// A number of `INFO stats`.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let info: String = self.ask(&["INFO", "stats"]);
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().parse().unwrap()
    }

    /// The application of another server on the world's database, which uses this Redis.
    pub(crate) async fn app(&self, world: &World, patience: Patience) -> App {
        app_at(world, &self.url(), patience, |_| ()).await
    }
}

/// As [`RedisServer::app`], for an address where perhaps nobody listens.
pub(crate) async fn app_at(world: &World, url: &str, patience: Patience, change: impl FnOnce(&mut Settings)) -> App {
    let mut settings = (*world.app.settings).clone();
    settings.redis =
        settings::Redis { enabled: true, url: Secret::new(url), prefix: "shop-1".to_owned(), ..settings.redis };
    change(&mut settings);
    let redis = Redis::open_with(&settings.redis, &settings.jwt.secret, patience).unwrap();
    let app = App::open_with_program(settings, world.app.clock.clone(), PROGRAM.into()).await.unwrap();
    App { redis: Some(redis), ..app }
}

/// A port at which nobody listens.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    let start = u16::try_from(std::process::id() * 37 % u32::from(span)).unwrap();
    loop {
        let port = PORTS.start + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % span;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn end(running: Option<Running>) {
    if let Some(mut running) = running {
        // A stopped process would not see the pipe's end; its shell does.
        drop(running.watch.stdin.take());
        let _ = running.watch.wait();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Ok(mut running) = self.running.lock() {
            end(running.take());
        }
    }
}
