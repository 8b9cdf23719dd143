//! Plugins: scripts that sell servers, take payments and send messages.
//!
//! A definition (`plugins`) is a script that was found; an interface (`plugin_interfaces`) is a definition with a
//! configuration, and what products, payments and notifications point at. `scanner.rs` finds scripts, `engine/` runs
//! them in child processes, `host.rs` calls one of their functions, `api/` is what they may ask of us. `authoring/` and
//! `conformance/` are for those who write scripts.

mod admin;
mod answer;
mod api;
mod authoring;
mod config;
mod conformance;
pub mod engine;
mod files;
mod health;
mod host;
mod model;
mod operations;
mod remember;
mod scanner;
mod sources;
pub(crate) mod store;
mod trace;

pub use self::{
    admin::{AdminPage, admin_page, call_action, call_function, delete, is_harmless, require_function},
    api::grpc::DESCRIPTORS,
    authoring::{Examination, Function, Scaffold, Script, Setting, examine, parse_type, scaffold},
    conformance::{Check, Conformance, Heard, Outcome, Sandbox, conform, conform_telling},
    files::{Broken, is_shipped},
    health::{PERIOD as HEALTH_PERIOD, SOON as HEALTH_SOON, check_due, check_health},
    host::{BUSY, FAILED, NO_FUNCTION, PluginHost, REFUSED},
    model::{Definition, Health, Interface, parse_kind},
    operations::{
        InterfaceUpdate, NewInterface, broken, create, definition, definitions, get, list, toggle, update, visible,
    },
    scanner::{CHANGED, ScanReport, is_gone, scan},
    sources::{Checked, Source, check_source, source, update_source},
    trace::Step,
};
pub(crate) use self::{
    answer::{answer_status, answer_text},
    operations::{enabled, find, of_kind, usable},
};
pub use engine::Kind;
pub(crate) use engine::html_escape;
