//! Money that goes back: once, never more than came, whoever dies in between.

use rustbill::core::{
    balance,
    error::{Error, Kind},
    id::Id,
    instances::InstanceStatus,
    orders::OrderStatus,
    payments::{Payment, PaymentStatus},
    plugins::Interface,
    settlement::{self, OrderUpdate, Target},
};
use serde_json::json;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        receiver::Receiver,
        server::{Program, admin_token, channel},
        wait,
        world::{World, actor_of, at_once, money, settings_file},
    },
};

/// How many refunds come at once.
const CALLS: usize = 16;
/// The servers that the provider has.
const SERVERS: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state WHERE key LIKE 'order:%'";
/// How often money left through the gateway.
const LEFT: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state WHERE key LIKE 'refund:%'";
const PENDING: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM payment_refunds WHERE status = 'pending'";

fn is(error: &Error, kind: Kind, code: &str) {
    assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
}

impl World {
    async fn give_back(&self, payment: Id, amount: &str) -> Result<Payment, Error> {
        let amount = (!amount.is_empty()).then(|| money(amount));
        settlement::refund(&self.app, &self.admin, payment, amount).await
    }

    /// An order over 29.00, paid from the balance or through a gateway.
    async fn paid(&self, gateway: Option<&Interface>) -> Payment {
        let product = self.product(&self.instant_provider().await).await;
        let customer = self.customer().await;
        let order = self.order(&customer, &product).await;
        if gateway.is_none() {
            self.top_up(customer.id, "29.00").await;
        }
        let payment =
            settlement::pay_order(&self.app, &self.admin, order.id, gateway.map(|gateway| gateway.id)).await.unwrap();
        match gateway {
            Some(_) => settlement::confirm(&self.app, &self.admin, payment.id, "tx", "").await.unwrap(),
            None => payment,
        }
    }

    async fn recharged(&self, gateway: &Interface) -> Payment {
        let payment = self.top_up_at(gateway).await;
        settlement::confirm(&self.app, &self.admin, payment.id, "tx", "").await.unwrap()
    }
}

