//! A look at a script for its author, in the worker.

use super::contract;
use super::error::Issue;
use super::kind::Kind;
use super::lint;
use super::machine::Machine;
use super::prepass::prepare;
use super::script::{Examined, FunctionSeen};

/// Where the version stands when a script gives none, or one that is none.
const VERSION_NONE: &str = "0.0.0";

/// Looks at a script. Belongs on a thread with a large stack, as all that parses does.
pub(super) fn examine(machine: &mut Machine, kind: Kind, name: &str, source: &str) -> Examined {
    let result = machine.inspect(kind, name, source);
    let prepared = prepare(source);
    let parsed = contract::functions(&prepared);
    // Where the syntax is wrong, texts and code may have changed places, and every warning may be one too many.
    let mut warnings = if parsed.is_ok() { lint::warnings(source) } else { Vec::new() };
    let mut functions = Vec::new();
    for function in parsed.unwrap_or_default() {
        let (line, column) = prepared.position(function.name_at);
        if function.name == "version" && result.as_ref().is_ok_and(|known| known.version == VERSION_NONE) {
            let issue =
                Issue::at((line, column), "`version` returns no semantic version, so the script counts as 0.0.0");
            warnings.push(issue.advised("return something like \"1.0.0\"").quoting(source));
        }
        functions.push(FunctionSeen { name: function.name, line, parameters: function.parameters });
    }
    Examined { functions, result, warnings }
}
