//! The plugin engine with real worker processes of the program under test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustbill::core::plugins::engine::{
    CallError, Engine, EngineConfig, Host, HostFunction, HostFuture, InspectError, Kind, Limits, Returned, Scope,
    ScriptKey,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Keeps state per interface; `http_get` of `slow` sleeps, of `large` answers with 5 MB, any other echoes its URL.
#[derive(Default)]
struct FakeHost {
    state: Mutex<HashMap<(Uuid, String), String>>,
    logs: Mutex<Vec<Vec<String>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

struct Bench {
    engine: Engine,
    host: Arc<FakeHost>,
    interface_id: Uuid,
}

impl Bench {
    fn new(workers_max: usize, limits: Limits) -> Self {
        let host = Arc::new(FakeHost::default());
        let mut config = EngineConfig::new(env!("CARGO_BIN_EXE_rustbill"));
        config.workers_max = workers_max;
        config.limits = limits;
        Self {
            engine: Engine::start(config, Arc::clone(&host) as Arc<dyn Host>),
            host,
            interface_id: Uuid::from_u128(7),
        }
    }

    /// Calls `send` of a notifier with this body.
    async fn send(&self, body: &str) -> Result<Returned, CallError> {
        self.send_with(body, json!({"name": "x"})).await
    }

    async fn send_with(&self, body: &str, merged: Value) -> Result<Returned, CallError> {
        let source: Arc<str> = notifier(body).into();
        let key = ScriptKey::new("test", &source);
        let call = self.engine.call(Kind::Notifier, &key, &source, "send", merged, self.scope());
        call.await
    }

