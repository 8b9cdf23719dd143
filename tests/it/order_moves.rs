//! What administrators do with orders by hand: every pair of states over the wire, and what a move brings with it.

use rustbill::core::{
    customers::Customer,
    error::Kind,
    id::Id,
    instances::InstanceStatus,
    invoices,
    orders::{Order, OrderStatus},
    outbox::FAILURES_MAX,
    page::PageRequest,
    payments::{self, Method, Payment, PaymentFilter, PaymentStatus},
    plugins::{self, Interface},
    products::{self, NewProduct, Product},
    settlement::{self, OrderUpdate},
};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        receiver::Receiver,
        server::{InProcess, admin_token, channel},
        wait,
        world::{World, actor_of, at_once, money, new_product},
    },
};

/// The contract's table, written down here once more.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("pending", &["paid", "cancelled"]),
    ("paid", &["provisioning", "cancelled", "refunded"]),
    ("provisioning", &["active", "cancelled"]),
    ("active", &["suspended", "completed", "terminated", "refunded"]),
    ("suspended", &["active", "terminated", "refunded"]),
    ("completed", &[]),
    ("terminated", &[]),
    ("cancelled", &[]),
    ("refunded", &[]),
];

fn to(status: OrderStatus) -> OrderUpdate {
    OrderUpdate { status: Some(status), ..OrderUpdate::default() }
}

async fn moved(world: &World, order: Id, status: OrderStatus) -> Order {
    settlement::update_order(&world.app, &world.admin, order, &to(status)).await.unwrap()
}

/// Whether a move is refused, with this code.
async fn refused(world: &World, order: Id, change: &OrderUpdate) -> String {
    let error = settlement::update_order(&world.app, &world.admin, order, change).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument, "{error}");
    error.code().to_owned()
}

/// Makes an order active by hand, which needs what the provider calls the server.
async fn activated(world: &World, order: Id) -> Order {
    let change = OrderUpdate { provider_instance_id: Some("vm-1".to_owned()), ..to(OrderStatus::Active) };
    settlement::update_order(&world.app, &world.admin, order, &change).await.unwrap()
}

/// A fresh order in this state, brought there by hand and without a worker.
async fn order_in(world: &World, customer: &Customer, product: &Product, status: &str) -> Id {
    use OrderStatus::{Cancelled, Completed, Paid, Provisioning, Refunded, Suspended, Terminated};
    let order = world.order(customer, product).await.id;
    let path: &[OrderStatus] = match status {
        "pending" => &[],
        "cancelled" => &[Cancelled],
        "paid" | "refunded" => &[Paid],
        _ => &[Paid, Provisioning],
    };
    for step in path {
        moved(world, order, *step).await;
    }
    if ["active", "suspended", "completed", "terminated"].contains(&status) {
        activated(world, order).await;
    }
    match status {
        "suspended" => drop(moved(world, order, Suspended).await),
        "completed" => drop(moved(world, order, Completed).await),
        "terminated" => drop(moved(world, order, Terminated).await),
        "refunded" => drop(moved(world, order, Refunded).await),
        _ => {}
    }
    assert_eq!(world.order_state(order).await.status.to_string(), status);
    order
}

async fn payments_of(world: &World, order: Id) -> Vec<Payment> {
    let filter = PaymentFilter { order_id: Some(order), ..PaymentFilter::default() };
    payments::list(&world.app, &world.admin, filter, PageRequest::default()).await.unwrap().items
}

/// The events of an order in their order.
async fn events_of(world: &World, order: Id) -> Vec<String> {
    let sql = "SELECT event_type FROM event_queue WHERE subject_id = $1 ORDER BY id";
    world.db().q(sql).bind(order).scalars().await.unwrap()
}

async fn instance_status(world: &World, order: Id) -> InstanceStatus {
    world.db().q("SELECT status FROM instances WHERE order_id = $1").bind(order).scalar().await.unwrap()
}

async fn instance_name(world: &World, order: Id) -> String {
    world.db().q("SELECT provider_instance_id FROM instances WHERE order_id = $1").bind(order).scalar().await.unwrap()
}

