//! Asking providers directly, and what customers and their keys get instead.

use rustbill::core::{
    id::Id,
    orders::OrderStatus,
    settlement::{self, OrderUpdate},
};
use serde_json::{Value, json};
use tonic::{Code, Request, Status};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        server::{InProcess, channel},
        stage::Stage,
        world::{World, at_once},
    },
};

/// A well-formed identifier of nothing.
const UNKNOWN: &str = "0190a5b0-7c1e-7000-8000-000000000001";

async fn call(stage: &Stage<'_>, rpc: &str, message: Value, token: &str) -> Result<Value, Status> {
    dynamic::call(&stage.channel, &format!("IntegrationService/{rpc}"), &message, token).await
}

fn word_of(status: &Status) -> (Code, String) {
    let word = status.metadata().get("error-code").map(|word| word.to_str().unwrap().to_owned());
    (status.code(), word.unwrap_or_default())
}

async fn refused(stage: &Stage<'_>, rpc: &str, message: Value, token: &str) -> (Code, String) {
    let answer = call(stage, rpc, message, token).await;
    word_of(&answer.unwrap_err())
}

/// The script with one function's body replaced, run by the stage's provider.
async fn answering(stage: &Stage<'_>, function: &str, body: &str) {
    let script = include_str!("scripts/provider-upstream.rn");
    let start = script.find(&format!("pub fn {function}(config, _unused) {{")).unwrap();
    let end = start + script[start..].find("\n\n").unwrap();
    let source = format!("{}pub fn {function}(config, _unused) {{ {body} }}{}", &script[..start], &script[end..]);
    let interface = stage.provider.id.to_string();
    let hash = stage.script_hash(&interface).await;
    let message = json!({ "interface_id": interface, "source": source, "expected_hash": hash });
    let answer = stage.admin("IntegrationService/UpdatePluginSource", message).await;
    assert_eq!(answer["issues"], json!([]), "{function} {body}");
}

/// A product of the stage's provider.
async fn product(stage: &Stage<'_>, price: &str, specs: Value) -> String {
    let mut message = stage.product_message();
    message["price_per_month"] = json!(price);
    message["specs"] = specs;
    let made = stage.admin("ProductService/CreateProduct", message).await;
    made["product"]["id"].as_str().unwrap().to_owned()
}

