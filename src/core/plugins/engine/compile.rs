//! From a script's source to a program, with every complaint placed in the author's text.

use std::sync::Arc;

use rune::alloc::limit;
use rune::ast::Spanned as _;
use rune::compile::{NoopSourceLoader, Options};
use rune::diagnostics::{Diagnostic, FatalDiagnostic, FatalDiagnosticKind};
use rune::{Context, Diagnostics, Source, Sources};

use super::advice;
use super::contract;
use super::error::Issue;
use super::kind::Kind;
use super::limits::Limits;
use super::lint;
use super::machine::Program;
use super::prepass::{self, Prepared};

/// How Rune's errors begin when the memory limit was reached.
pub(super) const ALLOCATION_FAILED: &str = "Failed to allocate";

/// Compiles a script of one kind, or says everything that is wrong with it.
pub(super) fn compile(
    context: &Context,
    limits: &Limits,
    kind: Kind,
    name: &str,
    source: &str,
) -> Result<Program, Vec<Issue>> {
    if let Some(issue) = limits.too_long(source) {
        return Err(vec![issue]);
    }
    let prepared = prepass::prepare(source);
    let built = limit::with(limits.memory_bytes, || build(context, kind, name, source, prepared)).call();
    built.map_err(|issues| issues.into_iter().map(|issue| issue.quoting(source)).collect())
}

fn build(context: &Context, kind: Kind, name: &str, source: &str, prepared: Prepared) -> Result<Program, Vec<Issue>> {
    let functions = contract::functions(&prepared).map_err(|issue| vec![advice::explained(issue, source)])?;
    let mut issues = contract::check(kind, &functions, &prepared);
    issues.extend(lint::host_calls(source));
    if !issues.is_empty() {
        return Err(issues);
    }
    let internal = |error: &dyn std::fmt::Display| vec![Issue::whole_file(error.to_string())];
    let mut sources = Sources::new();
    for (name, text) in [(name, prepared.text.as_str()), ("contract", &contract::second_source(&functions))] {
        let source = Source::new(name, text).map_err(|error| internal(&error))?;
        sources.insert(source).map_err(|error| internal(&error))?;
    }
    let mut diagnostics = Diagnostics::without_warnings();
    // The default loader would read `mod name;` from files.
    let mut loader = NoopSourceLoader::default();
    let unit = rune::prepare(&mut sources)
        .with_context(context)
        .with_diagnostics(&mut diagnostics)
        .with_options(&Options::default())
        .with_source_loader(&mut loader)
        .build();
    match unit {
        Ok(unit) => Ok(Program { unit: Arc::new(unit), prepared, functions }),
        Err(error) => {
            let found: Vec<Issue> = diagnostics
                .diagnostics()
                .iter()
                .filter_map(|diagnostic| match diagnostic {
                    Diagnostic::Fatal(fatal) => Some(advice::explained(issue(fatal, &prepared), source)),
                    _ => None,
                })
                .collect();
            Err(if found.is_empty() { internal(&error) } else { found })
        }
    }
}

fn issue(fatal: &FatalDiagnostic, prepared: &Prepared) -> Issue {
    let text = fatal.to_string();
    let message = if text.starts_with(ALLOCATION_FAILED) {
        "the script needs more memory to compile than it may use; make it smaller".to_owned()
    } else {
        text
    };
    match fatal.kind() {
        // An error in the second source has no place in the author's text.
        FatalDiagnosticKind::CompileError(error) if fatal.source_id().into_index() == 0 => {
            Issue::at(prepared.position(error.span().range().start), message)
        }
        _ => Issue::whole_file(message),
    }
}
