//! `gateway-yipay` against a platform over a real socket, through the program itself: money is booked once, and nothing
//! that is forged, torn or for somebody else.

mod refunds;

use std::sync::Arc;

use rustbill::core::{
    id::Id,
    orders::OrderStatus,
    payments::{Payment, PaymentStatus},
    plugins::{self, Interface},
    settlement::{self, OrderUpdate, PAYLOAD_MAX, Target},
};
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        server::{Program, admin_token, channel},
        world::{World, at_once, money, settings_file},
        yipay::{Fault, Fields, KEY, Platform, sign, signed},
    },
};

/// How often a notice is replayed.
const REPLAYS: usize = 100;
const SETTLED: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'payment.settle'";

/// The program, and a platform that it sells through.
struct Shop {
    platform: Arc<Platform>,
    gateway: Interface,
    program: Program,
    channel: Channel,
    token: String,
}

impl Shop {
    async fn open(world: &World, settings: Value) -> Self {
        let platform = Arc::new(Platform::start().await);
        let gateway = world.interface("gateway-yipay.rn", platform.config(settings.clone())).await;
        assert!(gateway.is_healthy, "{:?}", gateway.health_error);
        let program = Program::start(&settings_file(&world.database, world.database.directory.path()));
        let channel = channel(&program.address).await;
        let token = admin_token(&channel).await;
        let shop = Self { platform, gateway, program, channel, token };
        let mut config = shop.platform.config(settings);
        config["notify_url"] = json!(shop.callback());
        let change = plugins::InterfaceUpdate { config_json: Some(config.to_string()), ..Default::default() };
        plugins::update(&world.app, &world.admin, shop.gateway.id, &change).await.unwrap();
        shop
    }

    fn callback(&self) -> String {
        format!("{}/callback/{}", self.program.address, self.gateway.id)
    }

    async fn call(&self, rpc: &str, message: Value) -> Result<Value, tonic::Status> {
        dynamic::call(&self.channel, rpc, &message, &self.token).await
    }

    /// A payment for an order of 29.00, begun over the wire; and what the caller was told.
    async fn order(&self, world: &World) -> (Payment, Value) {
        let product = world.product(&world.instant_provider().await).await;
        let order = world.order(&world.customer().await, &product).await;
        let message = json!({ "order_id": order.id, "gateway_interface_id": self.gateway.id });
        let answer = self.call("PaymentService/CreatePayment", message).await.unwrap();
        (world.payment_state(Id::parse("id", answer["payment"]["id"].as_str().unwrap()).unwrap()).await, answer)
    }

    /// A payment that the customer made at the platform, which told nobody.
    async fn paid(&self, world: &World) -> Payment {
        let (payment, answer) = self.order(world).await;
        self.platform.pay_at(answer["payment_url"].as_str().unwrap()).await;
        payment
    }