on_both! {
    async fn a_price_is_the_providers_for_the_shop_and_the_shops_for_customers(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let (admin, customer, key) = (&stage.everybody.callers[4].token, &stage.everybody.callers[1].token, stage.secret().await);
        let wish = json!({ "interface_id": stage.provider.id, "disk_gb": 20, "region": "eu" });
        let price = call(&stage, "QueryPrice", wish.clone(), admin).await.unwrap();
        assert_eq!(price, json!({ "amount": "20.01", "currency": "CNY", "billing_cycle": "monthly" }));
        let cheap = product(&stage, "12.00", json!({ "disk_gb": "20" })).await;
        product(&stage, "3.00", json!({ "disk_gb": "10" })).await;
        for token in [customer, &key] {
            let price = call(&stage, "QueryPrice", wish.clone(), token).await.unwrap();
            assert_eq!(price["amount"], json!("12.00"), "the cheapest that fits");
        }
        let mut off = wish.clone();
        off["extra_specs"] = json!({ "gpu": "1" });
        assert_eq!(refused(&stage, "QueryPrice", off.clone(), admin).await, (Code::InvalidArgument, "spec.unknown".into()));
        assert_eq!(refused(&stage, "QueryPrice", off, customer).await, (Code::NotFound, "product.no_match".into()));
        let disable = json!({ "id": cheap, "is_active": false });
        stage.admin("ProductService/UpdateProduct", disable).await;
        assert_eq!(call(&stage, "QueryPrice", wish.clone(), customer).await.unwrap()["amount"], json!("29.00"));
        for (interface, expected) in [
            (UNKNOWN.to_owned(), (Code::NotFound, "not_found")),
            (stage.interface().await, (Code::NotFound, "not_found")),
            (stage.gateway.id.to_string(), (Code::InvalidArgument, "plugin.wrong_type")),
        ] {
            for token in [admin, customer] {
                let found = refused(&stage, "QueryPrice", json!({ "interface_id": interface }), token).await;
                assert_eq!((found.0, found.1.as_str()), expected, "{interface}");
            }
        }
        assert_eq!(refused(&stage, "QueryPrice", wish.clone(), "").await.0, Code::Unauthenticated);
        for (body, expected) in [
            ("\"ERROR: sold out\"", "plugin.refused"),
            ("`{\"amount\":\"cheap\"}`", "plugin.answer"),
            ("`{\"amount\":\"-1\"}`", "plugin.answer"),
            ("`{\"amount\":\"1\",\"billing_cycle\":\"hourly\"}`", "plugin.answer"),
            ("panic!(\"no\")", "plugin.failed"),
        ] {
            answering(&stage, "query_price", body).await;
            assert_eq!(refused(&stage, "QueryPrice", wish.clone(), admin).await, (Code::Internal, expected.into()), "{body}");
        }
        answering(&stage, "query_price", "\"9.999\"").await;
        assert_eq!(call(&stage, "QueryPrice", wish, admin).await.unwrap()["amount"], json!("10.00"));
        server.stop().await;
    }

    async fn a_resellers_sync_reads_what_is_on_sale_and_writes_nothing(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let (admin, customer, key) = (&stage.everybody.callers[4].token, &stage.everybody.callers[1].token, stage.secret().await);
        let message = json!({ "interface_id": stage.provider.id });
        let count = "SELECT CAST(COUNT(*) AS BIGINT) FROM products";
        for token in [customer, &key] {
            let found = call(&stage, "SyncProducts", message.clone(), token).await.unwrap();
            assert_eq!((&found["count"], &found["synced"][0]["id"]), (&json!(1), &json!(stage.product)));
            assert_eq!(found["synced"][0]["cost_price"], json!("0.00"), "what it costs the shop is not told");
            assert_eq!(world.count(count).await, 1);
        }
        let synced = call(&stage, "SyncProducts", message.clone(), admin).await.unwrap();
        assert_eq!((&synced["count"], &synced["synced"][0]["name"]), (&json!(1), &json!("Small")));
        assert_eq!(world.count(count).await, 2);
        // What was synchronised is not on sale.
        assert_eq!(call(&stage, "SyncProducts", message, customer).await.unwrap()["count"], json!(1));
        for token in [admin, customer] {
            let found = refused(&stage, "SyncProducts", json!({ "interface_id": UNKNOWN }), token).await;
            assert_eq!(found, (Code::NotFound, "not_found".into()));
            let found = refused(&stage, "SyncProducts", json!({ "interface_id": stage.gateway.id }), token).await;
            assert_eq!(found, (Code::InvalidArgument, "plugin.wrong_type".into()));
        }
        server.stop().await;
    }

    async fn a_customer_buys_here_from_its_balance_or_not_at_all(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        world.start_worker();
        let key = stage.secret().await;
        let message = json!({ "interface_id": stage.provider.id, "server_spec": { "disk_gb": 20, "region": "eu" } });
        let before = world.balance(stage.owner).await;
        let bought = call(&stage, "CreateUpstreamInstance", message.clone(), &key).await.unwrap();
        assert_eq!((&bought["status"], &bought["ip_address"]), (&json!("pending"), &json!("")));
        let order = Id::parse("order", bought["provider_instance_id"].as_str().unwrap()).unwrap();
        let order = world.until_order_is(order, rustbill::core::orders::OrderStatus::Active).await;
        assert_eq!((order.customer_id, order.total_amount.to_string().as_str()), (stage.owner, "29.00"));
        assert_eq!(order.server_spec.0["disk_gb"], "20");
        assert_ne!(world.balance(stage.owner).await, before);
        // With a key that is sent again it happens once.
        let again = async || {
            let method = dynamic::method("IntegrationService/CreateUpstreamInstance");
            let bytes = prost::Message::encode_to_vec(&dynamic::request(&method, &message).unwrap());
            let mut request = Request::new(bytes::Bytes::from(bytes));
            request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
            request.metadata_mut().insert("idempotency-key", "buy-1".parse().unwrap());
            let mut client = tonic::client::Grpc::new(stage.channel.clone());
            client.ready().await.unwrap();
            let path = "/rustbill.integration.IntegrationService/CreateUpstreamInstance".parse().unwrap();
            client.unary(request, path, dynamic::Untyped).await.unwrap().into_inner()
        };
        let (first, second) = (again().await, again().await);
        assert_eq!(first, second);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM orders").await, 2);
        // Without money nothing is left behind.
        let poor = world.customer().await;
        let user = world.customer_user(&poor).await;
        let token = crate::support::server::customer_token(&stage.channel, &user.username).await;
        let found = refused(&stage, "CreateUpstreamInstance", message.clone(), &token).await;
        assert_eq!(found, (Code::InvalidArgument, "balance.insufficient".into()));
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM orders").await, 2);
        let off = json!({ "interface_id": stage.provider.id, "server_spec": { "region": "mars" } });
        let found = refused(&stage, "CreateUpstreamInstance", off, &key).await;
        assert_eq!(found, (Code::NotFound, "product.no_match".into()));
        world.until_quiet().await;
        world.check_ledgers().await;
        server.stop().await;
    }

    async fn the_shop_buys_at_the_provider_and_takes_the_server_over(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let admin = &stage.everybody.callers[4].token;
        let interface = stage.provider.id;
        let message = json!({ "interface_id": interface, "server_spec": { "disk_gb": 20, "region": "eu" } });
        let bought = call(&stage, "CreateUpstreamInstance", message.clone(), admin).await.unwrap();
        let server_id = bought["provider_instance_id"].as_str().unwrap().to_owned();
        assert!(server_id.starts_with("i-") && bought["ip_address"] == "203.0.113.7", "{bought}");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM orders").await, 0);
        let off = json!({ "interface_id": interface, "server_spec": { "disk_gb": 7 } });
        assert_eq!(refused(&stage, "CreateUpstreamInstance", off, admin).await, (Code::InvalidArgument, "spec.value".into()));

        let import = json!({ "interface_id": interface, "instance_id": server_id });
        let made = call(&stage, "ImportUpstreamInstance", import.clone(), admin).await.unwrap();
        assert_eq!((&made["status"], &made["ip_address"]), (&json!("running"), &json!("203.0.113.8")));
        let instance = stage.admin("InstanceService/GetInstance", json!({ "id": made["instance_id"] })).await;
        assert!(instance.to_string().contains(&server_id), "{instance}");
        assert_eq!(refused(&stage, "ImportUpstreamInstance", import, admin).await, (Code::AlreadyExists, "instance.known".into()));
        // Several at once: one customer stands for nobody, and one product for all of them.
        let (wire, token) = (stage.channel.clone(), admin.clone());
        let answers = at_once(4, |number| {
            let (wire, token) = (wire.clone(), token.clone());
            let message = json!({ "interface_id": interface, "instance_id": format!("up-{}", number / 2) });
            async move { dynamic::call(&wire, "IntegrationService/ImportUpstreamInstance", &message, &token).await }
        })
        .await;
        let words: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).map(word_of).collect();
        assert_eq!(words, vec![(Code::AlreadyExists, "instance.known".to_owned()); 2]);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM instances").await, 3);
        let nobody = "SELECT CAST(COUNT(*) AS BIGINT) FROM customers WHERE name = 'Unassigned servers' AND is_active = FALSE";
        assert_eq!(world.count(nobody).await, 1);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM products WHERE name = 'Imported server'").await, 1);
        // Nobody is asked for money for it, however long it runs, and not after it was suspended either.
        let order = world.db().q("SELECT order_id FROM instances WHERE provider_instance_id = $1").bind(server_id.clone());
        let order = order.scalar::<Id>().await.unwrap();
        for status in [OrderStatus::Suspended, OrderStatus::Active] {
            let change = OrderUpdate { status: Some(status), ..OrderUpdate::default() };
            settlement::update_order(&world.app, &world.admin, order, &change).await.unwrap();
        }
        let period = json!({ "billing_period_start": "2026-01-01", "billing_period_end": "2033-12-31" });
        stage.admin("BillingService/GenerateInvoices", period).await;
        let billed = "SELECT CAST(COUNT(*) AS BIGINT) FROM invoice_items WHERE description LIKE 'Imported server%'";
        assert_eq!(world.count(billed).await, 0);
        answering(&stage, "import_upstream_instance", "#{ instance_id: \"x\", status: \"terminated\" }").await;
        let gone = json!({ "interface_id": interface, "instance_id": "x" });
        assert_eq!(refused(&stage, "ImportUpstreamInstance", gone.clone(), admin).await, (Code::InvalidArgument, "instance.gone".into()));
        answering(&stage, "import_upstream_instance", "\"fine\"").await;
        assert_eq!(refused(&stage, "ImportUpstreamInstance", gone, admin).await, (Code::Internal, "plugin.answer".into()));
        world.check_ledgers().await;
        server.stop().await;
    }

    async fn two_interfaces_import_their_first_servers_at_once(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let second = stage.interface().await;
        let interfaces = [stage.provider.id.to_string(), second];
        let (wire, token) = (stage.channel.clone(), stage.everybody.callers[4].token.clone());
        let answers = at_once(2, |number| {
            let (wire, token) = (wire.clone(), token.clone());
            let message = json!({ "interface_id": interfaces[number], "instance_id": "up-1" });
            async move { dynamic::call(&wire, "IntegrationService/ImportUpstreamInstance", &message, &token).await }
        })
        .await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM instances").await, 2);
        server.stop().await;
    }

    async fn a_servers_state_the_list_and_the_balance_are_asked_of_the_provider(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let admin = &stage.everybody.callers[4].token;
        let interface = stage.provider.id;
        let of = json!({ "interface_id": interface });
        let one = json!({ "interface_id": interface, "instance_id": "up-1" });
        let status = call(&stage, "GetInstanceStatus", one.clone(), admin).await.unwrap();
        assert_eq!(status, json!({ "status": "running", "ip_address": "" }));
        call(&stage, "ImportUpstreamInstance", one.clone(), admin).await.unwrap();
        let status = call(&stage, "GetInstanceStatus", one.clone(), admin).await.unwrap();
        assert_eq!(status["ip_address"], json!("203.0.113.8"), "what we know of it");
        let servers = call(&stage, "SyncUpstreamInstances", of.clone(), admin).await.unwrap();
        let expected = json!({ "instance_id": "up-1", "status": "running", "ip_address": "203.0.113.8", "created_at": "yesterday" });
        assert_eq!(servers, json!({ "instances": [expected] }));
        let balance = call(&stage, "GetUpstreamBalance", of.clone(), admin).await.unwrap();
        assert_eq!(balance, json!({ "balance": "100.01", "currency": "CNY" }));

        for (function, rpc, body, expected) in [
            ("get_instance_status", "GetInstanceStatus", "\"Creating\"", "pending"),
            ("get_instance_status", "GetInstanceStatus", "#{ status: \"STOPPED\" }", "stopped"),
            ("get_instance_status", "GetInstanceStatus", "\"failed\"", "error"),
        ] {
            answering(&stage, function, body).await;
            assert_eq!(call(&stage, rpc, one.clone(), admin).await.unwrap()["status"], json!(expected), "{body}");
        }
        for (function, rpc, body, expected) in [
            ("get_instance_status", "GetInstanceStatus", "\"\"", "plugin.answer"),
            ("get_instance_status", "GetInstanceStatus", "\"ERROR: unknown\"", "plugin.refused"),
            ("sync_upstream_instances", "SyncUpstreamInstances", "\"none\"", "plugin.answer"),
            ("sync_upstream_instances", "SyncUpstreamInstances", "[#{ status: \"running\" }]", "plugin.answer"),
            ("get_upstream_balance", "GetUpstreamBalance", "\"much\"", "plugin.answer"),
            ("get_upstream_balance", "GetUpstreamBalance", "Err(\"no\")", "plugin.refused"),
        ] {
            answering(&stage, function, body).await;
            assert_eq!(refused(&stage, rpc, one_or_all(rpc, &one, &of), admin).await, (Code::Internal, expected.into()), "{body}");
        }
        answering(&stage, "get_upstream_balance", "\"-3.5\"").await;
        assert_eq!(call(&stage, "GetUpstreamBalance", of.clone(), admin).await.unwrap()["balance"], json!("-3.50"));

        let own = world.instant_provider().await;
        let first_party = json!({ "interface_id": own.id, "instance_id": "i-1" });
        assert_eq!(call(&stage, "GetInstanceStatus", first_party.clone(), admin).await.unwrap()["status"], json!("running"));
        for rpc in ["SyncUpstreamInstances", "ImportUpstreamInstance", "GetUpstreamBalance"] {
            let message = one_or_all(rpc, &first_party, &json!({ "interface_id": own.id }));
            assert_eq!(refused(&stage, rpc, message, admin).await, (Code::InvalidArgument, "plugin.wrong_type".into()), "{rpc}");
            let unknown = one_or_all(rpc, &json!({ "interface_id": UNKNOWN, "instance_id": "x" }), &json!({ "interface_id": UNKNOWN }));
            assert_eq!(refused(&stage, rpc, unknown, admin).await, (Code::NotFound, "not_found".into()), "{rpc}");
        }
        server.stop().await;
    }
}

/// The message for calls about one server, or for those about all of a provider's.
fn one_or_all(rpc: &str, one: &Value, all: &Value) -> Value {
    if ["GetInstanceStatus", "ImportUpstreamInstance"].contains(&rpc) { one.clone() } else { all.clone() }
}
