//! The operation log: each operation leaves one entry, and the chain over them shows what was done to them afterwards.

use chrono::TimeDelta;
use rustbill::{
    core::{
        actor::Actor,
        audit::{self, Break, LogFilter, OperationLog, Problem, SEAL_BATCH, Verification},
        balance, catalogue, customers,
        id::Id,
        identity::{self, NewApiKey},
        invoices::{self, NewInvoice, NewItem},
        page::PageRequest,
        products::{self, ProductUpdate},
        settlement::{self, Target},
        tickets::{self, NewReply, NewTicket, TicketUpdate},
        time::parse_date,
    },
    server::grpc::protocol::rustbill::audit as proto,
};
use tonic::Code;

use crate::{
    as_everybody, on_both,
    support::{
        cli::rustbill,
        database::TestDatabase,
        everybody::Everybody,
        server::{InProcess, channel},
        wait,
        world::{World, actor_of, at_once, clock_at, money, new_order, new_product, settings_file},
    },
};
use proto::audit_service_client::AuditServiceClient;

async fn newest(world: &World) -> Vec<OperationLog> {
    let page = PageRequest::new(1, 100);
    audit::list(&world.app, &world.admin, &LogFilter::default(), page).await.unwrap().items
}

async fn entries(world: &World) -> i64 {
    world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs").await
}

async fn seal_all(world: &World) {
    while audit::seal(&world.app).await.unwrap() > 0 {}
}

async fn verify(world: &World) -> Verification {
    audit::verify(&world.app, &world.admin).await.unwrap()
}

async fn problem(world: &World) -> Problem {
    let found = verify(world).await;
    assert!(!found.intact);
    found.problem.unwrap()
}

/// What somebody with the database's password does.
async fn tamper(world: &World, sql: &'static str) {
    let mut tx = world.db().begin().await.unwrap();
    assert!(tx.q(sql).execute().await.unwrap() > 0, "{sql}");
    tx.commit().await.unwrap();
}

/// Runs an operation and checks that it left exactly this entry.
macro_rules! leaves {
    ($world:expr, $actor:expr, $action:literal on $target:literal; $operation:expr) => {{
        let before = entries(&$world).await;
        let made = $operation.await.unwrap();
        assert_eq!(entries(&$world).await, before + 1, $action);
        let filter = LogFilter { action: Some($action.to_owned()), ..LogFilter::default() };
        let found = audit::list(&$world.app, &$world.admin, &filter, PageRequest::default()).await.unwrap();
        let log = &found.items[0];
        let actor: &Actor = $actor;
        assert_eq!((log.actor_type.as_str(), log.actor_name.as_str()), (actor.kind(), actor.name()), $action);
        assert_eq!(log.actor_id, actor.id().map(|id| id.to_string()).unwrap_or_default(), $action);
        assert_eq!((log.target_type.as_str(), log.source.as_str()), ($target, actor.source()), $action);
        Id::parse("target_id", &log.target_id).unwrap();
        assert!(log.detail.is_object(), $action);
        made
    }};
}