    /// What the program answers to a notice by GET.
    async fn tell(&self, query: &str) -> (u16, String) {
        let response = reqwest::get(format!("{}?{query}", self.callback())).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// That a notice was refused, for this reason.
    async fn refuses(&self, query: &str, status: u16, why: &str) {
        let answer = self.tell(query).await;
        assert!(answer.0 == status && answer.1.starts_with("fail"), "{query}: {answer:?}");
        let page = self.call("IntegrationService/GetPluginAdminPage", json!({ "interface_id": self.gateway.id })).await;
        let page = page.unwrap()["html_content"].as_str().unwrap().to_owned();
        let notices = page.split("Last notices").nth(1).unwrap();
        let first = notices.split("</tr>").nth(1).unwrap_or_default();
        // Without a right signature it is counted and not listed.
        let unsigned = notices.split("which were refused").nth(1).unwrap_or_default();
        assert!(first.contains(why) || unsigned.contains(why), "{query}: {notices}");
    }
}

fn changed(notice: &Fields, name: &str, value: &str) -> Fields {
    let mut notice = notice.clone();
    notice.insert(name.to_owned(), value.to_owned());
    notice
}

on_both! {
    async fn a_customer_pays_on_the_page_and_gets_the_server(world: World) {
        let shop = Shop::open(&world, json!({ "site_name": "Clouds & Co" })).await;
        let (payment, answer) = shop.order(&world).await;
        let id = payment.id.to_string();
        let url = answer["payment_url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{}submit.php?", shop.platform.url)) && !url.contains(KEY), "{url}");
        shop.platform.pay_at(url).await;
        let order = shop.platform.order(&id).unwrap();
        assert_eq!(order.fields["money"], "29.00");
        assert_eq!((order.fields["name"].as_str(), order.fields["sitename"].as_str()), ("VPS", "Clouds   Co"));
        assert_eq!(order.fields["return_url"], "https://shop.example/paid");
        assert_eq!(world.payment_state(payment.id).await.status, PaymentStatus::Pending, "nobody said that it was paid");
        assert_eq!(shop.platform.notify(&id).await, 1);
        let paid = world.payment_state(payment.id).await;
        assert_eq!((paid.status, paid.gateway_tx_id), (PaymentStatus::Success, order.trade_no));
        world.until_order_is(payment.order_id.unwrap(), OrderStatus::Active).await;
        assert_eq!(shop.platform.answers(), [(200, "success".to_owned())]);
        assert_eq!(shop.program.terminate(), Some(0));
    }

    async fn a_payment_is_ordered_by_api_and_reported_before_the_answer(world: World) {
        let shop = Shop::open(&world, json!({ "mode": "api", "type": "alipay" })).await;
        let (payment, answer) = shop.order(&world).await;
        let order = shop.platform.order(&payment.id.to_string()).unwrap();
        assert_eq!(payment.gateway_payment_id, order.trade_no);
        assert_eq!(answer["payment_url"], format!("https://pay.example.com/pay/{}/", order.trade_no));
        assert_eq!(order.fields["clientip"], "127.0.0.1");
        // The notice comes while the platform is still being asked.
        shop.platform.pay_at_once();
        let (payment, _) = shop.order(&world).await;
        assert_eq!(shop.platform.answers(), [(200, "success".to_owned())]);
        assert_eq!(payment.status, PaymentStatus::Success);
        assert_eq!(payment.gateway_payment_id, shop.platform.order(&payment.id.to_string()).unwrap().trade_no);
        world.until_order_is(payment.order_id.unwrap(), OrderStatus::Active).await;
    }

    async fn a_code_to_scan_and_a_platform_that_fails(world: World) {
        let shop = Shop::open(&world, json!({ "mode": "api", "type": "wxpay", "allowed_types": "wxpay, alipay" })).await;
        let (payment, answer) = shop.order(&world).await;
        assert_eq!(answer["qr_code"], format!("weixin://wxpay/bizpayurl?pr={}", payment.gateway_payment_id));
        assert_eq!(answer["payment_url"], "");
        let other = changed(&shop.platform.notice(&payment.id.to_string()), "type", "qqpay");
        shop.refuses(&signed(&other, KEY), 400, "allowed_types").await;

        // The platform has the order, and we do not know it: the payment failed, and then its money comes.
        shop.platform.fail_next(Fault::ErrorPage);
        let customer = world.customer().await;
        let order = world.order(&customer, &world.product(&world.instant_provider().await).await).await;
        let message = json!({ "order_id": order.id, "gateway_interface_id": shop.gateway.id });
        let refused = shop.call("PaymentService/CreatePayment", message).await.unwrap_err();
        assert_eq!(refused.metadata().get("error-code").unwrap(), "payment.gateway");
        let failed = world.db().q("SELECT id FROM payments WHERE order_id = $1").bind(order.id).scalar::<Id>().await.unwrap();
        assert_eq!(world.payment_state(failed).await.status, PaymentStatus::Failed);
        shop.platform.pay(&failed.to_string());
        assert_eq!(shop.platform.notify(&failed.to_string()).await, 1);
        assert_eq!(shop.platform.notify(&failed.to_string()).await, 1);
        assert_eq!(world.payment_state(failed).await.status, PaymentStatus::Failed);
        assert_eq!(world.balance(customer.id).await, "29.00", "once");
        world.check_ledgers().await;
    }

    async fn a_notice_that_is_replayed_books_once_and_always_hears_success(world: World) {
        let shop = Arc::new(Shop::open(&world, json!({})).await);
        let payment = shop.paid(&world).await;
        let query = signed(&shop.platform.notice(&payment.id.to_string()), KEY);
        let answers = at_once(REPLAYS, |_| {
            let (shop, query) = (Arc::clone(&shop), query.clone());
            async move { shop.tell(&query).await }
        })
        .await;
        assert_eq!(answers, vec![(200, "success".to_owned()); REPLAYS]);
        assert_eq!(world.count(SETTLED).await, 1);
        // As a form in a body too, which some platforms send.
        let response = reqwest::Client::new().post(shop.callback()).body(query).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "success");
        assert_eq!(world.count(SETTLED).await, 1);
        world.until_order_is(payment.order_id.unwrap(), OrderStatus::Active).await;
    }

    async fn what_is_forged_torn_or_not_ours_books_nothing(world: World) {
        let shop = Shop::open(&world, json!({})).await;
        let payment = shop.paid(&world).await;
        let notice = shop.platform.notice(&payment.id.to_string());
        let good = signed(&notice, KEY);

        shop.refuses(&signed(&notice, "guessed"), 400, "signature is wrong").await;
        shop.refuses(&signed(&notice, ""), 400, "signature is wrong").await;
        // The key of a stranger, under the name of the setting.
        shop.refuses(&signed(&changed(&notice, "key", "guessed"), "guessed"), 400, "signature is wrong").await;
        shop.refuses(&good.replace("sign=", "sign=0"), 400, "signature is wrong").await;
        shop.refuses(&good.replace("money=29.00", "money=29.01"), 400, "signature is wrong").await;
        shop.refuses(&good.replace("sign_type=MD5", "sign_type=RSA"), 400, "another kind").await;
        shop.refuses(&format!("{good}&extra=1"), 400, "signature is wrong").await;
        for twice in ["out_trade_no", "money", "sign"] {
            let value = notice.get(twice).cloned().unwrap_or_else(|| sign(&notice, KEY));
            shop.refuses(&format!("{good}&{twice}={value}"), 400, "twice").await;
        }
        // Bytes of another encoding, signed by nobody or by the platform.
        shop.refuses(&good.replace("name=VPS", "name=%B2%E2%CA%D4"), 400, "signature is wrong").await;
        for odd in ["", "=&=&=", "%00=%ff", "&&&", "a", "pid=1001"] {
            shop.refuses(odd, 400, "refused").await;
        }
        let client = reqwest::Client::new();
        for body in [vec![0xff, 0xfe], vec![b'a'; PAYLOAD_MAX], "a=1&".repeat(PAYLOAD_MAX / 4).into_bytes()] {
            let response = client.post(shop.callback()).body(body).send().await.unwrap();
            assert_eq!(response.status(), 400);
        }
        let response = client.post(shop.callback()).body(vec![b'a'; PAYLOAD_MAX + 1]).send().await.unwrap();
        assert_eq!(response.status(), 413);

        // Signed by the platform, and still not what we wait for.
        shop.refuses(&signed(&changed(&notice, "pid", "1002"), KEY), 400, "another merchant").await;
        for money in ["0.01", "29.01", "28.99", "2900", "29.0001", "-29.00", "2.9e1"] {
            let (status, answer) = shop.tell(&signed(&changed(&notice, "money", money), KEY)).await;
            assert!(status == 400 && answer.starts_with("fail"), "{money}: {status} {answer}");
        }
        let unknown = changed(&notice, "out_trade_no", &Id::generate().to_string());
        assert_eq!(shop.tell(&signed(&unknown, KEY)).await.0, 404);
        let unpaid = changed(&notice, "trade_status", "WAIT_BUYER_PAY");
        assert_eq!(shop.tell(&signed(&unpaid, KEY)).await, (200, "wait".to_owned()));
        assert_eq!(world.payment_state(payment.id).await.status, PaymentStatus::Pending);
        assert_eq!(world.count(SETTLED).await, 0);

        plugins::toggle(&world.app, &world.admin, shop.gateway.id, false).await.unwrap();
        assert_eq!(shop.tell(&good).await.0, 404);
        plugins::toggle(&world.app, &world.admin, shop.gateway.id, true).await.unwrap();
        // More fields than the protocol has are welcome as long as they are signed; empty ones are not signed.
        let more = signed(&changed(&notice, "api_trade_no", "汉 字&=+%"), KEY);
        assert_eq!(shop.tell(&format!("{more}&param=")).await, (200, "success".to_owned()));
        assert_eq!(world.payment_state(payment.id).await.status, PaymentStatus::Success);
    }

    async fn a_lost_notice_is_made_good_by_asking(world: World) {
        let shop = Shop::open(&world, json!({})).await;
        let (payment, answer) = shop.order(&world).await;
        let id = payment.id.to_string();
        let ask = async || shop.call("PaymentService/QueryPaymentStatus", json!({ "payment_id": id })).await;
        assert_eq!(ask().await.unwrap()["payment"]["status"], "pending", "the platform knows no order yet");
        shop.platform.pay_at(answer["payment_url"].as_str().unwrap()).await;
        shop.platform.set_down(true);
        assert_eq!(ask().await.unwrap_err().metadata().get("error-code").unwrap(), "payment.gateway");
        shop.platform.set_down(false);
        let shown = shop
            .call("IntegrationService/CallPluginAction", json!({
                "interface_id": shop.gateway.id, "function": "admin_query",
                "args_json": json!({ "payment_id": id }).to_string(),
            }))
            .await
            .unwrap();
        let shown: Value = serde_json::from_str(shown["result_json"].as_str().unwrap()).unwrap();
        assert_eq!((&shown["state"], &shown["money"]), (&json!("paid"), &json!("29.00")));
        assert_eq!(ask().await.unwrap()["payment"]["status"], "success");
        assert_eq!(world.count(SETTLED).await, 1);
        // The notice comes after all.
        assert_eq!(shop.platform.notify(&id).await, 1);
        assert_eq!(world.count(SETTLED).await, 1);
    }

    async fn money_for_an_order_that_was_cancelled_goes_to_the_balance(world: World) {
        let shop = Shop::open(&world, json!({})).await;
        let payment = shop.paid(&world).await;
        let change = OrderUpdate { status: Some(OrderStatus::Cancelled), ..OrderUpdate::default() };
        settlement::update_order(&world.app, &world.admin, payment.order_id.unwrap(), &change).await.unwrap();
        assert_eq!(shop.platform.notify(&payment.id.to_string()).await, 1);
        assert_eq!(world.balance(payment.customer_id).await, "29.00");
        assert_eq!(world.order_state(payment.order_id.unwrap()).await.status, OrderStatus::Cancelled);
        world.check_ledgers().await;
    }

    async fn the_server_tells_where_notices_go(world: World) {
        let platform = Platform::start().await;
        let gateway = world.interface("gateway-yipay.rn", platform.config(json!({}))).await;
        let target = Target::Recharge { customer_id: Some(world.customer().await.id), amount: money("50.00") };
        let error = settlement::start(&world.app, &world.admin, target, gateway.id, "").await.unwrap_err();
        assert!(error.to_string().contains("server.external_url"), "{error}");
        let mut app = world.app.clone();
        "https://billing.example/shop/".clone_into(&mut Arc::make_mut(&mut app.settings).server.external_url);
        let payment = settlement::start(&app, &world.admin, target, gateway.id, "https://shop.example/?a=b&c").await.unwrap();
        platform.pay_at(&payment.payment_url).await;
        let order = platform.order(&payment.id.to_string()).unwrap();
        assert_eq!(order.fields["notify_url"], format!("https://billing.example/shop/callback/{}", gateway.id));
        assert_eq!(order.fields["return_url"], "https://shop.example/?a=b&c");
        "EUR".clone_into(&mut Arc::make_mut(&mut app.settings).billing.currency);
        let error = settlement::start(&app, &world.admin, target, gateway.id, "").await.unwrap_err();
        assert!(error.to_string().contains("EUR"), "{error}");
    }
}
