//! The plugin engine with real worker processes of the program under test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustbill::core::plugins::engine::{
    CallError, Engine, EngineConfig, InspectError, Kind, Limits, Returned, ScriptKey,
};
use serde_json::json;

use crate::support::{
    engine::{Bench, FakeHost, notifier, text, wall},
    wait,
};

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
    let bench = Bench::new(1, wall(3_000));
    for body in [
        "[1].iter().map(|x| { loop {} }).collect::<Vec>()",
        "(0..).iter().count()",
        "rustbill_host::http_get(\"slow\")",
    ] {
        let start = Instant::now();
        let result = bench.send(body).await;
        assert_eq!(result, Err(CallError::Timeout(Duration::from_secs(3))), "{body}");
        assert!(start.elapsed() < Duration::from_secs(10), "{body}");
        assert_eq!(bench.engine.idle_workers(), 0, "a killed worker is not kept");
    }
    assert_eq!(bench.send("\"next\"").await, Ok(text("next")));
}

#[tokio::test(flavor = "multi_thread")]
async fn less_time_counts_from_when_a_call_begins() {
    let bench = Bench::new(1, wall(8_000));
    let engine = bench.engine.clone().with_wall(Duration::from_secs(2));
    let hasty = Bench { engine, host: Arc::clone(&bench.host), interface_id: bench.interface_id, limits: bench.limits };
    let late = hasty.send("rustbill_host::http_get(\"slow\")").await;
    assert_eq!(late, Err(CallError::Timeout(Duration::from_secs(2))));
    // The only worker is taken for longer than that, and the call that waits for it has all of its time afterwards.
    let held =
        tokio::spawn(
            async move { bench.send("rustbill_host::sleep_ms(1500); rustbill_host::sleep_ms(1500); 1").await },
        );
    wait::until("the worker is taken", async || hasty.engine.running(hasty.interface_id) == 1).await;
    assert_eq!(hasty.send("\"in time\"").await, Ok(text("in time")));
    assert!(held.await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_workers_are_replaced() {
    let bench = Bench::new(1, Limits::default());
    // Comparing a value that contains itself overflows any stack and aborts the worker.
    let cyclic = bench.send("let a = []; a.push(a); let b = []; b.push(b); a == b").await;
    assert!(
        matches!(cyclic, Err(CallError::Crashed(_) | CallError::Memory { .. } | CallError::Script { .. })),
        "{cyclic:?}"
    );
    assert_eq!(bench.send("\"next\"").await, Ok(text("next")));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_instructions_are_bounded() {
    let bench = Bench::new(1, Limits { memory_bytes: 4 << 20, ..Limits::default() });
    let grown = bench.send("let a = []; loop { a.push(\"some text\"); }").await;
    let Err(CallError::Memory { bytes: 4_194_304, .. }) = grown else { panic!("{grown:?}") };
    let few = Bench::new(1, Limits { instructions: 10_000, host_calls: 2, ..Limits::default() });
    let endless = few.send("loop {}").await;
    let Err(CallError::Instructions { count: 10_000, .. }) = endless else { panic!("{endless:?}") };
    let calls = "for i in 0..3 { rustbill_host::state_get(\"k\"); }";
    let many = few.send(calls).await;
    let Err(CallError::HostCalls { count: 2, place }) = many else { panic!("{many:?}") };
    assert_eq!(place.line, 7);
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
    let bench = Arc::new(Bench::new(4, Limits::default()));
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
    let bench = Arc::new(Bench::new(1, wall(3_000)));
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
