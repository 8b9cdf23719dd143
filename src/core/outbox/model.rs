//! Events as they are looked at.

use serde::Serialize;

use crate::core::{event::EventType, id::Id, time::Timestamp};

crate::text_enum! {
    /// How far the handling of an event got.
    EventStatus, "status" {
        /// It waits: for its turn, or for its next attempt.
        Pending = "pending",
        /// A worker has it.
        Processing = "processing",
        /// It is over.
        Done = "done",
        /// It failed too often and was put aside; somebody has to look at it.
        Failed = "failed",
    }
}

/// An event as it is stored, without what its handler needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Event {
    /// The identifier.
    pub id: Id,
    /// What happened. Another version of the program may have written a word that this one does not know.
    pub event_type: String,
    /// How far it got.
    pub status: EventStatus,
    /// What it happened to; events of one subject are handled one after the other.
    pub subject_id: Id,
    /// The order that it belongs to, if any.
    pub order_id: Option<Id>,
    /// How often a worker took it.
    pub attempts: i64,
    /// How often its handling failed.
    pub failures: i64,
    /// Why it failed last; empty when it did not.
    pub last_error: String,
    /// When it is, or was, due.
    pub available_at: Timestamp,
    /// The server or the call that has it.
    pub claimed_by: Option<Id>,
    /// Until when, unless that is renewed.
    pub claimed_until: Option<Timestamp>,
    /// When it happened.
    pub created_at: Timestamp,
    /// The last change.
    pub updated_at: Timestamp,
}

impl Event {
    /// When it is tried next; nothing for one that is over, put aside, or worked on.
    #[must_use]
    pub fn next_try_at(&self) -> Option<Timestamp> {
        (self.status == EventStatus::Pending).then_some(self.available_at)
    }

    /// Whether it holds a code for one person's eyes.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.event_type == EventType::VerificationCode.as_str()
    }
}

/// What a list of events is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventFilter {
    /// In one state.
    pub status: Option<EventStatus>,
    /// Of one kind.
    pub event_type: Option<EventType>,
    /// About one thing.
    pub subject_id: Option<Id>,
}
