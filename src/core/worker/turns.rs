//! When work that comes again and again is due.

use std::{future::pending, time::Duration};

use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// The turns of one piece of work: one at once, then one each period, until the shutdown.
pub(super) struct Turns {
    tick: Interval,
    shutdown: CancellationToken,
}

impl Turns {
    pub(super) fn every(period: Duration, shutdown: CancellationToken) -> Self {
        let mut tick = interval(period);
        // Who was slow does not catch up.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tick, shutdown }
    }

    /// Waits for the next turn; `false` when there is none any more.
    pub(super) async fn next(&mut self) -> bool {
        self.next_or(pending()).await
    }

    /// As [`Turns::next`], or for a bell that rings earlier.
    pub(super) async fn next_or(&mut self, bell: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            () = bell => true,
            _ = self.tick.tick() => true,
        }
    }
}
