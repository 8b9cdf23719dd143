//! The machine with a host of its own, without processes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::host::HostFunction;
use super::kind::Kind;
use super::limits::Limits;
use super::machine::{Machine, STACK_BYTES};
use super::natives::Outside;
use super::script::Inspected;
use super::{CallError, Issue, Returned};

/// What the fake host saw and holds.
struct World {
    state: HashMap<String, String>,
    requests: Vec<(HostFunction, Vec<String>)>,
    logs: Vec<(String, String)>,
    /// What every HTTP function answers.
    reply: Result<String, String>,
}

#[derive(Clone)]
struct FakeHost(Arc<Mutex<World>>);

impl Outside for FakeHost {
    fn request(&mut self, function: HostFunction, arguments: Vec<String>) -> Result<String, String> {
        let mut world = self.0.lock().unwrap();
        let argument = |index: usize| arguments.get(index).cloned().unwrap_or_default();
        let answer = match function {
            HostFunction::StateGet => Ok(world.state.get(&argument(0)).cloned().unwrap_or_default()),
            HostFunction::StateSet => {
                world.state.insert(argument(0), argument(1));
                Ok(String::new())
            }
            HostFunction::StateClaim => Ok(world.state.entry(argument(0)).or_insert(argument(1)).clone()),
            HostFunction::StateDelete => {
                world.state.remove(&argument(0));
                Ok(String::new())
            }
            _ => world.reply.clone(),
        };
        world.requests.push((function, arguments));
        answer
    }

    fn log(&mut self, level: &str, text: &str) {
        self.0.lock().unwrap().logs.push((level.to_owned(), text.to_owned()));
    }
}

/// A machine with one loaded script and its world.
struct Bench {
    machine: Machine,
    world: Arc<Mutex<World>>,
    kind: Kind,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let world = Arc::new(Mutex::new(World {
            state: HashMap::new(),
            requests: Vec::new(),
            logs: Vec::new(),
            reply: Ok(String::new()),
        }));
        let machine = Machine::new(limits, Box::new(FakeHost(Arc::clone(&world)))).unwrap();
        Self { machine, world, kind: Kind::Notifier }
    }

    fn load(&mut self, kind: Kind, source: &str) {
        self.kind = kind;
        self.machine.load((kind, "h".into()), "test", source).unwrap();
    }

    fn call(&mut self, function: &str, merged: &Value) -> Result<Returned, CallError> {
        self.machine.call(&(self.kind, "h".into()), function, &merged.to_string())
    }

    fn text(&mut self, function: &str, merged: &Value) -> Result<String, String> {
        self.call(function, merged).unwrap().into_text()
    }

    fn json(&mut self, function: &str, merged: &Value) -> Value {
        self.call(function, merged).unwrap().into_json().unwrap()
    }
}

/// Runs on a thread as large as the worker's.
fn on_large_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap();
    thread.join().unwrap()
}

/// A notifier whose `send` has this body, with `more` at the end of the script.
fn notifier(send: &str, more: &str) -> String {
    format!(
        "fn config_schema(c, u) {{ #{{type: \"object\", properties: #{{}}}} }}\nfn initialize(c, u) {{ Ok(()) }}\n\
         fn supported_events(c, u) {{ [] }}\nfn templates(c, u) {{ #{{}} }}\nfn health_check(c, u) {{ Ok(true) }}\n\
         async fn send(merged, _unused) {{\n{send}\n}}\n{more}"
    )
}

/// Calls `send` of a notifier with `limits`.
fn send_with(limits: Limits, body: &str, more: &str, merged: Value) -> Result<Returned, CallError> {
    let source = notifier(body, more);
    on_large_stack(move || {
        let mut bench = Bench::new(limits);
        bench.load(Kind::Notifier, &source);
        bench.call("send", &merged)
    })
}

fn send(body: &str) -> Result<Returned, CallError> {
    send_with(Limits::default(), body, "", json!({"name": "x", "list": [1, 2]}))
}

fn inspect(kind: Kind, source: &str) -> Result<Inspected, Vec<Issue>> {
    let source = source.to_owned();
    on_large_stack(move || Bench::new(Limits::default()).machine.inspect(kind, "test", &source))
}

