//! Compiles scripts and calls their functions within limits. The core of the worker, free of pipes and processes.
//!
//! A machine belongs on a thread with a stack of [`STACK_BYTES`]: Rune recurses natively while it parses, compiles and
//! calls closures, and an overflow of the stack ends the process. What even that does not stop, such as an endless loop
//! in a closure, is stopped by the parent, which kills the worker.

use std::collections::HashMap;
use std::future::Future as _;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Waker};

use rune::alloc::limit;
use rune::runtime::{RuntimeContext, Vm, VmError, budget};
use rune::{Context, Unit};

use super::compile;
use super::contract::{self, Function};
use super::error::{CallError, Issue, Place, Returned};
use super::form;
use super::habits;
use super::kind::Kind;
use super::limits::Limits;
use super::lint;
use super::natives::{self, Bridge, Outside, Shared};
use super::prepass::Prepared;
use super::schema;
use super::script::Inspected;
use super::values;

/// Stack of the thread that runs a machine. Only what is used of it becomes real memory.
pub(super) const STACK_BYTES: usize = 512 << 20;

/// How many compiled scripts a machine keeps.
const PROGRAMS_MAX: usize = 64;

/// How often a call may be polled. Nothing in a worker wakes later, so a call that is not done soon never is.
const POLLS_MAX: usize = 1_000;

/// How the call of a host function begins in a script.
const HOST_CALL: &str = "rustbill_host::";

/// The version of a script that gives none, older than every other.
const VERSION_NONE: &str = "0.0.0";

/// A compiled script.
pub(super) struct Program {
    pub(super) unit: Arc<Unit>,
    pub(super) prepared: Prepared,
    pub(super) functions: Vec<Function>,
}

/// Names a compiled script: the kind matters, because it decides the contract.
pub(super) type ProgramKey = (Kind, String);

/// Everything that runs scripts.
pub(super) struct Machine {
    context: Context,
    runtime: Arc<RuntimeContext>,
    bridge: Shared,
    limits: Limits,
    programs: HashMap<ProgramKey, (u64, Arc<Program>)>,
    /// Counts uses, to find the program unused for longest.
    clock: u64,
}

impl Machine {
    /// Builds a machine whose host functions go to `outside`.
    pub(super) fn new(limits: Limits, outside: Box<dyn Outside>) -> Result<Self, String> {
        let bridge = Arc::new(Mutex::new(Bridge::new(outside)));
        let setup = || -> Result<_, rune::ContextError> {
            let mut context = Context::with_config(false)?;
            for module in natives::modules(&bridge)? {
                context.install(module)?;
            }
            let runtime = Arc::new(context.runtime()?);
            Ok((context, runtime))
        };
        let (context, runtime) = setup().map_err(|error| format!("cannot set up the script engine: {error}"))?;
        Ok(Self { context, runtime, bridge, limits, programs: HashMap::new(), clock: 0 })
    }

    /// Compiles a script and keeps it for calls.
    pub(super) fn load(&mut self, key: ProgramKey, name: &str, source: &str) -> Result<(), Vec<Issue>> {
        let program = compile::compile(&self.context, &self.limits, key.0, name, source)?;
        if self.programs.len() >= PROGRAMS_MAX
            && let Some(oldest) = self.programs.iter().min_by_key(|(_, (used, _))| *used)
        {
            let oldest = oldest.0.clone();
            self.programs.remove(&oldest);
        }
        self.clock += 1;
        self.programs.insert(key, (self.clock, Arc::new(program)));
        Ok(())
    }

    /// Whether a script is loaded.
    pub(super) fn knows(&self, key: &ProgramKey) -> bool {
        self.programs.contains_key(key)
    }

    /// Forgets a script, or all with `None`.
    pub(super) fn evict(&mut self, hash: Option<&str>) {
        self.programs.retain(|(_, known), _| hash.is_some_and(|hash| hash != known));
    }

