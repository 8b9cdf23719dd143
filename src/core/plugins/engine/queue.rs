//! Whose turn it is: a call waits until its interface has less than its share of the workers, and then for a worker.
//!
//! Without shares, one interface whose remote host hangs would take every worker for as long as a call may last, and
//! nobody could pay. A call that waits for its interface's share does not stand in the way of others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;
use uuid::Uuid;

use super::error::CallError;

/// The part of the workers that the calls of one interface may hold, as a divisor: a half.
const SHARE_DIVISOR: usize = 2;

/// Most calls of one interface that wait at once.
const WAITING_MAX: usize = 500;

/// How many interfaces are remembered before those without calls are forgotten.
const SHARES_KEPT: usize = 256;

/// The queue in front of the workers.
pub(super) struct Queue {
    workers: Semaphore,
    workers_max: usize,
    share: usize,
    wait_max: Duration,
    shares: Mutex<HashMap<Uuid, Arc<Share>>>,
}

struct Share {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A turn; it ends when this is dropped.
pub(super) struct Turn<'a> {
    _worker: SemaphorePermit<'a>,
    _share: OwnedSemaphorePermit,
    /// Keeps the share from being forgotten meanwhile.
    _of: Arc<Share>,
}

/// One that waits; it counts until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Queue {
    /// A queue for so many workers; nobody waits longer than `wait_max`.
    pub(super) fn new(workers_max: usize, wait_max: Duration) -> Self {
        Self {
            workers: Semaphore::new(workers_max),
            workers_max,
            share: (workers_max / SHARE_DIVISOR).max(1),
            wait_max,
            shares: Mutex::default(),
        }
    }

    /// Waits for a turn of an interface.
    pub(super) async fn turn(&self, interface: Uuid) -> Result<Turn<'_>, CallError> {
        let share = self.share_of(interface);
        let waiting = Waiting(&share.waiting);
        if waiting.0.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX {
            return Err(CallError::Busy(format!("{WAITING_MAX} of its calls wait for a plugin worker already")));
        }
        let (wait, all) = (self.wait_max, self.workers_max);
        // One deadline for both waits.
        let free = Arc::clone(&share.free);
        let outcome = timeout(wait, async {
            let own = free.acquire_owned().await?;
            Ok::<_, AcquireError>((own, self.workers.acquire().await?))
        })
        .await;
        drop(waiting);
        match outcome {
            Ok(Ok((own, worker))) => Ok(Turn { _worker: worker, _share: own, _of: share }),
            Ok(Err(_)) => Err(CallError::Unavailable("the plugin engine is shutting down".to_owned())),
            Err(_) if share.free.available_permits() == 0 => Err(CallError::Busy(format!(
                "other calls of it kept all {} plugin workers of its share busy for {wait:?}",
                self.share
            ))),
            Err(_) => Err(CallError::Busy(format!("all {all} plugin workers were busy for {wait:?}"))),
        }
    }

    fn share_of(&self, interface: Uuid) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() >= SHARES_KEPT && !shares.contains_key(&interface) {
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let new = || Arc::new(Share { free: Arc::new(Semaphore::new(self.share)), waiting: AtomicUsize::new(0) });
        Arc::clone(shares.entry(interface).or_insert_with(new))
    }

    /// How many turns an interface has now.
    pub(super) fn turns_of(&self, interface: Uuid) -> usize {
        self.share.saturating_sub(self.share_of(interface).free.available_permits())
    }

    /// Waits until all turns are over, but no longer than a call may wait, and gives no further ones.
    pub(super) async fn close(&self) {
        let all = u32::try_from(self.workers_max).unwrap_or(u32::MAX);
        let turns = timeout(self.wait_max, self.workers.acquire_many(all)).await;
        self.workers.close();
        drop(turns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(50);

    fn interface(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[tokio::test]
    async fn one_interface_gets_its_share_and_leaves_the_rest() {
        let queue = Queue::new(4, WAIT);
        let first = [queue.turn(interface(1)).await.unwrap(), queue.turn(interface(1)).await.unwrap()];
        let Err(CallError::Busy(why)) = queue.turn(interface(1)).await else { panic!("a third turn") };
        assert!(why.contains("all 2 plugin workers of its share") && why.contains("50ms"), "{why}");
        let second = [queue.turn(interface(2)).await.unwrap(), queue.turn(interface(2)).await.unwrap()];
        let Err(CallError::Busy(why)) = queue.turn(interface(3)).await else { panic!("a fifth worker") };
        assert!(why.contains("all 4 plugin workers"), "{why}");
        drop((first, second));
        queue.turn(interface(1)).await.unwrap();
        queue.close().await;
        assert!(matches!(queue.turn(interface(1)).await, Err(CallError::Unavailable(_))));
    }

    #[tokio::test]
    async fn the_line_of_one_interface_is_bounded_and_forgets_who_went_away() {
        let queue = Arc::new(Queue::new(2, Duration::from_mins(1)));
        let held = queue.turn(interface(1)).await.unwrap();
        let line: Vec<_> = (0..WAITING_MAX)
            .map(|_| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move { queue.turn(interface(1)).await.map(drop) })
            })
            .collect();
        while queue.share_of(interface(1)).waiting.load(Ordering::Acquire) < WAITING_MAX {
            tokio::task::yield_now().await;
        }
        let Err(CallError::Busy(why)) = queue.turn(interface(1)).await else { panic!("no bound") };
        assert!(why.contains("500"), "{why}");
        queue.turn(interface(2)).await.unwrap();
        line[0].abort();
        while queue.share_of(interface(1)).waiting.load(Ordering::Acquire) == WAITING_MAX {
            tokio::task::yield_now().await;
        }
        drop(held);
        for call in line.into_iter().skip(1) {
            call.await.unwrap().unwrap();
        }
        queue.turn(interface(1)).await.unwrap();
    }

    #[tokio::test]
    async fn interfaces_without_calls_are_forgotten() {
        let queue = Queue::new(2, WAIT);
        let held = queue.turn(interface(0)).await.unwrap();
        for number in 1..2_000 {
            queue.turn(interface(number)).await.unwrap();
        }
        assert!(queue.shares.lock().unwrap().len() <= SHARES_KEPT);
        assert!(matches!(queue.turn(interface(0)).await, Err(CallError::Busy(_))), "one in use is not");
        drop(held);
    }
}
