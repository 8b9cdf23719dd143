//! Does a script do what the documentation asks of its kind? Every function of the contract is called in a sandbox with
//! sensible, missing and odd arguments, and what comes back is held against docs/plugins.md.
//!
//! `sandbox.rs` is the world that the script sees, `bench.rs` calls functions and keeps the results, `sample.rs` makes
//! up settings and arguments, `gateway.rs`, `notifier.rs` and `provider.rs` know what their kind promises, and
//! `common.rs` what all do. What can't be judged here, such as an answer that needs the network, is skipped with its
//! reason and never counted as right.

mod bench;
mod common;
mod gateway;
mod notifier;
mod provider;
mod sample;
mod sandbox;

use std::{path::PathBuf, sync::Arc};

use ipnet::IpNet;
use serde::Serialize;
use serde_json::Value;

use self::bench::Bench;
use super::{
    Kind,
    authoring::Script,
    config,
    engine::{InspectError, Issue},
    trace::Step,
};
use crate::core::{
    actor::{Actor, Permission},
    error::{Error, Result},
};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As promised.
    Ok,
    /// Not as promised.
    Failed,
    /// It could not be judged.
    Skipped,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was checked.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was checked.
    pub check: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, or what was seen.
    pub detail: String,
}

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Conformance {
    /// What the script is for.
    pub kind: Kind,
    /// Every check in order.
    pub checks: Vec<Check>,
    /// Why the script does not compile, with the places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<Issue>,
    /// What the script asked of the host.
    pub steps: Vec<Step>,
}

impl Conformance {
    /// How many checks ended like this.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }
}

/// Who is told of each check as it ends.
pub type Heard = Arc<dyn Fn(&Check) + Send + Sync>;

/// What a script may use while it is tried.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    /// The settings of its interface; left out, some are made up from its form.
    pub config: Option<Value>,
    /// Whether it reaches the network, and which networks beside the public ones. None: every request is refused.
    pub network: Option<Vec<IpNet>>,
}

/// As [`conform_telling`], telling nobody before the end.
///
/// # Errors
/// As [`conform_telling`].
pub async fn conform(actor: &Actor, executable: PathBuf, script: &Script, sandbox: Sandbox) -> Result<Conformance> {
    conform_telling(actor, executable, script, sandbox, Arc::new(|_| {})).await
}

/// Tries a script, with no database and no configuration. `executable` is this program, of which the script's processes
/// are started. Each check is told as it ends, since a script that hangs takes its time. For administrators.
///
/// # Errors
/// PermissionDenied; `plugin.unavailable` when no process can be started. A script that does not conform is no error but
/// the answer.
pub async fn conform_telling(
    actor: &Actor,
    executable: PathBuf,
    script: &Script,
    sandbox: Sandbox,
    heard: Heard,
) -> Result<Conformance> {
    actor.require(Permission::Admin)?;
    let mut bench = Bench::new(executable, script, sandbox.network, heard).await?;
    let inspected = match bench.engine.inspect(script.kind, &script.name, &script.source).await {
        Ok(inspected) => inspected,
        Err(InspectError::Engine(cause)) if cause.is_ours() => {
            return Err(Error::unavailable("plugin.unavailable", "no script can be tried now").caused_by(cause));
        }
        Err(cause) => {
            bench.failed("compiles", &cause.to_string());
            if let InspectError::Issues(issues) = cause {
                bench.issues = issues;
            }
            return Ok(bench.end().await);
        }
    };
    bench.ok("compiles", &format!("{} functions", inspected.functions.len()));
    if inspected.version == "0.0.0" {
        bench.failed("version", "`version` is missing or returns no semantic version such as \"1.0.0\"");
    } else {
        bench.ok("version", &inspected.version);
    }
    let given = sandbox.config.is_some();
    let config = sandbox.config.unwrap_or_else(|| sample::settings(&inspected.config_schema));
    match config::complete(&inspected.config_schema, &Value::Null, config) {
        Ok(config) => {
            bench.ok("form", if given { "takes the settings of the file" } else { "takes settings made up from it" });
            bench.config = config;
        }
        // A form may ask for more than can be made up, and a file may simply be wrong.
        Err(error) if given => {
            bench.failed("form", &error.to_string());
            return Ok(bench.end().await);
        }
        Err(error) => {
            bench.skipped("form", &format!("no settings can be made up for it: {error}; give some as a file"));
            bench.config = Value::Object(serde_json::Map::new());
        }
    }
    common::initialize(&mut bench, given).await;
    match script.kind {
        Kind::Gateway => gateway::check(&mut bench).await,
        Kind::Notifier => notifier::check(&mut bench).await,
        Kind::FirstPartyProvider | Kind::UpstreamProvider => provider::check(&mut bench).await,
    }
    common::odd_arguments(&mut bench).await;
    common::repetition(&mut bench).await;
    common::limits(&mut bench);
    Ok(bench.end().await)
}
