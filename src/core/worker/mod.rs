//! The worker: takes events from the outbox and acts on them, several at once, and looks for new plugins now and then,
//! asks interfaces for their health, seals the operation log, checks the books every night, forgets answers, sessions,
//! tokens and codes that expired, notices invoices and orders that were not paid in time, and asks gateways about payments
//! of which no notice came. Above all slices; nothing imports it but the server.
//!
//! Where several servers share a database, each runs a worker, and what only one may do is done by the holder of a role
//! (`cluster`): its pieces of work are shifts (`shift.rs`). Only plugins are looked for, and what expired is forgotten, by
//! every server.
//!
//! The taker of events is rung when this process or another server leaves an event, and looks by itself every second for
//! those of the command line and for retries that are due.

mod ask;
mod end;
mod handle;
mod health;
mod nightly;
mod overdue;
mod pending;
mod power;
mod provision;
mod purge;
mod seal;
mod shift;
mod step;
mod turns;
mod unpaid;

use std::time::Duration;

use tokio::{
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

pub use self::step::{recover, step};
use self::turns::Turns;
use crate::core::{
    actor::Actor,
    app::App,
    cluster::{self, Fence, Instance, Member, Role, Roles},
    error::Result,
    id::Id,
    lock,
    outbox::{self, Claim},
    plugins,
};

/// Events that are worked on at once.
const CONCURRENCY: usize = 8;
/// How often it looks without being rung.
const POLL: Duration = Duration::from_secs(1);
/// How often it looks for plugins.
const SCAN: Duration = Duration::from_mins(5);
/// What servers take turns by, so that one compiles what is new and the others find it unchanged. Each has a directory of
/// its own, so each looks at it.
const SCAN_LOCK: &str = "plugin-scan";
/// How long a turn lasts at most, and how long a server waits for its own; then it scans without.
const SCAN_LEASE: Duration = Duration::from_secs(30);
const SCAN_PATIENCE: Duration = Duration::from_secs(10);
/// How long a stop waits for events that are being worked on; what is left is taken over by the next start.
const DRAIN: Duration = Duration::from_secs(20);

/// Starts the worker of a server that nobody else has to know; it ends some time after `shutdown` is cancelled.
#[must_use]
pub fn start(app: App, shutdown: CancellationToken) -> JoinHandle<()> {
    let instance = Instance::new(app.clock.now());
    start_as(app, instance, false, shutdown)
}

/// Starts the worker of this server, which joins the others; it ends some time after `shutdown` is cancelled, and then has
/// given back its roles. `has_migrated` as for [`Member::join`].
#[must_use]
pub fn start_as(app: App, instance: Instance, has_migrated: bool, shutdown: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        let member = Member::join(app.clone(), instance, has_migrated);
        let roles = member.roles();
        let scanner = tokio::spawn(scan_now_and_then(app.clone(), shutdown.clone()));
        let purger = tokio::spawn(purge::purge_now_and_then(app.clone(), shutdown.clone()));
        let sealer = tokio::spawn(seal::seal_now_and_then(app.clone(), roles.clone(), shutdown.clone()));
        let health = tokio::spawn(health::check_now_and_then(app.clone(), roles.clone(), shutdown.clone()));
        let nightly = tokio::spawn(nightly::check_when_due(app.clone(), roles.clone(), shutdown.clone()));
        let asker = tokio::spawn(ask::ask_now_and_then(app.clone(), roles.clone(), shutdown.clone()));
        let overdue = tokio::spawn(overdue::look_now_and_then(app.clone(), roles.clone(), shutdown.clone()));
        let unpaid = tokio::spawn(unpaid::look_now_and_then(app.clone(), roles.clone(), shutdown.clone()));
        let mut running = JoinSet::new();
        let mut taker = Taker { app: app.clone(), roles, begun: None };
        taker.run(&mut running, &shutdown).await;
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("some events are still being worked on; the next server takes them over");
        }
        if !running.is_empty() {
            running.shutdown().await;
            taker.give_back().await;
        }
        // They write; what they began shall be over when the worker is.
        for mut writing in [overdue, unpaid] {
            if tokio::time::timeout(DRAIN, &mut writing).await.is_err() {
                writing.abort();
            }
        }
        // Cut off anywhere they leave their work to the next time.
        for work in [scanner, health, nightly, asker, sealer, purger] {
            work.abort();
        }
        member.leave().await;
    })
}

