//! What can be done with a server that is there: switch it, run what its provider offers, and look at what its provider
//! shows. Ending it is in `settlement`, since that ends its order.
//!
//! - `details.rs`: what a provider's script says of a server, read within bounds.
//! - `ask.rs`: one server and the script that runs it.
//! - `operations.rs`: the use cases. The provider is asked first and what it said is written afterwards, so the state is
//!   checked twice: an order that ended meanwhile wins.

mod ask;
mod details;
mod operations;
mod params;

pub use self::{
    details::{Action, Answer, DetailField, Section, Style, ValueType},
    operations::{Description, act, describe, switch},
};