#[test]
fn documented_dialect_runs_unchanged() {
    let body = r#"
        let mut i = 0;
        let count: i64 = 3;
        let maybe: Option = Some("present");
        while i < count { i = i + 1; }
        let pos = "hello world".find("world");
        let n = "42".parse::<i64>().unwrap_or(0);
        let s = "hello"[0:2];
        let rest = "hello"[2:];
        let at = 3;
        let part = "hello"[:at];
        let got = rustbill_host::state_get("k");
        let awaited = rustbill_host::state_get("k").await;
        rustbill_host::state_set("k", "v").await;
        let none: Option = None;
        return #{enum: s, default: rest, part, at: pos.unwrap_or(0), i, n, maybe, none, same: got == awaited,
            name: rustbill_host::json_get(merged, "name"), len: rustbill_host::json_array_len(merged, "list"),
            text: `${i} {"a": "${s}"}`};
    "#;
    let expected = json!({"enum": "he", "default": "llo", "part": "hel", "at": 6, "i": 3, "n": 42, "maybe": "present",
        "none": null, "same": true, "name": "x", "len": 2, "text": "3 {\"a\": \"he\"}"});
    assert_eq!(send(body), Ok(Returned::Plain(expected)));
}

#[test]
fn wrapped_example_is_accepted() {
    let source = format!("#![allow(unused)]\nfn main() {{\n{}\n}}\n", notifier("Ok(())", ""));
    assert_eq!(inspect(Kind::Notifier, &source).unwrap().functions.len(), 6);
}

#[test]
fn results_of_every_form() {
    assert_eq!(send("Ok(())"), Ok(Returned::Ok(Value::Null)));
    assert_eq!(send("Ok(true)"), Ok(Returned::Ok(json!(true))));
    assert_eq!(send("if true { return `{\"a\": ${1}}`; } 2").unwrap().into_json(), Ok(json!({"a": 1})));
    assert_eq!(send("return Err(\"bad\");"), Ok(Returned::Err(json!("bad"))));
    assert_eq!(send("Some(#{a: Some(1), b: None})"), Ok(Returned::Plain(json!({"a": 1, "b": null}))));
    assert_eq!(send("\"ERROR: x\"").unwrap().into_text(), Err("x".into()));
    assert_eq!(send("`{\"groups\":[{\"key\":\"a\"}]}`").unwrap().into_json(), Ok(json!({"groups": [{"key": "a"}]})));
    assert_eq!(
        send("rustbill_host::json_stringify([1.5, 'c', (1, \"q\\\"\")])"),
        Ok(Returned::Plain(json!("[1.5,\"c\",[1,\"q\\\"\"]]")))
    );
    for (body, word) in [
        ("#{a: Ok(1)}", "inside another value"),
        ("async { 1 }", "without `.await`"),
        ("0.0 / 0.0", "no JSON number"),
        ("let a = []; a.push(a); a", "levels deep"),
        ("let a = []; for i in 0..100001 { a.push(i); } a", "elements"),
    ] {
        match send(body) {
            Err(CallError::BadReturn(message)) => {
                assert!(message.contains(word), "{body}: {message}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn errors_say_where() {
    let Err(CallError::Script { message, line, column, .. }) = send("let a = \"x\"[0:1];\n  a.nope()") else {
        panic!("no error");
    };
    assert_eq!((line, column), (8, 3));
    assert_eq!(message, "there is no such method on `::std::string::String`, in `a.nope()`");
    let Err(CallError::Script { message, line, .. }) = send("panic!(\"boom\")") else {
        panic!("no error");
    };
    assert!(message.starts_with("boom"), "{message}");
    assert_eq!(line, 7);
    let host = send_with(Limits::default(), "rustbill_host::base64_decode(\"!\")", "", json!({}));
    assert!(matches!(host, Err(CallError::Script { line: 7, .. })), "{host:?}");
}

#[test]
fn what_a_host_function_says_is_told_without_the_script() {
    let call = "rustbill_host::http_request(\"POST\", \"https://h\", rustbill_host::json_stringify(#{a: 1}), \"{}\")";
    let source = notifier(call, "");
    on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Notifier, &source);
        bench.world.lock().unwrap().reply = Err("POST h failed: connection refused".to_owned());
        let failed = bench.call("send", &json!({})).unwrap_err();
        assert_eq!(failed.to_string(), "the plugin failed at 7:1: POST h failed: connection refused");
        let CallError::Script { host_function, .. } = failed else { panic!("{failed}") };
        assert_eq!(host_function, "http_request");
    });
    for (body, quotes) in [("rustbill_host::fail(\"no\")", false), ("let n = 5;\nrustbill_host::url_encode(n)", true)] {
        let said = send(body).unwrap_err().to_string();
        assert_eq!(said.contains(", in `"), quotes, "{said}");
    }
}

#[test]
fn compile_errors_say_where() {
    let faults = |source: &str| inspect(Kind::Notifier, source).unwrap_err();
    let unused_helper = faults(&notifier("Ok(())", "fn helper() { missing_name }"));
    assert_eq!((unused_helper[0].line, unused_helper[0].column), (9, 15));
    let syntax = faults(&notifier("let x: i64 = ;", ""));
    assert_eq!(syntax[0].line, 7);
    let module = faults(&notifier("Ok(())", "mod other;"));
    assert_eq!(module[0].line, 9);
    let misspelt = faults(&notifier("Ok(())", "").replace("initialize", "initialise"));
    assert_eq!(
        misspelt[0].to_string(),
        "2:4 missing required function `initialize` of a notifier plugin; rename `initialise` to `initialize`"
    );
    let long = faults(&" ".repeat(300 << 10));
    assert_eq!((long[0].line, long[0].column), (0, 0));
}

#[test]
fn recursive_unused_helper_compiles() {
    // Without the second source Rune drops `helper` but keeps the closure's reference to it.
    let more = "fn helper(n) { let f = || helper(n); f() }";
    assert!(inspect(Kind::Notifier, &notifier("Ok(())", more)).is_ok());
}

#[test]
fn limits_are_recognised() {
    assert!(matches!(send("loop {}"), Err(CallError::Instructions { .. })));
    assert!(matches!(send("let f = async { loop {} }; f.await"), Err(CallError::Instructions { .. })));
    assert!(matches!(send("let a = []; loop { a.push(\"some text\"); }"), Err(CallError::Memory { .. })));
    assert!(matches!(send("let a = \"xxxxxxxx\"; loop { a = a + a; }"), Err(CallError::Memory { .. })));
    let deep = send_with(Limits::default(), "deep(0)", "fn deep(n) { deep(n + 1) + 1 }", json!({}));
    assert!(matches!(deep, Err(CallError::Memory { .. })), "{deep:?}");
    assert!(matches!(send("loop { rustbill_host::state_get(\"k\"); }"), Err(CallError::HostCalls { .. })));
}

#[test]
fn machine_survives_limits() {
    let source = notifier("if rustbill_host::json_get(merged, \"a\") == \"1\" { loop {} } \"ok\"", "");
    on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Notifier, &source);
        for _ in 0..2 {
            assert!(matches!(bench.call("send", &json!({"a": 1})), Err(CallError::Instructions { .. })));
            assert_eq!(bench.text("send", &json!({})), Ok("ok".into()));
        }
    });
}

