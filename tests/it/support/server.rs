//! Servers: in this process on a free port, or the program itself, which can be killed.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use rustbill::{
    core::{app::App, settings::Settings},
    server::{self, grpc::protocol::rustbill as proto},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use super::world::{PASSWORD, PROGRAM, World};
use proto::identity::{LoginRequest, identity_service_client::IdentityServiceClient};

/// A server in this process.
pub(crate) struct InProcess {
    pub(crate) address: String,
    shutdown: CancellationToken,
    task: Option<JoinHandle<rustbill::core::error::Result<()>>>,
}

impl InProcess {
    pub(crate) async fn start(world: &World) -> Self {
        Self::start_with(world, |_| ()).await
    }

    /// With other settings than the world's.
    pub(crate) async fn start_with(world: &World, change: impl FnOnce(&mut Settings)) -> Self {
        let mut app = world.app.clone();
        change(Arc::make_mut(&mut app.settings));
        Self::start_app(app).await
    }

    /// Of an application that is not quite the world's.
    pub(crate) async fn start_app(app: App) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(server::serve(app, listener, shutdown.clone()));
        Self { address, shutdown, task: Some(task) }
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        self.task.take().unwrap().await.unwrap().unwrap();
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A connection to a server.
pub(crate) async fn channel(address: &str) -> Channel {
    Endpoint::from_shared(address.to_owned()).unwrap().connect().await.unwrap()
}

/// The program itself.
pub(crate) struct Program {
    pub(crate) address: String,
    child: Child,
}

impl Program {
    /// Starts `rustbill serve` and waits until it says where it is.
    pub(crate) fn start(config: &Path) -> Self {
        Self::start_with(config, |_| ())
    }

    /// With what the command needs besides, such as variables.
    pub(crate) fn start_with(config: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(PROGRAM);
        command
            .args(["serve", "--config"])
            .arg(config)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("RUSTBILL_HOME", config.parent().unwrap())
            .stdout(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.find_map(|line| line.ok()?.strip_prefix("RustBill is ready at ").map(str::to_owned));
        let address = ready.unwrap_or_else(|| panic!("the server did not start: {:?}", child.wait()));
        // What else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { address, child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The exit code, once it ended by itself.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let killed = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(killed.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request with a bearer token.
pub(crate) fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// Logs the administrator in and returns the session's token.
pub(crate) async fn admin_token(channel: &Channel) -> String {
    let request =
        LoginRequest { username: "admin".to_owned(), password: PASSWORD.to_owned(), user_type: "admin".to_owned() };
    let response = IdentityServiceClient::new(channel.clone()).login(request).await.unwrap();
    let cookie = response.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned();
    cookie.split(['=', ';']).nth(1).unwrap().to_owned()
}

/// Logs a customer's user in and returns the access token.
pub(crate) async fn customer_token(channel: &Channel, username: &str) -> String {
    let request =
        LoginRequest { username: username.to_owned(), password: PASSWORD.to_owned(), user_type: "customer".to_owned() };
    IdentityServiceClient::new(channel.clone()).login(request).await.unwrap().into_inner().access_token
}