    /// Calls a function of a loaded script with the merged configuration as JSON text.
    pub(super) fn call(&mut self, key: &ProgramKey, function: &str, argument: &str) -> Result<Returned, CallError> {
        self.clock += 1;
        let Some((used, program)) = self.programs.get_mut(key) else {
            return Err(CallError::Crashed("the script is not loaded".to_owned()));
        };
        *used = self.clock;
        let program = Arc::clone(program);
        self.run(&program, function, argument, Some(self.limits.host_calls))
    }

    /// Checks a script and calls `version` and `config_schema`, without host functions.
    pub(super) fn inspect(&mut self, kind: Kind, name: &str, source: &str) -> Result<Inspected, Vec<Issue>> {
        let program = compile::compile(&self.context, &self.limits, kind, name, source)?;
        let has = |name: &str| program.functions.iter().any(|function| function.name == name);
        let version = if has("version") { self.version(&program) } else { VERSION_NONE.to_owned() };
        let calls = lint::own_calls(source, &program.functions);
        if !calls.is_empty() {
            return Err(calls.into_iter().map(|issue| issue.quoting(source)).collect());
        }
        Ok(Inspected {
            has_admin_page: has("admin_page"),
            version,
            config_schema: self
                .config_schema(&program)
                .map_err(|issues| issues.into_iter().map(|issue| issue.quoting(source)).collect::<Vec<_>>())?,
            functions: program.functions.iter().map(|f| f.name.clone()).collect(),
        })
    }

    fn version(&self, program: &Program) -> String {
        let returned = self.run(program, "version", "{}", None);
        let version = match returned {
            Ok(Returned::Plain(serde_json::Value::String(text)) | Returned::Ok(serde_json::Value::String(text))) => {
                semver::Version::parse(text.trim()).ok()
            }
            _ => None,
        };
        version.map_or_else(|| VERSION_NONE.to_owned(), |version| version.to_string())
    }

    fn config_schema(&self, program: &Program) -> Result<serde_json::Value, Vec<Issue>> {
        const NAME: &str = "config_schema";
        let function = program.functions.iter().find(|function| function.name == NAME);
        let span = function.map_or(0..0, |function| function.span.clone());
        let start = program.prepared.position(span.start);
        let fault = |message: String| vec![Issue::at(start, message)];
        let returned = self.run(program, NAME, "{}", None).map_err(|error| match error {
            CallError::Script { message, line, column, .. } => {
                vec![Issue::at((line, column), format!("`{NAME}` failed: {message}"))]
            }
            other => fault(format!("`{NAME}` failed: {other}")),
        })?;
        let json_text = match &returned {
            Returned::Plain(serde_json::Value::String(text)) | Returned::Ok(serde_json::Value::String(text)) => {
                text.clone()
            }
            _ => String::new(),
        };
        let value = returned.into_json().map_err(|message| fault(format!("`{NAME}` returned an error: {message}")))?;
        // The function's own objects tell the order best, then JSON that it returned as text, then helpers.
        let text = &program.prepared.text;
        let own = text.get(span.clone()).unwrap_or_default();
        let schema = schema::complete(value, &format!("{own}\n{json_text}\n{text}")).map_err(|(message, advice)| {
            let issue = Issue::at(start, message);
            vec![issue.advised(advice)]
        })?;
        let problems = form::problems(&schema);
        if problems.is_empty() {
            return Ok(schema);
        }
        let placed = problems.into_iter().map(|form::Problem { name, message, advice }| {
            let at = form::place_of(&name, text, span.clone());
            Issue::at(at.map_or(start, |at| program.prepared.position(at)), message).advised(advice)
        });
        Err(placed.collect())
    }

