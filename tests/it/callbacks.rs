//! What gateways say of payments, asked or unasked: believed when the script believes it, booked once.

use rustbill::{
    core::{
        actor::Actor,
        error::{Error, Kind, Result},
        id::Id,
        orders::OrderStatus,
        payments::{Payment, PaymentStatus, Purpose},
        plugins::{self, Interface},
        settlement::{self, Notice},
    },
    server::grpc::protocol::rustbill::payment::{PaymentCallbackRequest, payment_service_client::PaymentServiceClient},
};
use serde_json::json;
use tonic::Code;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        gateway::Said,
        receiver::Receiver,
        server::{InProcess, channel},
        wait,
        world::{World, at_once},
    },
};

/// How many notices come at once.
const CALLS: usize = 16;

async fn tell_raw(world: &World, gateway: &Interface, payload: &str) -> Result<Payment> {
    let stranger = Actor::anonymous("192.0.2.9");
    let notice = Notice { payload, query: "" };
    settlement::handle_callback(&world.app, &stranger, gateway.id, notice).await?.payment()
}

async fn tell(world: &World, gateway: &Interface, said: &Said) -> Result<Payment> {
    tell_raw(world, gateway, &said.json().to_string()).await
}

fn is(error: &Error, kind: Kind, code: &str) {
    assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
}

async fn ordered(world: &World, gateway: &Interface) -> Payment {
    let product = world.product(&world.instant_provider().await).await;
    let order = world.order(&world.customer().await, &product).await;
    settlement::pay_order(&world.app, &world.admin, order.id, Some(gateway.id)).await.unwrap()
}

const RECHARGES: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM balance_transactions WHERE transaction_type = 'recharge'";

