//! A script is replaced while it is in use: no call fails, and every call that begins afterwards runs the new one,
//! whoever made the edit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustbill::core::{app::App, plugins, time::Clock};
use serde_json::json;
use tokio::{sync::Mutex, time::interval};

use crate::{
    on_both,
    support::{
        cli,
        database::TestDatabase,
        wait,
        world::{PROGRAM, World, settings, settings_file},
    },
};

/// How often a call begins: 500 a second.
const PACE: Duration = Duration::from_millis(2);

fn script(name: &str) -> String {
    format!(
        "fn config_schema(c, u) {{ #{{type: \"object\", properties: #{{}}}} }}\n\
         fn initialize(c, u) {{ Ok(()) }}\nfn send(c, u) {{ Ok(()) }}\nfn admin_page(c, u) {{ \"version {name}\" }}\n\
         fn supported_events(c, u) {{ [] }}\nfn templates(c, u) {{ #{{}} }}\nfn health_check(c, u) {{ Ok(true) }}\n"
    )
}

/// What calls saw, and which version a call that begins now must see.
#[derive(Default)]
struct Seen {
    calls: AtomicUsize,
    failures: Mutex<Vec<String>>,
    over: AtomicBool,
    /// The version whose edit was over; earlier ones must not be seen by calls that begin now.
    current: AtomicUsize,
}

/// Begins calls at the pace until it is over; each must see the current version or one that is on its way.
async fn traffic(world: App, interface: rustbill::core::id::Id, admin: rustbill::core::actor::Actor, seen: Arc<Seen>) {
    let mut pace = interval(PACE);
    let mut calls = tokio::task::JoinSet::new();
    while !seen.over.load(Ordering::Acquire) {
        pace.tick().await;
        // What can't be begun in time is left out: a queue would only measure this machine.
        if calls.len() >= 64 {
            calls.join_next().await;
        }
        let (app, admin, seen) = (world.clone(), admin.clone(), Arc::clone(&seen));
        calls.spawn(async move {
            let at_least = seen.current.load(Ordering::Acquire);
            let answer = plugins::admin_page(&app, &admin, interface).await;
            seen.calls.fetch_add(1, Ordering::AcqRel);
            match answer.map(|page| page.html.trim_start_matches("version ").parse::<usize>()) {
                Ok(Ok(version)) if version >= at_least => {}
                other => seen.failures.lock().await.push(format!("{other:?}, expected at least {at_least}")),
            }
        });
    }
    while calls.join_next().await.is_some() {}
}

async fn more_calls(seen: &Seen) {
    let before = seen.calls.load(Ordering::Acquire);
    wait::until("more calls were made", async || seen.calls.load(Ordering::Acquire) > before + 100).await;
}

on_both! {
    async fn calls_go_on_while_scripts_are_replaced(world: World) {
        world.write_plugin("notifier-swapped.rn", &script("0"));
        let interface = world.interface("notifier-swapped.rn", json!({})).await;
        let seen = Arc::new(Seen::default());
        let other = App::open_with_program(settings(&world.database), Clock::system(), PROGRAM.into()).await.unwrap();
        // Two servers run the script.
        let running: Vec<_> = [world.app.clone(), other.clone()]
            .into_iter()
            .map(|app| tokio::spawn(traffic(app, interface.id, world.admin.clone(), Arc::clone(&seen))))
            .collect();
        more_calls(&seen).await;
        for (version, app) in [(1, &world.app), (2, &other), (3, &world.app)] {
            let hash = plugins::source(app, &world.admin, interface.id).await.unwrap().hash;
            let source = script(&version.to_string());
            let checked = plugins::update_source(app, &world.admin, interface.id, &source, &hash).await.unwrap();
            assert!(checked.issues.is_empty());
            seen.current.store(version, Ordering::Release);
            more_calls(&seen).await;
        }
        // And by the command line, which is another process.
        let home = tempfile::tempdir().unwrap();
        settings_file(&world.database, home.path());
        let file = home.path().join("script.rn");
        std::fs::write(&file, script("4")).unwrap();
        let (path, edited) = (home.path().to_owned(), interface.id.to_string());
        tokio::task::spawn_blocking(move || {
            cli::ok(&path, &["plugin", "edit-source", &edited, file.to_str().unwrap()]);
        })
        .await
        .unwrap();
        seen.current.store(4, Ordering::Release);
        more_calls(&seen).await;
        seen.over.store(true, Ordering::Release);
        for task in running {
            task.await.unwrap();
        }
        let failures = seen.failures.lock().await;
        assert!(failures.is_empty(), "{} of {} calls: {:?}", failures.len(), seen.calls.load(Ordering::Acquire), failures.first());
        other.plugins.shutdown().await;
    }
}