    /// Runs one function under the limits. Dropping the virtual machine is part of it, as it frees counted memory.
    fn run(
        &self,
        program: &Program,
        function: &str,
        argument: &str,
        host_calls: Option<u32>,
    ) -> Result<Returned, CallError> {
        let known = program.functions.iter().any(|f| f.name == function && f.is_entry());
        if !known {
            return Err(CallError::NotFound(function.to_owned()));
        }
        natives::lock(&self.bridge).reset(host_calls);
        let entry = format!("{}{function}", contract::ENTRY_PREFIX);
        let body = || self.execute(program, &entry, argument);
        let result = budget::with(self.limits.instructions, limit::with(self.limits.memory_bytes, body)).call();
        let calls_exceeded = natives::lock(&self.bridge).calls_exceeded;
        match (result, host_calls) {
            (Err(CallError::Script { line, column, .. }), Some(count)) if calls_exceeded => {
                Err(CallError::HostCalls { count, place: Place { line, column } })
            }
            (result, _) => result,
        }
    }

    fn execute(&self, program: &Program, entry: &str, argument: &str) -> Result<Returned, CallError> {
        let mut vm = Vm::new(Arc::clone(&self.runtime), Arc::clone(&program.unit));
        let outcome = {
            let mut future = pin!(vm.async_call([entry], (argument.to_owned(), ())));
            let mut task = Task::from_waker(Waker::noop());
            let mut polls = 0;
            loop {
                match future.as_mut().poll(&mut task) {
                    Poll::Ready(outcome) => break Some(outcome),
                    Poll::Pending if polls >= POLLS_MAX => break None,
                    Poll::Pending => polls += 1,
                }
            }
        };
        match outcome {
            Some(Ok(value)) => values::to_returned(&value).map_err(CallError::BadReturn),
            Some(Err(error)) => Err(self.explain(program, &error)),
            None => Err(CallError::Script {
                message: "it awaits something that never finishes".to_owned(),
                line: 0,
                column: 0,
                host_function: String::new(),
            }),
        }
    }

    /// Rune keeps its error kinds to itself, so the limits are recognised by their text; tests hold them to it.
    fn explain(&self, program: &Program, error: &VmError) -> CallError {
        let text = error.to_string();
        let (line, column, snippet) = place(program, error).unwrap_or((0, 0, String::new()));
        let place = Place { line, column };
        if text == "Halted for unexpected reason `limited`" {
            return CallError::Instructions { count: self.limits.instructions, place };
        }
        if text.starts_with(compile::ALLOCATION_FAILED) {
            return CallError::Memory { bytes: self.limits.memory_bytes, place };
        }
        let stopped = text.strip_prefix("Panicked: ");
        // What a host function says was written for operators, who can't do anything with a piece of the script.
        let call = stopped.and_then(|_| snippet.strip_prefix(HOST_CALL));
        let host_function = call.and_then(|call| call.split('(').next()).unwrap_or_default().trim().to_owned();
        let text = stopped.unwrap_or(&text);
        let mut message = habits::worded(text, &snippet);
        let help = habits::of_failure(&error.to_string(), &snippet);
        if !snippet.is_empty() && host_function.is_empty() {
            message = format!("{message}, in `{snippet}`");
        }
        if let Some(help) = help {
            message = format!("{message}; {help}");
        }
        CallError::Script { message, line, column, host_function }
    }
}

/// Where in the author's text an error happened, with the start of the code there.
fn place(program: &Program, error: &VmError) -> Option<(u32, u32, String)> {
    /// Longest piece of source quoted in a message, in characters.
    const SNIPPET_MAX: usize = 60;
    let location = error.first_location()?;
    let instruction = location.unit.debug_info()?.instruction_at(location.ip)?;
    if instruction.source_id.into_index() != 0 {
        return None;
    }
    let range = instruction.span.range();
    let (line, column) = program.prepared.position(range.start);
    let code = program.prepared.text.get(range)?;
    let first_line = code.lines().next().unwrap_or_default();
    Some((line, column, first_line.chars().take(SNIPPET_MAX).collect()))
}
