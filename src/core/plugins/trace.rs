//! What a script asked of the host, for its author's eyes: where a request went and how it ended, never what was in it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::Value;

use super::engine::{Host, HostFunction, HostFuture, Scope};
use crate::core::text;

/// How many steps are kept; a script that makes more has shown what it does.
const STEPS_MAX: usize = 2_000;

/// Characters that are shown of a line in the log.
const LOG_MAX: usize = 200;

/// Something that a script asked of the host.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The host function, or `log`.
    pub function: String,
    /// Of a request its method and host, of a line in the log its level; else empty. A path, a body or a key of the
    /// state may hold a secret and is not kept.
    pub target: String,
    /// How it ended, such as `status 200`; of a line in the log the begin of its text.
    pub outcome: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// A host that notes what it is asked and lets another one answer.
pub(super) struct Recorder {
    inner: Arc<dyn Host>,
    steps: Mutex<Vec<Step>>,
}

impl Recorder {
    /// Notes what `inner` is asked.
    #[must_use]
    pub(super) fn new(inner: Arc<dyn Host>) -> Self {
        Self { inner, steps: Mutex::default() }
    }

    /// What was noted since the last time, in order.
    #[must_use]
    pub(super) fn take(&self) -> Vec<Step> {
        std::mem::take(&mut *self.steps.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, step: Step) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() < STEPS_MAX {
            steps.push(step);
        }
    }
}

impl Host for Recorder {
    fn call<'a>(&'a self, scope: &'a Scope, function: HostFunction, arguments: Vec<String>) -> HostFuture<'a> {
        Box::pin(async move {
            let (target, words) = (target(function, &arguments), arguments.get(1).cloned());
            let begin = Instant::now();
            let result = self.inner.call(scope, function, arguments).await;
            let outcome = match (function, words) {
                (HostFunction::Log, Some(words)) => text::shown(&words, LOG_MAX),
                _ => outcome(&result),
            };
            let duration_ms = milliseconds(begin.elapsed());
            self.note(Step { function: name(function), target, outcome, duration_ms });
            result
        })
    }
}

/// Milliseconds, as far as a number of them goes.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The function as scripts write it.
pub(super) fn name(function: HostFunction) -> String {
    match serde_json::to_value(function) {
        Ok(Value::String(name)) => name,
        _ => format!("{function:?}"),
    }
}

fn target(function: HostFunction, arguments: &[String]) -> String {
    let argument = |index: usize| arguments.get(index).map(String::as_str).unwrap_or_default();
    let name = name(function);
    if function == HostFunction::Log {
        argument(0).to_owned()
    } else if name.starts_with("http_request") {
        format!("{} {}", argument(0), host_of(argument(1)))
    } else if name.starts_with("http_post") {
        format!("POST {}", host_of(argument(0)))
    } else if name.starts_with("http_") {
        format!("GET {}", host_of(argument(0)))
    } else {
        String::new()
    }
}

/// Scheme, host and port of an address.
fn host_of(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    parsed.map_or_else(|| "no URL".to_owned(), |url| url.origin().ascii_serialization())
}

fn outcome(result: &Result<String, String>) -> String {
    let Ok(text) = result else { return "failed".to_owned() };
    let status = serde_json::from_str::<Value>(text).ok().and_then(|answer| answer.get("status")?.as_u64());
    status.map_or_else(|| "ok".to_owned(), |status| format!("status {status}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_addresses_are_not_kept() {
        let arguments = ["POST", "https://user:hunter2@shop.example:8443/hunter2?key=hunter2", "hunter2"];
        let shown = target(HostFunction::HttpRequest, &arguments.map(str::to_owned));
        assert_eq!(shown, "POST https://shop.example:8443");
        assert_eq!(target(HostFunction::StateGet, &["hunter2".to_owned()]), "");
        assert_eq!(outcome(&Ok(r#"{"status":204,"body":"x"}"#.to_owned())), "status 204");
        assert_eq!(outcome(&Ok("hunter2".to_owned())), "ok");
        assert_eq!(outcome(&Err("hunter2".to_owned())), "failed");
    }
}
