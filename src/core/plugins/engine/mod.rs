//! The engine that runs plugin scripts, written in Rune, in child processes of this program.
//!
//! Why a child process: Rune's own limits do not cover everything. An endless loop in a closure escapes the instruction
//! budget, and deep recursion in native code ends the process. So the server keeps a pool of workers, talks to them over
//! pipes, and kills one that is late or sees it die, without harm to itself.
//!
//! Beside the engine's own limits, the operating system holds each worker to some (`confine`), and no interface gets more
//! than its share of the workers (`queue`).
//!
//! How a call goes: [`Engine::call`] (`pool`) waits for its turn, takes an idle worker or starts one (`process`) and sends it a frame
//! (`protocol`). The worker (`worker`) holds compiled scripts; it answers "unknown" the first time, is sent the source,
//! translates the documented dialect (`prepass`, `lexer`), checks the contract (`contract`, `kind`), compiles
//! (`compile`) and calls the function (`machine`). Host functions (`natives`) that are pure run in the worker (`pure`,
//! `json_path`); the others come back through the pipe to the [`Host`], which the registry implements. The result leaves
//! Rune as JSON (`values`).
//!
//! To add a host function: a pure one goes into `pure` and `natives`; one that needs the server also gets a variant of
//! [`HostFunction`].

mod advice;
mod compile;
mod confine;
mod contract;
mod error;
mod examine;
mod form;
mod habits;
mod host;
mod json_path;
mod kind;
mod lexer;
mod limits;
mod lint;
mod local;
mod machine;
mod misuse;
mod natives;
mod pause;
mod pool;
mod prepass;
mod process;
mod protocol;
mod pure;
mod queue;
mod schema;
mod script;
mod signatures;
mod stubs;
mod values;
mod worker;

#[cfg(test)]
mod tests;

pub use error::{CallError, ERROR_PREFIX, InspectError, Issue, Place, Returned, line_of};
pub use host::{Host, HostFunction, HostFuture, Scope};
pub use kind::{ACTION_PREFIX, Kind, OPTIONAL_FUNCTIONS};
pub use limits::{
    FRAME_BYTES_DEFAULT, HOST_CALLS_DEFAULT, INSTRUCTIONS_DEFAULT, Limits, MEMORY_BYTES_DEFAULT, SOURCE_BYTES_DEFAULT,
    WALL_DEFAULT,
};
pub use local::Local;
pub use pool::{Engine, EngineConfig, WORKER_IDLE, WORKERS_MAX_DEFAULT};
pub(crate) use pure::html_escape;
pub use script::{Examined, FunctionSeen, Inspected, ScriptKey};
pub use worker::run as run_worker;