async fn provider_with(world: &World, config: Value) -> Interface {
    world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
    world.interface("provider-instant.rn", config).await
}

/// An order whose provider is asked right now and does not answer before the gate opens.
async fn order_at_the_gate(world: &World, gate: &Receiver, mut config: Value) -> (Customer, Id) {
    gate.hold();
    config["gate"] = json!(gate.url);
    let provider = provider_with(world, config).await;
    let customer = world.customer().await;
    world.top_up(customer.id, "29.00").await;
    let order = world.order(&customer, &world.product(&provider).await).await;
    settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
    world.start_worker();
    wait::until("the provider was asked", async || !gate.received().is_empty()).await;
    (customer, order.id)
}

const OPEN_SERVERS: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state";

on_both! {
    async fn every_pair_of_states_is_moved_or_refused_as_the_table_says(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let token = admin_token(&channel).await;
        let product = world.product(&world.instant_provider().await).await;
        let customer = world.customer().await;
        let mut returned = 0;
        for (from, next) in ALLOWED {
            for (target, _) in ALLOWED {
                let order = order_in(&world, &customer, &product, from).await;
                let mut message = json!({ "id": order, "status": target });
                if target == "active" {
                    message["provider_instance_id"] = json!("vm-2");
                }
                let answer = dynamic::call(&channel, "OrderService/UpdateOrder", &message, &token).await;
                let now = world.order_state(order).await;
                returned += i64::from(from == "refunded");
                if next.contains(&target) {
                    assert_eq!(answer.unwrap()["order"]["status"], target, "{from} to {target}");
                    assert_eq!(now.status.to_string(), target, "{from} to {target}");
                    let is_over = ALLOWED.iter().any(|(state, next)| *state == target && next.is_empty());
                    assert_eq!(now.ended_at.is_some(), is_over, "{from} to {target}");
                    returned += i64::from(["cancelled", "refunded"].contains(&target) && from != "pending");
                } else {
                    let status = answer.unwrap_err();
                    assert_eq!(status.code(), Code::InvalidArgument, "{from} to {target}: {status}");
                    assert!(status.message().contains(from) && status.message().contains(target), "{from} to {target}: {status}");
                    assert_eq!(now.status.to_string(), from, "{from} to {target}");
                }
                // What was taken is either still with the order or back.
                let paid: Vec<_> = payments_of(&world, order).await.iter().map(|payment| payment.status).collect();
                let expected: &[PaymentStatus] = match now.status {
                    OrderStatus::Pending => &[],
                    OrderStatus::Cancelled if ["pending", "cancelled"].contains(&from) => &[],
                    OrderStatus::Cancelled | OrderStatus::Refunded => &[PaymentStatus::Refunded],
                    _ => &[PaymentStatus::Success],
                };
                assert_eq!(paid, expected, "{from} to {target}");
            }
        }
        assert_eq!(world.balance(customer.id).await, money("29.00").times(u32::try_from(returned).unwrap()).unwrap().to_string());
        world.check_ledgers().await;
        server.stop().await;
    }

    async fn money_that_came_another_way_pays_an_order_that_is_then_delivered(world: World) {
        let customer = world.customer().await;
        let provider = world.instant_provider().await;
        let order = world.order(&customer, &world.product(&provider).await).await;
        moved(&world, order.id, OrderStatus::Paid).await;
        let payment = payments_of(&world, order.id).await.remove(0);
        assert_eq!((payment.method, payment.status, payment.amount), (Method::Manual, PaymentStatus::Success, money("29.00")));
        assert_eq!(payment.note, format!("recorded by {}", world.admin.name()));
        assert_eq!(events_of(&world, order.id).await, ["order_created", "order_paid"]);

        let free = NewProduct { price: money("0.00"), billing_cycles: std::collections::BTreeMap::new(), ..new_product(&provider) };
        let free = products::create(&world.app, &world.admin, &free).await.unwrap();
        let gift = world.order(&customer, &free).await;
        moved(&world, gift.id, OrderStatus::Paid).await;
        world.start_worker();
        world.until_order_is(order.id, OrderStatus::Active).await;
        world.until_order_is(gift.id, OrderStatus::Active).await;
        assert_eq!(world.balance(customer.id).await, "0.00");
        world.check_ledgers().await;
    }

    async fn a_payment_that_comes_for_a_cancelled_order_becomes_balance(world: World) {
        let bank = world
            .interface("gateway-banktransfer.rn", json!({ "bank_name": "Bank", "account_name": "Shop", "account_number": "1" }))
            .await;
        let customer = world.customer().await;
        let order = world.order(&customer, &world.product(&world.instant_provider().await).await).await;
        let payment = settlement::pay_order(&world.app, &world.admin, order.id, Some(bank.id)).await.unwrap();
        moved(&world, order.id, OrderStatus::Cancelled).await;
        assert_eq!(events_of(&world, order.id).await, ["order_created", "order_cancelled"]);
        assert_eq!(payments_of(&world, order.id).await[0].status, PaymentStatus::Pending);
        settlement::confirm(&world.app, &world.admin, payment.id, "", "").await.unwrap();
        assert_eq!(world.balance(customer.id).await, "29.00");
        world.check_ledgers().await;
    }

    async fn an_order_that_is_cancelled_while_its_server_is_made_gives_it_back(world: World) {
        let gate = Receiver::start().await;
        let (customer, order) = order_at_the_gate(&world, &gate, json!({})).await;
        moved(&world, order, OrderStatus::Cancelled).await;
        assert_eq!(world.balance(customer.id).await, "29.00");
        assert_eq!(events_of(&world, order).await, ["order_created", "order_paid", "order_cancelled", "order_ended"]);
        gate.release();
        world.until_quiet().await;
        let ended = world.order_state(order).await;
        assert_eq!(ended.status, OrderStatus::Cancelled);
        assert!(ended.provider_instance_id.starts_with("i-"), "{}", ended.provider_instance_id);
        assert_eq!(instance_name(&world, order).await, ended.provider_instance_id);
        assert_eq!(instance_status(&world, order).await, InstanceStatus::Terminated);
        assert_eq!(world.count(OPEN_SERVERS).await, 0, "the provider has no server left");
        assert_eq!(world.balance(customer.id).await, "29.00");
        world.check_ledgers().await;
    }

    async fn a_provider_that_fails_for_a_cancelled_order_is_not_asked_again(world: World) {
        let gate = Receiver::start().await;
        let (customer, order) = order_at_the_gate(&world, &gate, json!({ "status": "failed" })).await;
        moved(&world, order, OrderStatus::Cancelled).await;
        gate.release();
        world.until_quiet().await;
        assert_eq!(gate.received().len(), 1);
        assert_eq!(instance_status(&world, order).await, InstanceStatus::Terminated);
        assert_eq!(world.count(OPEN_SERVERS).await, 0, "what may have been made is gone");
        assert_eq!(world.balance(customer.id).await, "29.00");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE status = 'failed'").await, 0);
        world.check_ledgers().await;
    }

    async fn an_order_that_got_a_server_by_hand_keeps_it(world: World) {
        let gate = Receiver::start().await;
        let (_, order) = order_at_the_gate(&world, &gate, json!({})).await;
        assert_eq!(refused(&world, order, &to(OrderStatus::Active)).await, "order.no_instance");
        activated(&world, order).await;
        assert_eq!(instance_status(&world, order).await, InstanceStatus::Running);
        assert_eq!(events_of(&world, order).await, ["order_created", "order_paid", "order_provisioned"]);
        gate.release();
        world.until_quiet().await;
        let kept = world.order_state(order).await;
        assert_eq!((kept.status, kept.provider_instance_id.as_str()), (OrderStatus::Active, "vm-1"));
        assert_eq!(instance_name(&world, order).await, "vm-1");
        // Somebody has to know of the other one.
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'order.provision_late'").await, 1);
    }

    async fn the_worker_goes_on_with_an_order_that_was_taken_on_by_hand(world: World) {
        let receiver = Receiver::start().await;
        world.interface("notifier-webhook.rn", json!({ "url": receiver.url })).await;
        let customer = world.customer().await;
        let order = world.order(&customer, &world.product(&world.instant_provider().await).await).await;
        moved(&world, order.id, OrderStatus::Paid).await;
        moved(&world, order.id, OrderStatus::Provisioning).await;
        assert_eq!(instance_status(&world, order.id).await, InstanceStatus::Provisioning);
        world.start_worker();
        world.until_order_is(order.id, OrderStatus::Active).await;
        world.until_quiet().await;
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM instances").await, 1);
        let told: Vec<_> = ["order_paid", "order_provisioned"].map(|event| receiver.events(event).len()).into();
        assert_eq!(told, [1, 1], "{:?}", receiver.received());
    }

    async fn a_suspended_order_has_its_server_stopped_and_started_again(world: World) {
        let (power, receiver) = (Receiver::start().await, Receiver::start().await);
        world.interface("notifier-webhook.rn", json!({ "url": receiver.url })).await;
        let provider = provider_with(&world, json!({ "power": power.url })).await;
        let customer = world.customer().await;
        let order = world.order(&customer, &world.product(&provider).await).await;
        moved(&world, order.id, OrderStatus::Paid).await;
        world.start_worker();
        let active = world.until_order_is(order.id, OrderStatus::Active).await;
        world.until_quiet().await;
        moved(&world, order.id, OrderStatus::Suspended).await;
        assert_eq!(instance_status(&world, order.id).await, InstanceStatus::Suspended);
        world.until_quiet().await;
        let resumed = moved(&world, order.id, OrderStatus::Active).await;
        assert_eq!((resumed.activated_at, resumed.ended_at), (active.activated_at, None));
        assert_eq!(instance_status(&world, order.id).await, InstanceStatus::Running);
        world.until_quiet().await;
        let asked: Vec<String> = power.received().into_iter().map(|request| request.body).collect();
        let name = &active.provider_instance_id;
        assert_eq!(asked, [format!("stop {name}"), format!("start {name}")]);
        assert!(receiver.received().iter().all(|request| !request.body.contains("order_suspended")), "{:?}", receiver.received());
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action IN ('instance.suspend', 'instance.resume')").await, 2);
    }

    async fn a_provider_that_does_not_stop_a_server_is_asked_again_and_then_left(world: World) {
        let provider = provider_with(&world, json!({ "powerless": "managed by hand" })).await;
        let customer = world.customer().await;
        let order = order_in(&world, &customer, &world.product(&provider).await, "suspended").await;
        let failures = async |count: i64| {
            wait::until("it failed", async || {
                let sql = "SELECT failures FROM event_queue WHERE subject_id = $1 AND event_type = 'order_suspended'";
                world.db().q(sql).bind(order).scalar::<i64>().await.unwrap() == count
            })
            .await;
        };
        world.start_worker();
        failures(1).await;
        let mut tx = world.db().begin().await.unwrap();
        tx.q("UPDATE event_queue SET failures = $1, available_at = $2 WHERE event_type = 'order_suspended' AND status = 'pending'")
            .bind(FAILURES_MAX - 1)
            .bind(world.app.clock.now())
            .execute_one()
            .await
            .unwrap();
        tx.commit().await.unwrap();
        failures(FAILURES_MAX).await;
        let problem: String = world.db().q("SELECT last_error FROM event_queue WHERE status = 'failed'").scalar().await.unwrap();
        assert!(problem.contains("managed by hand") && problem.contains("stop"), "{problem}");
        assert_eq!(world.order_state(order).await.status, OrderStatus::Suspended);
        // Once it can, the next move is done.
        let change = plugins::InterfaceUpdate { config_json: Some(json!({ "powerless": "" }).to_string()), ..Default::default() };
        plugins::update(&world.app, &world.admin, provider.id, &change).await.unwrap();
        moved(&world, order, OrderStatus::Active).await;
        world.until_quiet().await;
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'instance.resume'").await, 1);
    }

    async fn a_provider_that_keeps_a_server_is_asked_until_it_gives_it_back(world: World) {
        let provider = provider_with(&world, json!({ "keeps": "not today" })).await;
        let customer = world.customer().await;
        let order = order_in(&world, &customer, &world.product(&provider).await, "terminated").await;
        let mut tx = world.db().begin().await.unwrap();
        tx.q("UPDATE event_queue SET failures = $1 WHERE event_type = 'order_ended'").bind(FAILURES_MAX).execute_one().await.unwrap();
        tx.commit().await.unwrap();
        world.start_worker();
        wait::until("it failed once more", async || {
            let sql = "SELECT failures FROM event_queue WHERE subject_id = $1 AND event_type = 'order_ended'";
            world.db().q(sql).bind(order).scalar::<i64>().await.unwrap() > FAILURES_MAX
        })
        .await;
        let waiting = "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_ended' AND status = 'pending'";
        assert_eq!(world.count(waiting).await, 1, "it is never given up");
        let change = plugins::InterfaceUpdate { config_json: Some(json!({ "keeps": "" }).to_string()), ..Default::default() };
        plugins::update(&world.app, &world.admin, provider.id, &change).await.unwrap();
        let mut tx = world.db().begin().await.unwrap();
        tx.q("UPDATE event_queue SET available_at = $1 WHERE event_type = 'order_ended'").bind(world.app.clock.now()).execute_one().await.unwrap();
        tx.commit().await.unwrap();
        wait::until("the server is given back", async || instance_status(&world, order).await == InstanceStatus::Terminated).await;
    }

    async fn an_order_that_ends_gives_its_server_back(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let customer = world.customer().await;
        world.start_worker();
        for end in [OrderStatus::Completed, OrderStatus::Terminated] {
            let order = world.order(&customer, &product).await.id;
            moved(&world, order, OrderStatus::Paid).await;
            world.until_order_is(order, OrderStatus::Active).await;
            assert_eq!(world.count(OPEN_SERVERS).await, 1);
            let ended = moved(&world, order, end).await;
            assert!(ended.ended_at.is_some());
            world.until_quiet().await;
            assert_eq!(instance_status(&world, order).await, InstanceStatus::Terminated);
            assert_eq!(world.count(OPEN_SERVERS).await, 0);
            let events = events_of(&world, order).await;
            assert_eq!(events[events.len() - 2..], ["order_ended", "instance_terminated"], "{events:?}");
        }
    }

    async fn of_two_moves_at_once_one_is_made(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let customer = world.customer().await;
        let attempt = async |order: Id, moves: [OrderStatus; 2]| {
            let results = at_once(8, |index| {
                let (app, admin) = (world.app.clone(), world.admin.clone());
                async move { settlement::update_order(&app, &admin, order, &to(moves[index % 2])).await }
            })
            .await;
            for error in results.iter().filter_map(|result| result.as_ref().err()) {
                assert_eq!(error.code(), "order.wrong_state", "{error}");
            }
            results.iter().filter(|result| result.is_ok()).count()
        };
        let order = world.order(&customer, &product).await.id;
        assert_eq!(attempt(order, [OrderStatus::Paid, OrderStatus::Paid]).await, 1);
        assert_eq!(payments_of(&world, order).await.len(), 1);
        // Whichever comes first: the other one is refused from there.
        assert_eq!(attempt(order, [OrderStatus::Cancelled, OrderStatus::Cancelled]).await, 1);
        assert_eq!(world.balance(customer.id).await, "29.00");
        let running = order_in(&world, &customer, &product, "active").await;
        assert_eq!(attempt(running, [OrderStatus::Completed, OrderStatus::Terminated]).await, 1);
        let ends = events_of(&world, running).await.into_iter().filter(|event| event == "order_ended").count();
        assert_eq!(ends, 1);
        world.check_ledgers().await;
    }

    async fn notes_and_the_name_of_the_server_change_with_or_without_a_move(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let customer = world.customer().await;
        let order = order_in(&world, &customer, &product, "provisioning").await;
        let update = async |change: &OrderUpdate| settlement::update_order(&world.app, &world.admin, order, change).await;
        assert_eq!(update(&OrderUpdate::default()).await.unwrap_err().code(), "order.no_change");
        let notes = OrderUpdate { notes: Some(" Called. ".to_owned()), ..OrderUpdate::default() };
        assert_eq!(update(&notes).await.unwrap().notes, "Called.");
        // A move that is refused takes the rest with it.
        let both = OrderUpdate { notes: Some("lost".to_owned()), ..to(OrderStatus::Suspended) };
        assert_eq!(update(&both).await.unwrap_err().code(), "order.wrong_state");
        assert_eq!(world.order_state(order).await.notes, "Called.");
        let name = OrderUpdate { provider_instance_id: Some("vm-7".to_owned()), ..OrderUpdate::default() };
        assert_eq!(update(&name).await.unwrap().provider_instance_id, "vm-7");
        assert_eq!(instance_name(&world, order).await, "vm-7");
        // It is there already, so the move needs no other one.
        let active = update(&OrderUpdate { notes: Some(String::new()), ..to(OrderStatus::Active) }).await.unwrap();
        assert_eq!((active.provider_instance_id.as_str(), active.notes.as_str()), ("vm-7", ""));
        assert_eq!(events_of(&world, order).await, ["order_created", "order_paid", "order_provisioned"]);
        // Going on is for what was suspended, and for administrators.
        let resume = async |actor| settlement::resume_order(&world.app, actor, order).await;
        assert_eq!(resume(&world.admin).await.unwrap_err().code(), "order.wrong_state");
        update(&to(OrderStatus::Suspended)).await.unwrap();
        let buyer = actor_of(&world.customer_user(&customer).await);
        assert_eq!(resume(&buyer).await.unwrap_err().kind(), Kind::PermissionDenied);
        assert_eq!(resume(&world.admin).await.unwrap().status, OrderStatus::Active);
        let unknown = settlement::update_order(&world.app, &world.admin, Id::generate(), &notes).await.unwrap_err();
        assert_eq!(unknown.kind(), Kind::NotFound);
    }

    async fn an_order_is_deleted_only_when_nothing_stands_behind_it(world: World) {
        let gateway = {
            world.write_plugin("gateway-friendly.rn", include_str!("scripts/gateway-friendly.rn"));
            world.interface("gateway-friendly.rn", json!({})).await
        };
        let product = world.product(&world.instant_provider().await).await;
        let customer = world.customer().await;
        let delete = async |order: Id| settlement::delete_order(&world.app, &world.admin, order).await;

        let begun = world.order(&customer, &product).await.id;
        settlement::pay_order(&world.app, &world.admin, begun, Some(gateway.id)).await.unwrap();
        let error = delete(begun).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "order.in_use"));
        assert!(error.public_message().contains("1 payment;") && error.public_message().contains("cancel"), "{}", error.public_message());

        let billed = order_in(&world, &customer, &product, "active").await;
        let today = world.app.clock.now().date();
        assert_eq!(invoices::generate(&world.app, &world.admin, today, today).await.unwrap(), 1);
        let error = delete(billed).await.unwrap_err().to_string();
        assert!(error.ends_with("has 1 payment, 1 line of an invoice, 1 server"), "{error}");

        for status in ["pending", "cancelled"] {
            let spare = order_in(&world, &customer, &product, status).await;
            delete(spare).await.unwrap();
            assert_eq!(delete(spare).await.unwrap_err().kind(), Kind::NotFound);
            let logged: i64 = world.db()
                .q("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'order.delete' AND target_id = $1")
                .bind(spare.to_string())
                .scalar()
                .await
                .unwrap();
            assert_eq!(logged, 1);
        }
        // Their events have nobody to tell any more, and end all the same.
        world.start_worker();
        world.until_quiet().await;
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE status = 'failed'").await, 0);
    }
}
