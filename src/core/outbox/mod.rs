//! The outbox: events are written in the transaction of what they tell, so that none is lost and none is told of
//! something that did not happen. This slice knows only `cluster`; `worker` reads what is here and acts.
//!
//! An event is claimed for a while (a lease). Whoever claims it and dies leaves a lease that runs out, and another
//! takes over; whoever comes too late finds its claim gone and must not commit. Events with the same subject are
//! handled one after the other, in the order of their identifiers.

pub(crate) mod history_store;
mod lease;
mod model;
mod store;

use std::time::Duration;

use chrono::TimeDelta;
use rand::RngExt as _;
use serde_json::Value;

pub use self::{
    lease::keep,
    model::{Event, EventFilter, EventStatus},
    store::{
        ask_later, claim, enqueue, enqueue_claimed, finish, give_up, has_due, has_open, hold, release_all, release_of,
        renew, retry_later, was_told,
    },
};
use crate::core::{cluster::Fence, event::EventType, id::Id, time::Timestamp};

/// How long a claim lasts unless it is renewed.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How often a claim is renewed while its event is worked on.
pub const RENEWAL: Duration = Duration::from_secs(10);
/// How often the handling of an event may fail before it is put aside. Claims that ended with their worker do not count.
pub const FAILURES_MAX: i64 = 8;
/// Characters of the last error that are kept.
const PROBLEM_MAX: usize = 1_000;
/// The wait after the first failed attempt; it doubles with each one.
const BACKOFF_FIRST: TimeDelta = TimeDelta::seconds(2);
/// The longest wait between two attempts.
const BACKOFF_MAX: TimeDelta = TimeDelta::minutes(10);

/// An event to be written.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What happened.
    pub event_type: EventType,
    /// What it happened to; events of one subject are handled one after the other.
    pub subject_id: Id,
    /// The order that it belongs to, if any.
    pub order_id: Option<Id>,
    /// What a handler needs besides.
    pub payload: Value,
}

impl NewEvent {
    /// An event of an order.
    #[must_use]
    pub fn of_order(event_type: EventType, order_id: Id, payload: Value) -> Self {
        Self { event_type, subject_id: order_id, order_id: Some(order_id), payload }
    }
}

/// An event that this worker holds.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The event.
    pub id: Id,
    /// What happened.
    pub event_type: EventType,
    /// What it happened to.
    pub subject_id: Id,
    /// The order that it belongs to, if any.
    pub order_id: Option<Id>,
    /// What a handler needs besides.
    pub payload: Value,
    /// Which claim of it this is, from 1. With the worker's identity it is the proof of the claim.
    pub attempt: i64,
    /// How often its handling failed before.
    pub failures: i64,
    /// When it happened.
    pub created_at: Timestamp,
    /// Who holds it.
    pub worker: Id,
    /// The role in whose name it was claimed; nothing where somebody handles an event of their own.
    pub fence: Option<Fence>,
}

/// How long to wait after this many failures.
#[must_use]
pub fn backoff(failures: i64) -> TimeDelta {
    let doublings = u32::try_from(failures.clamp(1, 20) - 1).unwrap_or(0);
    BACKOFF_FIRST.checked_mul(1_i32 << doublings).map_or(BACKOFF_MAX, |wait| wait.min(BACKOFF_MAX))
}

/// The same with jitter, between three quarters of it and the whole, so that what failed together is not tried together
/// again.
fn backoff_with_jitter(failures: i64) -> TimeDelta {
    let whole = backoff(failures);
    let saved = rand::rng().random_range(0..=whole.num_milliseconds() / 4);
    whole - TimeDelta::milliseconds(saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        assert_eq!(backoff(1), TimeDelta::seconds(2));
        assert_eq!(backoff(3), TimeDelta::seconds(8));
        assert_eq!(backoff(1000), BACKOFF_MAX);
    }

    #[test]
    fn jitter_makes_waits_shorter_and_differ() {
        let waits: Vec<TimeDelta> = (0..50).map(|_| backoff_with_jitter(5)).collect();
        assert!(waits.iter().all(|wait| *wait <= backoff(5) && *wait >= backoff(5) * 3 / 4), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    }
}
