//! What is remembered between calls of scripts, so that it need not be made again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;
use serde_json::Value;

use super::{Interface, engine::ScriptKey};
use crate::core::{
    id::Id,
    time::{Clock, Timestamp},
};

/// How long an answer of a function that is asked on every list counts. A change of script or settings ends it at once; a
/// change at the remote system is seen after this time.
pub(super) const ANSWER_LIFE: TimeDelta = TimeDelta::seconds(30);
/// Answers that are remembered.
const ANSWERS_MAX: usize = 256;
/// Bytes of an answer that is remembered.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Scripts whose hash is remembered.
const SCRIPTS_MAX: usize = 256;

/// Scripts by their interface, with their hash. To compare a script with the one that was hashed before is many times as
/// quick as to hash it, and unlike a column of the database it can't be wrong.
#[derive(Default)]
pub(super) struct Scripts(Mutex<HashMap<Id, (ScriptKey, Arc<str>)>>);

impl Scripts {
    /// The script of an interface, ready for the engine.
    pub(super) fn of(&self, interface: &Interface) -> (ScriptKey, Arc<str>) {
        let mut scripts = lock(&self.0);
        if let Some((key, source)) = scripts.get(&interface.id)
            && **source == *interface.script_source
        {
            return (key.clone(), Arc::clone(source));
        }
        let name = format!("{}-{}", interface.plugin_type, interface.plugin_id);
        let made = (ScriptKey::new(name, &interface.script_source), Arc::from(interface.script_source.as_str()));
        if scripts.len() >= SCRIPTS_MAX {
            scripts.clear();
        }
        scripts.insert(interface.id, made.clone());
        made
    }
}

/// What was asked: which function of which interface.
type Question = (Id, &'static str);

/// An answer, and of what it is one.
struct Answer {
    script: String,
    config: Value,
    until: Timestamp,
    value: Value,
}

/// Answers of functions that depend on nothing but script and settings.
pub(super) struct Answers {
    clock: Clock,
    known: Mutex<HashMap<Question, Answer>>,
}

impl Answers {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, known: Mutex::default() }
    }

    /// What this very script answered with these very settings a moment ago.
    pub(super) fn get(&self, interface: &Interface, script: &ScriptKey, function: &'static str) -> Option<Value> {
        let known = lock(&self.known);
        let answer = known.get(&(interface.id, function))?;
        let fits = answer.script == script.hash && answer.config == interface.config.0;
        (fits && self.clock.now() < answer.until).then(|| answer.value.clone())
    }

    /// Remembers an answer.
    pub(super) fn put(&self, interface: &Interface, script: &ScriptKey, function: &'static str, value: &Value) {
        if value.to_string().len() > ANSWER_BYTES_MAX {
            return;
        }
        let now = self.clock.now();
        let mut known = lock(&self.known);
        if known.len() >= ANSWERS_MAX {
            known.retain(|_, answer| now < answer.until);
        }
        if known.len() >= ANSWERS_MAX {
            known.clear();
        }
        let answer = Answer {
            script: script.hash.clone(),
            config: interface.config.0.clone(),
            until: now.plus(ANSWER_LIFE),
            value: value.clone(),
        };
        known.insert((interface.id, function), answer);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