on_both! {
    async fn parts_add_up_to_the_whole_which_ends_order_and_server(world: World) {
        let payment = world.paid(None).await;
        let order = payment.order_id.unwrap();
        world.start_worker();
        world.until_order_is(order, OrderStatus::Active).await;
        assert_eq!(world.count(SERVERS).await, 1);
        for (amount, refunded) in [("10.00", "10.00"), ("0.01", "10.01")] {
            let given = world.give_back(payment.id, amount).await.unwrap();
            assert_eq!((given.status, given.refunded_amount), (PaymentStatus::Success, money(refunded)));
            assert_eq!(world.balance(payment.customer_id).await, refunded);
        }
        for amount in ["19.00", "29.00", "0.00", "-1.00"] {
            is(&world.give_back(payment.id, amount).await.unwrap_err(), Kind::InvalidArgument, "payment.over_refund");
        }
        assert_eq!(world.order_state(order).await.status, OrderStatus::Active);
        let given = world.give_back(payment.id, "").await.unwrap();
        assert_eq!((given.status, given.refunded_amount), (PaymentStatus::Refunded, money("29.00")));
        assert_eq!(world.balance(payment.customer_id).await, "29.00");
        world.until_quiet().await;
        assert_eq!(world.order_state(order).await.status, OrderStatus::Refunded);
        assert_eq!(world.count(SERVERS).await, 0, "the provider has it back");
        let status = world.db().q("SELECT status FROM instances WHERE order_id = $1").bind(order);
        assert_eq!(status.scalar::<InstanceStatus>().await.unwrap(), InstanceStatus::Terminated);
        let again = world.give_back(payment.id, "").await.unwrap_err();
        is(&again, Kind::InvalidArgument, "payment.wrong_state");
        assert!(again.to_string().contains("nothing of it is left to refund"), "{again}");
        let rows = "SELECT CAST(COUNT(*) AS BIGINT) FROM balance_transactions WHERE transaction_type = 'refund'";
        assert_eq!(world.count(rows).await, 3);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'payment.refund'").await, 3);
        world.check_ledgers().await;
    }

    async fn what_can_not_be_refunded(world: World) {
        let gateway = world.signed_gateway(json!({})).await;
        is(&world.give_back(Id::generate(), "").await.unwrap_err(), Kind::NotFound, "not_found");
        let pending = world.top_up_at(&gateway).await;
        is(&world.give_back(pending.id, "").await.unwrap_err(), Kind::InvalidArgument, "payment.wrong_state");
        let user = world.customer_user(&world.customer().await).await;
        let denied = settlement::refund(&world.app, &actor_of(&user), pending.id, None).await.unwrap_err();
        is(&denied, Kind::PermissionDenied, "permission.denied");
        let denied = settlement::query(&world.app, &actor_of(&user), pending.id).await.unwrap_err();
        is(&denied, Kind::PermissionDenied, "permission.denied");
        let product = world.product(&world.instant_provider().await).await;
        let order = world.order(&world.customer().await, &product).await;
        let unpaid = settlement::refund_order(&world.app, &world.admin, order.id).await.unwrap_err();
        is(&unpaid, Kind::InvalidArgument, "order.wrong_state");
    }

    async fn nothing_is_given_back_while_the_server_is_made(world: World) {
        let gate = Receiver::start().await;
        gate.hold();
        let gateway = world.signed_gateway(json!({})).await;
        world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
        let provider = world.interface("provider-instant.rn", json!({ "gate": gate.url })).await;
        let order = world.order(&world.customer().await, &world.product(&provider).await).await;
        let payment = settlement::pay_order(&world.app, &world.admin, order.id, Some(gateway.id)).await.unwrap();
        settlement::confirm(&world.app, &world.admin, payment.id, "", "").await.unwrap();
        world.start_worker();
        wait::until("the provider was asked", async || !gate.received().is_empty()).await;
        is(&world.give_back(payment.id, "1.00").await.unwrap_err(), Kind::InvalidArgument, "order.wrong_state");
        assert_eq!(world.count(LEFT).await, 0);
        gate.release();
        world.until_order_is(order.id, OrderStatus::Active).await;
        let given = settlement::refund_order(&world.app, &world.admin, order.id).await.unwrap();
        assert_eq!(given.status, PaymentStatus::Refunded);
        assert_eq!(world.order_state(order.id).await.status, OrderStatus::Refunded);
        assert_eq!(world.count(LEFT).await, 1);
        world.until_quiet().await;
        assert_eq!(world.count(SERVERS).await, 0);
    }

    async fn many_refunds_at_once_never_exceed_the_payment(world: World) {
        let gateway = world.signed_gateway(json!({})).await;
        for payment in [world.paid(None).await, world.paid(Some(&gateway)).await] {
            let results = at_once(CALLS, |_| {
                let (app, admin) = (world.app.clone(), world.admin.clone());
                async move { settlement::refund(&app, &admin, payment.id, Some(money("9.00"))).await }
            })
            .await;
            assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
            for error in results.into_iter().filter_map(Result::err) {
                is(&error, Kind::InvalidArgument, "payment.over_refund");
            }
            assert_eq!(world.payment_state(payment.id).await.refunded_amount, money("27.00"));
        }
        assert_eq!(world.count(LEFT).await, 3);
        world.check_ledgers().await;
    }

    async fn a_gateway_that_refuses_leaves_everything_as_it_was(world: World) {
        let gateway = world.signed_gateway(json!({ "refund": "refuse" })).await;
        let (order, top_up) = (world.paid(Some(&gateway)).await, world.recharged(&gateway).await);
        for mode in ["refuse", "failed"] {
            world.set_gateway(&gateway, json!({ "refund": mode })).await;
            for payment in [&order, &top_up] {
                let error = world.give_back(payment.id, "").await.unwrap_err();
                is(&error, Kind::Internal, "payment.gateway");
                assert!(!error.public_message().contains("secret words"), "{error}");
                let now = world.payment_state(payment.id).await;
                assert_eq!((now.status, now.refunded_amount), (PaymentStatus::Success, money("0.00")));
            }
        }
        assert_eq!(world.balance(top_up.customer_id).await, "50.00");
        assert_eq!(world.order_state(order.order_id.unwrap()).await.status, OrderStatus::Paid);
        assert_eq!((world.count(LEFT).await, world.count(PENDING).await), (0, 0));
        // Nothing is reserved any more.
        world.set_gateway(&gateway, json!({})).await;
        assert_eq!(world.give_back(order.id, "").await.unwrap().status, PaymentStatus::Refunded);
        world.check_ledgers().await;
    }

    async fn what_is_not_known_stays_reserved_until_it_is(world: World) {
        let gateway = world.signed_gateway(json!({ "refund": "crash" })).await;
        for mode in ["crash", "pending", "garbled"] {
            world.set_gateway(&gateway, json!({ "refund": mode })).await;
            let payment = world.paid(Some(&gateway)).await;
            is(&world.give_back(payment.id, "").await.unwrap_err(), Kind::Internal, "payment.refund_pending");
            assert_eq!(world.payment_state(payment.id).await.refunded_amount, money("0.00"));
            is(&world.give_back(payment.id, "0.01").await.unwrap_err(), Kind::InvalidArgument, "payment.over_refund");
        }
        assert_eq!((world.count(LEFT).await, world.count(PENDING).await), (3, 3));
        // No server is made meanwhile for an order whose whole price is on its way back.
        world.start_worker();
        wait::until("the worker came to the orders and to the refunds", async || {
            let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE status = 'pending' AND attempts > 0 \
                       AND (event_type = 'order_paid' OR event_type = 'refund_requested' AND last_error <> '')";
            world.count(sql).await == 6
        })
        .await;
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM orders WHERE status = 'paid'").await, 3);
        world.set_gateway(&gateway, json!({})).await;
        world.until_quiet().await;
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM orders WHERE status = 'refunded'").await, 3);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM payments WHERE status = 'refunded'").await, 3);
        assert_eq!((world.count(LEFT).await, world.count(PENDING).await), (3, 0), "with one key each");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM instances").await, 0);
    }

    async fn no_server_is_made_by_hand_for_money_that_is_on_its_way_back(world: World) {
        let gateway = world.signed_gateway(json!({ "refund": "pending" })).await;
        let payment = world.paid(Some(&gateway)).await;
        let order = payment.order_id.unwrap();
        is(&world.give_back(payment.id, "").await.unwrap_err(), Kind::Internal, "payment.refund_pending");
        let to = |status| OrderUpdate { status: Some(status), ..OrderUpdate::default() };
        let change = to(OrderStatus::Provisioning);
        let refused = settlement::update_order(&world.app, &world.admin, order, &change).await.unwrap_err();
        is(&refused, Kind::InvalidArgument, "order.refunding");
        world.set_gateway(&gateway, json!({})).await;
        world.start_worker();
        world.until_order_is(order, OrderStatus::Refunded).await;
        world.until_quiet().await;
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM instances").await, 0);
    }

    async fn an_order_whose_money_is_on_its_way_back_waits_without_failing(world: World) {
        let gateway = world.signed_gateway(json!({ "refund": "pending" })).await;
        let payment = world.paid(Some(&gateway)).await;
        let order = payment.order_id.unwrap();
        is(&world.give_back(payment.id, "").await.unwrap_err(), Kind::Internal, "payment.refund_pending");
        world.start_worker();
        let sql = "SELECT last_error FROM event_queue WHERE order_id = $1 AND event_type = 'order_paid' AND status = 'pending' AND attempts > 0";
        let problem = wait::value("the worker looked at it", async || world.db().q(sql).bind(order).scalar_opt::<String>().await.unwrap()).await;
        assert_eq!(problem, "");
        world.set_gateway(&gateway, json!({ "refund": "refuse" })).await;
        world.until_order_is(order, OrderStatus::Active).await;
    }

    async fn a_server_that_is_killed_in_between_gives_back_once(world: World) {
        let gate = Receiver::start().await;
        gate.hold();
        let gateway = world.signed_gateway(json!({ "gate": gate.url })).await;
        let payment = world.recharged(&gateway).await;
        let config = settings_file(&world.database, world.database.directory.path());
        let server = Program::start(&config);
        let channel = channel(&server.address).await;
        let token = admin_token(&channel).await;
        let message = json!({ "payment_id": payment.id, "amount": "20.00" });
        let call = tokio::spawn(async move { dynamic::call(&channel, "PaymentService/RefundPayment", &message, &token).await });
        wait::until("the gateway was asked", async || !gate.received().is_empty()).await;
        server.kill();
        assert!(call.await.unwrap().is_err());
        // The money has left, and nobody knows it.
        assert_eq!((world.count(LEFT).await, world.count(PENDING).await), (1, 1));
        assert_eq!(world.balance(payment.customer_id).await, "30.00");
        is(&world.give_back(payment.id, "30.01").await.unwrap_err(), Kind::InvalidArgument, "payment.over_refund");

        gate.release();
        let server = Program::start(&config);
        wait::until("the refund is known", async || world.count(PENDING).await == 0).await;
        let keys: std::collections::BTreeSet<String> = gate.received().into_iter().map(|request| request.body).collect();
        assert_eq!(keys.len(), 1, "asked under one key: {keys:?}");
        assert_eq!(world.count(LEFT).await, 1);
        assert_eq!(world.payment_state(payment.id).await.refunded_amount, money("20.00"));
        assert_eq!(world.balance(payment.customer_id).await, "30.00");
        world.check_ledgers().await;
        assert_eq!(server.terminate(), Some(0));
    }

    async fn a_top_up_is_given_back_as_far_as_it_is_there(world: World) {
        let gateway = world.signed_gateway(json!({})).await;
        let payment = world.recharged(&gateway).await;
        balance::adjust(&world.app, &world.admin, payment.customer_id, money("-20.00"), "spent").await.unwrap();
        is(&world.give_back(payment.id, "").await.unwrap_err(), Kind::InvalidArgument, "balance.insufficient");
        assert_eq!((world.count(LEFT).await, world.count(PENDING).await), (0, 0));
        world.give_back(payment.id, "30.00").await.unwrap();
        assert_eq!(world.balance(payment.customer_id).await, "0.00");
        world.check_ledgers().await;
    }

    async fn an_order_that_is_cancelled_meanwhile_returns_all_of_its_money(world: World) {
        let gateway = world.signed_gateway(json!({ "refund": "pending" })).await;
        world.write_plugin("provider-instant.rn", include_str!("scripts/provider-instant.rn"));
        let provider = world.interface("provider-instant.rn", json!({ "refuse": "sold out" })).await;
        let order = world.order(&world.customer().await, &world.product(&provider).await).await;
        let payment = settlement::pay_order(&world.app, &world.admin, order.id, Some(gateway.id)).await.unwrap();
        settlement::confirm(&world.app, &world.admin, payment.id, "", "").await.unwrap();
        is(&world.give_back(payment.id, "9.00").await.unwrap_err(), Kind::Internal, "payment.refund_pending");
        let too_early = settlement::refund_order(&world.app, &world.admin, order.id).await.unwrap_err();
        is(&too_early, Kind::InvalidArgument, "payment.refund_open");
        world.start_worker();
        world.until_order_is(order.id, OrderStatus::Cancelled).await;
        assert_eq!(world.balance(payment.customer_id).await, "20.00", "nine are still at the gateway");
        // The gateway did not take it after all.
        world.set_gateway(&gateway, json!({ "refund": "refuse" })).await;
        wait::until("the refund is known", async || world.count(PENDING).await == 0).await;
        assert_eq!(world.balance(payment.customer_id).await, "29.00");
        assert_eq!(world.payment_state(payment.id).await.status, PaymentStatus::Refunded);
        world.check_ledgers().await;
    }

    async fn the_invoice_of_a_payment_that_was_given_back_stays_paid(world: World) {
        let gateway = world.signed_gateway(json!({})).await;
        let customer = world.customer().await;
        let new = rustbill::core::invoices::NewInvoice {
            customer_id: customer.id,
            billing_period_start: "2026-01-01".parse().unwrap(),
            billing_period_end: "2026-01-31".parse().unwrap(),
            amount: money("10.00"),
            tax_amount: money("0.00"),
            total_amount: money("10.00"),
            due_date: "2026-02-14".parse().unwrap(),
            notes: String::new(),
            items: vec![rustbill::core::invoices::NewItem {
                description: "Traffic".to_owned(), quantity: 1, unit_price: money("10.00"), amount: money("10.00"),
            }],
        };
        let draft = rustbill::core::invoices::create(&world.app, &world.admin, &new).await.unwrap();
        rustbill::core::invoices::issue(&world.app, &world.admin, draft.id).await.unwrap();
        let payment = settlement::start(&world.app, &world.admin, Target::Invoice(draft.id), gateway.id, "").await.unwrap();
        settlement::confirm(&world.app, &world.admin, payment.id, "", "").await.unwrap();
        assert_eq!(world.give_back(payment.id, "").await.unwrap().status, PaymentStatus::Refunded);
        let invoice = rustbill::core::invoices::get(&world.app, &world.admin, draft.id).await.unwrap();
        assert_eq!(invoice.status, rustbill::core::invoices::InvoiceStatus::Paid);
        assert_eq!(world.balance(customer.id).await, "0.00");
    }
}