on_both! {
    async fn a_notice_pays_an_order_once_however_many_come_at_once(world: World) {
        let gateway = world.signed_gateway(json!({})).await;
        let payment = ordered(&world, &gateway).await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let payload = Said::success(&payment).json().to_string();
        let answers = at_once(CALLS, |_| {
            let mut client = PaymentServiceClient::new(channel.clone());
            let request = PaymentCallbackRequest { gateway_interface_id: gateway.id.to_string(), payload: payload.clone() };
            async move { client.handle_callback(request).await }
        })
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        for status in answers.into_iter().filter_map(std::result::Result::err) {
            assert_eq!(status.code(), Code::AlreadyExists, "{status}");
            assert_eq!(status.metadata().get("error-code").unwrap(), "payment.handled");
        }
        let paid = world.payment_state(payment.id).await;
        assert_eq!((paid.status, paid.gateway_tx_id), (PaymentStatus::Success, format!("t-{}", payment.id)));
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'order_paid'").await, 1);
        let settled = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'payment.settle' AND actor_name = 'callback'";
        assert_eq!(world.count(settled).await, 1);
        world.start_worker();
        world.until_order_is(payment.order_id.unwrap(), OrderStatus::Active).await;
        server.stop().await;
    }

    async fn what_is_forged_or_does_not_fit_books_nothing(world: World) {
        let gateway = world.signed_gateway(json!({})).await;
        let other = world.signed_gateway(json!({})).await;
        let payment = ordered(&world, &gateway).await;
        let good = Said::success(&payment);

        let mut forged = good.json();
        forged["sign"] = json!(good.sign_with("guessed"));
        let error = tell_raw(&world, &gateway, &forged.to_string()).await.unwrap_err();
        is(&error, Kind::InvalidArgument, "payment.signature");
        // A forger does not learn what the right signature would have been.
        assert!(!error.public_message().contains(&good.sign_with("shared with the gateway")), "{error}");
        // A notice that brings its own key, under the setting's name.
        let mut shadowing = forged.clone();
        shadowing["secret"] = json!("guessed");
        let form = good.form().replace(&good.sign_with("shared with the gateway"), &good.sign_with("guessed"));
        for payload in [shadowing.to_string(), format!("{form}&secret=guessed"), format!("secret=guessed&{form}")] {
            is(&tell_raw(&world, &gateway, &payload).await.unwrap_err(), Kind::InvalidArgument, "payment.signature");
        }
        // A setting that is not set is no stranger's either: the script refuses a notice when it sees one.
        let mut shadowing = Said { status: "pending", ..good.clone() }.json();
        shadowing["secret2"] = json!("mine");
        assert_eq!(tell_raw(&world, &gateway, &shadowing.to_string()).await.unwrap().status, PaymentStatus::Pending);
        for payload in ["", "{", "null", "[1]", "=&=&=", "payment_id", "<xml a=\"b\"/>"] {
            is(&tell_raw(&world, &gateway, payload).await.unwrap_err(), Kind::InvalidArgument, "payment.signature");
        }
        is(&tell_raw(&world, &gateway, &"x".repeat(settlement::PAYLOAD_MAX + 1)).await.unwrap_err(), Kind::InvalidArgument, "payment.payload");
        let many = (0..300).map(|n| format!("f{n}=1")).collect::<Vec<_>>().join("&");
        is(&tell_raw(&world, &gateway, &many).await.unwrap_err(), Kind::InvalidArgument, "payment.payload");

        let wrong_amount = Said { total: "29.01".to_owned(), ..good.clone() };
        is(&tell(&world, &gateway, &wrong_amount).await.unwrap_err(), Kind::InvalidArgument, "payment.mismatch");
        let mut coin = good.json();
        coin["coin"] = json!("EUR");
        is(&tell_raw(&world, &gateway, &coin.to_string()).await.unwrap_err(), Kind::InvalidArgument, "payment.mismatch");
        let nobody = Said { payment: "nobody".to_owned(), ..good.clone() };
        is(&tell(&world, &gateway, &nobody).await.unwrap_err(), Kind::InvalidArgument, "payment.mismatch");
        let unknown = Said { payment: Id::generate().to_string(), ..good.clone() };
        is(&tell(&world, &gateway, &unknown).await.unwrap_err(), Kind::NotFound, "not_found");
        is(&tell(&world, &other, &good).await.unwrap_err(), Kind::InvalidArgument, "payment.mismatch");
        let crash = Said { status: "crash", ..good.clone() };
        is(&tell(&world, &gateway, &crash).await.unwrap_err(), Kind::Internal, "payment.gateway");
        let garbled = Said { status: "well done", ..good.clone() };
        is(&tell(&world, &gateway, &garbled).await.unwrap_err(), Kind::Internal, "payment.gateway");
        assert_eq!(world.payment_state(payment.id).await.status, PaymentStatus::Pending);
        let noted = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'payment.mismatch'";
        assert_eq!(world.count(noted).await, 2, "amount and currency");

        let provider = world.instant_provider().await;
        is(&tell(&world, &provider, &good).await.unwrap_err(), Kind::NotFound, "not_found");
        plugins::toggle(&world.app, &world.admin, gateway.id, false).await.unwrap();
        is(&tell(&world, &gateway, &good).await.unwrap_err(), Kind::NotFound, "not_found");
    }

    async fn states_that_a_notice_may_tell(world: World) {
        let gateway = world.signed_gateway(json!({})).await;
        let payment = world.top_up_at(&gateway).await;
        let pending = Said { status: "pending", ..Said::success(&payment) };
        assert_eq!(tell(&world, &gateway, &pending).await.unwrap().status, PaymentStatus::Pending);
        let failed = Said { status: "failed", ..Said::success(&payment) };
        assert_eq!(tell(&world, &gateway, &failed).await.unwrap().status, PaymentStatus::Failed);
        is(&tell(&world, &gateway, &failed).await.unwrap_err(), Kind::AlreadyExists, "payment.handled");
        let second = world.top_up_at(&gateway).await;
        tell(&world, &gateway, &Said::success(&second)).await.unwrap();
        let failed = Said { status: "failed", ..Said::success(&second) };
        is(&tell(&world, &gateway, &failed).await.unwrap_err(), Kind::AlreadyExists, "payment.handled");
        assert_eq!(world.payment_state(second.id).await.status, PaymentStatus::Success);
    }

    async fn a_transaction_pays_one_payment(world: World) {
        let gateway = world.signed_gateway(json!({})).await;
        let (first, second) = (world.top_up_at(&gateway).await, world.top_up_at(&gateway).await);
        tell(&world, &gateway, &Said::success(&first)).await.unwrap();
        let again = Said { tx: format!("t-{}", first.id), ..Said::success(&second) };
        is(&tell(&world, &gateway, &again).await.unwrap_err(), Kind::InvalidArgument, "payment.mismatch");
        assert_eq!(world.payment_state(second.id).await.status, PaymentStatus::Pending);
        assert_eq!(world.balance(second.customer_id).await, "0.00");
        world.check_ledgers().await;
    }

    async fn another_transaction_for_a_payment_that_is_there_is_noted(world: World) {
        let gateway = world.signed_gateway(json!({})).await;
        let payment = world.top_up_at(&gateway).await;
        let noted = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'payment.other_transaction'";
        let said = Said::success(&payment);
        tell(&world, &gateway, &said).await.unwrap();
        is(&tell(&world, &gateway, &said).await.unwrap_err(), Kind::AlreadyExists, "payment.handled");
        assert_eq!(world.count(noted).await, 0, "the same once more");
        let other = Said { tx: "t-other".to_owned(), ..said };
        is(&tell(&world, &gateway, &other).await.unwrap_err(), Kind::AlreadyExists, "payment.handled");
        assert_eq!(world.count(noted).await, 1);
        assert_eq!(world.balance(payment.customer_id).await, "50.00", "only a person can tell whether it is more money");
    }

    async fn money_for_a_payment_that_failed_is_not_lost_and_not_doubled(world: World) {
        let gateway = world.signed_gateway(json!({})).await;
        let payment = ordered(&world, &gateway).await;
        let failed = Said { status: "failed", ..Said::success(&payment) };
        tell(&world, &gateway, &failed).await.unwrap();
        let said = Said::success(&payment);
        let answers = at_once(CALLS, |_| {
            let (app, payload, id) = (world.app.clone(), said.json().to_string(), gateway.id);
            async move {
                let notice = Notice { payload: &payload, query: "" };
                settlement::handle_callback(&app, &Actor::anonymous("192.0.2.9"), id, notice).await.unwrap().payment()
            }
        })
        .await;
        let (booked, known): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(booked.len(), 1);
        for error in known {
            is(&error.unwrap_err(), Kind::AlreadyExists, "payment.handled");
        }
        let late = booked.into_iter().next().unwrap().unwrap();
        assert_eq!((late.purpose, late.status, late.amount), (Purpose::Recharge, PaymentStatus::Success, payment.amount));
        assert!(late.note.contains(&payment.id.to_string()), "{}", late.note);
        assert_eq!(world.payment_state(payment.id).await.status, PaymentStatus::Failed);
        assert_eq!(world.balance(payment.customer_id).await, "29.00");
        assert_eq!(world.count(RECHARGES).await, 1);
        // Without a number of its own a transaction counts once too.
        let unnumbered = Said { tx: String::new(), ..said.clone() };
        is(&tell(&world, &gateway, &unnumbered).await.unwrap_err(), Kind::AlreadyExists, "payment.handled");
        // Perhaps it was paid twice, and only a person can tell.
        let noted = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'payment.other_transaction'";
        assert_eq!(world.count(noted).await, 0);
        let other = Said { tx: "t-other".to_owned(), ..said };
        is(&tell(&world, &gateway, &other).await.unwrap_err(), Kind::AlreadyExists, "payment.handled");
        assert_eq!((world.count(noted).await, world.balance(payment.customer_id).await.as_str()), (1, "29.00"));
        world.check_ledgers().await;
    }

    async fn a_notice_that_comes_before_the_payment_has_begun(world: World) {
        let gate = Receiver::start().await;
        gate.hold();
        let gateway = world.signed_gateway(json!({ "query": "slow start", "gate": gate.url })).await;
        let product = world.product(&world.instant_provider().await).await;
        let order = world.order(&world.customer().await, &product).await;
        let (app, admin, id) = (world.app.clone(), world.admin.clone(), gateway.id);
        let begun = tokio::spawn(async move { settlement::pay_order(&app, &admin, order.id, Some(id)).await });
        let payment = wait::value("the gateway was asked", async || {
            let request = gate.received().into_iter().next()?;
            Some(Id::parse("payment", &request.body).unwrap())
        })
        .await;
        let payment = world.payment_state(payment).await;
        tell(&world, &gateway, &Said::success(&payment)).await.unwrap();
        gate.release();
        let begun = begun.await.unwrap().unwrap();
        assert_eq!((begun.status, begun.gateway_payment_id), (PaymentStatus::Success, format!("g-{}", payment.id)));
        let order = world.order_state(order.id).await;
        assert_eq!((order.status, order.gateway_payment_id), (OrderStatus::Paid, format!("g-{}", payment.id)));
    }

    async fn plain_http_is_heard_and_answered_with_the_right_text(world: World) {
        let gateway = world.signed_gateway(json!({ "reply": "thank you" })).await;
        let server = InProcess::start(&world).await;
        let url = format!("{}/callback/{}", server.address, gateway.id);
        let client = reqwest::Client::new();
        let answer = async |request: reqwest::RequestBuilder| {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        let [by_get, by_form, by_json, by_both] =
            [(); 4].map(|()| world.top_up_at(&gateway));
        let get = by_get.await;
        let good = format!("{url}?{}", Said::success(&get).form());
        for _ in 0..2 {
            assert_eq!(answer(client.get(&good)).await, (200, "thank you".to_owned()));
        }
        let form = by_form.await;
        assert_eq!(answer(client.post(&url).body(Said::success(&form).form())).await, (200, "thank you".to_owned()));
        let json = by_json.await;
        assert_eq!(answer(client.post(&url).body(Said::success(&json).json().to_string())).await, (200, "thank you".to_owned()));
        // Beside a body the query's fields are there too, and the body's win.
        let both = by_both.await;
        let split = Said::success(&both).form();
        let (query, body) = split.split_once("&total").unwrap();
        let request = client.post(format!("{url}?{query}&total=1.00")).body(format!("total{body}"));
        assert_eq!(answer(request).await, (200, "thank you".to_owned()));
        for payment in [&get, &form, &json, &both] {
            assert_eq!(world.payment_state(payment.id).await.status, PaymentStatus::Success);
            assert_eq!(world.balance(payment.customer_id).await, "50.00");
        }
        let sources = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'payment.settle' AND source = '127.0.0.1'";
        assert_eq!(world.count(sources).await, 4);

        for (request, code) in [
            (client.get(format!("{good}x")), 400),
            (client.post(&url).body(vec![0xff, 0xfe]), 400),
            (client.get(format!("{}/callback/{}?a=b", server.address, Id::generate())), 404),
            (client.get(format!("{}/callback/x?a=b", server.address)), 400),
        ] {
            let (status, text) = answer(request).await;
            assert_eq!(status, code, "{text}");
            assert!(text.starts_with("fail: "), "{text}");
        }
        assert_eq!(answer(client.post(&url).body("x".repeat(settlement::PAYLOAD_MAX + 1))).await.0, 413);
        assert_eq!(answer(client.put(&url)).await.0, 405);
        server.stop().await;
    }

    async fn a_gateway_is_asked_how_a_payment_stands(world: World) {
        let gateway = world.signed_gateway(json!({ "query": "pending" })).await;
        let payment = ordered(&world, &gateway).await;
        let ask = async || settlement::query(&world.app, &world.admin, payment.id).await;
        assert_eq!(ask().await.unwrap().status, PaymentStatus::Pending);
        for (config, kind, code) in [
            (json!({ "query": "fail" }), Kind::Internal, "payment.gateway"),
            (json!({ "query": "well done" }), Kind::Internal, "payment.gateway"),
            (json!({ "query": "success", "reported": "0.01" }), Kind::InvalidArgument, "payment.mismatch"),
        ] {
            world.set_gateway(&gateway, config).await;
            let error = ask().await.unwrap_err();
            is(&error, kind, code);
            assert!(!error.public_message().contains("secret words"), "{error}");
        }
        world.set_gateway(&gateway, json!({ "query": "refunded" })).await;
        assert_eq!(ask().await.unwrap().status, PaymentStatus::Pending);
        world.set_gateway(&gateway, json!({ "query": "success", "reported": "29" })).await;
        let paid = ask().await.unwrap();
        assert_eq!((paid.status, paid.gateway_tx_id.as_str()), (PaymentStatus::Success, format!("q-{}", payment.id).as_str()));
        assert_eq!(world.order_state(payment.order_id.unwrap()).await.status, OrderStatus::Paid);
        // What has come to its end is not asked for again, nor what went through no gateway.
        world.set_gateway(&gateway, json!({ "query": "fail" })).await;
        assert_eq!(ask().await.unwrap().status, PaymentStatus::Success);
        is(&settlement::query(&world.app, &world.admin, Id::generate()).await.unwrap_err(), Kind::NotFound, "not_found");

        world.set_gateway(&gateway, json!({ "query": "failed" })).await;
        let second = world.top_up_at(&gateway).await;
        assert_eq!(settlement::query(&world.app, &world.admin, second.id).await.unwrap().status, PaymentStatus::Failed);
    }
}
