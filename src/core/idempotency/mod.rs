//! Calls that happen once although they are made again: a client sends a key of its own with a change, and whoever
//! sends the same key again gets the first answer.
//!
//! A key is reserved under a lease ([`reserve`]), the operation runs with an actor that carries the reservation, and
//! the answer is kept for [`LIFETIME`]. The operation's transaction marks the reservation as applied
//! ([`mark_applied`], by way of `audit::record`), so that after a crash it is known whether the change was made:
//!
//! | the lease ran out and | then the next call |
//! |---|---|
//! | nothing was applied | runs |
//! | it was applied, and there is no answer | is told so: `idempotency.answer_lost` |
//!
//! An attempt that is late meets a reservation with another identifier; its transaction fails and is rolled back.
//! An operation of several transactions counts as applied with its first one.
//!
//! Answers may hold secrets: they are encrypted with a key that takes both the client's key and the configuration's
//! `jwt.secret`, and the table holds only a keyed hash of the client's key.

mod model;
mod operations;
mod seal;
mod store;

pub use self::{
    model::{ANSWER_MAX_BYTES, Key, LEASE, LIFETIME, Reservation, Reserved},
    operations::{answer, has_applied, held, purge, release, reserve},
    store::mark_applied,
};
