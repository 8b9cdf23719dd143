//! Finding scripts, and interfaces with their secrets.

use rustbill::core::{
    http::{HttpClient, Request},
    plugins::{self, InterfaceUpdate},
};
use serde_json::json;

use crate::{
    on_both,
    support::{database::TestDatabase, receiver::Receiver, world::World},
};

const NOTIFIER: &str = "
pub fn version(config, _unused) { \"VERSION\" }
fn config_schema(config, _unused) { #{ type: \"object\", properties: #{ SETTING: #{ type: \"string\" } } } }
fn initialize(config, _unused) { Ok(()) }
fn send(config, _unused) { Ok(()) }
fn supported_events(config, _unused) { [] }
fn templates(config, _unused) { #{} }
fn health_check(config, _unused) { Ok(true) }
";

fn notifier(version: &str, setting: &str) -> String {
    NOTIFIER.replace("VERSION", version).replace("SETTING", setting)
}

on_both! {
    async fn the_shipped_scripts_are_found_and_a_second_scan_changes_nothing(world: World) {
        let report = world.scan().await;
        let shipped = ["gateway-banktransfer.rn", "notifier-webhook.rn", "provider-incus.rn", "provider-stock.rn"];
        assert_eq!(report.added, shipped);
        assert!(report.broken.is_empty());
        let report = world.scan().await;
        assert_eq!((report.added.len(), report.updated.len(), report.unchanged.len()), (0, 0, shipped.len()));
    }

    async fn a_newer_version_reaches_the_interfaces_and_an_older_one_does_not(world: World) {
        world.write_plugin("notifier-own.rn", &notifier("1.0.0", "first"));
        let interface = world.interface("notifier-own.rn", json!({ "first": "x" })).await;
        let schema_has = async |setting: &str| {
            let interface = plugins::get(&world.app, &world.admin, interface.id).await.unwrap();
            interface.config_schema.0["properties"].get(setting).is_some()
        };
        assert!(schema_has("first").await);
        world.write_plugin("notifier-own.rn", &notifier("1.1.0", "second"));
        assert_eq!(world.scan().await.updated, ["notifier-own.rn"]);
        assert!(schema_has("second").await);
        let source = plugins::get(&world.app, &world.admin, interface.id).await.unwrap().script_source;
        assert!(source.contains("1.1.0"));
        world.write_plugin("notifier-own.rn", &notifier("1.0.5", "third"));
        assert!(world.scan().await.updated.is_empty());
        assert!(!schema_has("third").await, "an older version leaves the interfaces alone");
        // A version is compared by its numbers, not by its letters.
        world.write_plugin("notifier-own.rn", &notifier("1.10.0", "fourth"));
        assert_eq!(world.scan().await.updated, ["notifier-own.rn"]);
        assert!(schema_has("fourth").await);
    }

    async fn a_broken_script_is_reported_with_its_place_and_stops_nothing(world: World) {
        world.write_plugin("notifier-syntax.rn", "pub fn send(config, _unused) { let x = ; }\n");
        world.write_plugin("notifier-missing.rn", "pub fn send(config, _unused) { Ok(()) }\n");
        world.write_plugin("notifier-arity.rn", &notifier("1.0.0", "x").replace("fn send(config, _unused)", "fn send(config)"));
        world.write_plugin("unknown.rn", "");
        world.write_plugin("readme.txt", "not a script");
        let report = world.scan().await;
        assert_eq!(report.added.len(), 4, "the others are there");
        let problem = |file: &str| report.broken.iter().find(|broken| broken.file == file).unwrap().problem.clone();
        assert!(problem("notifier-syntax.rn").starts_with("1:"), "{}", problem("notifier-syntax.rn"));
        assert!(problem("notifier-missing.rn").contains("health_check"), "{}", problem("notifier-missing.rn"));
        assert!(problem("notifier-arity.rn").contains("send") && problem("notifier-arity.rn").contains("parameter"));
        assert!(problem("unknown.rn").contains("gateway-ID.rn"));
        assert_eq!(report.broken.len(), 4);
        let definitions = plugins::definitions(&world.app, &world.admin, None).await.unwrap();
        let broken = definitions.iter().find(|definition| definition.plugin_id == "arity").unwrap();
        assert!(!broken.problem.is_empty());
        let new = plugins::NewInterface { definition_id: broken.id, display_name: "x".to_owned(), config_json: String::new() };
        assert_eq!(plugins::create(&world.app, &world.admin, &new).await.unwrap_err().code(), "plugin.broken");
        // Mended, it works.
        world.write_plugin("notifier-arity.rn", &notifier("1.0.0", "x"));
        assert_eq!(world.scan().await.added, ["notifier-arity.rn"]);
    }

    async fn a_version_that_breaks_leaves_the_last_good_one(world: World) {
        world.write_plugin("notifier-own.rn", &notifier("1.0.0", "first"));
        let interface = world.interface("notifier-own.rn", json!({})).await;
        world.write_plugin("notifier-own.rn", "nonsense(");
        assert_eq!(world.scan().await.broken.len(), 1);
        let kept = plugins::get(&world.app, &world.admin, interface.id).await.unwrap();
        assert!(kept.script_source.contains("1.0.0"));
        assert!(plugins::check_health(&world.app, &world.admin, interface.id).await.unwrap().is_healthy);
    }

    async fn secrets_are_masked_and_kept(world: World) {
        let interface = world.interface("notifier-webhook.rn", json!({ "url": "http://127.0.0.1:9/", "secret": "hunter2" })).await;
        assert_eq!(interface.masked_config()["secret"], "********");
        let change = InterfaceUpdate {
            config_json: Some(json!({ "url": "http://127.0.0.1:10/", "secret": "********" }).to_string()),
            ..InterfaceUpdate::default()
        };
        let updated = plugins::update(&world.app, &world.admin, interface.id, &change).await.unwrap();
        assert_eq!((updated.config.0["secret"].as_str(), updated.config.0["url"].as_str()), (Some("hunter2"), Some("http://127.0.0.1:10/")));
        let logs = world.db().q("SELECT CAST(detail AS TEXT) FROM operation_logs").scalars::<String>().await.unwrap();
        assert!(logs.iter().any(|detail| detail.contains("127.0.0.1:10")));
        assert!(logs.iter().all(|detail| !detail.contains("hunter2")));
    }

    async fn what_a_script_remembers_belongs_to_its_interface(world: World) {
        let (first, second) = (world.instant_provider().await, world.instant_provider().await);
        for (provider, order) in [(&first, "o"), (&second, "o")] {
            world.app.plugins.call_json(provider, "create_instance", json!({ "order_id": order })).await.unwrap();
        }
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state").await, 2);
    }
}

async fn send(client: &HttpClient, url: &str) -> rustbill::core::error::Result<u16> {
    let request = Request { method: "GET", url, headers: Vec::new(), body: bytes::Bytes::default() };
    client.send(request).await.map(|response| response.status)
}

#[tokio::test]
async fn plugins_reach_the_listed_networks_and_no_other_special_address() {
    let receiver = Receiver::start().await;
    let closed = HttpClient::new(Vec::new()).unwrap();
    assert_eq!(send(&closed, &receiver.url).await.unwrap_err().code(), "http.address");
    // A name that resolves to such an address is refused too, and so is every way to write the address.
    let port = receiver.url.rsplit(':').next().unwrap().trim_end_matches("/hook").to_owned();
    for host in ["localhost", "127.1", "0x7f000001", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let error = send(&closed, &format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(error.to_string().contains("loopback"), "{host}: {error}");
    }
    assert_eq!(send(&closed, "http://169.254.169.254/latest/meta-data").await.unwrap_err().code(), "http.address");
    assert_eq!(send(&closed, "file:///etc/passwd").await.unwrap_err().code(), "http.request");
    assert!(receiver.received().is_empty());
    let open = HttpClient::new(vec!["127.0.0.0/8".parse().unwrap()]).unwrap();
    assert_eq!(send(&open, &receiver.url).await.unwrap(), 200);
}
