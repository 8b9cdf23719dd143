//! Tickets: what customers ask, what is answered, and the notes that administrators keep for themselves.

mod model;
mod operations;
pub(crate) mod store;

pub use self::{
    model::{Priority, Reply, Ticket, TicketStatus},
    operations::{NewReply, NewTicket, TicketFilter, TicketUpdate, create, delete, get, list, reply, update},
};
