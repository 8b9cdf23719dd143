//! A machine without a process around it, to measure what the process costs. Scripts that go wrong take this very process
//! down, so nothing but measurements may use it.

use super::error::{CallError, Issue, Returned};
use super::host::HostFunction;
use super::kind::Kind;
use super::limits::Limits;
use super::machine::{self, Machine};
use super::natives::Outside;

/// Runs scripts in the calling thread, which needs a stack of [`Local::STACK_BYTES`].
pub struct Local {
    machine: Machine,
}

/// The host of a machine that has none.
struct Nobody;

impl Outside for Nobody {
    fn request(&mut self, function: HostFunction, _arguments: Vec<String>) -> Result<String, String> {
        Err(format!("{function:?} is not there in measurements"))
    }

    fn log(&mut self, _level: &str, _text: &str) {}
}

impl Local {
    /// The stack that the thread needs.
    pub const STACK_BYTES: usize = machine::STACK_BYTES;

    /// A machine with the default limits.
    ///
    /// # Errors
    /// When the script engine can't be set up.
    pub fn new() -> Result<Self, String> {
        Ok(Self { machine: Machine::new(Limits::default(), Box::new(Nobody))? })
    }

    /// Compiles a script and keeps it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(&mut self, kind: Kind, source: &str) -> Result<(), Vec<Issue>> {
        self.machine.load((kind, "local".to_owned()), "local", source)
    }

    /// Calls a function of the script that was loaded last.
    ///
    /// # Errors
    /// As [`Engine::call`](super::Engine::call).
    pub fn call(&mut self, kind: Kind, function: &str, argument: &str) -> Result<Returned, CallError> {
        self.machine.call(&(kind, "local".to_owned()), function, argument)
    }
}
