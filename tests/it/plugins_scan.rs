//! Files that the scanner meets: half-written, unreadable, too many, older and newer, and several servers that look.

use rustbill::core::{
    app::App,
    plugins::{self, Definition, InterfaceUpdate, NewInterface, ScanReport},
    time::Clock,
};
use serde_json::json;

use crate::{
    on_both,
    support::{
        cli,
        database::TestDatabase,
        world::{PROGRAM, World, clock_at, settings, settings_file},
    },
};

const FILE: &str = "notifier-own.rn";

/// A notifier of this version whose form has this setting and which says what it is.
fn script(version: &str, setting: &str) -> String {
    format!(
        "fn version(c, u) {{ \"{version}\" }}\n\
         fn config_schema(c, u) {{ #{{type: \"object\", properties: #{{{setting}: #{{type: \"string\"}}}}}} }}\n\
         fn initialize(c, u) {{ Ok(()) }}\nfn send(c, u) {{ \"I am {version} {setting}\" }}\n\
         fn supported_events(c, u) {{ [] }}\nfn templates(c, u) {{ #{{}} }}\nfn health_check(c, u) {{ Ok(true) }}\n"
    )
}

async fn definition(world: &World) -> Definition {
    let all = plugins::definitions(&world.app, &world.admin, None).await.unwrap();
    all.into_iter().find(|definition| definition.file_name == FILE).unwrap()
}

async fn make(world: &World, name: &str) -> plugins::Interface {
    let definition_id = definition(world).await.id;
    let new = NewInterface { definition_id, display_name: name.to_owned(), config_json: String::new() };
    plugins::create(&world.app, &world.admin, &new).await.unwrap()
}

async fn says(world: &World, id: rustbill::core::id::Id) -> String {
    let interface = plugins::get(&world.app, &world.admin, id).await.unwrap();
    world.app.plugins.call_text(&interface, "send", json!({})).await.unwrap()
}

fn problem(report: &ScanReport, file: &str) -> String {
    let found = report.broken.iter().find(|broken| broken.file == file);
    found.map(|broken| broken.problem.clone()).unwrap_or_default()
}

