//! Calls one function of an interface's script.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    Interface, Kind,
    api::HostApi,
    engine::{CallError, Engine, EngineConfig, Host, Returned, Scope},
    remember::{Answers, Scripts},
    trace::Recorder,
};
use crate::core::{
    cluster::Breaker,
    database::Database,
    error::{Error, Result},
    http::{HttpClient, LeftAlone},
    id::Id,
    settings::Plugins,
    text,
    time::Clock,
};

/// The code of an error in which the script itself said no, as opposed to one in which it could not be run to its end.
pub const REFUSED: &str = "plugin.refused";
/// The code of an error in which the script began and did not come to its end: what it did by then is not known.
pub const FAILED: &str = "plugin.failed";
/// The code of an error in which the script did not begin, because too many calls of this interface run or wait.
pub const BUSY: &str = "plugin.busy";
/// The code of an error in which the script did not begin, because no script can be run here now.
pub(super) const UNAVAILABLE: &str = "plugin.unavailable";
/// The code of an error in which the script has no such function, which only optional ones can be.
pub const NO_FUNCTION: &str = "plugin.no_function";
/// Characters of what a script says that are kept.
const WORDS_MAX: usize = 1_000;
/// Hosts that a server tells the others of; an installation has few gateways and providers.
const BREAKERS_MAX: usize = 100;

/// Runs the scripts of interfaces. Cheap to clone.
#[derive(Clone)]
pub struct PluginHost {
    engine: Engine,
    /// What the engine was made of, for [`PluginHost::recorded`].
    config: EngineConfig,
    api: Arc<dyn Host>,
    scripts: Arc<Scripts>,
    answers: Arc<Answers>,
    http: HttpClient,
}

impl PluginHost {
    /// A host whose workers are started from `executable`, which must be this program. Nothing is started before the
    /// first call.
    ///
    /// # Errors
    /// When the outbound client can't be set up.
    pub fn new(executable: PathBuf, settings: &Plugins, database: Database, clock: Clock) -> Result<Self> {
        let http = HttpClient::new(settings.allow_private.clone(), clock.clone())?;
        let answers = Arc::new(Answers::new(clock.clone()));
        let api: Arc<dyn Host> = Arc::new(HostApi::new(database, clock, http.clone()));
        let config = EngineConfig::new(executable);
        let engine = Engine::start(config.clone(), Arc::clone(&api));
        Ok(Self { engine, config, api, scripts: Arc::default(), answers, http })
    }

    /// A host of the same kind, with workers of its own, that notes what scripts ask.
    pub(super) fn recorded(&self) -> (Self, Arc<Recorder>) {
        let recorder = Arc::new(Recorder::new(Arc::clone(&self.api)));
        let engine = Engine::start(self.config.clone(), Arc::<Recorder>::clone(&recorder));
        (Self { engine, ..self.clone() }, recorder)
    }

    /// The same host with less time for each call, counted from when its script begins.
    #[must_use]
    pub(super) fn with_wall(&self, wall: Duration) -> Self {
        Self { engine: self.engine.clone().with_wall(wall), ..self.clone() }
    }

    /// The hosts that scripts can't reach for now because they failed again and again.
    #[must_use]
    pub fn breakers(&self) -> Vec<Breaker> {
        let breaker = |left: LeftAlone| Breaker {
            host: left.host,
            state: if left.may_be_asked { "half_open" } else { "open" }.to_owned(),
            since: left.since.to_string(),
        };
        self.http.left_alone().into_iter().take(BREAKERS_MAX).map(breaker).collect()
    }

    /// The engine, for looking at scripts that belong to no interface yet.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Calls `function` with the interface's settings and, winning over them, the fields of `business`.
    ///
    /// # Errors
    /// [`REFUSED`] with the script's own words when it answered with an error; [`FAILED`] when it could not be run to its
    /// end; [`BUSY`] and `plugin.unavailable` when it did not begin.
    pub async fn call(&self, interface: &Interface, function: &str, business: Value) -> Result<Returned> {
        let kind = interface.kind().ok_or_else(|| {
            Error::internal(
                "plugin.kind",
                format!("interface `{}` has the unknown type `{}`", interface.id, interface.plugin_type),
            )
        })?;
        let (key, source) = self.scripts.of(interface);
        let scope = Scope {
            interface_id: interface.id.uuid(),
            plugin: interface.display_name.clone(),
            request_id: Id::generate().uuid(),
        };
        self.engine
            .call(kind, &key, &source, function, merge(&interface.config.0, business), scope)
            .await
            .map(cleaned)
            .map_err(|cause| failed(interface, function, &cause))
    }

    /// As [`PluginHost::call`], for a function that answers with a text.
    ///
    /// # Errors
    /// As [`PluginHost::call`].
    pub async fn call_text(&self, interface: &Interface, function: &str, business: Value) -> Result<String> {
        self.call(interface, function, business).await?.into_text().map_err(|words| refused(interface, &words))
    }