#[test]
fn deep_source_compiles_or_complains() {
    for body in ["(".repeat(5_000) + &")".repeat(5_000), "1".to_owned() + &"+1".repeat(400), "[".repeat(20_000)] {
        let _ = inspect(Kind::Notifier, &notifier(&body, ""));
    }
}

#[test]
fn inspection() {
    let source = notifier("Ok(())", "fn version(c, u) { \"1.2.3\" }\nfn admin_page(c, u) { `<p>` }").replace(
        "properties: #{}",
        "properties: #{zone: #{type: \"string\", enum: [\"a\"]}, auth: #{type: \"string\"}}",
    );
    let inspected = inspect(Kind::Notifier, &source).unwrap();
    assert_eq!(inspected.version, "1.2.3");
    assert!(inspected.has_admin_page);
    assert_eq!(inspected.functions[0], "config_schema");
    assert_eq!(inspected.config_schema["properties"]["zone"]["x-order"], 0);
    assert_eq!(inspected.config_schema["properties"]["auth"]["x-order"], 1);

    let version = |code: &str| {
        let source = notifier("Ok(())", &format!("fn version(c, u) {{ {code} }}"));
        inspect(Kind::Notifier, &source).unwrap().version
    };
    for code in ["1", "\"one\"", "panic!(\"x\")", "loop {}", "Err(\"1.0.0\")"] {
        assert_eq!(version(code), "0.0.0", "{code}");
    }
    assert_eq!(version("Ok(\"2.0.0-rc.1\")"), "2.0.0-rc.1");

    let text = notifier("Ok(())", "").replace(
        "#{type: \"object\", properties: #{}}",
        "rustbill_host::json_stringify(#{type: \"object\", properties: #{z: #{}, a: #{}, m: #{}}})",
    );
    let schema = inspect(Kind::Notifier, &text).unwrap().config_schema;
    assert_eq!(schema["properties"], json!({"z": {"x-order": 0}, "a": {"x-order": 1}, "m": {"x-order": 2}}));

    let bad = notifier("Ok(())", "").replace("properties", "fields");
    assert_eq!(inspect(Kind::Notifier, &bad).unwrap_err()[0].line, 1);
    let host = notifier("Ok(())", "").replace("{ #{type", "{ rustbill_host::http_get(\"http://x\"); #{type");
    assert!(inspect(Kind::Notifier, &host).unwrap_err()[0].message.contains("while a plugin is inspected"));
}

