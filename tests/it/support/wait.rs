//! Waiting for conditions, never for a time.

use std::time::{Duration, Instant};

/// The longest that anything may take, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    value(what, async || condition().await.then_some(())).await;
}

/// Waits until there is a value.
pub(crate) async fn value<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain until {what}");
        tokio::time::sleep(LOOK).await;
    }
}