/// Takes events while this server has the role for it.
struct Taker {
    app: App,
    roles: Roles,
    /// The take-over of the role that it has begun to work for.
    begun: Option<Fence>,
}

impl Taker {
    async fn run(&mut self, running: &mut JoinSet<()>, shutdown: &CancellationToken) {
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.app.wake.notified() => {}
                () = self.roles.changed() => {}
                _ = poll.tick() => {}
                Some(_) = running.join_next() => {}
            }
            if let Some(fence) = self.roles.fence(Role::EventWorker) {
                self.take(fence, running).await;
            }
        }
    }

    /// Claims as many events as there is room for, and starts on them.
    async fn take(&mut self, fence: Fence, running: &mut JoinSet<()>) {
        if self.begun != Some(fence) {
            if let Err(error) = self.begin(fence).await {
                tracing::error!(%error, "claims of an earlier holder could not be released; they will run out");
                return;
            }
            self.begun = Some(fence);
        }
        let room = CONCURRENCY.saturating_sub(running.len());
        if room == 0 {
            return;
        }
        match claim(&self.app, fence.holder, Some(fence), room).await {
            Ok(claims) => {
                for claim in claims {
                    let app = self.app.clone();
                    running.spawn(async move { handle::handle(&app, &claim).await });
                }
            }
            Err(error) => tracing::error!(%error, "events could not be claimed"),
        }
    }

    /// Frees what this server has in hand and will not bring to its end.
    async fn give_back(&self) {
        let Some(fence) = self.begun else { return };
        let release = async {
            let mut tx = self.app.database.begin().await?;
            outbox::release_of(&mut tx, self.app.clock.now(), fence.holder).await?;
            cluster::prove(&mut tx, Some(&fence)).await?;
            tx.commit().await
        };
        if let Err(error) = release.await {
            tracing::warn!(%error, "claims could not be given back; they run out");
        }
    }

    /// Frees what earlier holders had in hand: they can commit nothing any more. SQLite has one server, so there everybody
    /// who held a claim is gone.
    async fn begin(&self, fence: Fence) -> Result<()> {
        let predecessor = self.roles.predecessor(Role::EventWorker);
        let at = self.app.clock.now();
        let mut tx = self.app.database.begin().await?;
        if !self.app.database.is_postgres() {
            outbox::release_all(&mut tx, at).await?;
        } else if let Some(predecessor) = predecessor {
            outbox::release_of(&mut tx, at, predecessor).await?;
        }
        cluster::prove(&mut tx, Some(&fence)).await?;
        tx.commit().await
    }
}

/// Claims what is due, in the name of this worker and, where there are several servers, of its role.
async fn claim(app: &App, worker: Id, fence: Option<Fence>, room: usize) -> Result<Vec<Claim>> {
    // Looking costs a reader; only finding something costs the one writer of SQLite.
    if !outbox::has_due(&app.database, app.clock.now()).await? {
        return Ok(Vec::new());
    }
    let mut tx = app.database.begin().await?;
    let limit = i64::try_from(room).unwrap_or(1);
    let mut claims = outbox::claim(&mut tx, app.clock.now(), worker, limit).await?;
    for claim in &mut claims {
        claim.fence = fence;
    }
    cluster::prove(&mut tx, fence.as_ref()).await?;
    tx.commit().await?;
    Ok(claims)
}

async fn scan_now_and_then(app: App, shutdown: CancellationToken) {
    let actor = Actor::system("scanner");
    let mut turns = Turns::every(SCAN, shutdown);
    while turns.next().await {
        let turn = lock::take_or_go_on(&app, SCAN_LOCK, SCAN_LEASE, SCAN_PATIENCE).await;
        match plugins::scan(&app, &actor).await {
            Ok(report) => {
                for plugins::Broken { file, problem } in &report.broken {
                    tracing::warn!(file, problem, "a plugin can't be used");
                }
                for file in &report.changed {
                    tracing::warn!(file, "a plugin changed: {}", plugins::CHANGED);
                }
                tracing::info!(
                    added = report.added.len(),
                    updated = report.updated.len(),
                    changed = report.changed.len(),
                    unchanged = report.unchanged.len(),
                    broken = report.broken.len(),
                    gone = report.gone.len(),
                    removed = report.removed.len(),
                    "plugins scanned"
                );
            }
            Err(error) => tracing::error!(%error, "plugins could not be scanned"),
        }
        drop(turn);
    }
}
