//! Paying: once, exactly, whoever tries at the same time.

use rustbill::{
    core::{
        balance,
        id::Id,
        orders::{self, OrderStatus},
        page::PageRequest,
        payments::{self, PaymentFilter, PaymentStatus, Purpose},
        settlement::{self, Target},
    },
    server::grpc::protocol::rustbill::order::{PayOrderRequest, order_service_client::OrderServiceClient},
};
use serde_json::json;
use tonic::Code;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        server::{InProcess, channel, customer_token, with_token},
        world::{World, actor_of, at_once, money, new_order},
    },
};

/// How many calls meet on one order.
const CALLS: usize = 16;
/// How many orders they meet on.
const ROUNDS: usize = 200;

on_both! {
    async fn sixteen_calls_pay_an_order_once(world: World) {
        let provider = world.instant_provider().await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        let user = world.customer_user(&customer).await;
        world.start_worker();
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let token = customer_token(&channel, &user.username).await;
        for round in 0..ROUNDS {
            let order = world.order(&customer, &product).await;
            world.top_up(customer.id, "29.00").await;
            let id = order.id.to_string();
            let results = at_once(CALLS, |_| {
                let mut orders = OrderServiceClient::new(channel.clone());
                let request = with_token(PayOrderRequest { order_id: id.clone(), gateway_interface_id: String::new() }, &token);
                async move { orders.pay_order(request).await }
            })
            .await;
            let refused: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
            assert_eq!(refused.len(), CALLS - 1, "round {round}: {refused:?}");
            for status in refused {
                assert_eq!(status.code(), Code::InvalidArgument, "round {round}: {status}");
                assert_eq!(status.metadata().get("error-code").unwrap(), "order.wrong_state", "round {round}: {status}");
            }
        }
        world.until_quiet().await;
        assert_eq!(world.balance(customer.id).await, "0.00");
        let rounds = i64::try_from(ROUNDS).unwrap();
        for (what, sql) in [
            ("orders", "SELECT CAST(COUNT(*) AS BIGINT) FROM orders WHERE status = 'active'"),
            ("payments", "SELECT CAST(COUNT(*) AS BIGINT) FROM payments WHERE status = 'success'"),
            ("events", "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_paid' AND status = 'done'"),
            ("instances", "SELECT CAST(COUNT(*) AS BIGINT) FROM instances WHERE status = 'running'"),
            ("servers at the provider", "SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state"),
            ("ledger rows", "SELECT CAST(COUNT(*) AS BIGINT) FROM balance_transactions WHERE transaction_type = 'payment'"),
        ] {
            assert_eq!(world.count(sql).await, rounds, "{what}");
        }
        world.check_ledgers().await;
        server.stop().await;
    }

    async fn sixteen_orders_share_a_balance_that_covers_three(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "100.00").await;
        let mut placed = Vec::new();
        for _ in 0..CALLS {
            placed.push(world.order(&customer, &product).await.id);
        }
        let results = at_once(CALLS, |index| {
            let (app, admin, order) = (world.app.clone(), world.admin.clone(), placed[index]);
            async move { settlement::pay_order(&app, &admin, order, None).await }
        })
        .await;
        let paid = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(paid, 3);
        for error in results.into_iter().filter_map(Result::err) {
            assert_eq!(error.code(), "balance.insufficient");
        }
        assert_eq!(world.balance(customer.id).await, "13.00");
        world.check_ledgers().await;
    }

    async fn a_credit_limit_is_used_and_kept(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let new = rustbill::core::customers::NewCustomer {
            name: "Credit".to_owned(),
            email: "credit@example.com".to_owned(),
            credit_limit: money("29.00"),
            ..Default::default()
        };
        let customer = rustbill::core::customers::create(&world.app, &world.admin, &new).await.unwrap();
        let (first, second) = (world.order(&customer, &product).await, world.order(&customer, &product).await);
        settlement::pay_order(&world.app, &world.admin, first.id, None).await.unwrap();
        assert_eq!(world.balance(customer.id).await, "-29.00");
        let error = settlement::pay_order(&world.app, &world.admin, second.id, None).await.unwrap_err();
        assert_eq!(error.code(), "balance.insufficient");
        assert_eq!(world.order_state(second.id).await.status, OrderStatus::Pending);
    }

    async fn a_bank_transfer_is_confirmed_once(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let bank = world
            .interface("gateway-banktransfer.rn", json!({ "bank_name": "Bank", "account_name": "Shop", "account_number": "DE00 1234" }))
            .await;
        let customer = world.customer().await;
        let order = world.order(&customer, &product).await;
        let payment = settlement::pay_order(&world.app, &world.admin, order.id, Some(bank.id)).await.unwrap();
        assert_eq!(payment.status, PaymentStatus::Pending);
        assert!(payment.instructions.contains("DE00 1234") && payment.instructions.contains("29.00"), "{}", payment.instructions);
        assert_eq!(world.order_state(order.id).await.status, OrderStatus::Pending);

        let results = at_once(CALLS, |_| {
            let (app, admin) = (world.app.clone(), world.admin.clone());
            async move { settlement::confirm(&app, &admin, payment.id, "TX-1", "seen on the account").await }
        })
        .await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for error in results.into_iter().filter_map(Result::err) {
            assert_eq!(error.code(), "payment.wrong_state");
        }
        let confirmed = payments::get(&world.app, &world.admin, payment.id).await.unwrap();
        assert_eq!((confirmed.status, confirmed.gateway_tx_id.as_str()), (PaymentStatus::Success, "TX-1"));
        // The transfer paid the order, not the balance.
        assert_eq!(world.balance(customer.id).await, "0.00");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_paid'").await, 1);
        world.start_worker();
        world.until_order_is(order.id, OrderStatus::Active).await;
    }

    async fn money_for_an_order_that_is_paid_already_goes_to_the_balance(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let bank = world
            .interface("gateway-banktransfer.rn", json!({ "bank_name": "Bank", "account_name": "Shop", "account_number": "1" }))
            .await;
        let customer = world.customer().await;
        let order = world.order(&customer, &product).await;
        let transfer = settlement::pay_order(&world.app, &world.admin, order.id, Some(bank.id)).await.unwrap();
        world.top_up(customer.id, "29.00").await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        let late = settlement::confirm(&world.app, &world.admin, transfer.id, "", "").await.unwrap();
        assert_eq!((late.purpose, late.order_id), (Purpose::Recharge, None));
        assert_eq!(world.balance(customer.id).await, "29.00");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_paid'").await, 1);
        world.check_ledgers().await;
    }

    async fn a_recharge_through_a_gateway_reaches_the_balance(world: World) {
        let bank = world
            .interface("gateway-banktransfer.rn", json!({ "bank_name": "Bank", "account_name": "Shop", "account_number": "1" }))
            .await;
        let customer = world.customer().await;
        let user = world.customer_user(&customer).await;
        let actor = actor_of(&user);
        let target = Target::Recharge { customer_id: Some(customer.id), amount: money("50.00") };
        let payment = settlement::start(&world.app, &actor, target, bank.id, "").await.unwrap();
        let denied = settlement::confirm(&world.app, &actor, payment.id, "", "").await.unwrap_err();
        assert_eq!(denied.code(), "permission.denied");
        settlement::confirm(&world.app, &world.admin, payment.id, "", "").await.unwrap();
        let own = balance::get(&world.app, &actor, None).await.unwrap();
        assert_eq!(own.balance.to_string(), "50.00");
    }

    async fn a_gateway_that_fails_leaves_an_order_that_can_be_paid(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        world.write_plugin("gateway-broken.rn", include_str!("scripts/gateway-broken.rn"));
        let broken = world.interface("gateway-broken.rn", json!({})).await;
        let customer = world.customer().await;
        let order = world.order(&customer, &product).await;
        let error = settlement::pay_order(&world.app, &world.admin, order.id, Some(broken.id)).await.unwrap_err();
        assert_eq!(error.code(), "payment.gateway");
        // The customer learns that it failed, not what the script said.
        assert!(!error.public_message().contains("secret detail"), "{}", error.public_message());
        let filter = PaymentFilter { order_id: Some(order.id), ..PaymentFilter::default() };
        let found = payments::list(&world.app, &world.admin, filter, PageRequest::default()).await.unwrap();
        assert_eq!(found.items.iter().map(|payment| payment.status).collect::<Vec<_>>(), [PaymentStatus::Failed]);
        world.top_up(customer.id, "29.00").await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
    }

    async fn customers_are_not_sent_to_an_address_that_browsers_run(world: World) {
        let customer = world.customer().await;
        let actor = actor_of(&world.customer_user(&customer).await);
        let friendly = include_str!("scripts/gateway-friendly.rn");
        let wallet = friendly.replace("https://pay.example.com/", "weixin://dl/business/?t=1");
        // What looks like another scheme loses its control characters on the way.
        let script = friendly.replace("https://pay.example.com/", "java\\u{1}Script://%0aalert(document.domain)");
        assert!(script.contains("java\\u{1}Script"), "the replacement is a part of the script");
        for (file, source, is_good) in [("gateway-wallet.rn", wallet, true), ("gateway-script.rn", script, false)] {
            world.write_plugin(file, &source);
            let gateway = world.interface(file, json!({})).await;
            let target = Target::Recharge { customer_id: None, amount: money("5.00") };
            let started = settlement::start(&world.app, &actor, target, gateway.id, "").await;
            match started {
                Ok(payment) => assert!(is_good && payment.payment_url == "weixin://dl/business/?t=1", "{payment:?}"),
                Err(error) => assert!(!is_good && error.to_string().contains("`javascript:`"), "{file}: {error}"),
            }
        }
        let failed = "SELECT CAST(COUNT(*) AS BIGINT) FROM payments WHERE status = 'failed' AND payment_url = ''";
        assert_eq!(world.count(failed).await, 1);
    }

    async fn an_order_names_the_gateway_that_paid_it(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let (first, second) = (world.signed_gateway(json!({})).await, world.signed_gateway(json!({})).await);
        let order = world.order(&world.customer().await, &product).await;
        let payment = settlement::pay_order(&world.app, &world.admin, order.id, Some(first.id)).await.unwrap();
        settlement::pay_order(&world.app, &world.admin, order.id, Some(second.id)).await.unwrap();
        settlement::confirm(&world.app, &world.admin, payment.id, "tx", "").await.unwrap();
        let paid = world.order_state(order.id).await;
        assert_eq!((paid.status, paid.gateway_interface_id), (OrderStatus::Paid, Some(first.id)));
        assert_eq!(paid.gateway_payment_id, payment.gateway_payment_id);
    }

    async fn an_order_from_the_balance_is_answered_as_it_is(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        let new = new_order(&customer, &product);
        let order = settlement::order_from_balance(&world.app, &world.admin, &new).await.unwrap();
        assert_eq!(order.status, OrderStatus::Paid);
        assert_eq!(world.balance(customer.id).await, "0.00");
        let poor = settlement::order_from_balance(&world.app, &world.admin, &new).await.unwrap_err();
        assert_eq!(poor.code(), "balance.insufficient");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM orders").await, 1, "both or neither");
    }

    async fn the_price_of_an_order_never_changes(world: World) {
        let provider = world.instant_provider().await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        let order = orders::place(&world.app, &world.admin, &rustbill::core::orders::NewOrder {
            billing_cycle: rustbill::core::products::BillingCycle::Yearly,
            ..new_order(&customer, &product)
        })
        .await
        .unwrap();
        assert_eq!(order.total_amount.to_string(), "290.00");
        let mut tx = world.db().begin().await.unwrap();
        tx.q("UPDATE products SET price = $1, billing_cycles = '{}'").bind(money("99.00")).execute().await.unwrap();
        tx.commit().await.unwrap();
        world.top_up(customer.id, "290.00").await;
        let payment = settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        assert_eq!(payment.amount.to_string(), "290.00");
    }

    async fn nobody_pays_with_an_unknown_order(world: World) {
        let error = settlement::pay_order(&world.app, &world.admin, Id::generate(), None).await.unwrap_err();
        assert_eq!(error.kind(), rustbill::core::error::Kind::NotFound);
    }
}
