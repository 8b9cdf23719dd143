//! A server's membership: one task that tells that it is there, renews its roles, takes those that are free, and gives
//! them back in the end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    HEARTBEAT, KEPT_FOR, LOOK, bell,
    election::may_take,
    model::{Fence, Instance, Pool, Role, RoleRow},
    roles::{Held, Lease, Roles},
    store,
};
use crate::core::{app::App, database::Tx, error::Result};

/// The wait after a turn that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// How long giving back may take before the leases are left to run out.
const LEAVE_MAX: Duration = Duration::from_secs(5);
/// A lease is renewed this often before it ends.
const RENEWALS_IN_LEASE: u32 = 3;

/// This server's membership. Dropped, it gives its roles back as [`Member::leave`] does, without anybody waiting for it: also
/// when whoever held it panicked.
pub struct Member {
    roles: Roles,
    task: JoinHandle<()>,
    stop: DropGuard,
}

impl Member {
    /// Joins the other servers: `instance` is registered and takes the roles that are free. `has_migrated` says that this
    /// process has just brought the schema up to date, which makes it the holder of that role, whoever had it.
    #[must_use]
    pub fn join(app: App, instance: Instance, has_migrated: bool) -> Self {
        let (held, roles) = watch::channel(Held::new());
        let stop = CancellationToken::new();
        let server = Server { app, instance, held, has_migrated, next_beat: Instant::now() };
        let task = tokio::spawn(server.run(stop.clone()));
        Self { roles: Roles(roles), task, stop: stop.drop_guard() }
    }

    /// The roles that it has.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.roles.clone()
    }

    /// Gives all roles back, so that others take them at once, and is forgotten.
    pub async fn leave(self) {
        let Self { task, stop, .. } = self;
        drop(stop);
        if let Err(cause) = task.await {
            tracing::error!(%cause, "the membership ended by itself; its roles run out");
        }
    }
}

struct Server {
    app: App,
    instance: Instance,
    held: watch::Sender<Held>,
    has_migrated: bool,
    next_beat: Instant,
}

impl Server {
    async fn run(mut self, stop: CancellationToken) {
        let bell = Arc::new(Notify::new());
        let listening = tokio::spawn(bell::listen(self.app.clone(), Arc::clone(&bell)));
        loop {
            let wait = match self.turn().await {
                Ok(()) => LOOK.min(self.next_beat.saturating_duration_since(Instant::now())),
                Err(error) => {
                    tracing::warn!(%error, "the other servers can't be told that this one is there");
                    AGAIN
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(wait) => {}
                () = bell.notified() => {}
            }
        }
        listening.abort();
        match timeout(LEAVE_MAX, self.leave()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "roles could not be given back; they run out"),
            Err(_) => tracing::warn!("roles could not be given back in time; they run out"),
        }
    }

    async fn turn(&mut self) -> Result<()> {
        let is_due = Instant::now() >= self.next_beat;
        if is_due {
            self.beat().await?;
            self.next_beat = Instant::now() + self.period();
        }
        let is_free = self.held.borrow().len() < Role::ALL.len();
        if is_due || is_free {
            self.look().await?;
        }
        Ok(())
    }

    /// How often this server tells that it is there: as often as the shortest of its leases needs.
    fn period(&self) -> Duration {
        let held = self.held.borrow();
        let shortest = held.values().filter_map(|lease| lease.ttl).min();
        shortest.map_or(HEARTBEAT, |ttl| HEARTBEAT.min(ttl / RENEWALS_IN_LEASE))
    }

    /// Tells that this server is there, and renews its roles. Those that are lost are lost.
    async fn beat(&self) -> Result<()> {
        let begun = Instant::now();
        let at = self.app.clock.now();
        let mut tx = self.app.database.begin().await?;
        store::beat(&mut tx, at, &self.instance, self.pool(), self.app.plugins.breakers()).await?;
        let mut held = self.held.borrow().clone();
        let mut lost = Vec::new();
        for (role, lease) in &mut held {
            if store::renew(&mut tx, at, &lease.fence).await? {
                lease.until = lease.ttl.map(|ttl| begun + ttl);
            } else {
                lost.push(*role);
            }
        }
        tx.commit().await?;
        for role in lost {
            tracing::warn!(%role, server = %self.instance.id, "a role is lost: it was not renewed in time");
            held.remove(&role);
        }
        self.held.send_replace(held);
        Ok(())
    }

    fn pool(&self) -> Pool {
        let count = |figure| i64::try_from(figure).unwrap_or(i64::MAX);
        let (idle, active, max) = self.app.database.pool_figures();
        Pool { idle: count(idle), active: count(active), max: count(max) }
    }

    /// Takes the roles that are free and this server's to take, and forgets servers that are long gone.
    async fn look(&mut self) -> Result<()> {
        let (roles, servers) = store::everything(&self.app.database, self.app.clock.now()).await?;
        for role in roles {
            let is_ours = self.held.borrow().contains_key(&role.role);
            if !is_ours && (self.takes_by_force(role.role) || may_take(&role, &servers, self.instance.id)) {
                self.take(role.role).await?;
            }
        }
        for gone in servers.iter().filter(|server| server.now.since(server.heartbeat_at) > KEPT_FOR) {
            let mut tx = self.app.database.begin().await?;
            store::forget(&mut tx, gone.instance_id).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// The one server of a SQLite file waits for nobody; nor does the one that has just migrated, since a lock of its own
    /// kept the others off.
    fn takes_by_force(&self, role: Role) -> bool {
        !self.app.database.is_postgres() || (self.has_migrated && role == Role::Migration)
    }

    async fn take(&mut self, role: Role) -> Result<()> {
        let begun = Instant::now();
        let mut tx = self.app.database.begin().await?;
        let at = self.app.clock.now();
        let row = store::lock_role(&mut tx, at, role).await?;
        // Somebody else may have been faster.
        if !self.takes_by_force(role) && !may_take(&row, &store::servers(&mut tx, at).await?, self.instance.id) {
            return Ok(());
        }
        let lease = self.lease(&mut tx, &row, begun).await?;
        tx.commit().await?;
        let Fence { epoch, .. } = lease.fence;
        tracing::info!(%role, epoch, server = %self.instance.id, "this server has a role");
        self.held.send_modify(|held| {
            held.insert(role, lease);
        });
        if role == Role::Migration {
            self.has_migrated = false;
        }
        self.next_beat = self.next_beat.min(Instant::now() + self.period());
        Ok(())
    }

    async fn lease(&self, tx: &mut Tx, row: &RoleRow, begun: Instant) -> Result<Lease> {
        let fence = Fence { role: row.role, holder: self.instance.id, epoch: row.epoch + 1 };
        store::take(tx, self.app.clock.now(), &fence).await?;
        let ttl = self.app.database.is_postgres().then(|| row.ttl().to_std().unwrap_or(AGAIN));
        Ok(Lease { fence, ttl, until: ttl.map(|ttl| begun + ttl), predecessor: row.holder })
    }

    async fn leave(&self) -> Result<()> {
        let held = self.held.send_replace(Held::new());
        let at = self.app.clock.now();
        let mut tx = self.app.database.begin().await?;
        for lease in held.values() {
            store::release(&mut tx, at, &lease.fence).await?;
        }
        store::forget(&mut tx, self.instance.id).await?;
        tx.notify(bell::ROLES).await?;
        tx.commit().await
    }
}
