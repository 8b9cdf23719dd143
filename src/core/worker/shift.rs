//! Work that comes again and again and belongs to a role: done by the server that has it, and by no other.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::turns::Turns;
use crate::core::cluster::{Fence, Role, Roles};

/// The turns of one piece of work of a role: one as soon as this server has the role, then one each period, until it has it
/// no more; and again from the beginning when it has it again.
pub(super) struct Shift {
    role: Role,
    roles: Roles,
    period: Duration,
    shutdown: CancellationToken,
    begun: Option<(Fence, Turns)>,
}

impl Shift {
    pub(super) fn of(role: Role, roles: Roles, period: Duration, shutdown: CancellationToken) -> Self {
        Self { role, roles, period, shutdown, begun: None }
    }

    /// Waits for the next turn, and gives the proof of the role for it; nothing when the server stops.
    pub(super) async fn next(&mut self) -> Option<Fence> {
        self.next_or(std::future::pending).await
    }

    /// As [`Shift::next`], or for a bell that rings earlier.
    pub(super) async fn next_or<B: Future<Output = ()>>(&mut self, bell: impl Fn() -> B) -> Option<Fence> {
        loop {
            let Some(fence) = self.roles.fence(self.role) else {
                self.begun = None;
                tokio::select! {
                    () = self.shutdown.cancelled() => return None,
                    () = self.roles.changed() => continue,
                }
            };
            let turns = match &mut self.begun {
                Some((begun, turns)) if *begun == fence => turns,
                begun => &mut begun.insert((fence, Turns::every(self.period, self.shutdown.clone()))).1,
            };
            tokio::select! {
                is_on = turns.next_or(bell()) => {
                    if !is_on {
                        return None;
                    }
                }
                () = self.roles.changed() => continue,
            }
            // It may be gone by now.
            if self.roles.fence(self.role) == Some(fence) {
                return Some(fence);
            }
        }
    }
}
