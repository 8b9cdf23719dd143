//! The server's side: hands calls to worker processes, stops those that last too long, and lets idle workers go.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::error::{CallError, InspectError, Returned};
use super::host::{Host, Scope};
use super::kind::Kind;
use super::limits::Limits;
use super::process::{Process, unexpected};
use super::protocol::{FromWorker, ToWorker};
use super::queue::Queue;
use super::script::{Examined, Inspected, ScriptKey};

/// How many workers may run at once, unless configured.
pub const WORKERS_MAX_DEFAULT: usize = 8;

/// The most workers that can be configured.
const WORKERS_MOST: usize = 1_024;

/// How long a worker may idle before it is ended.
pub const WORKER_IDLE: Duration = Duration::from_mins(1);

/// How many evictions are remembered; a worker that missed more forgets everything.
const EVICTIONS_KEPT: usize = 64;

/// How the engine finds and bounds its workers.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The program to start as a worker, usually the server's own.
    pub executable: PathBuf,
    /// Its arguments; those of [`EngineConfig::new`] are `["plugin-worker"]`.
    pub arguments: Vec<String>,
    /// How many workers may run at once, at least one.
    pub workers_max: usize,
    /// The limits of every call.
    pub limits: Limits,
}

impl EngineConfig {
    /// The defaults for a worker program.
    #[must_use]
    pub fn new(executable: impl Into<PathBuf>) -> Self {
        Self {
            executable: executable.into(),
            arguments: vec!["plugin-worker".to_owned()],
            workers_max: WORKERS_MAX_DEFAULT,
            limits: Limits::default(),
        }
    }
}

/// Runs plugin scripts in worker processes. Clones share the workers.
#[derive(Clone)]
pub struct Engine {
    pool: Arc<Pool>,
    /// The longest that a call may take once it began.
    wall: Duration,
}

struct Pool {
    config: EngineConfig,
    host: Arc<dyn Host>,
    queue: Queue,
    state: Mutex<State>,
    /// Whether a task waits for idle workers to grow old.
    reaping: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The worker used last is at the end and is used next, so that the others can grow old.
    idle: Vec<Process>,
    /// How many evictions there ever were.
    evicted: u64,
    /// The hashes of the last of them, oldest first.
    evictions: VecDeque<String>,
}

impl Engine {
    /// Makes an engine. No worker starts before the first call.
    #[must_use]
    pub fn start(mut config: EngineConfig, host: Arc<dyn Host>) -> Self {
        config.workers_max = config.workers_max.clamp(1, WORKERS_MOST);
        let pool = Pool {
            queue: Queue::new(config.workers_max, config.limits.wall),
            state: Mutex::default(),
            reaping: AtomicBool::new(false),
            config,
            host,
        };
        Self { wall: pool.config.limits.wall, pool: Arc::new(pool) }
    }

    /// The same workers with less time for each call. How long a call waits for its turn stays as it is.
    #[must_use]
    pub fn with_wall(mut self, wall: Duration) -> Self {
        self.wall = wall.min(self.wall);
        self
    }

    /// Checks a script against the contract of its kind and reads its version and configuration schema.
    ///
    /// # Errors
    /// [`InspectError::Issues`] with everything wrong in the script, or why the engine could not check it.
    pub async fn inspect(&self, kind: Kind, name: &str, source: &str) -> Result<Inspected, InspectError> {
        // Checked here too, as the frame of a much longer one would not pass.
        if let Some(issue) = self.pool.config.limits.too_long(source) {
            return Err(InspectError::Issues(vec![issue]));
        }
        let frame = ToWorker::Inspect { kind, name: name.to_owned(), source: source.to_owned() };
        let read = |answer| match answer {
            FromWorker::Inspected { result } => Some(result),
            _ => None,
        };
        self.look(&frame, read).await?.map_err(InspectError::Issues)
    }

    /// Looks at a script for its author: its functions, its problems with advice, and what is probably not meant.
    ///
    /// # Errors
    /// Why the engine could not look at it. A broken script is no error but the answer.
    pub async fn examine(&self, kind: Kind, name: &str, source: &str) -> Result<Examined, CallError> {
        if let Some(issue) = self.pool.config.limits.too_long(source) {
            return Ok(Examined::broken(issue));
        }
        let frame = ToWorker::Examine { kind, name: name.to_owned(), source: source.to_owned() };
        let read = |answer| match answer {
            FromWorker::Examined { examined } => Some(examined),
            _ => None,
        };
        self.look(&frame, read).await
    }

    /// Has a worker look at a script that belongs to no interface. `read` takes the answer that was asked for.
    async fn look<T>(&self, frame: &ToWorker, read: impl FnOnce(FromWorker) -> Option<T>) -> Result<T, CallError> {
        self.pool
            .with_worker(Uuid::nil(), self.wall, async |worker| {
                worker.send(frame).await?;
                match worker.receive().await? {
                    // Sent in place of an answer that does not fit into a frame.
                    FromWorker::Returned { result: Err(error) } => Err(error),
                    answer => read(answer).ok_or_else(unexpected),
                }
            })
            .await
    }

