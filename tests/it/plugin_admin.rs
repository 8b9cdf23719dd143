//! The administration of plugins: pages and actions, scripts edited where they run, deleting interfaces, the restart.

use rustbill::core::{
    audit::{self, LogFilter},
    page::PageRequest,
    plugins,
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        server::{InProcess, Program, admin_token, channel},
        stage::Stage,
        world::{World, at_once, settings_file},
    },
};

const SCRIPT: &str = include_str!("scripts/provider-upstream.rn");
/// A secret of an interface's settings; no answer and no entry of the log holds it.
const SECRET: &str = "hunter2-do-not-tell";
/// A well-formed identifier of nothing.
const UNKNOWN: &str = "0190a5b0-7c1e-7000-8000-000000000001";

/// How the administrator's call was refused.
async fn refused(stage: &Stage<'_>, rpc: &str, message: Value) -> (Code, String, String) {
    let rpc = format!("IntegrationService/{rpc}");
    let token = &stage.everybody.admin().token;
    word_of(&dynamic::call(&stage.channel, &rpc, &message, token).await.unwrap_err())
}

fn word_of(status: &Status) -> (Code, String, String) {
    let word = status.metadata().get("error-code").map(|word| word.to_str().unwrap().to_owned());
    (status.code(), word.unwrap_or_default(), status.message().to_owned())
}

async fn ask(stage: &Stage<'_>, rpc: &str, message: Value) -> Value {
    stage.admin(&format!("IntegrationService/{rpc}"), message).await
}

/// An interface with a secret, of the script that can do everything.
async fn with_secret(stage: &Stage<'_>) -> String {
    let mut message = stage.interface_message();
    message["config_json"] = json!(json!({ "token": SECRET }).to_string());
    let made = ask(stage, "CreatePluginInterface", message).await;
    made["interface"]["id"].as_str().unwrap().to_owned()
}

async fn logged(world: &World, action: &str) -> Vec<Value> {
    let page = PageRequest::new(1, 100);
    let found = audit::list(&world.app, &world.admin, &LogFilter::default(), page).await.unwrap();
    found.items.into_iter().filter(|log| log.action == action).map(|log| serde_json::to_value(log).unwrap()).collect()
}

async fn no_secret_in_the_log(world: &World) {
    let details = world.db().q("SELECT CAST(detail AS TEXT) FROM operation_logs").scalars::<String>().await.unwrap();
    assert!(details.iter().all(|detail| !detail.contains(SECRET)));
}

