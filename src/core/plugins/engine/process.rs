//! One worker process as the server sees it.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use super::error::{CallError, Returned};
use super::host::{Host, HostFunction, Scope};
use super::limits::Limits;
use super::protocol::{self, FromWorker, ToWorker};

/// How long a worker that was told to end, or has closed its pipe, may take to do so.
const EXIT_WAIT: Duration = Duration::from_secs(1);

/// How much of a dead worker's last words a message quotes, in bytes.
const LAST_WORDS_MAX: u64 = 600;

/// A running worker. Dropping it kills the process.
pub(super) struct Process {
    child: Child,
    to: ChildStdin,
    /// Buffered, so that the length of a frame and its body are one read.
    from: BufReader<ChildStdout>,
    stderr: ChildStderr,
    limits: Limits,
    /// The number of the last eviction that the worker was told of.
    pub(super) evictions_seen: u64,
    /// When it last finished a call.
    pub(super) idle_since: Instant,
}

impl Process {
    /// Starts a worker without environment, in the root directory, apart from the terminal's process group.
    pub(super) async fn start(executable: &Path, arguments: &[String], limits: Limits) -> Result<Self, CallError> {
        let failed = |why: &str| CallError::Unavailable(format!("`{}`: {why}", executable.display()));
        let mut command = Command::new(executable);
        command
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C in a terminal reaches the whole group; calls in progress should survive until the server drains.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(to), Some(from), Some(stderr)) = pipes else {
            return Err(failed("it has no pipes"));
        };
        let from = BufReader::new(from);
        let mut process = Self { child, to, from, stderr, limits, evictions_seen: 0, idle_since: Instant::now() };
        process.send(&ToWorker::Start { limits }).await?;
        Ok(process)
    }

    /// Sends a frame that fits or fails without harm to the worker.
    pub(super) async fn send(&mut self, frame: &ToWorker) -> Result<(), CallError> {
        let bytes = protocol::encode(frame, self.limits.frame_bytes).map_err(|why| CallError::Script {
            message: format!("the call's arguments make {why}"),
            line: 0,
            column: 0,
            host_function: String::new(),
        })?;
        match protocol::send(&mut self.to, &bytes).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.post_mortem(&error).await),
        }
    }

    /// Receives a frame.
    pub(super) async fn receive(&mut self) -> Result<FromWorker, CallError> {
        match protocol::receive(&mut self.from, self.limits.frame_bytes).await {
            Ok(frame) => Ok(frame),
            Err(error) => Err(self.post_mortem(&error).await),
        }
    }

    /// Calls a function of a script that the worker has loaded; `None` when it has not.
    pub(super) async fn call(
        &mut self,
        frame: &ToWorker,
        host: &dyn Host,
        scope: &Scope,
    ) -> Result<Option<Returned>, CallError> {
        self.send(frame).await?;
        loop {
            match self.receive().await? {
                FromWorker::Returned { result } => return result.map(Some),
                FromWorker::Unknown => return Ok(None),
                FromWorker::Log { level, text } => {
                    // The result of a log line is of no use to anybody.
                    let _ = ask(host, scope, HostFunction::Log, vec![level, text]).await;
                }
                FromWorker::Host { function, arguments } => {
                    self.answer(ask(host, scope, function, arguments).await).await?;
                }
                FromWorker::Inspected { .. } | FromWorker::Examined { .. } | FromWorker::Loaded { .. } => {
                    return Err(unexpected());
                }
            }
        }
    }

    async fn answer(&mut self, result: Result<String, String>) -> Result<(), CallError> {
        let frame = ToWorker::HostAnswer { result };
        if protocol::encode(&frame, self.limits.frame_bytes).is_ok() {
            return self.send(&frame).await;
        }
        let bytes_max = self.limits.frame_bytes;
        let message = format!("the answer of the host function is longer than the {bytes_max} bytes allowed");
        self.send(&ToWorker::HostAnswer { result: Err(message) }).await
    }

    /// Whether the process still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends an idle worker by closing its input, and kills it if that does not help.
    pub(super) async fn end(self) {
        let Self { mut child, to, .. } = self;
        drop(to);
        if timeout(EXIT_WAIT, child.wait()).await.is_err() {
            // It is killed when `child` is dropped at the latest.
            let _ = child.kill().await;
        }
    }

    /// Kills the worker and waits until it is gone.
    pub(super) async fn kill(mut self) {
        let _ = self.child.kill().await;
    }

    /// Why the pipe broke: the exit status and the last words of the process.
    async fn post_mortem(&mut self, error: &std::io::Error) -> CallError {
        let Ok(Ok(status)) = timeout(EXIT_WAIT, self.child.wait()).await else {
            return CallError::Crashed(format!("what it wrote makes no sense: {error}"));
        };
        let mut words = Vec::new();
        let mut stderr = (&mut self.stderr).take(LAST_WORDS_MAX);
        let _ = timeout(EXIT_WAIT, stderr.read_to_end(&mut words)).await;
        let words = String::from_utf8_lossy(&words);
        let words: Vec<&str> = words.split_whitespace().collect();
        let separator = if words.is_empty() { "" } else { ": " };
        CallError::Crashed(format!("{status}{separator}{}", words.join(" ")))
    }
}

/// Runs a host function. One that panics is a fault of ours, which ends the script's call and nothing else.
async fn ask(host: &dyn Host, scope: &Scope, function: HostFunction, arguments: Vec<String>) -> Result<String, String> {
    let outcome = AssertUnwindSafe(host.call(scope, function, arguments)).catch_unwind().await;
    outcome.unwrap_or_else(|_| {
        tracing::error!(?function, plugin = scope.plugin, "a host function panicked");
        Err("the host function failed inside the server; its log says more".to_owned())
    })
}

/// The worker broke the protocol.
pub(super) fn unexpected() -> CallError {
    CallError::Crashed("it sent an unexpected frame".to_owned())
}
