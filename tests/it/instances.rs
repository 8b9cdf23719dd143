//! Servers: switched, acted upon, looked at and ended, and who may do so.

use rustbill::core::{
    actor::{Actor, Role},
    control,
    customers::Customer,
    error::Kind,
    id::Id,
    instances::{self, Instance, InstanceStatus, Power},
    orders::{Order, OrderStatus},
    plugins::{self, Interface, InterfaceUpdate},
    settlement,
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::{
    on_both,
    support::{
        cli::rustbill,
        database::TestDatabase,
        dynamic,
        everybody::Everybody,
        receiver::Receiver,
        server::{InProcess, channel},
        wait,
        world::{World, actor_of, at_once, settings_file},
    },
};

/// A shop with a server that runs.
struct Shop {
    provider: Interface,
    customer: Customer,
    owner: Actor,
    order: Order,
    instance: Instance,
}

async fn provider(world: &World, config: Value) -> Interface {
    world.write_plugin("provider-powered.rn", include_str!("scripts/provider-powered.rn"));
    world.interface("provider-powered.rn", config).await
}

/// Delivers an order of the customer's.
async fn deliver(world: &World, provider: &Interface, customer: &Customer) -> (Order, Instance) {
    world.top_up(customer.id, "29.00").await;
    let order = world.order(customer, &world.product(provider).await).await;
    settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
    let order = world.until_order_is(order.id, OrderStatus::Active).await;
    let sql = "SELECT id FROM instances WHERE order_id = $1";
    let id = world.db().q(sql).bind(order.id).scalar::<Id>().await.unwrap();
    (order, state(world, id).await)
}

async fn shop(world: &World, config: Value) -> Shop {
    let provider = provider(world, config).await;
    let customer = world.customer().await;
    let owner = actor_of(&world.customer_user(&customer).await);
    world.start_worker();
    let (order, instance) = deliver(world, &provider, &customer).await;
    Shop { provider, customer, owner, order, instance }
}

async fn configure(world: &World, provider: &Interface, config: Value) {
    let change = InterfaceUpdate { config_json: Some(config.to_string()), ..InterfaceUpdate::default() };
    plugins::update(&world.app, &world.admin, provider.id, &change).await.unwrap();
}

async fn state(world: &World, id: Id) -> Instance {
    instances::get(&world.app, &world.admin, id).await.unwrap()
}

/// Moves an order where no operation of this test leads.
async fn put_order(world: &World, order: Id, status: OrderStatus) {
    let mut tx = world.db().begin().await.unwrap();
    tx.q("UPDATE orders SET status = $2 WHERE id = $1").bind(order).bind(status).execute_one().await.unwrap();
    tx.commit().await.unwrap();
}

async fn put_instance(world: &World, id: Id, status: InstanceStatus) {
    let mut tx = world.db().begin().await.unwrap();
    tx.q("UPDATE instances SET status = $2 WHERE id = $1").bind(id).bind(status).execute_one().await.unwrap();
    tx.commit().await.unwrap();
}

/// What the operation log says of an instance, oldest first.
async fn logged(world: &World, id: Id) -> Vec<(String, Value)> {
    let sql = "SELECT action, detail FROM operation_logs WHERE target_id = $1 ORDER BY created_at, id";
    let rows = world.db().q(sql).bind(id.to_string()).all::<(String, sqlx::types::Json<Value>)>().await.unwrap();
    rows.into_iter().map(|(action, detail)| (action, detail.0)).collect()
}

/// How often the provider was asked to take a server back.
async fn times_ended(world: &World, instance: &Instance) -> usize {
    let key = format!("ended:{}", instance.provider_instance_id);
    let sql = "SELECT value FROM plugin_state WHERE key = $1";
    world.db().q(sql).bind(key).scalar_opt::<String>().await.unwrap().map_or(0, |times| times.len())
}

fn refused(answer: Result<Value, Status>) -> (Code, String, String) {
    let status = answer.unwrap_err();
    let word = status.metadata().get("error-code").map(|word| word.to_str().unwrap().to_owned()).unwrap_or_default();
    (status.code(), word, status.message().to_owned())
}

on_both! {
    async fn a_server_is_switched_off_and_on_by_its_customer(world: World) {
        let shop = shop(&world, json!({})).await;
        let id = shop.instance.id;
        let switch = async |power| control::switch(&world.app, &shop.owner, id, power).await.unwrap().status;
        assert_eq!(switch(Power::Stop).await, InstanceStatus::Stopped);
        assert_eq!(state(&world, id).await.status, InstanceStatus::Stopped);
        assert_eq!(switch(Power::Start).await, InstanceStatus::Running);
        assert_eq!(switch(Power::Restart).await, InstanceStatus::Running);
        // A key acts as its customer.
        let role = Role::ApiKey { key_id: Id::generate(), customer_id: shop.customer.id };
        let key = Actor::new(role, "key", "127.0.0.1");
        control::switch(&world.app, &key, id, Power::Stop).await.unwrap();
        let log = logged(&world, id).await;
        let actions: Vec<&str> = log.iter().map(|(action, _)| action.as_str()).collect();
        assert_eq!(actions, ["instance.stop", "instance.start", "instance.restart", "instance.stop"]);
        assert_eq!(log[0].1, json!({ "before": "running", "after": "stopped" }));
        // What the provider says counts, where it can be true.
        configure(&world, &shop.provider, json!({ "status": "stopped" })).await;
        assert_eq!(switch(Power::Start).await, InstanceStatus::Stopped);
        for nonsense in ["error", "terminated", "", "ERROR: unknown"] {
            configure(&world, &shop.provider, json!({ "status": nonsense })).await;
            assert_eq!(switch(Power::Start).await, InstanceStatus::Running, "{nonsense}");
        }
    }

    async fn states_that_allow_nothing_refuse_before_anybody_is_asked(world: World) {
        let gate = Receiver::start().await;
        let shop = shop(&world, json!({ "gate": gate.url })).await;
        let id = shop.instance.id;
        for status in [InstanceStatus::Provisioning, InstanceStatus::Suspended, InstanceStatus::Terminated, InstanceStatus::Error] {
            put_instance(&world, id, status).await;
            // One that is being made has no name with its provider.
            let mut tx = world.db().begin().await.unwrap();
            tx.q("UPDATE instances SET provider_instance_id = '' WHERE id = $1").bind(id).execute_one().await.unwrap();
            tx.commit().await.unwrap();
            for &power in Power::ALL {
                let error = control::switch(&world.app, &world.admin, id, power).await.unwrap_err();
                assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "instance.wrong_state"));
                assert!(error.to_string().contains(status.as_str()) && error.to_string().contains(power.as_str()), "{error}");
            }
            let error = control::act(&world.app, &shop.owner, id, "echo", "").await.unwrap_err();
            assert_eq!(error.code(), "instance.wrong_state");
        }
        put_instance(&world, id, InstanceStatus::Running).await;
        for status in [OrderStatus::Suspended, OrderStatus::Completed, OrderStatus::Terminated, OrderStatus::Refunded] {
            put_order(&world, shop.order.id, status).await;
            let error = control::switch(&world.app, &world.admin, id, Power::Start).await.unwrap_err();
            assert_eq!(error.code(), "instance.wrong_state");
            assert!(error.to_string().contains(status.as_str()), "{error}");
        }
        assert!(gate.received().is_empty());
        assert_eq!(logged(&world, id).await, []);
    }

    async fn a_server_that_was_slow_to_be_made_is_asked_how_it_is(world: World) {
        let shop = shop(&world, json!({ "status": "pending" })).await;
        put_instance(&world, shop.instance.id, InstanceStatus::Provisioning).await;
        let error = control::switch(&world.app, &shop.owner, shop.instance.id, Power::Stop).await.unwrap_err();
        assert_eq!(error.code(), "instance.wrong_state");
        configure(&world, &shop.provider, json!({})).await;
        let stopped = control::switch(&world.app, &shop.owner, shop.instance.id, Power::Stop).await.unwrap();
        assert_eq!(stopped.status, InstanceStatus::Stopped);
    }

    async fn a_provider_that_fails_is_told_of_as_far_as_the_caller_may_know(world: World) {
        let shop = shop(&world, json!({})).await;
        let id = shop.instance.id;
        let switch = async |actor: &Actor| control::switch(&world.app, actor, id, Power::Stop).await.unwrap_err();
        for (mode, staff, customer, told) in [
            ("refuse", "provider.refused", "provider.refused", "the node is full"),
            ("say", "plugin.refused", "provider.failed", "stop the instance"),
            ("break", "plugin.failed", "provider.failed", "stop the instance"),
            ("nonsense", "provider.failed", "provider.failed", "did not say"),
        ] {
            configure(&world, &shop.provider, json!({ "mode": mode })).await;
            let error = switch(&world.admin).await;
            assert_eq!((error.kind(), error.code()), (Kind::Internal, staff), "{mode}");
            let error = switch(&shop.owner).await;
            let public = error.public_message();
            assert_eq!((error.kind(), error.code()), (Kind::Internal, customer), "{mode}");
            assert!(public.contains(told) && !public.contains("secret"), "{mode}: {public}");
        }
        assert_eq!(state(&world, id).await.status, InstanceStatus::Running);
        assert_eq!(logged(&world, id).await, []);
        plugins::toggle(&world.app, &world.admin, shop.provider.id, false).await.unwrap();
        let error = switch(&shop.owner).await;
        assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "provider.disabled"));
        let shown = control::describe(&world.app, &shop.owner, id).await.unwrap();
        assert!(shown.sections.is_empty() && shown.actions.is_empty());
    }

    async fn a_page_shows_what_the_provider_says_and_does_without_it(world: World) {
        let gate = Receiver::start().await;
        let shop = shop(&world, json!({})).await;
        let id = shop.instance.id;
        let look = async |actor: &Actor| control::describe(&world.app, actor, id).await.unwrap();
        let shown = look(&shop.owner).await;
        let titles: Vec<&str> = shown.sections.iter().map(|section| section.title.as_str()).collect();
        assert_eq!(titles, [shop.instance.provider_instance_id.as_str(), "Console", "Evil"]);
        assert_eq!((shown.sections[0].content_html.as_str(), shown.sections[0].data_json.as_str()), ("<b>x</b>", "{\"a\":1}"));
        assert_eq!((shown.sections[1].iframe_url.as_str(), shown.sections[2].iframe_url.as_str()), ("https://console.example.com/", ""));
        let actions: Vec<(&str, bool)> = shown.actions.iter().map(|action| (action.id.as_str(), action.enabled)).collect();
        let expected = [("start", true), ("stop", true), ("echo", true), ("poweroff", true), ("terminate", true), ("rescue", false)];
        assert_eq!(actions, expected);

        // What was taken from a customer is not shown to it, and nobody can act on it.
        put_order(&world, shop.order.id, OrderStatus::Suspended).await;
        put_instance(&world, id, InstanceStatus::Suspended).await;
        assert!(look(&shop.owner).await.sections.is_empty());
        let shown = look(&world.admin).await;
        assert!(shown.sections.len() == 3 && shown.actions.iter().all(|action| !action.enabled));
        put_order(&world, shop.order.id, OrderStatus::Active).await;
        for status in [InstanceStatus::Provisioning, InstanceStatus::Terminated, InstanceStatus::Error] {
            put_instance(&world, id, status).await;
            assert!(look(&world.admin).await.sections.is_empty(), "{status}");
        }
        put_instance(&world, id, InstanceStatus::Running).await;

        configure(&world, &shop.provider, json!({ "mode": "blind" })).await;
        let shown = look(&shop.owner).await;
        assert!(shown.sections.is_empty() && shown.actions.is_empty());
        let error = control::act(&world.app, &shop.owner, id, "echo", "").await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Internal, "provider.failed"));
        gate.hold();
        configure(&world, &shop.provider, json!({ "mode": "slow", "gate": gate.url })).await;
        let shown = look(&shop.owner).await;
        assert!(shown.sections.is_empty());
        assert_eq!(shown.actions.len(), 6, "what came in time is shown");
        gate.release();
    }

    async fn an_action_is_one_that_is_listed_and_can_not_choose_a_setting(world: World) {
        let settings = json!({ "api_url": "https://node.example.com", "token": "hunter2" });
        let shop = shop(&world, settings.clone()).await;
        let id = shop.instance.id;
        let act = async |action: &str, params: &str| control::act(&world.app, &shop.owner, id, action, params).await;
        let params = json!({
            "os": "debian-13", "token": "mine", "api_url": "https://evil.example.com", "spare_url": "https://evil.example.com",
            "order_id": "another", "instance_id": "another", "action": "wipe", "params": "x", "mode": "refuse",
        });
        let answer = act("echo", &params.to_string()).await.unwrap();
        assert!(answer.success);
        assert_eq!(answer.message, "did echo");
        let data: Value = serde_json::from_str(&answer.data).unwrap();
        let expected = json!({
            "action": "echo", "order": shop.order.id, "instance": shop.instance.provider_instance_id,
            "url": "https://node.example.com", "token": "hunter2", "spare": "", "os": "debian-13", "params_os": "debian-13",
            "params_token": "mine", "params_params": "x",
        });
        assert_eq!(data, expected);
        let (action, detail) = logged(&world, id).await.remove(0);
        assert_eq!(action, "instance.action");
        assert_eq!(detail["params"], json!(["action", "api_url", "instance_id", "mode", "order_id", "os", "params", "spare_url", "token"]));
        assert_eq!((&detail["action"], &detail["success"]), (&json!("echo"), &json!(true)));
        assert!(!detail.to_string().contains("debian") && !detail.to_string().contains("mine"), "{detail}");

        for (action, params, code) in [
            ("wipe", "", "instance.action"),
            ("rescue", "", "instance.action"),
            ("", "", "text.missing"),
            ("echo", "[]", "instance.params"),
            ("echo", "{", "instance.params"),
        ] {
            let error = act(action, params).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, code), "{action} {params}");
        }
        assert!(act("wipe", "").await.unwrap_err().to_string().contains("start, stop, echo"));

        // The state is kept whatever the action is called.
        act("stop", "").await.unwrap();
        assert_eq!(state(&world, id).await.status, InstanceStatus::Stopped);
        act("start", "").await.unwrap();
        act("poweroff", "").await.unwrap();
        assert_eq!(state(&world, id).await.status, InstanceStatus::Stopped);
        let log = logged(&world, id).await;
        let actions: Vec<&str> = log.iter().map(|(action, _)| action.as_str()).collect();
        assert_eq!(actions, ["instance.action", "instance.stop", "instance.start", "instance.action"]);

        configure(&world, &shop.provider, json!({ "mode": "refuse" })).await;
        for action in ["echo", "start"] {
            let answer = act(action, "").await.unwrap();
            assert_eq!((answer.success, answer.message.as_str()), (false, "the node is full"));
        }
        configure(&world, &shop.provider, settings).await;
        assert!(act("terminate", "").await.unwrap().success);
        world.until_order_is(shop.order.id, OrderStatus::Terminated).await;
    }

    async fn a_server_is_ended_once_and_its_owner_hears_of_it(world: World) {
        let receiver = Receiver::start().await;
        world.interface("notifier-webhook.rn", json!({ "url": receiver.url })).await;
        let shop = shop(&world, json!({})).await;
        let id = shop.instance.id;
        let results = at_once(4, |_| {
            let (app, owner) = (world.app.clone(), shop.owner.clone());
            async move { settlement::terminate(&app, &owner, id).await }
        })
        .await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(error.kind(), Kind::InvalidArgument);
            assert!(error.to_string().ends_with("is terminated and can't become terminated"), "{error}");
        }
        let order = world.order_state(shop.order.id).await;
        assert!(order.status == OrderStatus::Terminated && order.ended_at.is_some());
        wait::until("the worker gave it back", async || state(&world, id).await.status == InstanceStatus::Terminated).await;
        world.until_quiet().await;
        assert_eq!(times_ended(&world, &shop.instance).await, 1);
        let told = receiver.events("instance_terminated");
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].json()["recipient"], shop.customer.email);
        let error = settlement::terminate(&world.app, &world.admin, id).await.unwrap_err();
        assert_eq!(error.code(), "instance.wrong_state");
        assert_eq!(error.to_string(), "the instance is terminated and can't become terminated");
        let actions: Vec<String> = logged(&world, id).await.into_iter().map(|(action, _)| action).collect();
        assert_eq!(actions, ["instance.terminate", "instance.end"]);
        assert_eq!(logged(&world, shop.order.id).await.pop().unwrap().0, "order.terminate");
    }

    async fn an_end_in_between_wins(world: World) {
        let gate = Receiver::start().await;
        let shop = shop(&world, json!({ "gate": gate.url })).await;
        let id = shop.instance.id;
        gate.hold();
        let (app, owner) = (world.app.clone(), shop.owner.clone());
        let stopping = tokio::spawn(async move { control::switch(&app, &owner, id, Power::Stop).await });
        wait::until("the provider was asked", async || !gate.received().is_empty()).await;
        settlement::terminate(&world.app, &shop.owner, id).await.unwrap();
        wait::until("the worker gave it back", async || state(&world, id).await.status == InstanceStatus::Terminated).await;
        gate.release();
        let error = stopping.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "instance.wrong_state"));
        assert_eq!(state(&world, id).await.status, InstanceStatus::Terminated);
        let (action, detail) = logged(&world, id).await.pop().unwrap();
        assert_eq!((action.as_str(), &detail["after"]), ("instance.stop", &json!("terminated")), "it was done, and is in the log");
        assert_eq!(times_ended(&world, &shop.instance).await, 1);
    }

    async fn a_server_that_is_suspended_while_it_is_switched_on_stays_off(world: World) {
        let gate = Receiver::start().await;
        let shop = shop(&world, json!({ "gate": gate.url })).await;
        let id = shop.instance.id;
        gate.hold();
        let (app, owner) = (world.app.clone(), shop.owner.clone());
        let starting = tokio::spawn(async move { control::switch(&app, &owner, id, Power::Start).await });
        wait::until("the provider was asked", async || !gate.received().is_empty()).await;
        let change = settlement::OrderUpdate { status: Some(OrderStatus::Suspended), ..Default::default() };
        settlement::update_order(&world.app, &world.admin, shop.order.id, &change).await.unwrap();
        gate.release();
        assert_eq!(starting.await.unwrap().unwrap_err().code(), "instance.wrong_state");
        world.until_quiet().await;
        assert_eq!(state(&world, id).await.status, InstanceStatus::Suspended);
        // Whichever of the two reached the provider first, the last word is to stop.
        let asked: Vec<String> = gate.received().into_iter().map(|request| request.body).collect();
        assert_eq!(asked.iter().filter(|action| *action == "stop").count(), 2, "{asked:?}");
        let key = format!("power:{}", shop.instance.provider_instance_id);
        let at_provider = world.db().q("SELECT value FROM plugin_state WHERE key = $1").bind(key).scalar::<String>();
        assert_eq!(at_provider.await.unwrap(), "stopped");
    }

    async fn whoever_switches_at_once_leaves_what_the_provider_has(world: World) {
        let shop = shop(&world, json!({})).await;
        let id = shop.instance.id;
        let results = at_once(6, |index| {
            let (app, owner) = (world.app.clone(), shop.owner.clone());
            let power = Power::ALL[index % Power::ALL.len()];
            async move { control::switch(&app, &owner, id, power).await }
        })
        .await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let key = format!("power:{}", shop.instance.provider_instance_id);
        let sql = "SELECT value FROM plugin_state WHERE key = $1";
        let at_provider = world.db().q(sql).bind(key).scalar::<String>().await.unwrap();
        assert_eq!(state(&world, id).await.status.as_str(), at_provider);
        assert_eq!(logged(&world, id).await.len(), 6);
    }

    async fn the_wire_says_what_the_contract_promises(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let everybody = Everybody::log_in(&world, &channel).await;
        let provider = provider(&world, json!({})).await;
        world.start_worker();
        let (order, instance) = deliver(&world, &provider, &everybody.customers[0]).await;
        let [owner, stranger] = [1, 2].map(|index| everybody.callers[index].token.as_str());
        let call = async |rpc: &str, message: Value, token: &str| {
            dynamic::call(&channel, &format!("InstanceService/{rpc}"), &message, token).await
        };
        let id = json!({ "id": instance.id });
        let all = ["GetInstance", "StartInstance", "StopInstance", "RestartInstance", "TerminateInstance", "ExecuteInstanceAction"];
        for rpc in all {
            for (message, token, expected) in [
                (json!({ "id": "42" }), owner, (Code::InvalidArgument, "id.malformed")),
                (json!({ "id": Id::generate() }), owner, (Code::NotFound, "not_found")),
                (id.clone(), stranger, (Code::PermissionDenied, "permission.foreign")),
                (id.clone(), "", (Code::Unauthenticated, "auth.required")),
            ] {
                let (code, word, text) = refused(call(rpc, message, token).await);
                assert_eq!((code, word.as_str()), expected, "{rpc}: {text}");
            }
        }
        let found = call("GetInstance", id.clone(), owner).await.unwrap();
        assert_eq!(found["sections"][0]["fields"][0], json!({ "key": "Root", "value": "hunter2", "value_type": "secret" }));
        assert_eq!((&found["actions"][1]["style"], &found["actions"][1]["confirmation"]), (&json!("Default"), &json!("Sure?")));
        for (rpc, status) in [("StopInstance", "stopped"), ("StartInstance", "running"), ("RestartInstance", "running")] {
            assert_eq!(call(rpc, id.clone(), owner).await.unwrap()["instance"]["status"], status);
        }
        let echo = json!({ "id": instance.id, "action": "echo", "params_json": "{\"os\":\"x\"}" });
        let answer = call("ExecuteInstanceAction", echo, owner).await.unwrap();
        assert_eq!((&answer["success"], &answer["message"]), (&json!(true), &json!("did echo")));
        let unknown = json!({ "id": instance.id, "action": "fly" });
        let (code, word, _) = refused(call("ExecuteInstanceAction", unknown, owner).await);
        assert_eq!((code, word.as_str()), (Code::InvalidArgument, "instance.action"));
        let bad = json!({ "id": instance.id, "action": "echo", "params_json": "1" });
        let (code, word, _) = refused(call("ExecuteInstanceAction", bad, owner).await);
        assert_eq!((code, word.as_str()), (Code::InvalidArgument, "instance.params"));
        for (mode, expected) in [("refuse", "provider.refused"), ("break", "provider.failed")] {
            configure(&world, &provider, json!({ "mode": mode })).await;
            let (code, word, _) = refused(call("StopInstance", id.clone(), owner).await);
            assert_eq!((code, word.as_str()), (Code::Internal, expected));
        }
        plugins::toggle(&world.app, &world.admin, provider.id, false).await.unwrap();
        let (code, word, _) = refused(call("StopInstance", id.clone(), owner).await);
        assert_eq!((code, word.as_str()), (Code::Unavailable, "provider.disabled"));
        call("TerminateInstance", id.clone(), owner).await.unwrap();
        world.until_order_is(order.id, OrderStatus::Terminated).await;
        let (code, _, text) = refused(call("TerminateInstance", id.clone(), owner).await);
        assert!(code == Code::InvalidArgument && text.contains("terminated and can't become terminated"), "{text}");
        let (code, word, _) = refused(call("StartInstance", id.clone(), owner).await);
        assert_eq!((code, word.as_str()), (Code::InvalidArgument, "instance.wrong_state"));
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_managed_on_the_command_line() {
    let world = World::on(TestDatabase::sqlite()).await;
    let shop = shop(&world, json!({})).await;
    let home = world.database.directory.path();
    settings_file(&world.database, home);
    let id = shop.instance.id.to_string();
    let run = |verb: &str, more: &[&str], code: i32| {
        let args = [&["instance", verb, &id][..], more].concat();
        let output = rustbill(home, &args);
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stdout}{stderr}");
        if code == 0 { stdout } else { stderr }
    };
    let json_of = |verb: &str, more: &[&str]| -> Value {
        serde_json::from_str(&run(verb, &[more, &["--output", "json"]].concat(), 0)).unwrap()
    };
    assert_eq!(json_of("stop", &[])["status"], "stopped");
    assert_eq!(json_of("start", &[])["status"], "running");
    assert_eq!(json_of("restart", &[])["status"], "running");
    let shown = json_of("show", &[]);
    assert_eq!((&shown["id"], &shown["sections"][1]["title"]), (&json!(id), &json!("Console")));
    let table = run("show", &[], 0);
    assert!(table.contains("Root: hunter2") && table.contains("https://console.example.com/"), "{table}");
    assert!(run("show", &["--output", "csv"], 0).contains("Console:"));
    assert_eq!(json_of("actions", &[])["items"][1]["confirmation"], "Sure?");
    let answer = json_of("action", &["echo", "--params", "{\"os\":\"debian-13\"}"]);
    assert!(answer["data"].as_str().unwrap().contains("debian-13"), "{answer}");
    assert!(run("action", &["fly"], 2).contains("start, stop, echo"));
    configure(&world, &shop.provider, json!({ "mode": "refuse" })).await;
    assert!(run("stop", &[], 1).contains("the node is full"));
    assert!(run("action", &["echo"], 1).contains("the node is full"));
    assert!(run("terminate", &[], 2).contains("--yes"));
    assert_eq!(json_of("terminate", &["--yes"])["id"], json!(id));
    world.until_order_is(shop.order.id, OrderStatus::Terminated).await;
    assert!(run("terminate", &["--yes"], 2).contains("can't become terminated"));
}
