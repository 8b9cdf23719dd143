//! Scripts that mean harm, inside the whole server: what they may reach, whose memory they may read, what callers see.

use std::collections::BTreeSet;

use rustbill::core::{
    app::App,
    plugins::{self, Interface, PluginHost},
    settings::Plugins,
};
use serde_json::json;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        receiver::Receiver,
        server::{InProcess, admin_token, channel},
        world::{PROGRAM, World},
    },
};

/// A notifier that does what its call says.
const TOOL: &str = r#"
fn config_schema(c, u) { #{type: "object", properties: #{}} }
fn initialize(c, u) { Ok(()) }
fn send(c, u) {
    let what = rustbill_host::json_get(c, "what");
    let key = rustbill_host::json_get(c, "key");
    if what == "get" { return rustbill_host::state_get(key); }
    if what == "set" { rustbill_host::state_set(key, rustbill_host::json_get(c, "value")); return "set"; }
    if what == "claim" { return rustbill_host::state_claim(key, "claimed"); }
    if what == "delete" { rustbill_host::state_delete(key); return "deleted"; }
    if what == "fetch" { return rustbill_host::http_get(key); }
    "?"
}
fn supported_events(c, u) { [] }
fn templates(c, u) { #{} }
fn health_check(c, u) { Ok(true) }
async fn admin_spin(c, u) { [1].iter().map(|x| { loop {} }).collect::<Vec>() }
fn admin_ok(c, u) { "well" }
"#;

async fn tool(world: &World) -> Interface {
    world.write_plugin("notifier-tool.rn", TOOL);
    world.interface("notifier-tool.rn", json!({})).await
}

async fn does(app: &App, interface: &Interface, what: &str, key: &str) -> Result<String, String> {
    let business = json!({ "what": what, "key": key, "value": "mine" });
    app.plugins.call_text(interface, "send", business).await.map_err(|error| error.to_string())
}

on_both! {
    async fn no_key_reaches_the_state_of_another_interface(world: World) {
        let (rich, poor) = (tool(&world).await, tool(&world).await);
        assert_eq!(does(&world.app, &rich, "set", "secret").await.unwrap(), "set");
        let id = rich.id.to_string();
        let keys = [
            "secret".to_owned(),
            format!("{id}:secret"),
            format!("{id}/secret"),
            format!("{id}\u{0}secret"),
            format!("{id}|secret"),
            format!("../{id}/secret"),
            "secret\u{0}".to_owned(),
            "\u{0}secret".to_owned(),
            "SECRET".to_owned(),
            " secret".to_owned(),
            "secret ".to_owned(),
            "secret\n".to_owned(),
            "s\u{435}cret".to_owned(),
            "secret\u{200b}".to_owned(),
            "\u{202e}terces".to_owned(),
            "%".to_owned(),
            "_ecret".to_owned(),
            "' OR '1'='1".to_owned(),
            "secret' --".to_owned(),
            "x".repeat(201),
            String::new(),
        ];
        let mut told = BTreeSet::new();
        for key in &keys {
            for what in ["get", "claim", "delete", "set"] {
                match does(&world.app, &poor, what, key).await {
                    Ok(answer) => assert!(answer != "mine" || what == "get", "{what} {key:?} read `{answer}`"),
                    Err(error) => {
                        assert!(error.contains("a state key has 1 to 200 characters, none of them NUL"), "{error}");
                        told.insert(key.clone());
                    }
                }
            }
            does(&world.app, &poor, "delete", key).await.ok();
        }
        assert_eq!(told.len(), 5, "NUL, too long and empty are refused: {told:?}");
        assert_eq!(does(&world.app, &rich, "get", "secret").await.unwrap(), "mine", "and nobody changed it");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_hear_of_a_stopped_script_and_others_go_on() {
    let world = World::on(TestDatabase::sqlite()).await;
    let (hostile, good) = (tool(&world).await, tool(&world).await);
    let server = InProcess::start(&world).await;
    let channel = channel(&server.address).await;
    let token = admin_token(&channel).await;
    let call = async |interface: &Interface, function: &str| {
        let message = json!({ "interface_id": interface.id, "function": function, "args_json": "{}" });
        dynamic::call(&channel, "IntegrationService/CallPluginAction", &message, &token).await
    };
    // Twice as many as its share; each ends after the time that a call has.
    let spins = futures::future::join_all((0..6).map(|_| call(&hostile, "admin_spin")));
    let works = async {
        let mut count = 0;
        for _ in 0..50 {
            call(&good, "admin_ok").await.unwrap();
            count += 1;
        }
        count
    };
    let (spins, works) = tokio::join!(spins, works);
    assert_eq!(works, 50);
    for spin in spins {
        let status = spin.unwrap_err();
        let code = status.metadata().get("error-code").unwrap().to_str().unwrap().to_owned();
        assert!(["plugin.failed", "plugin.busy"].contains(&code.as_str()), "{status}");
    }
    let after = call(&hostile, "admin_ok").await.unwrap();
    assert!(after.to_string().contains("well"), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_script_reaches_what_the_configuration_does_not_list() {
    let world = World::on(TestDatabase::sqlite()).await;
    let interface = tool(&world).await;
    let receiver = Receiver::start().await;
    let port = receiver.url.rsplit(':').next().unwrap().trim_end_matches("/hook").to_owned();
    let closed = Plugins { allow_private: Vec::new(), ..world.app.settings.plugins.clone() };
    let mut app = world.app.clone();
    app.plugins = PluginHost::new(PROGRAM.into(), &closed, world.db().clone(), world.app.clock.clone()).unwrap();
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "0.0.0.0",
        "0",
        "[::]",
        "user@127.0.0.1",
        "example.com@127.0.0.1",
        "1\u{ff12}7.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
    ] {
        let error = does(&app, &interface, "fetch", &format!("http://{host}:{port}/hook")).await.unwrap_err();
        assert!(error.contains("loopback, link-local or private"), "{host}: {error}");
    }
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
    ] {
        let error = does(&app, &interface, "fetch", url).await.unwrap_err();
        assert!(error.contains("loopback, link-local or private"), "{url}: {error}");
    }
    for url in
        ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/", "unix:/run/x.sock", "data:,x", "//x", ""]
    {
        let error = does(&app, &interface, "fetch", url).await.unwrap_err();
        assert!(error.contains("only http and https are") || error.contains("malformed"), "{url}: {error}");
    }
    assert!(receiver.received().is_empty(), "nothing arrived");
    assert!(does(&world.app, &interface, "fetch", &receiver.url).await.is_ok(), "what is listed is reached");
    app.plugins.shutdown().await;
    plugins::check_health(&world.app, &world.admin, interface.id).await.unwrap();
}