#[test]
fn unknown_functions_and_eviction() {
    on_large_stack(|| {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Notifier, &notifier("Ok(())", "fn one(a) { 1 }"));
        for name in ["admin_page", "one", "__keep", "x::y"] {
            assert_eq!(bench.call(name, &json!({})), Err(CallError::NotFound(name.into())));
        }
        let key = (Kind::Notifier, "h".to_owned());
        assert!(bench.machine.knows(&key));
        bench.machine.evict(Some("other"));
        assert!(bench.machine.knows(&key));
        bench.machine.evict(Some("h"));
        assert!(!bench.machine.knows(&key));
        for index in 0..70 {
            let key = (Kind::Notifier, index.to_string());
            bench.machine.load(key, "test", &notifier("Ok(())", "")).unwrap();
        }
        assert!(!bench.machine.knows(&(Kind::Notifier, "0".into())));
        assert!(bench.machine.knows(&(Kind::Notifier, "69".into())));
    });
}

#[test]
fn logs_and_host_failures() {
    let source = notifier("rustbill_host::log_warn(`a ${1}`); rustbill_host::http_get(\"http://h\")", "");
    on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Notifier, &source);
        bench.world.lock().unwrap().reply = Err("connection refused".into());
        let Err(CallError::Script { message, .. }) = bench.call("send", &json!({})) else {
            panic!("no error");
        };
        assert!(message.starts_with("connection refused"), "{message}");
        assert_eq!(bench.world.lock().unwrap().logs, [("warn".to_owned(), "a 1".to_owned())]);
    });
}

#[test]
fn a_script_can_fail_on_purpose() {
    let Err(CallError::Script { message, .. }) = send("rustbill_host::fail(`not ${1} yet`); \"ERROR: no\"") else {
        panic!("no error");
    };
    assert_eq!(message, "not 1 yet");
}

#[test]
fn every_host_function_is_there() {
    let pure = r#"
        let o = rustbill_host::json_parse("{\"a\": [1, true, null, -2.5, \"x\"], \"b\": {}}");
        o.b.c = o.a[0] + 1;
        [rustbill_host::json_stringify(o.b), rustbill_host::md5_hex("abc"), rustbill_host::sha256_hex("a").len(),
         rustbill_host::hmac_sha256_hex("k", "t").len(), rustbill_host::url_encode("a b"),
         rustbill_host::html_escape("<"), rustbill_host::base64_decode(rustbill_host::base64_encode("é")),
         rustbill_host::now().len(), rustbill_host::now_unix().len(), rustbill_host::random_hex(4).len(),
         rustbill_host::random_hex("4").len(), rustbill_host::sleep_ms(1), rustbill_host::sleep_ms("1")]
    "#;
    let expected = json!([
        "{\"c\":2}",
        "900150983cd24fb0d6963f7d28e17f72",
        64,
        64,
        "a%20b",
        "&lt;",
        "é",
        20,
        10,
        8,
        8,
        null,
        null
    ]);
    assert_eq!(send(pure), Ok(Returned::Plain(expected)));

    let outside = r#"
        rustbill_host::http_get("1").await; rustbill_host::http_post("1", "2", "3");
        rustbill_host::http_post_bytes("1", "2"); rustbill_host::http_post_with_headers("1", "2", "3", "4");
        rustbill_host::http_request_with_cert("1", "2", "3", "4", "5");
        rustbill_host::http_request("1", "2", "3", "4"); rustbill_host::smtp_send("1", "2");
        rustbill_host::state_set("1", "2"); rustbill_host::state_get("1"); rustbill_host::state_claim("1", "2").await;
        rustbill_host::state_delete("1").await; rustbill_host::log_info("1"); rustbill_host::log_error("1");
    "#;
    let source = notifier(outside, "");
    on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Notifier, &source);
        bench.call("send", &json!({})).unwrap();
        let world = bench.world.lock().unwrap();
        let counts: Vec<usize> = world.requests.iter().map(|(_, arguments)| arguments.len()).collect();
        assert_eq!(counts, [1, 3, 2, 4, 5, 4, 2, 2, 1, 2, 1]);
        assert_eq!(world.logs.len(), 2);
    });
}

#[test]
fn pauses_have_a_limit() {
    let start = Instant::now();
    assert!(send("rustbill_host::sleep_ms(30); 1").is_ok());
    assert!(start.elapsed() >= Duration::from_millis(30));
    for bad in ["2001", "-1", "\"x\"", "()"] {
        let Err(CallError::Script { message, .. }) = send(&format!("rustbill_host::sleep_ms({bad})")) else {
            panic!("{bad} was taken");
        };
        assert!(message.contains("from 0 to 2000"), "{message}");
    }
}

#[test]
fn calls_are_quick() {
    let source = notifier("rustbill_host::json_get(merged, \"a\")", "");
    let taken = on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Notifier, &source);
        let start = Instant::now();
        for _ in 0..1_000 {
            bench.call("send", &json!({"a": 1})).unwrap();
        }
        start.elapsed()
    });
    assert!(taken < Duration::from_secs(5), "{taken:?}");
}

mod documented;
mod email;
mod incus;
mod kvm;
mod mistakes;
mod rustbill;
mod shipped;
mod stock;
mod yipay;
