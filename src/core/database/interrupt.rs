//! Where a run can be cut off, to prove what a crash leaves behind.
//!
//! A process that dies leaves what was committed and nothing else. What comes in between two statements is memory, so the
//! moments that matter are those before each statement and around each commit. [`until`] lets work go on to the n-th of
//! them and then drops it, which rolls its open transaction back, as the end of the process would. Outside of it such a
//! moment costs a look at one variable of the task.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

tokio::task_local! {
    static CUT: Cut;
}

struct Cut {
    /// Moments until the cut.
    left: AtomicU64,
    /// The counter is at its end.
    reached: std::sync::Arc<Notify>,
}

/// Runs `work` until it comes to its n-th moment (from 1) at which a crash would leave something else behind, and drops it
/// there. What it gave, when it had fewer; `None` when it was cut off.
///
/// Work that is handed to tasks of its own is not counted and goes on.
pub async fn until<T>(moment: u64, work: impl Future<Output = T>) -> Option<T> {
    let reached = std::sync::Arc::new(Notify::new());
    let cut = Cut { left: AtomicU64::new(moment), reached: std::sync::Arc::clone(&reached) };
    tokio::select! {
        biased;
        done = CUT.scope(cut, work) => Some(done),
        () = reached.notified() => None,
    }
}

/// Such a moment. It never ends when it is the one at which the run is cut off.
pub(super) async fn moment() {
    let is_last = CUT.try_with(|cut| {
        let is_last = cut.left.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last {
            cut.reached.notify_one();
        }
        is_last
    });
    if is_last.unwrap_or(false) {
        std::future::pending::<()>().await;
    }
}
