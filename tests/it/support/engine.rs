//! The engine with a host of its own and real worker processes of the program under test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustbill::core::plugins::engine::{
    CallError, Engine, EngineConfig, Host, HostFunction, HostFuture, Kind, Limits, Returned, Scope, ScriptKey,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Keeps state per interface; `http_get` of `slow` sleeps, of `panic` panics, of `large` answers with 5 MB, any other echoes its URL.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub(crate) state: Mutex<HashMap<(Uuid, String), String>>,
    pub(crate) logs: Mutex<Vec<Vec<String>>>,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host for FakeHost {
    fn call<'a>(&'a self, scope: &'a Scope, function: HostFunction, arguments: Vec<String>) -> HostFuture<'a> {
        Box::pin(async move {
            let argument = |index: usize| arguments.get(index).cloned().unwrap_or_default();
            let key = (scope.interface_id, argument(0));
            match function {
                HostFunction::HttpGet => match arguments[0].as_str() {
                    "slow" => {
                        tokio::time::sleep(Duration::from_secs(30)).await;
                        Ok(String::new())
                    }
                    "wait" => {
                        tokio::time::sleep(Duration::from_millis(300)).await;
                        Ok("waited".to_owned())
                    }
                    "large" => Ok("x".repeat(5 << 20)),
                    "panic" => panic!("a host function panics"),
                    "fail" => Err("connection refused".to_owned()),
                    url => Ok(format!("body of {url}")),
                },
                HostFunction::StateGet => Ok(locked(&self.state).get(&key).cloned().unwrap_or_default()),
                HostFunction::StateSet => {
                    locked(&self.state).insert(key, argument(1));
                    Ok(String::new())
                }
                HostFunction::StateClaim => {
                    let mut state = locked(&self.state);
                    Ok(state.entry(key).or_insert(argument(1)).clone())
                }
                HostFunction::StateDelete => {
                    locked(&self.state).remove(&key);
                    Ok(String::new())
                }
                HostFunction::Log => {
                    locked(&self.logs).push(arguments);
                    Ok(String::new())
                }
                _ => Err("not in this test".to_owned()),
            }
        })
    }
}

pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) host: Arc<FakeHost>,
    pub(crate) interface_id: Uuid,
    pub(crate) limits: Limits,
}

impl Bench {
    pub(crate) fn new(workers_max: usize, limits: Limits) -> Self {
        let host = Arc::new(FakeHost::default());
        let mut config = EngineConfig::new(env!("CARGO_BIN_EXE_rustbill"));
        config.workers_max = workers_max;
        config.limits = limits;
        Self {
            engine: Engine::start(config, Arc::clone(&host) as Arc<dyn Host>),
            host,
            interface_id: Uuid::from_u128(7),
            limits,
        }
    }

    /// Calls `send` of a notifier with this body.
    pub(crate) async fn send(&self, body: &str) -> Result<Returned, CallError> {
        self.send_with(body, json!({"name": "x"})).await
    }

    pub(crate) async fn send_with(&self, body: &str, merged: Value) -> Result<Returned, CallError> {
        let source: Arc<str> = notifier(body).into();
        let key = ScriptKey::new("test", &source);
        let call = self.engine.call(Kind::Notifier, &key, &source, "send", merged, self.scope());
        call.await
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope { interface_id: self.interface_id, plugin: "test".to_owned(), request_id: Uuid::nil() }
    }
}

pub(crate) fn notifier(body: &str) -> String {
    format!(
        "fn config_schema(c, u) {{ #{{type: \"object\", properties: #{{}}}} }}\nfn initialize(c, u) {{ Ok(()) }}\n\
         fn supported_events(c, u) {{ [] }}\nfn templates(c, u) {{ #{{}} }}\nfn health_check(c, u) {{ Ok(true) }}\n\
         async fn send(merged, _unused) {{\n{body}\n}}\n"
    )
}

pub(crate) fn wall(milliseconds: u64) -> Limits {
    Limits { wall: Duration::from_millis(milliseconds), ..Limits::default() }
}

pub(crate) fn text(value: &str) -> Returned {
    Returned::Plain(json!(value))
}
