//! Scripts that mean harm, in real worker processes: each is stopped within its limits and says why, and nobody else
//! notices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustbill::core::plugins::engine::{CallError, Engine, EngineConfig, InspectError, Kind, Limits, Scope, ScriptKey};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    engine::{Bench, FakeHost, locked, notifier, text, wall},
    wait,
};

/// How long hostile scripts may run here.
const WALL: Duration = Duration::from_secs(3);
/// How much longer than that an answer may take on a busy machine.
const GRACE: Duration = Duration::from_secs(8);

/// The error of a hostile body, which must come in time and leave a sound engine.
async fn stopped(bench: &Bench, body: &str) -> CallError {
    let start = Instant::now();
    let wall = bench.limits.wall;
    let error = match bench.send(body).await {
        Err(error) => error,
        Ok(value) => panic!("{body} was not stopped: {value:?}"),
    };
    assert!(start.elapsed() < wall + GRACE, "{body}: {:?}", start.elapsed());
    assert_eq!(bench.send("\"next\"").await, Ok(text("next")), "after {body}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_end_at_the_instructions_or_at_the_clock() {
    // So few that a build without optimisations gets there.
    let few = Bench::new(2, Limits { instructions: 300_000, ..wall(30_000) });
    for body in ["loop {}", "async { loop {} }.await", "let i = 0; while true { i += 1; }"] {
        let error = stopped(&few, body).await;
        let CallError::Instructions { count: 300_000, .. } = &error else { panic!("{body}: {error:?}") };
        assert!(error.to_string().contains("300000 instructions"), "{error}");
    }
    let bench = Bench::new(2, wall(3_000));
    for body in [
        "[1].iter().map(|x| { loop {} }).collect::<Vec>()",
        "let list = [2, 1]; list.sort_by(|a, b| { loop {} }); list",
        "Some(1).map(|x| { loop {} })",
        "let g = || { loop {} yield 1; }; g().next()",
        "(0..).iter().count()",
        "loop { rustbill_host::json_get(\"{}\", \"a\"); [1, 2, 3].iter().map(|x| { for i in 0..100000 {} x }).count(); }",
    ] {
        let error = stopped(&bench, body).await;
        if let CallError::Timeout(limit) = error {
            assert_eq!(limit, WALL);
            assert!(error.to_string().contains("within 3s") && error.to_string().contains("endless loop"), "{error}");
        } else {
            // Where Rune counts after all, the other limit is reached first.
            assert!(matches!(error, CallError::Instructions { .. }), "{body}: {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recursion_ends_with_an_error() {
    let bench = Bench::new(2, wall(5_000));
    let recursive = |more: &str, body: &str| format!("{}\n{more}", notifier(body));
    for source in [
        recursive("fn deep(n) { 1 + deep(n + 1) }", "deep(0)"),
        recursive("async fn deep(n) { 1 + deep(n + 1).await }", "deep(0).await"),
        recursive("fn deep(n) { [n].iter().map(|x| deep(x + 1)).collect::<Vec>() }", "deep(0)"),
        recursive("fn even(n) { odd(n + 1) && true }\nfn odd(n) { even(n + 1) && true }", "even(0)"),
    ] {
        let source: Arc<str> = source.into();
        let key = ScriptKey::new("deep", &source);
        let error =
            bench.engine.call(Kind::Notifier, &key, &source, "send", json!({}), bench.scope()).await.unwrap_err();
        let is_told = matches!(error, CallError::Memory { .. } | CallError::Crashed(_) | CallError::Timeout(_));
        assert!(is_told, "{source}: {error:?}");
        assert_eq!(bench.send("\"next\"").await, Ok(text("next")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grows_ends_at_the_memory() {
    let bench = Bench::new(2, Limits { memory_bytes: 4 << 20, ..wall(30_000) });
    for body in [
        "let s = \"x\"; loop { s = `${s}${s}`; }",
        "let v = []; loop { v.push([1, 2, 3, 4, 5, 6, 7, 8]); }",
        "let o = #{}; let i = 0; loop { i += 1; o.insert(`a very long key of an object ${i}`, [1, 2, 3, 4, 5, 6, 7, 8]); }",
        "Vec::with_capacity(1000000000000)",
        "let s = String::with_capacity(1000000000000); s",
        "format!(\"{:>2000000000}\", 1)",
    ] {
        let error = stopped(&bench, body).await;
        let CallError::Memory { bytes, place } = &error else { panic!("{body}: {error:?}") };
        assert_eq!((*bytes, place.line), (4 << 20, 7), "{body}");
        assert!(error.to_string().contains("4 MiB of memory"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_without_end_harm_nobody() {
    let bench = Bench::new(2, wall(30_000));
    let cyclic = "let a = []; a.push(a); let b = []; b.push(b); let o = #{}; o.o = o;";
    for (body, word) in [
        ("a", "levels deep or contains itself"),
        ("o", "levels deep or contains itself"),
        ("rustbill_host::json_stringify(a)", "levels deep or contains itself"),
        ("a == b", ""),
        ("format!(\"{:?}\", a)", ""),
        ("rustbill_host::log_info(format!(\"{:?}\", o))", ""),
    ] {
        let error = stopped(&bench, &format!("{cyclic} {body}")).await.to_string();
        assert!(error.contains(word), "{body}: {error}");
    }
    // One long text that many elements share is long once in the script, and would be many times outside.
    let shared =
        "let s = \"0123456789abcdef\"; for i in 0..10 { s = s + s; } let v = []; for i in 0..50000 { v.push(s); }";
    for body in ["v", "rustbill_host::json_stringify(v)"] {
        let error = stopped(&bench, &format!("{shared} {body}")).await.to_string();
        assert!(error.contains("4194304 bytes"), "{error}");
    }
    let long = "let s = \"0123456789abcdef\"; for i in 0..19 { s = s + s; }";
    for body in ["s", "rustbill_host::html_escape(s)", "rustbill_host::http_get(s)"] {
        let error = stopped(&bench, &format!("{long} {body}")).await.to_string();
        assert!(error.contains("4194304"), "{body}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_the_host_and_log_lines_are_counted() {
    let bench = Bench::new(2, wall(30_000));
    let error = stopped(&bench, "for i in 0..1000000 { rustbill_host::state_get(\"k\"); }").await;
    let CallError::HostCalls { count: 200, place } = &error else { panic!("{error:?}") };
    assert_eq!(place.line, 7);
    assert!(error.to_string().contains("the 200 times"), "{error}");

    bench.send("for i in 0..50000 { rustbill_host::log_info(\"x\"); } 1").await.unwrap();
    let logs = locked(&bench.host.logs).clone();
    assert_eq!(logs.len(), 201, "200 lines, and one that says so");
    assert!(logs[200][1].contains("may log 200 lines"), "{:?}", logs[200]);

    let error = stopped(&bench, "rustbill_host::http_get(\"panic\")").await;
    let CallError::Script { message, line: 7, .. } = &error else { panic!("{error:?}") };
    assert!(message.contains("failed inside the server"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_bounded_too() {
    let bench = Bench::new(2, wall(10_000));
    let nested = |open: &str, close: &str| notifier(&format!("{}1{}", open.repeat(5_000), close.repeat(5_000)));
    for source in [
        nested("(", ")"),
        nested("[", "]"),
        nested("{", "}"),
        nested("#{a: ", "}"),
        notifier(&"1 + ".repeat(20_000)),
        format!("{}const N = {{ let x = 0; loop {{ x += 1; }} x }};", notifier("N")),
        format!("{}const S = {{ let s = \"xxxxxxxx\"; loop {{ s = `${{s}}${{s}}`; }} s }};", notifier("S")),
    ] {
        let start = Instant::now();
        // A compiler that copes is no fault. One that does not says so and is replaced.
        let inspected = bench.engine.inspect(Kind::Notifier, "n", &source).await;
        assert!(start.elapsed() < Duration::from_secs(10) + GRACE);
        if source.contains("loop {") {
            let Err(InspectError::Issues(issues)) = &inspected else { panic!("{inspected:?}") };
            assert!(issues[0].line > 0, "{issues:?}");
        }
        assert_eq!(bench.send("\"next\"").await, Ok(text("next")));
    }
    for more in [
        "mod other;",
        "use other::thing;",
        "const X = include_str!(\"/etc/passwd\");",
        "const X = file!(\"/etc/passwd\");",
    ] {
        let body = if more.starts_with("use") { "thing()" } else { "1" };
        let inspected = bench.engine.inspect(Kind::Notifier, "n", &format!("{}{more}", notifier(body))).await;
        let Err(InspectError::Issues(issues)) = &inspected else { panic!("{more}: {inspected:?}") };
        assert!(issues.iter().all(|issue| !issue.message.contains("root:")), "{issues:?}");
    }
    // While it is looked at, a script may not ask the host anything.
    let asks = notifier("1").replace("#{type:", "rustbill_host::http_get(\"u\"); #{type:");
    let Err(InspectError::Issues(issues)) = bench.engine.inspect(Kind::Notifier, "n", &asks).await else { panic!() };
    assert!(issues[0].message.contains("cannot be used while a plugin is inspected"), "{issues:?}");
    assert_eq!(issues[0].line, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_changed_after_it_was_looked_at_is_another_script() {
    let bench = Bench::new(2, wall(5_000));
    let good = notifier("\"good\"");
    bench.engine.inspect(Kind::Notifier, "n", &good).await.unwrap();
    assert_eq!(bench.send("\"good\"").await, Ok(text("good")));
    let error = bench.send("let x = ;").await.unwrap_err();
    let CallError::Compile(issues) = &error else { panic!("{error:?}") };
    assert_eq!(issues[0].line, 7, "{error}");
    assert_eq!(bench.send("\"good\"").await, Ok(text("good")));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_writes_rubbish_is_replaced() {
    for (script, word) in [
        ("echo nonsense; sleep 60", "makes no sense"),
        ("printf '\\0\\0\\0\\2{}'; sleep 60", "makes no sense"),
        ("printf '\\0\\0\\0\\11\"unknown\"'; cat > /dev/null", "unexpected frame"),
        ("cat /dev/zero", "makes no sense"),
        ("exit 3", "exit status: 3"),
        ("exec 1>&-; sleep 60", "makes no sense"),
        ("sleep 60", "did not finish"),
    ] {
        let mut config = EngineConfig::new("/bin/sh");
        config.arguments = vec!["-c".to_owned(), format!("PATH=/bin:/usr/bin; {script}")];
        config.limits = wall(1_500);
        let engine = Engine::start(config, Arc::new(FakeHost::default()));
        let start = Instant::now();
        let Err(InspectError::Engine(error)) = engine.inspect(Kind::Notifier, "n", &notifier("1")).await else {
            panic!("{script}")
        };
        assert!(start.elapsed() < Duration::from_secs(3) + GRACE, "{script}");
        assert!(error.to_string().contains(word), "{script}: {error}");
        assert_eq!(engine.idle_workers(), 0, "{script}");
    }
}

/// The median duration of calls of a well-behaved interface, made one after the other.
/// A hundred calls of a well-behaved script, one after the other.
async fn hundred_good_calls(bench: &Bench, interface: u128) {
    let source: Arc<str> = notifier("rustbill_host::json_get(merged, \"name\")").into();
    let key = ScriptKey::new("good", &source);
    for _ in 0..100 {
        let scope = Scope { interface_id: Uuid::from_u128(interface), ..bench.scope() };
        let answer = bench.engine.call(Kind::Notifier, &key, &source, "send", json!({"name": "x"}), scope).await;
        assert_eq!(answer, Ok(text("x")));
    }
}

/// Each hostile call holds its worker until it is stopped. A call of another interface that had to wait for one of those
/// workers would end after the first of them was stopped: that none does is what the order of their ends shows, however
/// slow the machine is.
#[tokio::test(flavor = "multi_thread")]
async fn others_keep_their_speed() {
    let bench = Arc::new(Bench::new(4, wall(5_000)));
    hundred_good_calls(&bench, 1).await;
    let bodies = [
        "[1].iter().map(|x| { loop {} }).collect::<Vec>()",
        "(0..).iter().count()",
        "rustbill_host::http_get(\"slow\")",
    ];
    let hostile: Vec<_> = (0..12)
        .map(|number| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.send(bodies[number % bodies.len()]).await })
        })
        .collect();
    // They hold all that they may hold, and the others wait.
    wait::until("the hostile calls hold their share", async || bench.engine.running(bench.scope().interface_id) == 2)
        .await;
    hundred_good_calls(&bench, 1).await;
    assert!(!hostile.iter().any(tokio::task::JoinHandle::is_finished), "a hostile call was over before the good ones");
    for call in hostile {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Timeout(_) | CallError::Busy(_)), "{error:?}");
        if let CallError::Busy(why) = &error {
            assert!(why.contains("all 2 plugin workers of its share") && why.contains("5s"), "{why}");
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_system_bounds_every_worker() {
    let bench = Bench::new(2, Limits::default());
    // While a call waits for its host, its worker can be looked at.
    let call = bench.send_with("rustbill_host::http_get(\"wait\")", Value::Null);
    let looked = async {
        loop {
            if let Some(found) = worker_limits() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    let (answer, (limits, status)) = tokio::join!(call, looked);
    answer.unwrap();
    let of = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        line.split_whitespace().nth(name.split_whitespace().count()).unwrap().to_owned()
    };
    assert_eq!(of("Max address space"), ((512 << 20) + (1_u64 << 30)).to_string());
    assert_eq!(of("Max core file size"), "0");
    assert_eq!(of("Max file size"), "0");
    assert_eq!(of("Max open files"), "16");
    assert!(of("Max cpu time").parse::<u64>().unwrap() < 60, "{}", of("Max cpu time"));
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
}

/// Limits and status of a worker that this process started and that has set its limits.
#[cfg(target_os = "linux")]
fn worker_limits() -> Option<(String, String)> {
    let own = format!("PPid:\t{}\n", std::process::id());
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let (status, limits) = (read("status"), read("limits"));
        let is_ours = status.contains(&own) && read("cmdline").contains("plugin-worker");
        let has_begun = limits
            .lines()
            .any(|line| line.starts_with("Max cpu time") && line.split_whitespace().nth(3) != Some("unlimited"));
        if is_ours && has_begun {
            return Some((limits, status));
        }
    }
    None
}
