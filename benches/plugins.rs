//! What running scripts costs: `cargo bench --bench plugins`. See CONTRIBUTING.md.
//!
//! Each number is the time of one compilation, one call or one swap, in one thread: its reciprocal is the rate of a core.

#![expect(clippy::unwrap_used, reason = "a measurement that can't be made ends")]

use std::{
    fmt::Write as _,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use divan::{Bencher, black_box};
use rustbill::core::{
    actor::Actor,
    app::App,
    id::Id,
    plugins::{
        self, NewInterface,
        engine::{Engine, EngineConfig, Host, HostFunction, HostFuture, Kind, Local, Scope, ScriptKey},
    },
    secret::Secret,
    settings::Settings,
    time::Clock,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

fn main() {
    // What the processes of scripts need is on this thread's stack, for those that run without one.
    let run = || divan::main();
    let thread = std::thread::Builder::new().stack_size(Local::STACK_BYTES).spawn(run).unwrap();
    thread.join().unwrap();
}

/// A notifier whose `send` has this body.
fn notifier(body: &str) -> String {
    format!(
        "fn config_schema(c, u) {{ #{{type: \"object\", properties: #{{}}}} }}\nfn initialize(c, u) {{ Ok(()) }}\n\
         fn supported_events(c, u) {{ [] }}\nfn templates(c, u) {{ #{{}} }}\nfn health_check(c, u) {{ Ok(true) }}\n\
         async fn send(merged, _unused) {{\n{body}\n}}\n"
    )
}

/// A script of about 200 lines.
fn long() -> String {
    let mut source = notifier("step0(merged)");
    for number in 0..19 {
        let next = if number == 18 { "text".to_owned() } else { format!("step{}(text)", number + 1) };
        let _ = write!(
            source,
            "\nfn step{number}(text) {{\n    // Reads a value and decides.\n    let url = rustbill_host::json_get(text, \"a.b[{number}].c\");\n    \
             let mut count = 0;\n    while count < {number} {{ count = count + 1; }}\n    if url == \"\" {{\n        \
             return {next};\n    }}\n    `https://${{url}}/${{count}}`\n}}\n"
        );
    }
    source
}

/// 20 settings in 800 bytes.
fn settings() -> Value {
    let fields = (0..20).map(|number| (format!("setting_{number:02}"), json!(format!("value number {number:02}"))));
    Value::Object(fields.collect())
}

/// Reads 20 settings of one text.
fn reads() -> String {
    let reads = (0..20).map(|number| format!("rustbill_host::json_get(merged, \"setting_{number:02}\");"));
    reads.collect::<Vec<_>>().join("\n")
}

/// The same where each read has a text of its own, so that each is parsed.
fn reads_of_many_texts() -> String {
    let reads = (0..20).map(|number| {
        format!("rustbill_host::json_get(merged + \"{}\", \"setting_{number:02}\");", " ".repeat(number))
    });
    reads.collect::<Vec<_>>().join("\n")
}

struct Nobody;

impl Host for Nobody {
    fn call<'a>(&'a self, _scope: &'a Scope, _function: HostFunction, _arguments: Vec<String>) -> HostFuture<'a> {
        Box::pin(async { Ok(String::new()) })
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let _entered = RUNTIME.enter();
    Engine::start(EngineConfig::new(env!("CARGO_BIN_EXE_rustbill")), Arc::new(Nobody))
});

async fn send(source: &Arc<str>, key: &ScriptKey, merged: &Value) {
    let scope = Scope { interface_id: Uuid::from_u128(1), plugin: String::new(), request_id: Uuid::nil() };
    ENGINE.call(Kind::Notifier, key, source, "send", merged.clone(), scope).await.unwrap();
}

fn through_a_process(bencher: Bencher, body: &str) {
    let source: Arc<str> = notifier(body).into();
    let key = ScriptKey::new("bench", &source);
    let merged = settings();
    RUNTIME.block_on(send(&source, &key, &merged));
    bencher.bench_local(|| RUNTIME.block_on(send(&source, &key, &merged)));
}

fn in_this_process(bencher: Bencher, body: &str) {
    let mut local = Local::new().unwrap();
    local.load(Kind::Notifier, &notifier(body)).unwrap();
    let merged = settings().to_string();
    bencher.bench_local(|| local.call(Kind::Notifier, "send", black_box(&merged)).unwrap());
}

#[divan::bench]
fn compile_200_lines(bencher: Bencher) {
    let mut local = Local::new().unwrap();
    let source = long();
    bencher.bench_local(|| local.load(Kind::Notifier, black_box(&source)).unwrap());
}

#[divan::bench]
fn trivial_in_this_process(bencher: Bencher) {
    in_this_process(bencher, "1");
}

#[divan::bench]
fn trivial_through_a_process(bencher: Bencher) {
    through_a_process(bencher, "1");
}

#[divan::bench]
fn host_call_through_a_process(bencher: Bencher) {
    through_a_process(bencher, "rustbill_host::state_get(\"k\")");
}

#[divan::bench]
fn twenty_reads_in_this_process(bencher: Bencher) {
    in_this_process(bencher, &reads());
}

#[divan::bench]
fn twenty_reads_of_many_texts_in_this_process(bencher: Bencher) {
    in_this_process(bencher, &reads_of_many_texts());
}

#[divan::bench]
fn twenty_reads_through_a_process(bencher: Bencher) {
    through_a_process(bencher, &reads());
}

/// The first call of another script of 200 lines: it is sent and compiled before it runs.
#[divan::bench]
fn swap_200_lines(bencher: Bencher) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let merged = settings();
    bencher
        .with_inputs(|| {
            let source: Arc<str> = format!("{}// {}\n", long(), COUNT.fetch_add(1, Ordering::Relaxed)).into();
            (ScriptKey::new("bench", &source), source)
        })
        .bench_local_refs(|(key, source)| RUNTIME.block_on(send(source, key, &merged)));
}

/// A server on SQLite with an interface of a shipped script.
static SERVER: LazyLock<(App, Id)> = LazyLock::new(|| {
    let directory = Box::leak(Box::new(tempfile::tempdir().unwrap())).path();
    RUNTIME.block_on(async {
        let mut settings = Settings::default();
        settings.db.url = Secret::new(format!("sqlite://{}", directory.join("bench.db").display()));
        settings.plugins.plugins_dir = directory.join("plugins");
        let program = env!("CARGO_BIN_EXE_rustbill").into();
        let app = App::open_with_program(settings, Clock::system(), program).await.unwrap();
        app.database.migrate().await.unwrap();
        let actor = Actor::local();
        plugins::scan(&app, &actor).await.unwrap();
        let definitions = plugins::definitions(&app, &actor, None).await.unwrap();
        let definition = definitions.into_iter().find(|found| found.plugin_id == "webhook").unwrap();
        let new = NewInterface {
            definition_id: definition.id,
            display_name: "bench".to_owned(),
            config_json: json!({ "url": "https://example.com/", "secret": "s" }).to_string(),
        };
        let interface = plugins::create(&app, &actor, &new).await.unwrap();
        (app, interface.id)
    })
});

/// The row of an interface with its whole script, which is read before every call.
#[divan::bench]
fn row_of_an_interface(bencher: Bencher) {
    let (app, id) = &*SERVER;
    let actor = Actor::local();
    bencher.bench_local(|| RUNTIME.block_on(plugins::get(app, &actor, *id)).unwrap());
}

/// A call of the server: the row, the settings, the process.
#[divan::bench]
fn whole_call_of_a_server(bencher: Bencher) {
    let (app, id) = &*SERVER;
    let actor = Actor::local();
    bencher.bench_local(|| {
        RUNTIME.block_on(async {
            let interface = plugins::get(app, &actor, *id).await.unwrap();
            app.plugins.call_json(&interface, "supported_events", json!({})).await.unwrap()
        })
    });
}

/// To find out the hash of a script, which is done once and not in every call.
#[divan::bench]
fn hash_a_script_of_10_kilobytes(bencher: Bencher) {
    let source = "x".repeat(10_000);
    bencher.bench_local(|| ScriptKey::new("bench", black_box(&source)));
}
