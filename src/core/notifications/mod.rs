//! Telling people: which notifiers hear of an event, what they are told, and the telling itself.
//!
//! An event becomes one delivery for each notifier that listens and each recipient. A delivery is an event of its own,
//! so that one that fails is tried again without telling the others twice.

mod channels;
mod operations;
mod template;
mod text;
mod ticket;

pub(crate) use self::operations::write;
pub use self::{
    channels::{Channel, NewMessage, Outcome, channels, send},
    operations::{deliver, fan_out, has_listener, is_delivery},
};