    /// As [`PluginHost::call`], for a function that answers with an object or with JSON text.
    ///
    /// # Errors
    /// As [`PluginHost::call`].
    pub async fn call_json(&self, interface: &Interface, function: &str, business: Value) -> Result<Value> {
        self.call(interface, function, business).await?.into_json().map_err(|words| refused(interface, &words))
    }

    /// As [`PluginHost::call_json`] without fields beside the settings, for functions that are asked on every list: an
    /// answer is remembered for half a minute, and for this very script and these very settings only.
    ///
    /// # Errors
    /// As [`PluginHost::call`]. Errors are not remembered.
    pub async fn call_json_remembered(&self, interface: &Interface, function: &'static str) -> Result<Value> {
        let (key, _) = self.scripts.of(interface);
        if let Some(known) = self.answers.get(interface, &key, function) {
            return Ok(known);
        }
        let answer = self.call_json(interface, function, Value::Null).await?;
        self.answers.put(interface, &key, function, &answer);
        Ok(answer)
    }

    /// Ends the workers.
    pub async fn shutdown(&self) {
        self.engine.shutdown().await;
    }
}

/// Settings and business fields in one object; business fields win.
pub(super) fn merge(config: &Value, business: Value) -> Value {
    let mut merged: Map<String, Value> = config.as_object().cloned().unwrap_or_default();
    if let Value::Object(business) = business {
        merged.extend(business);
    }
    Value::Object(merged)
}

fn refused(interface: &Interface, words: &str) -> Error {
    let words = text::shown(words, WORDS_MAX);
    Error::internal(REFUSED, format!("`{}` answered: {words}", interface.display_name))
}

fn failed(interface: &Interface, function: &str, cause: &CallError) -> Error {
    let words = text::shown(&cause.in_function(function, &interface.script_source), WORDS_MAX);
    let name = &interface.display_name;
    match cause {
        CallError::Busy(_) => Error::unavailable(
            BUSY,
            format!("`{name}` can't run `{function}` now, too many calls of plugins run or wait"),
        )
        .hint("try again later; the server's log says which limit was reached")
        .caused_by(words),
        CallError::Unavailable(_) => {
            Error::unavailable(UNAVAILABLE, format!("`{name}` can't run `{function}` now")).caused_by(words)
        }
        CallError::NotFound(_) => {
            no_function(name, function).hint("it would take two parameters, like every function of a plugin")
        }
        CallError::Timeout(wall) => {
            Error::internal(FAILED, format!("`{name}` gave no answer to `{function}` within {wall:?}")).caused_by(words)
        }
        _ => Error::internal(FAILED, format!("`{name}` could not run `{function}`")).caused_by(words),
    }
}

/// What a script answers may come from any remote system. Characters that PostgreSQL can't store or that would act on a
/// terminal go here, once, for everything that is made of it.
fn cleaned(returned: Returned) -> Returned {
    match returned {
        Returned::Plain(value) => Returned::Plain(clean(value)),
        Returned::Ok(value) => Returned::Ok(clean(value)),
        Returned::Err(value) => Returned::Err(clean(value)),
    }
}

fn clean(value: Value) -> Value {
    match value {
        // A text may be JSON, in which NUL is written as an escape.
        Value::String(words) => Value::String(text::printable(&words.replace("\\u0000", ""))),
        Value::Array(items) => items.into_iter().map(clean).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (text::printable(&key), clean(value))).collect(),
        other => other,
    }
}

/// That an interface's script has no such function.
pub(super) fn no_function(interface: &str, function: &str) -> Error {
    Error::invalid(NO_FUNCTION, format!("the script of `{interface}` defines no function `{function}`"))
}

/// The kind, or why it does not fit.
pub(super) fn require_kind(interface: &Interface, wanted: &[Kind], field: &str) -> Result<()> {
    if interface.kind().is_some_and(|kind| wanted.contains(&kind)) {
        return Ok(());
    }
    Err(Error::invalid(
        "plugin.wrong_type",
        format!(
            "`{field}` names `{}`, which is {}, expected {}",
            interface.display_name,
            interface.kind().map_or("of an unknown type", Kind::described),
            wanted.iter().map(|kind| kind.described()).collect::<Vec<_>>().join(" or ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{clean, merge};

    #[test]
    fn what_a_script_answers_can_be_stored_anywhere() {
        let answer = json!({ "a\u{0}": ["x\u{0}y\u{1b}[2J\n", "{\"b\":\"\\u0000\"}"], "n": 1 });
        assert_eq!(clean(answer), json!({ "a": ["xy[2J\n", "{\"b\":\"\"}"], "n": 1 }));
    }

    #[test]
    fn business_fields_win_over_settings() {
        let merged = merge(&json!({ "api_url": "x", "order_id": "forged" }), json!({ "order_id": "o" }));
        assert_eq!(merged, json!({ "api_url": "x", "order_id": "o" }));
    }
}
