//! Which hosts are left alone for a while, and how many requests one host may hold at once.
//!
//! A host that fails again and again is not asked for some time, so that nobody waits for it; then one request looks
//! whether it is back. A host that is merely slow holds a few requests and no more: the others are told so at once,
//! instead of filling all plugin processes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::core::{
    error::{Error, Result},
    time::{Clock, Timestamp},
};

/// Failures in a row after which a host is left alone.
const FAILURES_MAX: u32 = 5;
/// How long it is left alone before one request may look.
const OPEN_FOR: TimeDelta = TimeDelta::seconds(30);
/// Requests that one host may hold at once: some of the plugin processes stay free for others.
const REQUESTS_MAX: usize = 6;
/// How long a request waits for its turn at a busy host.
const TURN_WAIT: Duration = Duration::from_secs(3);
/// Hosts that are remembered; the one that was used longest ago is forgotten for a new one.
const HOSTS_MAX: usize = 1_000;

/// All hosts that were asked. Cheap to clone; clones know the same.
#[derive(Clone)]
pub(super) struct Hosts {
    clock: Clock,
    known: Arc<Mutex<HashMap<String, Arc<Host>>>>,
}

/// A host that failed again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// The host and its port.
    pub host: String,
    /// Since when it is left alone.
    pub since: Timestamp,
    /// Whether that time is over, and one request may look or looks whether it is back.
    pub may_be_asked: bool,
}

struct Host {
    name: String,
    turns: Arc<Semaphore>,
    circuit: Mutex<Circuit>,
}

#[derive(Clone, Copy)]
struct Circuit {
    /// Failures in a row.
    failures: u32,
    /// Since when the host is left alone.
    opened_at: Option<Timestamp>,
    /// Whether a request looks at this moment.
    is_probed: bool,
    used_at: Timestamp,
}

impl Circuit {
    /// Until when the host is left alone; nothing when it may be asked.
    fn closed_until(&self, now: Timestamp) -> Option<Timestamp> {
        let opened_at = self.opened_at?;
        let until = opened_at.plus(OPEN_FOR);
        // A clock that was set back must not lock a host out for longer than that.
        let is_waiting = now >= opened_at && now < until;
        (is_waiting || self.is_probed).then(|| until.max(now))
    }
}

impl Hosts {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, known: Arc::default() }
    }

    /// Waits for a turn at `name`, which is a scheme, a host and a port: what listens at another port, or speaks
    /// otherwise, is another program. Nobody waits for longer than until `deadline`.
    ///
    /// # Errors
    /// `http.left_alone` while the host is left alone; `http.busy` when it holds too many requests.
    pub(super) async fn enter(&self, name: &str, deadline: Instant) -> Result<Turn> {
        let host = self.host(name);
        host.check(self.clock.now())?;
        let until = deadline.min(Instant::now() + TURN_WAIT);
        let Ok(Ok(permit)) = timeout_at(until, Arc::clone(&host.turns).acquire_owned()).await else {
            let words = format!("`{name}` is busy: {REQUESTS_MAX} requests wait for its answer already");
            return Err(Error::unavailable("http.busy", words));
        };
        // Others may have met its end meanwhile.
        let is_probe = host.admit(self.clock.now())?;
        Ok(Turn { host, clock: self.clock.clone(), is_probe, is_over: false, _permit: permit })
    }

    /// The hosts that are left alone or looked at, with since when, in the order of their names.
    pub(super) fn left_alone(&self) -> Vec<LeftAlone> {
        let now = self.clock.now();
        let known: Vec<Arc<Host>> = lock(&self.known).values().map(Arc::clone).collect();
        let mut found: Vec<LeftAlone> = known
            .iter()
            .filter_map(|host| {
                let circuit = *lock(&host.circuit);
                let since = circuit.opened_at?;
                let may_be_asked = circuit.is_probed || circuit.closed_until(now).is_none();
                Some(LeftAlone { host: host.name.clone(), since, may_be_asked })
            })
            .collect();
        found.sort_by(|one, other| one.host.cmp(&other.host));
        found
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let now = self.clock.now();
        let mut known = lock(&self.known);
        if let Some(host) = known.get(name) {
            lock(&host.circuit).used_at = now;
            return Arc::clone(host);
        }
        if known.len() >= HOSTS_MAX {
            let oldest = known.values().min_by_key(|host| lock(&host.circuit).used_at).map(|host| host.name.clone());
            known.remove(&oldest.unwrap_or_default());
        }
        let circuit = Circuit { failures: 0, opened_at: None, is_probed: false, used_at: now };
        let host = Arc::new(Host {
            name: name.to_owned(),
            turns: Arc::new(Semaphore::new(REQUESTS_MAX)),
            circuit: Mutex::new(circuit),
        });
        known.insert(name.to_owned(), Arc::clone(&host));
        host
    }
}

impl Host {
    fn check(&self, now: Timestamp) -> Result<()> {
        self.refuse(*lock(&self.circuit), now)
    }

    /// As [`Host::check`]; says whether this request is the one that looks.
    fn admit(&self, now: Timestamp) -> Result<bool> {
        let mut circuit = lock(&self.circuit);
        self.refuse(*circuit, now)?;
        circuit.is_probed = circuit.opened_at.is_some();
        Ok(circuit.is_probed)
    }

    fn refuse(&self, circuit: Circuit, now: Timestamp) -> Result<()> {
        let Some(until) = circuit.closed_until(now) else { return Ok(()) };
        let (name, failures) = (&self.name, circuit.failures);
        let words = format!("`{name}` is left alone until {until}: its last {failures} requests failed");
        Err(Error::unavailable("http.left_alone", words))
    }
}