on_both! {
    async fn a_half_written_file_leaves_the_last_good_version_usable(world: World) {
        world.write_plugin(FILE, &script("1.0.0", "first"));
        world.scan().await;
        let newer = script("2.0.0", "second");
        for length in [0, 1, 40, newer.len() / 2, newer.len() - 30] {
            world.write_plugin(FILE, &newer[..length]);
            let report = world.scan().await;
            assert!(!problem(&report, FILE).is_empty(), "{length} bytes are no script");
            let held = definition(&world).await;
            assert_eq!((held.version.as_str(), held.problem), ("1.0.0", problem(&report, FILE)));
            let made = make(&world, &format!("made at {length}")).await;
            assert_eq!(says(&world, made.id).await, "I am 1.0.0 first");
        }
        // The command line lists it with its version and warns.
        let home = tempfile::tempdir().unwrap();
        settings_file(&world.database, home.path());
        let listed = cli::json_of(home.path(), &["plugin", "list"]);
        let shown = listed["items"].as_array().unwrap().iter().find(|item| item["file_name"] == FILE).unwrap().clone();
        assert_eq!(shown["version"], "1.0.0");
        assert_eq!(shown["problem"], definition(&world).await.problem);
        world.write_plugin(FILE, &newer);
        let report = world.scan().await;
        assert_eq!((report.updated.as_slice(), report.broken.len()), ([FILE.to_owned()].as_slice(), 0));
        assert_eq!(definition(&world).await.problem, "");
        assert_eq!(says(&world, make(&world, "later").await.id).await, "I am 2.0.0 second");
    }

    async fn an_older_version_is_taken_for_new_interfaces_only(world: World) {
        world.write_plugin(FILE, &script("1.1.0", "first"));
        world.scan().await;
        let old = make(&world, "old").await;
        world.write_plugin(FILE, &script("1.0.0", "other"));
        let report = world.scan().await;
        assert!(report.updated.is_empty() && !report.unchanged.contains(&FILE.to_owned()));
        assert_eq!(report.changed, [FILE], "it is told once");
        assert!(world.scan().await.changed.is_empty());
        let held = definition(&world).await;
        // As documented: the script and its hash, and nothing else.
        assert_eq!(held.version, "1.1.0");
        assert!(held.config_schema.0["properties"].get("first").is_some());
        assert!(held.script_source.contains("1.0.0"));
        assert_eq!(says(&world, old.id).await, "I am 1.1.0 first");
        assert_eq!(says(&world, make(&world, "new").await.id).await, "I am 1.0.0 other");
        // A pre-release of the next version is newer, and the next version is newer than that.
        for version in ["1.2.0-rc.1", "1.2.0-rc.2", "1.2.0"] {
            world.write_plugin(FILE, &script(version, "first"));
            assert_eq!(world.scan().await.updated, [FILE], "{version}");
            assert_eq!(says(&world, old.id).await, format!("I am {version} first"));
        }
        world.write_plugin(FILE, &script("1.2.0-rc.3", "first"));
        assert!(world.scan().await.updated.is_empty(), "a pre-release comes before its version");
        // Without a version it is the oldest of all.
        world.write_plugin(FILE, &script("9.9.9", "first").lines().skip(1).collect::<Vec<_>>().join("\n"));
        assert!(world.scan().await.updated.is_empty());
        assert_eq!(definition(&world).await.version, "1.2.0");
    }

    async fn a_file_that_is_gone_marks_its_plugin_and_ends_one_that_nobody_needs(world: World) {
        let directory = world.app.settings.plugins.plugins_dir.clone();
        world.write_plugin(FILE, &script("1.0.0", "first"));
        world.write_plugin("notifier-bad.rn", "fn version(");
        world.scan().await;
        let made = make(&world, "used").await;
        for file in [FILE, "notifier-bad.rn"] {
            std::fs::remove_file(directory.join(file)).unwrap();
        }
        let report = world.scan().await;
        assert_eq!((report.gone.len(), report.broken.len(), report.removed.len()), (2, 0, 0), "{report:?}");
        assert_eq!(definition(&world).await.problem, "the file is gone; interfaces keep their script");
        // What a server finds that looks elsewhere counts: the mark goes, and nothing is removed.
        world.write_plugin("notifier-bad.rn", "fn version(");
        let home = tempfile::tempdir().unwrap();
        settings_file(&world.database, home.path());
        world.scan().await;
        std::fs::remove_file(directory.join("notifier-bad.rn")).unwrap();
        assert_eq!(world.scan().await.gone.len(), 2);
        let listed = cli::rustbill(home.path(), &["plugin", "list"]);
        assert!(!cli::text(&listed.stderr).contains("can't be used"), "no file is there to be checked");
        assert!(world.scan().await.removed.is_empty(), "it is gone for a moment only");
        let clock = clock_at("2126-01-01T00:00:00Z");
        let later = App::open_with_program(settings(&world.database), clock, PROGRAM.into()).await.unwrap();
        let report = plugins::scan(&later, &world.admin).await.unwrap();
        assert_eq!((report.removed.as_slice(), report.gone.len()), (["notifier-bad.rn".to_owned()].as_slice(), 1));
        assert_eq!(says(&world, made.id).await, "I am 1.0.0 first");
        let all = plugins::definitions(&world.app, &world.admin, None).await.unwrap();
        assert!(all.iter().all(|definition| definition.file_name != "notifier-bad.rn"));
        assert!(all.iter().any(|definition| definition.file_name == "provider-stock.rn"), "what is shipped stays");
        world.write_plugin(FILE, &script("1.0.0", "first"));
        assert!(world.scan().await.gone.is_empty());
        assert_eq!(definition(&world).await.problem, "");
    }

    async fn settings_that_a_newer_form_does_not_know_stay_and_new_ones_are_refused(world: World) {
        world.write_plugin(FILE, &script("1.0.0", "first"));
        world.scan().await;
        let made = make(&world, "old").await;
        let change = |json: serde_json::Value| InterfaceUpdate { display_name: None, config_json: Some(json.to_string()) };
        let set = async |json| plugins::update(&world.app, &world.admin, made.id, &change(json)).await;
        set(json!({ "first": "a" })).await.unwrap();
        let error = set(json!({ "frist": "hunter2" })).await.unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), ("plugin.config", "`frist`: there is no such setting; did you mean `first`?"));
        world.write_plugin(FILE, &script("2.0.0", "second"));
        world.scan().await;
        // As the command line sends it back, masked, beside what is new.
        let masked = plugins::get(&world.app, &world.admin, made.id).await.unwrap().masked_config();
        let kept = set(json!({ "first": masked["first"], "second": "b" })).await.unwrap();
        assert_eq!(kept.config.0, json!({ "first": "a", "second": "b" }));
        assert_eq!(set(json!({ "first": "c" })).await.unwrap_err().code(), "plugin.config");
        assert_eq!(set(json!({ "second": "b" })).await.unwrap().config.0, json!({ "second": "b" }), "left out it is gone");
    }

    async fn odd_things_in_the_directory_are_told_and_stop_nothing(world: World) {
        let directory = world.app.settings.plugins.plugins_dir.clone();
        world.write_plugin(FILE, &script("1.0.0", "first"));
        world.write_plugin("notifier-latin.rn", "");
        std::fs::write(directory.join("notifier-latin.rn"), b"// caf\n// \xe9\n").unwrap();
        world.write_plugin("notifier-nul.rn", &format!("{}\0", script("1.0.0", "x")));
        world.write_plugin("notifier-long.rn", &" ".repeat(256 * 1024 + 1));
        world.write_plugin(".notifier-own.rn", "what an editor left");
        std::fs::create_dir(directory.join("notifier-directory.rn")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            std::fs::write(directory.join("elsewhere"), script("1.0.0", "y")).unwrap();
            symlink(directory.join("elsewhere"), directory.join("notifier-link.rn")).unwrap();
            symlink(directory.join("nowhere"), directory.join("notifier-dangling.rn")).unwrap();
            symlink("notifier-loop.rn", directory.join("notifier-loop.rn")).unwrap();
            symlink("/dev/zero", directory.join("notifier-device.rn")).unwrap();
            let pipe = std::process::Command::new("mkfifo").arg(directory.join("notifier-pipe.rn")).status().unwrap();
            assert!(pipe.success());
        }
        let report = world.scan().await;
        for (file, word) in [
            ("notifier-latin.rn", "2:0 is no UTF-8 text"),
            ("notifier-nul.rn", "NUL"),
            ("notifier-long.rn", "262144 bytes"),
            ("notifier-directory.rn", "is a directory"),
            ("notifier-dangling.rn", "can't be read"),
            ("notifier-loop.rn", "can't be read"),
            ("notifier-device.rn", "no ordinary file"),
            ("notifier-pipe.rn", "no ordinary file"),
        ] {
            assert!(problem(&report, file).contains(word), "{file}: {}", problem(&report, file));
        }
        assert_eq!(report.broken.len(), 8, "{:?}", report.broken);
        assert!(report.added.contains(&FILE.to_owned()) && report.added.contains(&"notifier-link.rn".to_owned()));
        let listed = plugins::definitions(&world.app, &world.admin, None).await.unwrap();
        let shown = listed.iter().find(|definition| definition.file_name == "notifier-latin.rn").unwrap();
        assert!(shown.problem.contains("UTF-8"), "what can't be read is listed with its problem too");
        // A file that can't be read any more is like one that is broken.
        world.write_plugin("elsewhere", "nonsense(");
        world.scan().await;
        std::fs::remove_file(directory.join("elsewhere")).unwrap();
        assert!(problem(&world.scan().await, "notifier-link.rn").contains("can't be read"));
        let listed = plugins::definitions(&world.app, &world.admin, None).await.unwrap();
        let linked = listed.iter().find(|definition| definition.file_name == "notifier-link.rn").unwrap();
        assert!(linked.script_source.contains("1.0.0") && linked.problem.contains("can't be read"));
    }

    async fn several_servers_look_at_the_same_time(world: World) {
        let mut servers = vec![world.app.clone()];
        for _ in 0..2 {
            servers.push(App::open_with_program(settings(&world.database), Clock::system(), PROGRAM.into()).await.unwrap());
        }
        for version in ["1.0.0", "1.1.0", "1.1.1"] {
            world.write_plugin(FILE, &script(version, "first"));
            let scans = servers.iter().map(|app| plugins::scan(app, &world.admin));
            let reports = futures::future::join_all(scans).await;
            let news = reports.into_iter().map(Result::unwrap).filter(|report| {
                assert!(report.broken.is_empty(), "{:?}", report.broken);
                report.added.contains(&FILE.to_owned()) || report.updated.contains(&FILE.to_owned())
            });
            assert_eq!(news.count(), 1, "{version} is news to one of them");
            assert_eq!(definition(&world).await.version, version);
        }
        let logged = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'plugin.scan' AND target_id = $1";
        let id = definition(&world).await.id;
        assert_eq!(world.db().q(logged).bind(id.to_string()).scalar::<i64>().await.unwrap(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_of_a_full_directory_is_told() {
    let world = World::on(TestDatabase::sqlite()).await;
    world.write_plugin(FILE, &script("1.0.0", "first"));
    // The names say no kind, so that none of them is compiled.
    for number in 0..501 {
        world.write_plugin(&format!("x{number:03}.rn"), "");
        world.write_plugin(&format!("readme{number:03}.txt"), "");
    }
    let report = world.scan().await;
    let directory = world.app.settings.plugins.plugins_dir.display().to_string();
    let told = problem(&report, &directory);
    assert!(told.contains("502 scripts") && told.contains("500") && told.contains("last 2"), "{told}");
    assert_eq!(report.broken.len(), 500);
    assert!(report.added.contains(&FILE.to_owned()));
}