on_both! {
    async fn every_operation_leaves_one_entry(world: World) {
        let (app, admin) = (&world.app, &world.admin);
        let provider = world.instant_provider().await;
        let new = customers::NewCustomer { name: "Ann".to_owned(), email: "ann@example.com".to_owned(), ..customers::NewCustomer::default() };
        let customer = leaves!(world, admin, "customer.create" on "customer"; customers::create(app, admin, &new));
        let change = customers::CustomerUpdate { credit_limit: Some(money("5.00")), ..customers::CustomerUpdate::default() };
        leaves!(world, admin, "customer.update" on "customer"; customers::update(app, admin, customer.id, &change));
        leaves!(world, admin, "balance.adjust" on "customer"; balance::adjust(app, admin, customer.id, money("100.00"), "x"));
        let user = world.customer_user(&customer).await;
        let ann = &actor_of(&user);
        let login = leaves!(world, ann, "user.login" on "user"; identity::login(app, "127.0.0.1", identity::UserKind::Customer, &user.username, crate::support::world::PASSWORD));
        assert_eq!(login.user.id, user.id);

        let product = leaves!(world, admin, "product.create" on "product"; products::create(app, admin, &new_product(&provider)));
        let change = ProductUpdate { name: Some("VPS 2".to_owned()), ..ProductUpdate::default() };
        leaves!(world, admin, "product.update" on "product"; products::update(app, admin, product.id, &change));
        leaves!(world, admin, "product.deactivate" on "product"; products::set_active(app, admin, &[product.id], false));
        leaves!(world, admin, "product.activate" on "product"; products::set_active(app, admin, &[product.id], true));
        let spare = products::create(app, admin, &new_product(&provider)).await.unwrap();
        leaves!(world, admin, "product.delete" on "product"; products::delete(app, admin, spare.id));
        let new = catalogue::categories::NewCategory { name: "Servers".to_owned(), ..catalogue::categories::NewCategory::default() };
        let category = leaves!(world, admin, "product_category.create" on "product_category"; catalogue::categories::create(app, admin, &new));
        leaves!(world, admin, "product_category.delete" on "product_category"; catalogue::categories::delete(app, admin, category.id));

        let order = leaves!(world, ann, "order.create" on "order"; rustbill::core::orders::place(app, ann, &new_order(&customer, &product)));
        leaves!(world, ann, "order.pay" on "order"; settlement::pay_order(app, ann, order.id, None));

        let item = NewItem { description: "Setup".to_owned(), quantity: 1, unit_price: money("10.00"), amount: money("10.00") };
        let day = |text| parse_date("day", text).unwrap();
        let new = NewInvoice {
            customer_id: customer.id,
            billing_period_start: day("2026-01-01"),
            billing_period_end: day("2026-01-31"),
            amount: money("10.00"),
            tax_amount: money("0.00"),
            total_amount: money("10.00"),
            due_date: day("2026-02-14"),
            notes: String::new(),
            items: vec![item],
        };
        let invoice = leaves!(world, admin, "invoice.create" on "invoice"; invoices::create(app, admin, &new));
        leaves!(world, admin, "invoice.issue" on "invoice"; invoices::issue(app, admin, invoice.id));
        let new = NewTicket { customer_id: Some(customer.id), title: "Help".to_owned(), ..NewTicket::default() };
        let ticket = leaves!(world, ann, "ticket.create" on "ticket"; tickets::create(app, ann, &new));
        let reply = NewReply { ticket_id: ticket.id, content: "yes".to_owned(), is_internal: false };
        leaves!(world, admin, "ticket.reply" on "ticket"; tickets::reply(app, admin, &reply));
        let change = TicketUpdate { description: Some("x".to_owned()), ..TicketUpdate::default() };
        leaves!(world, admin, "ticket.update" on "ticket"; tickets::update(app, admin, ticket.id, &change));
        leaves!(world, admin, "ticket.delete" on "ticket"; tickets::delete(app, admin, ticket.id));

        let new = NewApiKey { customer_id: Some(customer.id), name: "shop".to_owned(), lifetime: None };
        let key = leaves!(world, admin, "api_key.create" on "api_key"; identity::create_api_key(app, admin, &new));
        leaves!(world, admin, "api_key.revoke" on "api_key"; identity::revoke_api_key(app, admin, key.key.id));
        leaves!(world, admin, "user.reset_password" on "user"; identity::reset_password_of(app, admin, None, user.id, "another one"));
        leaves!(world, admin, "user.delete" on "user"; identity::delete_user(app, admin, None, user.id));
        // What was refused leaves none.
        let before = entries(&world).await;
        customers::delete(app, admin, customer.id).await.unwrap_err();
        balance::adjust(app, ann, customer.id, money("1.00"), "").await.unwrap_err();
        assert_eq!(entries(&world).await, before);
    }

    async fn a_payment_that_the_gateway_refuses_leaves_both_entries(world: World) {
        world.write_plugin("gateway-broken.rn", include_str!("scripts/gateway-broken.rn"));
        let gateway = world.interface("gateway-broken.rn", serde_json::json!({})).await;
        let customer = world.customer().await;
        let target = Target::Recharge { customer_id: Some(customer.id), amount: money("5.00") };
        settlement::start(&world.app, &world.admin, target, gateway.id, "").await.unwrap_err();
        let actions: Vec<String> = newest(&world).await.into_iter().take(2).map(|log| log.action).collect();
        assert_eq!(actions, ["payment.fail", "payment.create"]);
    }

    async fn what_is_sealed_verifies_and_what_is_new_is_counted(world: World) {
        assert_eq!(verify(&world).await.verified, 0);
        for _ in 0..3 {
            world.customer().await;
        }
        let count = entries(&world).await;
        let found = verify(&world).await;
        assert!(found.intact);
        assert_eq!((found.verified, found.unsealed), (0, count));
        seal_all(&world).await;
        world.customer().await;
        let found = verify(&world).await;
        assert!(found.intact);
        assert_eq!((found.verified, found.unsealed, found.position), (count, 1, count));
        assert!(newest(&world).await.iter().all(|log| log.position.is_some() == log.hash.is_some()));
    }

    async fn an_entry_that_commits_late_takes_the_next_place(world: World) {
        seal_all(&world).await;
        let last = verify(&world).await.position;
        let customer = world.customer().await;
        let mut tx = world.db().begin().await.unwrap();
        let entry = audit::Entry { action: "test.late", target_type: "customer", target_id: customer.id, detail: &serde_json::json!({}) };
        audit::record(&mut tx, customer.created_at.plus(-TimeDelta::days(1)), &world.admin, entry).await.unwrap();
        // It is not there for others yet, and does not hold them up.
        if world.db().is_postgres() {
            assert_eq!(audit::seal(&world.app).await.unwrap(), 1);
            tx.commit().await.unwrap();
            assert_eq!(audit::seal(&world.app).await.unwrap(), 1);
            let filter = LogFilter { action: Some("test.late".to_owned()), ..LogFilter::default() };
            let late = audit::list(&world.app, &world.admin, &filter, PageRequest::default()).await.unwrap();
            assert_eq!(late.items[0].position, Some(last + 2));
        } else {
            tx.commit().await.unwrap();
            assert_eq!(audit::seal(&world.app).await.unwrap(), 2);
        }
        let found = verify(&world).await;
        assert!(found.intact);
        assert_eq!(found.position, last + 2);
    }

    async fn several_seal_at_once_while_others_write(world: World) {
        let customer = world.customer().await;
        at_once(8, |index| {
            let (app, admin, id) = (world.app.clone(), world.admin.clone(), customer.id);
            async move {
                for _ in 0..20 {
                    if index % 2 == 0 {
                        audit::seal(&app).await.unwrap();
                    } else {
                        balance::adjust(&app, &admin, id, money("1.00"), "").await.unwrap();
                    }
                }
            }
        })
        .await;
        seal_all(&world).await;
        let found = verify(&world).await;
        assert_eq!((found.problem, found.unsealed, found.verified), (None, 0, entries(&world).await));
    }

    async fn batches_are_bounded(world: World) {
        let customer = world.customer().await;
        let mut tx = world.db().begin().await.unwrap();
        for _ in 0..SEAL_BATCH {
            let entry = audit::Entry { action: "test.many", target_type: "customer", target_id: customer.id, detail: &serde_json::json!({}) };
            audit::record(&mut tx, customer.created_at, &world.admin, entry).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(audit::seal(&world.app).await.unwrap(), SEAL_BATCH);
        assert!(verify(&world).await.unsealed > 0);
        seal_all(&world).await;
        assert!(verify(&world).await.intact);
    }

    async fn a_changed_entry_is_found(world: World) {
        world.customer().await;
        seal_all(&world).await;
        tamper(&world, "UPDATE operation_logs SET actor_name = 'somebody' WHERE position = 2").await;
        let found = problem(&world).await;
        assert_eq!((found.kind, found.position), (Break::Changed, 2));
        assert!(found.id.is_some());
        assert_eq!(verify(&world).await.verified, 1);
    }

    async fn a_removed_entry_is_found(world: World) {
        for _ in 0..3 {
            world.customer().await;
        }
        seal_all(&world).await;
        tamper(&world, "DELETE FROM operation_logs WHERE position = 2").await;
        let found = problem(&world).await;
        assert_eq!((found.kind, found.position, found.id), (Break::Missing, 2, None));
    }

    async fn removed_newest_entries_are_found(world: World) {
        for _ in 0..3 {
            world.customer().await;
        }
        seal_all(&world).await;
        tamper(&world, "DELETE FROM operation_logs WHERE position = (SELECT MAX(position) FROM operation_logs)").await;
        let found = problem(&world).await;
        assert_eq!((found.kind, found.position), (Break::Truncated, verify(&world).await.position));
        // New entries do not hide it.
        world.customer().await;
        seal_all(&world).await;
        assert_eq!(problem(&world).await.kind, Break::Missing);
    }

    async fn swapped_entries_are_found(world: World) {
        for _ in 0..3 {
            world.customer().await;
        }
        seal_all(&world).await;
        tamper(&world, "UPDATE operation_logs SET position = 1000 WHERE position = 2").await;
        tamper(&world, "UPDATE operation_logs SET position = 2 WHERE position = 3").await;
        tamper(&world, "UPDATE operation_logs SET position = 3 WHERE position = 1000").await;
        let found = problem(&world).await;
        assert_eq!((found.kind, found.position), (Break::Moved, 2));
    }

    async fn a_turned_back_or_missing_end_is_found(world: World) {
        for _ in 0..3 {
            world.customer().await;
        }
        seal_all(&world).await;
        tamper(&world, "UPDATE operation_log_head SET position = 1, hash = (SELECT hash FROM operation_logs WHERE position = 1)").await;
        assert_eq!(problem(&world).await.kind, Break::Head);
        tamper(&world, "DELETE FROM operation_log_head").await;
        assert_eq!(problem(&world).await.kind, Break::Head);
        world.customer().await;
        assert_eq!(audit::seal(&world.app).await.unwrap_err().code(), "audit.head");
    }

    async fn the_worker_seals_and_the_command_verifies(world: World) {
        world.start_worker();
        world.customer().await;
        wait::until("everything is sealed", async || verify(&world).await.unsealed == 0).await;
        let config = settings_file(&world.database, world.database.directory.path());
        let config = config.to_str().unwrap();
        let home = world.database.directory.path();
        let run = |args: &[&str]| {
            let output = rustbill(home, &[args, &["--config", config, "--output", "json"]].concat());
            (output.status.code(), serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap())
        };
        let (code, found) = run(&["audit", "verify"]);
        // The scanner of plugins may have written entries since.
        assert_eq!((code, &found["intact"], found["unsealed"].is_number()), (Some(0), &true.into(), true));
        let (code, listed) = run(&["audit", "list", "--action", "customer.create", "--actor", &world.admin.id().unwrap().to_string()]);
        assert_eq!((code, &listed["total"]), (Some(0), &1.into()));
        tamper(&world, "UPDATE operation_logs SET detail = '{}' WHERE action = 'customer.create'").await;
        let (code, found) = run(&["audit", "verify"]);
        assert_eq!((code, &found["intact"], &found["problem"]["kind"]), (Some(1), &false.into(), &"changed".into()));
    }

    async fn the_log_is_listed_over_the_wire(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let everybody = Everybody::log_in(&world, &channel).await;
        let mut client = AuditServiceClient::new(channel);
        let request = || proto::ListOperationLogsRequest::default();
        as_everybody!(everybody, is_kept_to_admins, client; list_operation_logs(request()));
        seal_all(&world).await;
        let admin = everybody.admin();
        let all = client.list_operation_logs(admin.says(request())).await.unwrap().into_inner();
        let total = all.meta.unwrap().total;
        assert_eq!(total, u64::try_from(entries(&world).await).unwrap());
        assert!(all.logs.iter().all(|log| log.hash.len() == 64 && log.detail_json.starts_with('{')));
        assert!(all.logs.is_sorted_by(|one, two| one.created_at >= two.created_at));
        let paged = proto::ListOperationLogsRequest {
            pagination: Some(rustbill::server::grpc::protocol::rustbill::common::PageRequest { page: 2, page_size: 1 }),
            ..request()
        };
        let second = client.list_operation_logs(admin.says(paged)).await.unwrap().into_inner();
        assert_eq!((second.meta.unwrap().total, &second.logs[0].id), (total, &all.logs[1].id));
        let of_one = proto::ListOperationLogsRequest {
            actor_id: world.admin.id().map(|id| id.to_string()),
            action: Some("customer.create".to_owned()),
            target_type: Some("customer".to_owned()),
            target_id: Some(everybody.customers[0].id.to_string()),
            ..request()
        };
        let one = client.list_operation_logs(admin.says(of_one)).await.unwrap().into_inner();
        assert_eq!((one.logs.len(), one.logs[0].target_id.as_str()), (1, everybody.customers[0].id.to_string().as_str()));
        for bad in [
            proto::ListOperationLogsRequest { actor_id: Some("x".to_owned()), ..request() },
            proto::ListOperationLogsRequest { target_id: Some("x".to_owned()), ..request() },
        ] {
            assert_eq!(client.list_operation_logs(admin.says(bad)).await.unwrap_err().code(), Code::InvalidArgument);
        }
        server.stop().await;
    }
}

/// A clock that stands still gives many entries the same moment: their identifiers decide.
#[tokio::test]
async fn entries_of_one_moment_have_one_order() {
    let world = World::with_clock(TestDatabase::sqlite(), clock_at("2026-01-31T08:00:00Z")).await;
    for _ in 0..5 {
        world.customer().await;
    }
    seal_all(&world).await;
    let logs = newest(&world).await;
    assert!(logs.is_sorted_by(|one, two| one.position > two.position));
    assert!(verify(&world).await.intact);
}
