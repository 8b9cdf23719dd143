//! Plugins: scripts that sell servers, take payments and send messages.
//!
//! A definition (`plugins`) is a script that was found; an interface (`plugin_interfaces`) is a definition with a
//! configuration, and what products, payments and notifications point at. `scanner.rs` finds scripts, `engine/` runs
//! them in child processes, `host.rs` calls one of their functions, `api/` is what they may ask of us.

mod api;
mod config;
pub mod engine;
mod host;
mod model;
mod operations;
mod scanner;
pub(crate) mod store;

pub(crate) use self::operations::{enabled, find, usable};
pub use self::{
    host::{FAILED, PluginHost, REFUSED},
    model::{Definition, Health, Interface, parse_kind},
    operations::{
        InterfaceUpdate, NewInterface, check_health, create, definition, definitions, get, list, toggle, update,
        visible,
    },
    scanner::{Broken, ScanReport, scan},
};
pub use engine::Kind;