    fn scope(&self) -> Scope {
        Scope { interface_id: self.interface_id, plugin: "test".to_owned(), request_id: Uuid::nil() }
    }
}

fn notifier(body: &str) -> String {
    format!(
        "fn config_schema(c, u) {{ #{{type: \"object\", properties: #{{}}}} }}\nfn initialize(c, u) {{ Ok(()) }}\n\
         fn supported_events(c, u) {{ [] }}\nfn templates(c, u) {{ #{{}} }}\nfn health_check(c, u) {{ Ok(true) }}\n\
         async fn send(merged, _unused) {{\n{body}\n}}\n"
    )
}

fn wall(milliseconds: u64) -> Limits {
    Limits { wall: Duration::from_millis(milliseconds), ..Limits::default() }
}

fn text(value: &str) -> Returned {
    Returned::Plain(json!(value))
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_hosts_and_reuses_its_worker() {
    let bench = Bench::new(2, Limits::default());
    assert_eq!(bench.engine.idle_workers(), 0, "no worker before the first call");
    let body = "rustbill_host::log_info(\"hello\"); rustbill_host::state_set(\"k\", \"v\");\n\
                let state = rustbill_host::state_get(\"k\").await; `${rustbill_host::http_get(\"u\")} ${state}`";
    for _ in 0..3 {
        assert_eq!(bench.send(body).await, Ok(text("body of u v")));
    }
    assert_eq!(bench.engine.idle_workers(), 1);
    assert_eq!(bench.host.logs.lock().unwrap()[0], ["info", "hello"]);
    assert_eq!(bench.host.state.lock().unwrap()[&(bench.interface_id, "k".to_owned())], "v");

    let failed = bench.send("rustbill_host::http_get(\"fail\")").await;
    let Err(CallError::Script { message, line: 7, .. }) = failed else {
        panic!("{failed:?}");
    };
    assert!(message.starts_with("connection refused"), "{message}");
    let large = bench.send("rustbill_host::http_get(\"large\")").await;
    assert!(matches!(large, Err(CallError::Script { .. })), "{large:?}");
    assert_eq!(bench.engine.idle_workers(), 1, "script errors do not cost the worker");
    bench.engine.shutdown().await;
    assert_eq!(bench.engine.idle_workers(), 0);
    assert!(matches!(bench.send("1").await, Err(CallError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn wall_clock_stops_what_the_budget_does_not() {
    let bench = Bench::new(1, wall(700));
    for body in [
        "[1].iter().map(|x| { loop {} }).collect::<Vec>()",
        "(0..).iter().count()",
        "rustbill_host::http_get(\"slow\")",
    ] {
        let start = Instant::now();
        let result = bench.send(body).await;
        assert_eq!(result, Err(CallError::Timeout(Duration::from_millis(700))), "{body}");
        assert!(start.elapsed() < Duration::from_secs(5), "{body}");
        assert_eq!(bench.engine.idle_workers(), 0, "a killed worker is not kept");
    }
    assert_eq!(bench.send("\"next\"").await, Ok(text("next")));
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_workers_are_replaced() {
    let bench = Bench::new(1, Limits::default());
    // Comparing a value that contains itself overflows any stack and aborts the worker.
    let cyclic = bench.send("let a = []; a.push(a); let b = []; b.push(b); a == b").await;
    assert!(matches!(cyclic, Err(CallError::Crashed(_) | CallError::Memory | CallError::Script { .. })), "{cyclic:?}");
    assert_eq!(bench.send("\"next\"").await, Ok(text("next")));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_instructions_are_bounded() {
    let bench = Bench::new(1, Limits::default());
    assert_eq!(bench.send("let a = []; loop { a.push(\"some text\"); }").await, Err(CallError::Memory));
    let few = Bench::new(1, Limits { instructions: 10_000, host_calls: 2, ..Limits::default() });
    assert_eq!(few.send("loop {}").await, Err(CallError::Instructions));
    let calls = "for i in 0..3 { rustbill_host::state_get(\"k\"); }";
    assert_eq!(few.send(calls).await, Err(CallError::HostCalls));
    assert_eq!(few.engine.idle_workers(), 1, "these limits do not cost the worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_source_does_no_harm() {
    let bench = Bench::new(1, wall(10_000));
    for deep in ["(".repeat(100_000), "[".repeat(2_000) + &"]".repeat(2_000)] {
        // An error, a crash of the worker or even success: the server lives and goes on.
        let _ = bench.engine.inspect(Kind::Notifier, "deep", &notifier(&deep)).await;
        assert_eq!(bench.send("\"next\"").await, Ok(text("next")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inspects() {
    let bench = Bench::new(1, Limits::default());
    let inspected = bench.engine.inspect(Kind::Notifier, "n", &notifier("Ok(())")).await.unwrap();
    assert_eq!(inspected.version, "0.0.0");
    assert_eq!(inspected.functions.len(), 6);
    let issues = |result| match result {
        Err(InspectError::Issues(issues)) => issues,
        other => panic!("{other:?}"),
    };
    let arity = notifier("Ok(())").replace("send(merged, _unused)", "send(merged)");
    let found = issues(bench.engine.inspect(Kind::Notifier, "n", &arity).await);
    assert_eq!((found[0].line, found[0].column), (6, 10));
    let long = issues(bench.engine.inspect(Kind::Notifier, "n", &" ".repeat(9 << 20)).await);
    assert_eq!(long.len(), 1);
    let broken = bench.send("let").await;
    assert!(matches!(broken, Err(CallError::Compile(_))), "{broken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eviction_and_unknown_functions() {
    let bench = Bench::new(1, Limits::default());
    let source: Arc<str> = notifier("1").into();
    let key = ScriptKey::new("n", &source);
    for _ in 0..2 {
        assert_eq!(bench.send("1").await, Ok(Returned::Plain(json!(1))));
        bench.engine.evict(&key);
    }
    for _ in 0..100 {
        bench.engine.evict(&key);
    }
    assert_eq!(bench.send("1").await, Ok(Returned::Plain(json!(1))));
    let call = bench.engine.call(Kind::Notifier, &key, &source, "admin_page", json!({}), bench.scope());
    assert_eq!(call.await, Err(CallError::NotFound("admin_page".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_in_parallel_within_its_bound() {
    let bench = Arc::new(Bench::new(2, Limits::default()));
    bench.send("1").await.unwrap();
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.send("rustbill_host::http_get(\"wait\")").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(text("waited")));
    }
    assert_eq!(bench.engine.idle_workers(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_a_worker_only_so_long() {
    let bench = Arc::new(Bench::new(1, wall(1_000)));
    let slow = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.send("rustbill_host::http_get(\"slow\")").await })
    };
    let also = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.send("rustbill_host::http_get(\"slow\")").await })
    };
    let results = [slow.await.unwrap(), also.await.unwrap()];
    assert!(results.iter().all(Result::is_err), "{results:?}");
    assert_eq!(bench.send("\"next\"").await, Ok(text("next")));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_program_is_an_error() {
    let config = EngineConfig::new("/nonexistent/rustbill");
    let engine = Engine::start(config, Arc::new(FakeHost::default()));
    let result = engine.inspect(Kind::Notifier, "n", &notifier("1")).await;
    let Err(InspectError::Engine(CallError::Unavailable(why))) = result else {
        panic!("{result:?}");
    };
    assert!(why.contains("/nonexistent/rustbill"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_calls_leave_a_sound_pool() {
    let bench = Bench::new(1, Limits::default());
    let slow = bench.send("rustbill_host::http_get(\"slow\")");
    assert!(tokio::time::timeout(Duration::from_millis(500), slow).await.is_err());
    assert_eq!(bench.engine.idle_workers(), 0);
    assert_eq!(bench.send("\"next\"").await, Ok(text("next")));
}
