//! The way to Redis: connections that are lent, time-outs, and what happens after a failure.
//!
//! A connection carries one command at a time, so that one that is late delays no other, and is thrown away with its
//! connection: its answer can't be taken for another's. After any failure nobody asks any more; a task of its own probes
//! after each cool-down, so that no request pays for it. The log hears of each change once.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, Script, ScriptInvocation,
    aio::MultiplexedConnection,
};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::Patience;

/// What a probe tries: a script that writes, since a server that is full, read-only or still loading answers a mere
/// `PING`.
const PROBE: &str = "return redis.call('SET', KEYS[1], '1', 'PX', 1000)";

/// What is asked.
pub(super) enum Question {
    /// One command.
    Command(Cmd),
    /// A script, sent by its hash where the server knows it.
    Script(ScriptInvocation<'static>),
}

/// Why there was no answer.
enum Problem {
    Late(&'static str, Duration),
    Redis(RedisError),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(what, limit) => write!(f, "{what} took more than {limit:?}"),
            Self::Redis(error) => error.fmt(f),
        }
    }
}

/// The way to one server.
pub(super) struct Link {
    client: Client,
    location: String,
    patience: Patience,
    probe: Script,
    probe_key: String,
    /// One for each connection that may be open.
    places: Semaphore,
    idle: Mutex<Vec<MultiplexedConnection>>,
    is_away: AtomicBool,
    /// Whether the log was told that it is used.
    is_known: AtomicBool,
}

impl Link {
    pub(super) fn new(client: Client, places: usize, prefix: &str, patience: Patience) -> Self {
        let info = client.get_connection_info();
        Self {
            location: format!("{}/{}", info.addr(), info.redis_settings().db()),
            patience,
            probe: Script::new(PROBE),
            probe_key: format!("{prefix}:probe"),
            places: Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)),
            idle: Mutex::default(),
            is_away: AtomicBool::new(false),
            is_known: AtomicBool::new(false),
            client,
        }
    }

    pub(super) fn location(&self) -> &str {
        &self.location
    }

    /// Whether a question would have to wait for its turn, or is not asked at all.
    pub(super) fn is_busy(&self) -> bool {
        self.is_away() || self.places.available_permits() == 0
    }

    /// Whether there is no Redis now; then nobody needs to prepare a question.
    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    /// The answer, or none when there is no Redis now.
    pub(super) async fn ask<T: FromRedisValue>(self: &Arc<Self>, question: &Question) -> Option<T> {
        if self.is_away() {
            return None;
        }
        // That all connections are lent is no failure of the server.
        let _place = timeout(self.patience.command, self.places.acquire()).await.ok()?.ok()?;
        // Whoever was in front may have found out.
        if self.is_away() {
            return None;
        }
        // On the heap: every operation that revokes something holds this future.
        match Box::pin(self.attempt(question)).await {
            Ok(answer) => {
                self.found();
                Some(answer)
            }
            Err(problem) => {
                self.lost(&problem);
                None
            }
        }
    }

    /// Tries it now, so that the log says at the start how things are.
    pub(super) async fn greet(self: &Arc<Self>) {
        match Box::pin(self.try_out()).await {
            Ok(()) => self.found(),
            Err(problem) => self.lost(&problem),
        }
    }

    async fn try_out(&self) -> Result<(), Problem> {
        let mut call = self.probe.prepare_invoke();
        call.key(&self.probe_key);
        let mut connection = self.connect().await?;
        self.in_time(call.invoke_async::<String>(&mut connection)).await?;
        self.keep(connection);
        Ok(())
    }

    async fn attempt<T: FromRedisValue>(&self, question: &Question) -> Result<T, Problem> {
        if let Some(mut connection) = self.lend() {
            match self.put(question, &mut connection).await {
                Ok(answer) => {
                    self.keep(connection);
                    return Ok(answer);
                }
                // The server may close what nobody used, or was started anew: that alone is no failure.
                Err(Problem::Redis(error)) if error.is_io_error() || error.is_connection_dropped() => self.discard(),
                Err(problem) => return Err(problem),
            }
        }
        let mut connection = self.connect().await?;
        let answer = self.put(question, &mut connection).await?;
        self.keep(connection);
        Ok(answer)
    }

    async fn put<T: FromRedisValue>(
        &self,
        question: &Question,
        connection: &mut MultiplexedConnection,
    ) -> Result<T, Problem> {
        match question {
            Question::Command(command) => self.in_time(command.query_async(connection)).await,
            Question::Script(call) => self.in_time(call.invoke_async(connection)).await,
        }
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, Problem> {
        let limit = self.patience.command;
        timeout(limit, answer).await.map_err(|_| Problem::Late("a command", limit))?.map_err(Problem::Redis)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Problem> {
        // The limits are ours; the library's own would come on top.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let limit = self.patience.connect;
        let made = self.client.get_multiplexed_async_connection_with_config(&config);
        timeout(limit, made).await.map_err(|_| Problem::Late("connecting", limit))?.map_err(Problem::Redis)
    }

    fn lend(&self) -> Option<MultiplexedConnection> {
        self.idle.lock().ok()?.pop()
    }

    fn keep(&self, connection: MultiplexedConnection) {
        if !self.is_away()
            && let Ok(mut idle) = self.idle.lock()
        {
            idle.push(connection);
        }
    }

    fn discard(&self) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.clear();
        }
    }

    fn found(&self) {
        if !self.is_away() && !self.is_known.swap(true, Ordering::AcqRel) {
            tracing::info!(redis = %self.location, "Redis is used for sessions, limits and locks");
        }
    }

    /// Notes a failure; the first one tells the log and starts to probe.
    fn lost(self: &Arc<Self>, problem: &Problem) {
        if self.is_away.swap(true, Ordering::AcqRel) {
            return;
        }
        self.discard();
        tracing::warn!(
            redis = %self.location,
            %problem,
            "Redis can't be used; sessions are read from the database, each server counts its own limits, and locks are \
             the database's"
        );
        let (link, cool_down) = (Arc::downgrade(self), self.patience.cool_down);
        tokio::spawn(async move {
            loop {
                sleep(cool_down).await;
                // Nobody is left who could ask.
                let Some(link) = link.upgrade() else { return };
                if link.try_out().await.is_ok() {
                    link.is_known.store(true, Ordering::Release);
                    link.is_away.store(false, Ordering::Release);
                    tracing::info!(redis = %link.location, "Redis is used again");
                    return;
                }
            }
        });
    }
}