/// A request's turn at a host. Dropped without a word, the request was given up and tells nothing of the host.
pub struct Turn {
    host: Arc<Host>,
    clock: Clock,
    is_probe: bool,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// The host answered.
    pub fn succeeded(mut self) {
        let mut circuit = lock(&self.host.circuit);
        if circuit.opened_at.is_some() {
            tracing::warn!(host = self.host.name, "circuit closed: the host answers again");
        }
        (circuit.failures, circuit.opened_at, circuit.is_probed) = (0, None, false);
        drop(circuit);
        self.is_over = true;
    }

    /// The host could not be reached, gave no complete answer, or says itself that it can't work.
    pub fn failed(mut self) {
        let mut circuit = lock(&self.host.circuit);
        circuit.failures = circuit.failures.saturating_add(1);
        // Of requests that began before the host was given up, none moves the end any further.
        if circuit.failures >= FAILURES_MAX && (circuit.opened_at.is_none() || self.is_probe) {
            let now = self.clock.now();
            circuit.opened_at = Some(now);
            let (host, failures, until) = (&self.host.name, circuit.failures, now.plus(OPEN_FOR));
            tracing::warn!(host, failures, %until, "circuit open: the host is left alone");
        }
        if self.is_probe {
            circuit.is_probed = false;
        }
        drop(circuit);
        self.is_over = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_probe && !self.is_over {
            lock(&self.host.circuit).is_probed = false;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const HOST: &str = "https://h.example:443";

    /// Enters with more time than a turn takes.
    async fn enter(hosts: &Hosts, name: &str) -> Result<Turn> {
        hosts.enter(name, Instant::now() + TURN_WAIT * 2).await
    }

    async fn fail(hosts: &Hosts, times: u32) {
        for _ in 0..times {
            enter(hosts, HOST).await.unwrap().failed();
        }
    }

    async fn refusal(hosts: &Hosts) -> String {
        let Err(error) = enter(hosts, HOST).await else { panic!("the host is asked") };
        assert_eq!(error.code(), "http.left_alone");
        error.to_string()
    }

    #[tokio::test]
    async fn a_host_that_fails_is_left_alone_and_looked_at_by_one() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let hosts = Hosts::new(clock.clone());
        fail(&hosts, 4).await;
        enter(&hosts, HOST).await.unwrap().succeeded();
        fail(&hosts, 4).await;
        let (fifth, late) = (enter(&hosts, HOST).await.unwrap(), enter(&hosts, HOST).await.unwrap());
        fifth.failed();
        assert!(refusal(&hosts).await.contains("until 1970-01-01T00:00:30Z: its last 5 requests failed"));
        let left = |may_be_asked| LeftAlone {
            host: HOST.to_owned(),
            since: Timestamp::new(DateTime::UNIX_EPOCH),
            may_be_asked,
        };
        assert_eq!(hosts.left_alone(), [left(false)]);
        for other in ["https://h.example:8443", "http://h.example:443", "http://h.example:80"] {
            assert!(enter(&hosts, other).await.is_ok(), "{other} is another program");
        }
        clock.advance(TimeDelta::seconds(29));
        // Began before, and so tells nothing new.
        late.failed();
        refusal(&hosts).await;
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(hosts.left_alone(), [left(true)]);
        let probe = enter(&hosts, HOST).await.unwrap();
        refusal(&hosts).await;
        assert_eq!(hosts.left_alone(), [left(true)]);
        probe.failed();
        assert!(refusal(&hosts).await.contains("until 1970-01-01T00:01:00Z"));
        clock.advance(TimeDelta::seconds(30));
        // One that is given up leaves the looking to the next.
        drop(enter(&hosts, HOST).await.unwrap());
        enter(&hosts, HOST).await.unwrap().succeeded();
        assert_eq!(hosts.left_alone(), []);
        fail(&hosts, 4).await;
        assert!(enter(&hosts, HOST).await.is_ok());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_locks_nobody_out() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let hosts = Hosts::new(clock.clone());
        fail(&hosts, FAILURES_MAX).await;
        clock.advance(TimeDelta::hours(-1));
        assert!(enter(&hosts, HOST).await.is_ok());
    }

    #[tokio::test]
    async fn a_bounded_number_of_hosts_is_remembered() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let hosts = Hosts::new(clock.clone());
        fail(&hosts, FAILURES_MAX).await;
        for number in 0..HOSTS_MAX {
            clock.advance(TimeDelta::microseconds(1));
            drop(enter(&hosts, &format!("https://h{number}.example:443")).await.unwrap());
        }
        assert_eq!(lock(&hosts.known).len(), HOSTS_MAX);
        assert!(enter(&hosts, HOST).await.is_ok(), "the oldest was forgotten");
    }

    #[tokio::test]
    async fn a_slow_host_holds_a_few_requests_and_no_more() {
        let hosts = Hosts::new(Clock::manual(DateTime::UNIX_EPOCH));
        let mut held = Vec::new();
        for _ in 0..REQUESTS_MAX {
            held.push(enter(&hosts, HOST).await.unwrap());
        }
        let Err(error) = enter(&hosts, HOST).await else { panic!("one too many") };
        assert_eq!(error.code(), "http.busy");
        assert!(enter(&hosts, "https://other.example:443").await.is_ok());
        let begun = Instant::now();
        let hasty = hosts.enter(HOST, begun + Duration::from_millis(20)).await;
        assert!(hasty.is_err_and(|error| error.code() == "http.busy"));
        assert!(begun.elapsed() < TURN_WAIT, "nobody waits beyond the end of the whole");
        held.pop();
        assert!(enter(&hosts, HOST).await.is_ok());
    }
}
