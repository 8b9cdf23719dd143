//! The worker: takes events from the outbox and acts on them, several at once, and looks for new plugins now and then,
//! asks interfaces for their health, seals the operation log, forgets answers, sessions, tokens and codes that expired,
//! notices invoices that were not paid in time, and asks gateways about payments of which no notice came. Above all slices;
//! nothing imports it but the server.
//!
//! It is rung when this process leaves an event, and looks by itself every second for those of other processes (the
//! command line, other servers) and for retries that are due.

mod ask;
mod end;
mod handle;
mod health;
mod overdue;
mod pending;
mod power;
mod provision;
mod purge;
mod seal;
mod turns;

use std::time::Duration;

use tokio::{
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use self::turns::Turns;
use crate::core::{
    actor::Actor,
    app::App,
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

/// Starts the worker; it ends some time after `shutdown` is cancelled.
#[must_use]
pub fn start(app: App, shutdown: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        let scanner = tokio::spawn(scan_now_and_then(app.clone(), shutdown.clone()));
        let sealer = tokio::spawn(seal::seal_now_and_then(app.clone(), shutdown.clone()));
        let purger = tokio::spawn(purge::purge_now_and_then(app.clone(), shutdown.clone()));
        let overdue = tokio::spawn(overdue::look_now_and_then(app.clone(), shutdown.clone()));
        let health = tokio::spawn(health::check_now_and_then(app.clone(), shutdown.clone()));
        let asker = tokio::spawn(ask::ask_now_and_then(app.clone(), shutdown.clone()));
        let worker = Id::generate();
        if !app.database.is_postgres()
            && let Err(error) = release_claims(&app).await
        {
            tracing::error!(%error, "claims of an earlier run could not be released; they will run out");
        }
        let mut running = JoinSet::new();
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = app.wake.notified() => {}
                _ = poll.tick() => {}
                Some(_) = running.join_next() => {}
            }
            take(&app, worker, &mut running).await;
        }
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("some events are still being worked on; the next start takes them over");
        }
        // It writes; what it began shall be over when the worker is.
        let overdue_abort = overdue.abort_handle();
        if tokio::time::timeout(DRAIN, overdue).await.is_err() {
            overdue_abort.abort();
        }
        scanner.abort();
        health.abort();
        // Cut off anywhere it leaves a question to the next time.
        asker.abort();
        sealer.abort();
        purger.abort();
    })
}

/// SQLite has one server: whoever held a claim before this start is gone.
async fn release_claims(app: &App) -> Result<()> {
    let mut tx = app.database.begin().await?;
    outbox::release_all(&mut tx, app.clock.now()).await?;
    tx.commit().await
}

/// Claims as many events as there is room for, and starts on them.
async fn take(app: &App, worker: Id, running: &mut JoinSet<()>) {
    let room = CONCURRENCY.saturating_sub(running.len());
    if room == 0 {
        return;
    }
    match claim(app, worker, room).await {
        Ok(claims) => {
            for claim in claims {
                let app = app.clone();
                running.spawn(async move { handle::handle(&app, &claim).await });
            }
        }
        Err(error) => tracing::error!(%error, "events could not be claimed"),
    }
}

async fn claim(app: &App, worker: Id, room: usize) -> Result<Vec<Claim>> {
    // Looking costs a reader; only finding something costs the one writer of SQLite.
    if !outbox::has_due(&app.database, app.clock.now()).await? {
        return Ok(Vec::new());
    }
    let mut tx = app.database.begin().await?;
    let claims = outbox::claim(&mut tx, app.clock.now(), worker, i64::try_from(room).unwrap_or(1)).await?;
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