    /// Calls one function of a script with the merged configuration.
    ///
    /// `source` is sent to the worker only if it has not compiled this `key` yet.
    ///
    /// # Errors
    /// See [`CallError`]; an error that the function returns is not one of them but part of [`Returned`].
    pub async fn call(
        &self,
        kind: Kind,
        key: &ScriptKey,
        source: &Arc<str>,
        function: &str,
        merged: serde_json::Value,
        scope: Scope,
    ) -> Result<Returned, CallError> {
        let call = ToWorker::Call {
            kind,
            hash: key.hash.clone(),
            function: function.to_owned(),
            argument: merged.to_string(),
        };
        let host = &*self.pool.host;
        self.pool
            .with_worker(scope.interface_id, self.wall, async |worker| {
                if let Some(returned) = worker.call(&call, host, &scope).await? {
                    return Ok(returned);
                }
                let load = ToWorker::Load {
                    kind,
                    hash: key.hash.clone(),
                    name: key.name.clone(),
                    source: source.as_ref().to_owned(),
                };
                worker.send(&load).await?;
                match worker.receive().await? {
                    FromWorker::Loaded { result } => result.map_err(CallError::Compile)?,
                    _ => return Err(unexpected()),
                }
                worker.call(&call, host, &scope).await?.ok_or_else(unexpected)
            })
            .await
    }

    /// Makes every worker forget a script before its next call, so that the next use compiles it again.
    pub fn evict(&self, key: &ScriptKey) {
        let mut state = self.pool.state();
        state.evicted += 1;
        state.evictions.push_back(key.hash.clone());
        if state.evictions.len() > EVICTIONS_KEPT {
            state.evictions.pop_front();
        }
    }

    /// Waits for the running calls, ends all workers and refuses further calls.
    pub async fn shutdown(&self) {
        self.pool.queue.close().await;
        let idle = std::mem::take(&mut self.pool.state().idle);
        for worker in idle {
            worker.end().await;
        }
    }

    /// How many workers the calls of an interface hold at the moment, for health pages and tests.
    #[must_use]
    pub fn running(&self, interface: Uuid) -> usize {
        self.pool.queue.turns_of(interface)
    }

    /// How many idle workers are kept at the moment, for health pages and tests.
    #[must_use]
    pub fn idle_workers(&self) -> usize {
        self.pool.state().idle.len()
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends a worker to `work` for as long as `wall`, which counts from when it begins and not from when it began to
    /// wait. A worker that fails or is late is replaced, not reused.
    async fn with_worker<T>(
        self: &Arc<Self>,
        interface: Uuid,
        wall: Duration,
        work: impl AsyncFnOnce(&mut Process) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let _turn = self.queue.turn(interface).await?;
        let deadline = Instant::now() + wall;
        let mut worker = self.take().await?;
        let outcome = tokio::time::timeout_at(deadline, async {
            self.tell_evictions(&mut worker).await?;
            work(&mut worker).await
        })
        .await;
        match outcome {
            Err(_) => {
                worker.kill().await;
                Err(CallError::Timeout(wall))
            }
            // One that filled its memory may be left with a large stack and heap.
            Ok(Err(error @ (CallError::Crashed(_) | CallError::Memory { .. }))) => {
                worker.kill().await;
                Err(error)
            }
            Ok(result) => {
                self.put_back(worker);
                result
            }
        }
    }

    async fn take(&self) -> Result<Process, CallError> {
        let mut idle = self.state().idle.pop();
        // One that died while it idled, for example killed by the system, is not worth an error.
        while let Some(mut worker) = idle {
            if worker.is_alive() {
                return Ok(worker);
            }
            idle = self.state().idle.pop();
        }
        let EngineConfig { executable, arguments, limits, .. } = &self.config;
        let mut worker = Process::start(executable, arguments, *limits).await?;
        worker.evictions_seen = self.state().evicted;
        Ok(worker)
    }

    async fn tell_evictions(&self, worker: &mut Process) -> Result<(), CallError> {
        let (frames, seen) = {
            let state = self.state();
            let missed = usize::try_from(state.evicted - worker.evictions_seen).unwrap_or(usize::MAX);
            let frames: Vec<ToWorker> = match state.evictions.len().checked_sub(missed) {
                Some(known) => {
                    let hashes = state.evictions.iter().skip(known).cloned();
                    hashes.map(|hash| ToWorker::Evict { hash: Some(hash) }).collect()
                }
                None => vec![ToWorker::Evict { hash: None }],
            };
            (frames, state.evicted)
        };
        for frame in &frames {
            worker.send(frame).await?;
        }
        worker.evictions_seen = seen;
        Ok(())
    }

    fn put_back(self: &Arc<Self>, mut worker: Process) {
        worker.idle_since = Instant::now();
        self.state().idle.push(worker);
        if !self.reaping.swap(true, Ordering::AcqRel) {
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }

    /// Takes out the workers that have idled long enough; returns them and when to look again.
    fn take_old(&self) -> (Vec<Process>, Option<Instant>) {
        let mut state = self.state();
        let now = Instant::now();
        // The list is in the order of last use, so the old ones stand in front.
        let old = state.idle.partition_point(|worker| worker.idle_since + WORKER_IDLE <= now);
        let taken = state.idle.drain(..old).collect();
        let next = state.idle.first().map(|worker| worker.idle_since + WORKER_IDLE);
        if next.is_none() {
            // Cleared under the lock, so that no worker put back meanwhile is left without a task.
            self.reaping.store(false, Ordering::Release);
        }
        (taken, next)
    }
}

/// Ends idle workers as they grow old, until none is left or the engine is gone.
async fn reap(pool: Weak<Pool>) {
    let mut at = Instant::now() + WORKER_IDLE;
    loop {
        sleep_until(at).await;
        let Some(pool) = pool.upgrade() else { return };
        let (old, next) = pool.take_old();
        for worker in old {
            worker.end().await;
        }
        let Some(next) = next else { return };
        at = next;
    }
}
