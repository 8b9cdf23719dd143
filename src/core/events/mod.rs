//! Looking at the events of the outbox, and having one tried again: for those who keep an installation running. The outbox
//! itself knows nobody; this slice knows who may look and writes down who did what.

mod operations;

pub use self::operations::{EventDetail, get, list, retry};
pub use crate::core::outbox::{Event, EventFilter, EventStatus};
