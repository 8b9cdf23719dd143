//! The checks that the worker makes by itself.

use chrono::TimeDelta;
use rustbill::core::{
    actor::Actor,
    app::App,
    plugins::{self, HEALTH_PERIOD, HEALTH_SOON, Interface},
};
use serde_json::json;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        receiver::Receiver,
        server::{InProcess, admin_token, channel},
        wait,
        world::{PROGRAM, World, clock_at, settings},
    },
};

/// A notifier that is well when a text of its settings says so, and counts how often it was asked.
const MOODY: &str = r#"
fn config_schema(c, u) { #{type: "object", properties: #{mood: #{type: "string"}}} }
fn initialize(c, u) { Ok(()) }
fn send(c, u) { Ok(()) }
fn supported_events(c, u) { [] }
fn templates(c, u) { #{} }
fn health_check(c, u) {
    let asked = rustbill_host::state_get("asked");
    if asked == "" { asked = "0"; }
    rustbill_host::state_set("asked", `${asked.parse::<i64>().unwrap() + 1}`);
    let mood = rustbill_host::json_get(c, "mood");
    if mood == "good" { return true; }
    if mood == "no" { return false; }
    Err(mood)
}
"#;

async fn moody(world: &World, mood: &str) -> Interface {
    world.write_plugin("notifier-moody.rn", MOODY);
    world.interface("notifier-moody.rn", json!({ "mood": mood })).await
}

async fn mood(world: &World, interface: &Interface, mood: &str) {
    let change = plugins::InterfaceUpdate {
        config_json: Some(json!({ "mood": mood }).to_string()),
        ..plugins::InterfaceUpdate::default()
    };
    plugins::update(&world.app, &world.admin, interface.id, &change).await.unwrap();
}

async fn now(world: &World, interface: &Interface) -> Interface {
    plugins::get(&world.app, &world.admin, interface.id).await.unwrap()
}

async fn asked(world: &World, interface: &Interface) -> i64 {
    let sql = "SELECT value FROM plugin_state WHERE interface_id = $1 AND key = 'asked'";
    world.db().q(sql).bind(interface.id).scalar::<String>().await.unwrap().parse().unwrap()
}

async fn due(app: &App) -> usize {
    plugins::check_due(app, &Actor::system("health")).await.unwrap()
}

/// A world whose clock is moved by hand.
async fn timed(database: TestDatabase) -> World {
    World::with_clock(database, clock_at("2026-03-01T12:00:00Z")).await
}

fn pass(world: &World, time: TimeDelta) {
    world.app.clock.advance(time);
}

/// The longest until an interface that was asked is due again.
fn a_period() -> TimeDelta {
    HEALTH_PERIOD + TimeDelta::minutes(1)
}

/// More calls of one interface than may run and wait at once.
const FLOOD: usize = 505;

on_both! {
    with timed;

    async fn each_enabled_interface_is_asked_once_a_period(world: World) {
        let first = moody(&world, "good").await;
        let second = moody(&world, "no").await;
        let off = moody(&world, "good").await;
        plugins::toggle(&world.app, &world.admin, off.id, false).await.unwrap();
        assert_eq!(due(&world.app).await, 2);
        assert_eq!(due(&world.app).await, 0, "nobody is due any more");
        assert!(now(&world, &first).await.is_healthy);
        let ill = now(&world, &second).await;
        assert_eq!((ill.is_healthy, ill.health_error.as_deref()), (false, Some("the health check failed")));
        mood(&world, &first, "the remote host is on fire").await;
        mood(&world, &second, "good").await;
        pass(&world, HEALTH_PERIOD - TimeDelta::seconds(1));
        assert_eq!(due(&world.app).await, 0);
        pass(&world, TimeDelta::minutes(1) + TimeDelta::seconds(1));
        assert_eq!(due(&world.app).await, 2);
        let ill = now(&world, &first).await;
        assert!(!ill.is_healthy && ill.health_error.as_deref().unwrap().contains("on fire"), "{:?}", ill.health_error);
        assert_eq!(ill.last_check_at, Some(world.app.clock.now()));
        let well = now(&world, &second).await;
        assert_eq!((well.is_healthy, well.health_error), (true, None));
        // Once when it was enabled, and twice by the worker.
        assert_eq!(asked(&world, &first).await, 3);
        assert_eq!(asked(&world, &off).await, 1);
        let refused = plugins::check_due(&world.app, &Actor::anonymous("127.0.0.1")).await.unwrap_err();
        assert_eq!(refused.kind(), rustbill::core::error::Kind::Unauthenticated);
    }

    async fn several_servers_ask_each_interface_once(world: World) {
        let mut interfaces = Vec::new();
        for _ in 0..4 {
            interfaces.push(moody(&world, "good").await);
        }
        let mut others = Vec::new();
        for _ in 0..2 {
            let settings = settings(&world.database);
            others.push(App::open_with_program(settings, world.app.clock.clone(), PROGRAM.into()).await.unwrap());
        }
        pass(&world, a_period());
        let (a, b, c) = tokio::join!(due(&world.app), due(&others[0]), due(&others[1]));
        assert_eq!(a + b + c, 4);
        for interface in &interfaces {
            assert_eq!(asked(&world, interface).await, 2, "once when it was enabled, once by one of three");
        }
    }

    async fn an_engine_that_is_busy_says_nothing_of_an_interface(world: World) {
        let slow = MOODY.replace(
            "fn send(c, u) { Ok(()) }",
            "async fn send(c, u) { for _ in 0..100 { rustbill_host::sleep_ms(140); } Ok(()) }",
        );
        world.write_plugin("notifier-slow.rn", &slow);
        let interface = world.interface("notifier-slow.rn", json!({ "mood": "good" })).await;
        let before = now(&world, &interface).await;
        assert!(before.is_healthy && before.last_check_at.is_some());
        pass(&world, a_period());
        let mut flood = tokio::task::JoinSet::new();
        for _ in 0..FLOOD {
            let (plugins, interface) = (world.app.plugins.clone(), interface.clone());
            flood.spawn(async move { plugins.call_json(&interface, "send", json!({})).await });
        }
        // One too many: all places are taken from now on.
        let refused = flood.join_next().await.unwrap().unwrap().unwrap_err();
        assert_eq!(refused.code(), "plugin.busy", "{refused}");
        let refused = plugins::check_health(&world.app, &world.admin, interface.id).await.unwrap_err();
        assert_eq!(refused.code(), "plugin.busy", "{refused}");
        assert_eq!(due(&world.app).await, 1);
        let during = now(&world, &interface).await;
        assert_eq!((during.is_healthy, &during.health_error), (true, &None), "the last verdict stays");
        assert_eq!(during.last_check_at, before.last_check_at);
        flood.shutdown().await;
        assert_eq!(due(&world.app).await, 0, "not at once");
        pass(&world, HEALTH_SOON);
        assert_eq!(due(&world.app).await, 1, "and not as late as usual");
        assert_eq!(now(&world, &interface).await.last_check_at, Some(world.app.clock.now()));
    }
}

on_both! {
    async fn the_worker_asks_and_the_api_shows_it(world: World) {
        let interface = moody(&world, "good").await;
        mood(&world, &interface, "no stock").await;
        world.start_worker();
        wait::until("the worker asked", async || !now(&world, &interface).await.is_healthy).await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let token = admin_token(&channel).await;
        let message = json!({ "interface_id": interface.id });
        let shown = dynamic::call(&channel, "IntegrationService/GetPluginInterface", &message, &token).await.unwrap();
        let shown = &shown["interface"];
        assert!(shown["health_error"].as_str().unwrap().contains("no stock"), "{shown}");
        assert!(shown["last_check_at"].as_str().unwrap().ends_with('Z'), "{shown}");
        assert_ne!(shown["is_healthy"], true);
    }

    async fn answers_of_lists_are_remembered_until_something_changes(world: World) {
        let receiver = Receiver::start().await;
        let script = MOODY.replace("{ [] }", "{ rustbill_host::http_get(rustbill_host::json_get(c, \"mood\")); [] }");
        world.write_plugin("notifier-asking.rn", &script);
        let interface = world.interface("notifier-asking.rn", json!({ "mood": receiver.url })).await;
        let ask = async |interface: &Interface| {
            world.app.plugins.call_json_remembered(interface, "supported_events").await.unwrap()
        };
        for _ in 0..3 {
            assert_eq!(ask(&interface).await, json!([]));
        }
        assert_eq!(receiver.received().len(), 1, "asked once");
        let mut other = interface.clone();
        other.config.0["more"] = json!(1);
        ask(&other).await;
        assert_eq!(receiver.received().len(), 2, "other settings, another answer");
        other.script_source.push_str("\n// another script\n");
        ask(&other).await;
        assert_eq!(receiver.received().len(), 3, "another script, another answer");
        let broken = Interface { script_source: script.replace("[] }", "Err(\"no\") }"), ..interface.clone() };
        for _ in 0..2 {
            let error = world.app.plugins.call_json_remembered(&broken, "supported_events").await.unwrap_err();
            assert!(error.to_string().contains("no"), "{error}");
        }
        assert_eq!(receiver.received().len(), 5, "errors are not remembered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_remembered_for_half_a_minute() {
    let world = timed(TestDatabase::sqlite()).await;
    let receiver = Receiver::start().await;
    let script = MOODY.replace("{ [] }", "{ rustbill_host::http_get(rustbill_host::json_get(c, \"mood\")); [] }");
    world.write_plugin("notifier-asking.rn", &script);
    let interface = world.interface("notifier-asking.rn", json!({ "mood": receiver.url })).await;
    for (seconds, asked) in [(0, 1), (29, 1), (1, 2), (1, 2)] {
        pass(&world, TimeDelta::seconds(seconds));
        world.app.plugins.call_json_remembered(&interface, "supported_events").await.unwrap();
        assert_eq!(receiver.received().len(), asked, "after {seconds} seconds more");
    }
}
