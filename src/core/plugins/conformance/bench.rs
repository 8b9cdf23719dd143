//! Calls functions of a script under test, and keeps how the checks ended.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use ipnet::IpNet;
use serde_json::Value;
use uuid::Uuid;

use super::{Check, Conformance, Heard, Outcome, sandbox::World};
use crate::core::{
    error::Result,
    plugins::{
        Kind,
        authoring::Script,
        engine::{CallError, Engine, EngineConfig, Issue, Returned, Scope, ScriptKey, line_of},
        host,
        trace::Recorder,
    },
    text,
};

/// Characters of a detail.
const DETAIL_MAX: usize = 300;
/// Characters of an answer that are quoted.
const GAVE_MAX: usize = 120;

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// With a value.
    Gave(Value),
    /// With an error that the script returned.
    Refused(String),
    /// A host function ended the call, or the script gave up, because something outside is missing here.
    Stopped(String),
    /// The script fell over.
    Broken(String),
}

/// Everything of a run.
pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) world: Arc<World>,
    pub(super) kind: Kind,
    /// The settings of the interface, complete.
    pub(super) config: Value,
    recorder: Arc<Recorder>,
    key: ScriptKey,
    source: Arc<str>,
    checks: Vec<Check>,
    /// Why it does not compile.
    pub(super) issues: Vec<Issue>,
    /// Who is told of each check as it ends.
    heard: Heard,
    /// Functions that hit a limit, with what they said. They are not called again: each call may take 15 s.
    spent: HashMap<String, String>,
    /// The function that was called last, for the place of what is wrong with its answer.
    called: String,
    /// The most host functions that one call used, and the longest call, each with the function's name.
    pub(super) most_asked: (usize, String),
    pub(super) longest: (Duration, String),
}

impl Bench {
    pub(super) async fn new(
        executable: PathBuf,
        script: &Script,
        network: Option<Vec<IpNet>>,
        heard: Heard,
    ) -> Result<Self> {
        let world = World::new(network).await?;
        let recorder = Arc::new(Recorder::new(Arc::<World>::clone(&world)));
        Ok(Self {
            engine: Engine::start(EngineConfig::new(executable), Arc::<Recorder>::clone(&recorder)),
            world,
            kind: script.kind,
            config: Value::Null,
            recorder,
            key: ScriptKey::new(&script.name, &script.source),
            source: Arc::from(script.source.as_str()),
            checks: Vec::new(),
            issues: Vec::new(),
            heard,
            spent: HashMap::new(),
            called: String::new(),
            most_asked: (0, String::new()),
            longest: (Duration::ZERO, String::new()),
        })
    }

    /// Ends the processes.
    pub(super) async fn end(self) -> Conformance {
        self.engine.shutdown().await;
        Conformance { kind: self.kind, checks: self.checks, issues: self.issues, steps: self.recorder.take() }
    }

    /// Calls a function with the settings and these fields.
    pub(super) async fn call(&mut self, function: &str, fields: &Value) -> Answer {
        let config = self.config.clone();
        self.call_with(&config, function, fields).await
    }

    /// The same with other settings.
    pub(super) async fn call_with(&mut self, config: &Value, function: &str, fields: &Value) -> Answer {
        function.clone_into(&mut self.called);
        if let Some(why) = self.spent(function) {
            return Answer::Stopped(why);
        }
        let merged = host::merge(config, fields.clone());
        let scope = Scope { interface_id: Uuid::nil(), plugin: self.key.name.clone(), request_id: Uuid::nil() };
        let (asked, refused, begin) = (self.world.asked(), self.world.refused(), Instant::now());
        let result = self.engine.call(self.kind, &self.key, &self.source, function, merged, scope).await;
        let (asked, took) = (self.world.asked() - asked, begin.elapsed());
        if asked > self.most_asked.0 {
            self.most_asked = (asked, function.to_owned());
        }
        if took > self.longest.0 {
            self.longest = (took, function.to_owned());
        }
        let is_cut_off = self.world.refused() > refused;
        match result.map(Returned::into_json) {
            Ok(Ok(value)) => Answer::Gave(value),
            Ok(Err(words)) if is_cut_off => Answer::Stopped(format!("it needs the network; it answered: {words}")),
            Ok(Err(words)) => Answer::Refused(words),
            Err(error) => {
                let words = error.in_function(function, &self.source);
                if is_limit(&error) {
                    self.spent.insert(function.to_owned(), words.clone());
                }
                classify(&error, words, is_cut_off)
            }
        }
    }

    /// Why a function is not called any more, if it is not.
    pub(super) fn spent(&self, function: &str) -> Option<String> {
        self.spent.get(function).map(|why| format!("it is not called again, since {why}"))
    }

    /// A check that ended well.
    pub(super) fn ok(&mut self, check: &str, detail: &str) {
        self.note(check, Outcome::Ok, detail);
    }

    /// A check that did not.
    pub(super) fn failed(&mut self, check: &str, detail: &str) {
        self.note(check, Outcome::Failed, detail);
    }

    /// A check that says nothing.
    pub(super) fn skipped(&mut self, check: &str, detail: &str) {
        self.note(check, Outcome::Skipped, detail);
    }

    fn note(&mut self, check: &str, outcome: Outcome, detail: &str) {
        let detail = text::shown(detail, DETAIL_MAX);
        let check = Check { check: check.to_owned(), outcome, detail };
        (self.heard)(&check);
        self.checks.push(check);
    }

    /// Judges an answer that should be a value; an error that the script returned can't be judged.
    pub(super) fn judge(
        &mut self,
        check: &str,
        answer: &Answer,
        judge: impl FnOnce(&Value) -> std::result::Result<String, String>,
    ) {
        match answer {
            Answer::Gave(value) => match judge(value) {
                Ok(detail) => self.ok(check, &detail),
                Err(detail) => {
                    let line = line_of(&self.called, &self.source);
                    let place = line.map(|line| format!("; `{}` begins on line {line}", self.called));
                    let why = broken_json(value).unwrap_or(detail);
                    let gave = text::shown(&value.to_string(), GAVE_MAX);
                    self.failed(check, &format!("{why}, it gave `{gave}`{}", place.unwrap_or_default()));
                }
            },
            Answer::Refused(words) => {
                self.skipped(check, &format!("it answered with an error: {words}; give settings that work as a file"));
            }
            Answer::Stopped(why) => self.skipped(check, why),
            Answer::Broken(why) => self.failed(check, why),
        }
    }
}

/// Whether a call that failed was ended from outside or fell over by itself.
fn classify(error: &CallError, words: String, is_cut_off: bool) -> Answer {
    match error {
        CallError::Script { message, host_function, line, column } if !host_function.is_empty() => {
            if is_cut_off {
                return Answer::Stopped(format!(
                    "it needs the network: `{host_function}` was refused; add --allow-network"
                ));
            }
            Answer::Stopped(format!("`{host_function}` at {line}:{column} ended the call: {message}"))
        }
        _ => Answer::Broken(words),
    }
}

/// Whether the call went on until something ended it.
const fn is_limit(error: &CallError) -> bool {
    matches!(error, CallError::Timeout(_) | CallError::Memory { .. } | CallError::Instructions { .. })
}

/// Where a text that was meant as JSON ceases to be some.
fn broken_json(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| text.trim_start().starts_with(['{', '[']))?;
    let cause = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    Some(format!("the text is no JSON: line {}, column {}", cause.line(), cause.column()))
}
