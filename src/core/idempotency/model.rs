//! Keys, reservations and what is found under a key.

use std::time::Duration;

use chrono::TimeDelta;

use crate::core::{
    actor::{Actor, Role},
    error::{Error, Result},
    id::Id,
    secret::Secret,
    time::Timestamp,
};

/// How long an answer is kept.
pub const LIFETIME: TimeDelta = TimeDelta::hours(24);
/// How long a reservation holds unless it is renewed.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How often it is renewed while its operation runs.
pub(super) const RENEWAL: Duration = Duration::from_secs(10);
/// How long a call waits for another one with its key.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);
/// How often it looks meanwhile.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Bytes of an answer that is kept. A larger one is given once; who asks again is told that the change was made.
pub const ANSWER_MAX_BYTES: usize = 1024 * 1024;
/// Characters of a key.
const KEY_MAX: usize = 200;

/// What a client names a call with.
#[derive(Clone, Debug)]
pub struct Key(pub(super) Secret);

impl Key {
    /// Reads a key: 1 to 200 visible ASCII characters.
    ///
    /// # Errors
    /// `idempotency.key`; the text is not shown.
    pub fn parse(text: &str) -> Result<Self> {
        if (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(Secret::new(text)));
        }
        let message = format!("the idempotency key is not made of 1 to {KEY_MAX} visible ASCII characters");
        Err(Error::invalid("idempotency.key", message).hint("use a random UUID"))
    }
}

/// Whose keys: equal keys of others are other keys. `None` for who has none: strangers can't be told apart, and the
/// program itself needs none.
pub(super) fn scope(actor: &Actor) -> Option<String> {
    match actor.role() {
        Role::Admin(id) | Role::Operator(id) | Role::Customer { user_id: id, .. } => Some(format!("user:{id}")),
        Role::ApiKey { key_id, .. } => Some(format!("api_key:{key_id}")),
        Role::Local => Some("local".to_owned()),
        Role::System | Role::Anonymous => None,
    }
}

/// A key that this call holds.
#[derive(Debug)]
pub struct Reservation {
    /// What the actor carries.
    pub(super) id: Id,
    pub(super) scope: String,
    pub(super) key: Key,
}

impl Reservation {
    /// The actor, whose operation marks this reservation.
    #[must_use]
    pub fn carried_by(&self, actor: &Actor) -> Actor {
        actor.clone().with_reservation(self.id)
    }
}

/// What there is under a key.
#[derive(Debug)]
pub enum Reserved {
    /// The actor has no keys; the call runs as if it had sent none.
    Ignored,
    /// Nothing so far: the call runs, and then comes [`super::answer`] or [`super::release`].
    Run(Reservation),
    /// The first answer.
    Replay(Vec<u8>),
}

/// A row.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Kept {
    pub(super) id: Id,
    pub(super) request_hash: String,
    pub(super) applied: bool,
    pub(super) lease_until: Timestamp,
    pub(super) answer: Option<Vec<u8>>,
    pub(super) expires_at: Timestamp,
}

/// What a row means for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It expired, or its attempt ended without a change: the call takes it over.
    Free,
    /// Its request was another one.
    Reused,
    /// It has an answer.
    Answered,
    /// Its attempt is running.
    Busy,
    /// It was applied, and the answer is lost.
    Lost,
}

impl Kept {
    pub(super) fn judge(&self, at: Timestamp, request_hash: &str) -> Verdict {
        let is_held = self.lease_until > at;
        match (&self.answer, self.applied) {
            _ if self.expires_at <= at && !is_held => Verdict::Free,
            _ if self.request_hash != request_hash => Verdict::Reused,
            (Some(_), _) => Verdict::Answered,
            (None, _) if is_held => Verdict::Busy,
            (None, true) => Verdict::Lost,
            (None, false) => Verdict::Free,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Clock;

    #[test]
    fn keys_are_visible_ascii() {
        for good in ["a", "0190a5b0-7c1e-7000-8000-000000000001", &"k".repeat(200)] {
            assert!(Key::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "ä", "a\n", &"k".repeat(201)] {
            assert_eq!(Key::parse(bad).unwrap_err().code(), "idempotency.key", "{bad}");
        }
    }

    #[test]
    fn a_row_is_judged_by_all_it_holds() {
        let at = Clock::manual(chrono::DateTime::UNIX_EPOCH).now();
        let (past, future) = (at, at.plus(TimeDelta::seconds(1)));
        let kept = |lease_until, expires_at, applied, answer: bool| Kept {
            id: Id::generate(),
            request_hash: "same".to_owned(),
            applied,
            lease_until,
            answer: answer.then(Vec::new),
            expires_at,
        };
        for (row, same, other) in [
            (kept(future, future, false, false), Verdict::Busy, Verdict::Reused),
            (kept(future, future, true, false), Verdict::Busy, Verdict::Reused),
            (kept(past, future, false, false), Verdict::Free, Verdict::Reused),
            (kept(past, future, true, false), Verdict::Lost, Verdict::Reused),
            (kept(past, future, true, true), Verdict::Answered, Verdict::Reused),
            (kept(past, past, true, true), Verdict::Free, Verdict::Free),
            (kept(past, past, true, false), Verdict::Free, Verdict::Free),
            (kept(future, past, true, false), Verdict::Busy, Verdict::Reused),
        ] {
            assert_eq!((row.judge(at, "same"), row.judge(at, "other")), (same, other), "{row:?}");
        }
    }
}
