//! For authors of scripts: a look at a file without a database, and files to begin with.

mod form;
mod scaffold;

use std::{path::PathBuf, sync::Arc};

use serde::Serialize;

pub use self::{
    form::Setting,
    scaffold::{Scaffold, parse_type, scaffold},
};
use super::{
    Kind,
    engine::{
        ACTION_PREFIX, Engine, EngineConfig, Examined, Host, HostFunction, HostFuture, Issue, OPTIONAL_FUNCTIONS, Scope,
    },
};
use crate::core::{
    actor::{Actor, Permission},
    error::{Error, Result},
};

/// A script that its author works on.
#[derive(Clone, Debug)]
pub struct Script {
    /// What it is for.
    pub kind: Kind,
    /// The file's name, for messages.
    pub name: String,
    /// The text.
    pub source: String,
}

/// A function of the contract, or one that the script has beside it.
#[derive(Clone, Debug, Serialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// `required`, `optional`, `action` for what a page may call, or `own`.
    pub role: &'static str,
    /// The line on which it begins; none where it is missing.
    pub line: Option<u32>,
}

/// What there is to say about a script.
#[derive(Clone, Debug, Serialize)]
pub struct Examination {
    /// What it is for.
    pub kind: Kind,
    /// Its version; none while it has problems.
    pub version: Option<String>,
    /// Its size.
    pub bytes: usize,
    /// The functions of the contract, then the others in the order of the source.
    pub functions: Vec<Function>,
    /// The settings of its form in their order; none while it has problems.
    pub settings: Vec<Setting>,
    /// Why it can't be used; empty for a sound script.
    pub issues: Vec<Issue>,
    /// What compiles and is probably not meant.
    pub warnings: Vec<Issue>,
}

/// Answers nothing: a script that is only looked at has nobody to ask.
struct Nobody;

impl Host for Nobody {
    fn call<'a>(&'a self, _scope: &'a Scope, _function: HostFunction, _arguments: Vec<String>) -> HostFuture<'a> {
        Box::pin(async { Err("there is no host".to_owned()) })
    }
}

/// Looks at a script, with no database and no configuration. `executable` is this program, of which the script's process
/// is started. For administrators.
///
/// # Errors
/// PermissionDenied; `plugin.unavailable` when no process can be started. A broken script is no error but the answer.
pub async fn examine(actor: &Actor, executable: PathBuf, script: &Script) -> Result<Examination> {
    actor.require(Permission::Admin)?;
    let engine = Engine::start(EngineConfig::new(executable), Arc::new(Nobody));
    let examined = engine.examine(script.kind, &script.name, &script.source).await;
    engine.shutdown().await;
    let Examined { functions, result, mut warnings } = match examined {
        Ok(examined) => examined,
        Err(cause) if cause.is_ours() => {
            return Err(Error::unavailable("plugin.unavailable", "no script can be looked at now").caused_by(cause));
        }
        // It brought its process down.
        Err(cause) => Examined::broken(Issue::whole_file(cause.to_string())),
    };
    let (version, settings, issues) = match result {
        Ok(inspected) => {
            warnings.extend(form::warnings(&inspected.config_schema));
            (Some(inspected.version), form::settings(&inspected.config_schema), Vec::new())
        }
        Err(issues) => (None, Vec::new(), issues),
    };
    let line_of = |name: &str| functions.iter().find(|function| function.name == name).map(|function| function.line);
    let known = |name: &str, role| Function { name: name.to_owned(), role, line: line_of(name) };
    let mut shown: Vec<Function> = script.kind.required().iter().map(|name| known(name, "required")).collect();
    shown.extend(OPTIONAL_FUNCTIONS.iter().map(|name| known(name, "optional")));
    for function in &functions {
        if shown.iter().all(|known| known.name != function.name) {
            let is_action = function.name.starts_with(ACTION_PREFIX) && function.parameters == 2;
            shown.push(known(&function.name, if is_action { "action" } else { "own" }));
        }
    }
    Ok(Examination {
        kind: script.kind,
        version,
        bytes: script.source.len(),
        functions: shown,
        settings,
        issues,
        warnings,
    })
}
