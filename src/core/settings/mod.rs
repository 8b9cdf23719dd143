//! Configuration: where it is found, how its layers are merged, what is refused, and what a first run writes.
//!
//! - `sections.rs`: the keys and their defaults. A new key is one field there and one line in `config.example.toml`.
//! - `load.rs`: files and variables to [`Settings`]. `explain.rs`: what is wrong with a file, by line and key.
//! - `validate.rs`: values that parse but that no server should run with.
//! - `first_run.rs`: the file that is written where there is none.

mod explain;
pub mod first_run;
mod load;
mod sections;
mod validate;

pub use self::{
    load::{Loaded, Lookup},
    sections::{Billing, Bootstrap, Db, Jwt, Plugins, RateLimit, Redis, Server, Session, Settings, Telemetry},
};
