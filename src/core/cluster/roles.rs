//! What roles a server has at this moment, for the work that belongs to them.

use std::{collections::BTreeMap, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::model::{Fence, Role};
use crate::core::id::Id;

/// A role that this server has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) fence: Fence,
    /// How long it lasts unless it is renewed. Nothing on SQLite, where it does not end.
    pub(super) ttl: Option<Duration>,
    /// When it ends by this machine's steady clock, counted from before the database was asked, so never later than the
    /// database has it. A server that was paused knows from it that it slept too long.
    pub(super) until: Option<Instant>,
    /// Who had the role before and did not give it back.
    pub(super) predecessor: Option<Id>,
}

pub(super) type Held = BTreeMap<Role, Lease>;

/// The roles of this server. Cheap to clone; clones know the same.
#[derive(Clone, Debug)]
pub struct Roles(pub(super) watch::Receiver<Held>);

impl Roles {
    fn lease(&self, role: Role) -> Option<Lease> {
        let lease = self.0.borrow().get(&role).copied()?;
        lease.until.is_none_or(|until| Instant::now() < until).then_some(lease)
    }

    /// The proof of a role, when this server has it.
    #[must_use]
    pub fn fence(&self, role: Role) -> Option<Fence> {
        self.lease(role).map(|lease| lease.fence)
    }

    /// Who had a role before this server and did not give it back.
    #[must_use]
    pub fn predecessor(&self, role: Role) -> Option<Id> {
        self.lease(role)?.predecessor
    }

    /// Waits until a role comes or goes; for ever when this server has left.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