on_both! {
    async fn a_page_may_be_html_or_an_object_and_may_be_missing(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let page = ask(&stage, "GetPluginAdminPage", json!({ "interface_id": stage.provider.id })).await;
        assert_eq!(page, json!({ "html_content": "<p>Hello</p>", "title": stage.provider.display_name }));
        let interface = stage.interface().await;
        let page_of = async |body: &str| {
            let hash = stage.script_hash(&interface).await;
            let source = SCRIPT.replace("{ \"<p>Hello</p>\" }", body);
            let message = json!({ "interface_id": interface, "source": source, "expected_hash": hash });
            assert_eq!(ask(&stage, "UpdatePluginSource", message).await["issues"], json!([]), "{body}");
            json!({ "interface_id": interface })
        };
        for body in ["{ #{ title: \"Mine\", html: \"<b>1</b>\" } }", "{ `{\"title\":\"Mine\",\"html\":\"<b>1</b>\"}` }"] {
            let message = page_of(body).await;
            let page = ask(&stage, "GetPluginAdminPage", message).await;
            assert_eq!(page, json!({ "html_content": "<b>1</b>", "title": "Mine" }), "{body}");
        }
        for body in ["{ 7 }", "{ #{ title: \"Mine\" } }", "{ let t = \"0123456789abcdef\"; for i in 0..17 { t = t + t; } t }"] {
            let message = page_of(body).await;
            let (code, word, _) = refused(&stage, "GetPluginAdminPage", message).await;
            assert_eq!((code, word.as_str()), (Code::Internal, "plugin.admin_page"), "{body}");
        }
        let hash = stage.script_hash(&interface).await;
        let without = SCRIPT.replace("pub fn admin_page", "pub fn no_page");
        let answer = ask(&stage, "UpdatePluginSource", json!({ "interface_id": interface, "source": without, "expected_hash": hash })).await;
        assert_eq!(answer["interface"]["has_admin_page"], json!(false));
        let (code, word, _) = refused(&stage, "GetPluginAdminPage", json!({ "interface_id": interface })).await;
        assert_eq!((code, word.as_str()), (Code::InvalidArgument, "plugin.no_page"));
        let found = refused(&stage, "GetPluginAdminPage", json!({ "interface_id": UNKNOWN })).await;
        assert_eq!((found.0, found.1.as_str()), (Code::NotFound, "not_found"));
        server.stop().await;
    }

    async fn a_page_calls_only_what_is_meant_for_it_and_can_not_change_settings(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let interface = with_secret(&stage).await;
        let call = |function: &str, arguments: &str| {
            json!({ "interface_id": interface, "function": function, "args_json": arguments })
        };
        let answer = ask(&stage, "CallPluginAction", call("admin_list_instances", r#"{"filter":"eu"}"#)).await;
        assert_eq!(answer["result_json"], json!(r#"["eu"]"#));
        let answer = ask(&stage, "CallPluginAction", call("admin_hello", "")).await;
        assert_eq!(answer["result_json"], json!(r#"{"hello":"world"}"#));
        for (function, arguments, expected) in [
            ("create_instance", "{}", "plugin.function"),
            ("get_upstream_balance", "{}", "plugin.function"),
            ("", "{}", "plugin.function"),
            ("admin_hello()", "{}", "plugin.function"),
            ("admin_nothing", "{}", "plugin.no_function"),
            ("admin_hello", "[]", "plugin.arguments"),
            ("admin_hello", "{", "plugin.arguments"),
            ("admin_hello", r#"{"token":"mine"}"#, "plugin.arguments"),
        ] {
            let (code, word, text) = refused(&stage, "CallPluginAction", call(function, arguments)).await;
            assert_eq!((code, word.as_str()), (Code::InvalidArgument, expected), "{function} {arguments}: {text}");
        }
        let (code, word, text) = refused(&stage, "CallPluginAction", call("admin_refuse", "{}")).await;
        assert_eq!((code, word.as_str()), (Code::Internal, "plugin.refused"), "{text}");
        assert!(text.contains("not today"), "{text}");
        let functions: Vec<_> = logged(&world, "plugin_interface.call").await.iter()
            .map(|log| (log["detail"]["function"].clone(), log["detail"]["failed"].clone())).collect();
        assert_eq!(functions.len(), 3, "{functions:?}");
        assert!(functions.contains(&(json!("admin_refuse"), json!(true))), "{functions:?}");
        let logs = logged(&world, "plugin_interface.call").await;
        assert!(logs.iter().all(|log| log["detail"].get("filter").is_none()), "arguments are not kept: {logs:?}");
        no_secret_in_the_log(&world).await;
        server.stop().await;
    }

    async fn an_interface_in_use_stays_and_another_goes_with_what_it_remembers(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        world.start_worker();
        stage.active().await;
        let (code, word, text) = refused(&stage, "DeletePluginInterface", json!({ "interface_id": stage.provider.id })).await;
        assert_eq!((code, word.as_str()), (Code::InvalidArgument, "plugin.in_use"));
        assert!(text.contains("1 instance, 1 order, 1 product"), "{text}");
        stage.payment().await;
        let (_, word, text) = refused(&stage, "DeletePluginInterface", json!({ "interface_id": stage.gateway.id })).await;
        assert_eq!(word, "plugin.in_use");
        assert!(text.contains("1 payment"), "{text}");
        let free = with_secret(&stage).await;
        let id = rustbill::core::id::Id::parse("id", &free).unwrap();
        let interface = plugins::get(&world.app, &world.admin, id).await.unwrap();
        world.app.plugins.call_json(&interface, "create_instance", json!({ "order_id": "o" })).await.unwrap();
        let remembered = world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state").await;
        ask(&stage, "DeletePluginInterface", json!({ "interface_id": free })).await;
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state").await, remembered - 1);
        let (code, _, _) = refused(&stage, "DeletePluginInterface", json!({ "interface_id": free })).await;
        assert_eq!(code, Code::NotFound);
        assert_eq!(logged(&world, "plugin_interface.delete").await.len(), 1);
        no_secret_in_the_log(&world).await;
        server.stop().await;
    }

    async fn a_script_is_edited_where_it_runs_and_a_scan_leaves_it_alone(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let interface = with_secret(&stage).await;
        let balance = async || ask(&stage, "GetUpstreamBalance", json!({ "interface_id": interface })).await["balance"].clone();
        assert_eq!(balance().await, json!("100.01"));
        let found = ask(&stage, "GetPluginSource", json!({ "interface_id": interface })).await;
        assert_eq!((&found["source"], &found["edited"]), (&json!(SCRIPT), &json!(false)));
        assert!(!found.to_string().contains(SECRET));
        let edit = |source: &str, hash: &Value| json!({ "interface_id": interface, "source": source, "expected_hash": hash });

        // What does not compile is told with its place and changes nothing.
        let broken = SCRIPT.replacen("pub fn initialize(config, _unused) { \"\" }", "pub fn initialize(config, _unused) { let x = ; }", 1);
        let answer = ask(&stage, "UpdatePluginSource", edit(&broken, &found["hash"])).await;
        let line = SCRIPT.lines().position(|line| line.starts_with("pub fn initialize")).unwrap() + 1;
        assert_eq!(answer["issues"][0]["line"], json!(line), "{answer}");
        assert!(answer["issues"][0]["column"].as_u64().unwrap() > 0 && answer["issues"][0]["message"] != "", "{answer}");
        let same = ask(&stage, "GetPluginSource", json!({ "interface_id": interface })).await;
        assert_eq!(same, found);
        let nul = ask(&stage, "UpdatePluginSource", edit(&format!("{SCRIPT}// \0"), &found["hash"])).await;
        assert_eq!(nul["issues"].as_array().unwrap().len(), 1);

        // A sound one counts at once; its form too.
        let edited = SCRIPT.replace("100.005", "7.00").replace("properties: #{ token:", "properties: #{ extra: #{ type: \"string\" }, token:");
        let answer = ask(&stage, "UpdatePluginSource", edit(&edited, &found["hash"])).await;
        assert_eq!(answer["issues"], json!([]));
        assert!(answer["interface"]["config_schema"].as_str().unwrap().contains("extra"));
        assert!(!answer.to_string().contains(SECRET));
        assert_eq!(balance().await, json!("7.00"));
        let now = ask(&stage, "GetPluginSource", json!({ "interface_id": interface })).await;
        assert_eq!((&now["source"], &now["edited"]), (&json!(edited), &json!(true)));
        let (code, word, _) = refused(&stage, "UpdatePluginSource", edit(SCRIPT, &found["hash"])).await;
        assert_eq!((code, word.as_str()), (Code::InvalidArgument, "plugin.stale"));

        // A newer file reaches the others and not this one.
        let newer = SCRIPT.replace("99.0.0", "99.1.0").replace("100.005", "8.00");
        world.write_plugin("provider-rustbill.rn", &newer);
        assert_eq!(world.scan().await.updated, ["provider-rustbill.rn"]);
        assert_eq!(balance().await, json!("7.00"));
        let other = ask(&stage, "GetUpstreamBalance", json!({ "interface_id": stage.provider.id })).await;
        assert_eq!(other["balance"], json!("8.00"));
        // Back at what the plugin has, it follows again.
        let back = ask(&stage, "UpdatePluginSource", edit(&newer, &now["hash"])).await;
        assert_eq!(back["issues"], json!([]));
        assert_eq!(ask(&stage, "GetPluginSource", json!({ "interface_id": interface })).await["edited"], json!(false));
        assert_eq!(logged(&world, "plugin_interface.edit").await.len(), 2);
        no_secret_in_the_log(&world).await;
        server.stop().await;
    }

    async fn of_two_editors_one_is_told_that_it_is_late(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let interface = stage.interface().await;
        let hash = stage.script_hash(&interface).await;
        let (wire, token) = (stage.channel.clone(), stage.everybody.admin().token.clone());
        let answers = at_once(4, |number| {
            let (wire, token) = (wire.clone(), token.clone());
            let source = SCRIPT.replace("100.005", &format!("{number}.00"));
            let message = json!({ "interface_id": interface, "source": source, "expected_hash": hash });
            async move { dynamic::call(&wire, "IntegrationService/UpdatePluginSource", &message, &token).await }
        })
        .await;
        let (won, late): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), late.len()), (1, 3));
        assert!(late.iter().all(|answer| word_of(answer.as_ref().unwrap_err()).1 == "plugin.stale"), "{late:?}");
        server.stop().await;
    }

    async fn a_script_is_checked_without_being_kept(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let check = |kind: &str, source: &str| json!({ "plugin_type": kind, "source": source });
        let sound = ask(&stage, "CheckPluginSource", check("upstream_provider", SCRIPT)).await;
        assert_eq!(sound["issues"], json!([]));
        let wrong = ask(&stage, "CheckPluginSource", check("gateway", SCRIPT)).await;
        let text = wrong["issues"].to_string();
        assert!(text.contains("create_payment") && text.contains("handle_callback"), "{text}");
        let endless = SCRIPT.replace("#{ type: \"object\"", "loop {} #{ type: \"object\"");
        let answer = ask(&stage, "CheckPluginSource", check("upstream_provider", &endless)).await;
        assert_eq!(answer["issues"].as_array().unwrap().len(), 1, "{answer}");
        let (code, word, _) = refused(&stage, "CheckPluginSource", check("theme", SCRIPT)).await;
        assert_eq!((code, word.as_str()), (Code::InvalidArgument, "enum.unknown"));
        let changed = "SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_interfaces WHERE script_edited = TRUE";
        assert_eq!(world.count(changed).await, 0);
        server.stop().await;
    }

    async fn files_that_can_not_be_used_are_listed_until_they_can(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        assert_eq!(ask(&stage, "ListPluginProblems", json!({})).await["problems"], json!([]));
        world.write_plugin("provider-torn.rn", &SCRIPT[..SCRIPT.len() / 2]);
        world.scan().await;
        let found = ask(&stage, "ListPluginProblems", json!({})).await["problems"].clone();
        assert_eq!((found.as_array().unwrap().len(), &found[0]["file_name"]), (1, &json!("provider-torn.rn")), "{found}");
        assert_eq!(found[0]["version"], "", "no version of it ever worked");
        assert!(found[0]["problem"].as_str().unwrap().contains(':'), "{found}");
        world.write_plugin("provider-torn.rn", SCRIPT);
        world.scan().await;
        assert_eq!(ask(&stage, "ListPluginProblems", json!({})).await["problems"], json!([]));
        server.stop().await;
    }

    async fn a_restart_answers_and_ends_with_its_exit_code(world: World) {
        let config = settings_file(&world.database, world.database.directory.path());
        // SQLite has room for one server.
        world.db().clone().close().await;
        let program = Program::start(&config);
        let wire = channel(&program.address).await;
        let token = admin_token(&wire).await;
        dynamic::call(&wire, "IntegrationService/RestartServer", &json!({}), &token).await.unwrap();
        assert_eq!(program.ended(), Some(75));
        let again = Program::start(&config);
        let wire = channel(&again.address).await;
        let token = admin_token(&wire).await;
        let logs = dynamic::call(&wire, "AuditService/ListOperationLogs", &json!({}), &token).await.unwrap();
        assert!(logs.to_string().contains("server.restart"), "{logs}");
        assert_eq!(again.terminate(), Some(0), "the usual end has another code");
    }
}
