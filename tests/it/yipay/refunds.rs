//! The protocol gives refunds no number: still each one leaves once, whatever the platform says or does not say.

use super::*;
use crate::support::wait;

const OPEN: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM payment_refunds WHERE status = 'pending'";

impl Shop {
    /// A top-up of 50.00 that was paid and reported.
    async fn topped_up(&self, world: &World) -> Payment {
        let payment = world.top_up_at(&self.gateway).await;
        self.platform.pay_at(&payment.payment_url).await;
        assert_eq!(self.platform.notify(&payment.id.to_string()).await, 1);
        payment
    }

    /// Refunds a payment; the word of the error, or an empty text.
    async fn give_back(&self, payment: &Payment, amount: &str) -> String {
        let message = json!({ "payment_id": payment.id, "amount": amount });
        match self.call("PaymentService/RefundPayment", message).await {
            Ok(_) => String::new(),
            Err(status) => status.metadata().get("error-code").unwrap().to_str().unwrap().to_owned(),
        }
    }

    /// Waits until no refund is open.
    async fn settled(&self, world: &World) {
        wait::until("every refund has ended", async || world.count(OPEN).await == 0).await;
    }
}

async fn refunded(world: &World, payment: &Payment) -> String {
    world.payment_state(payment.id).await.refunded_amount.to_string()
}

on_both! {
    async fn parts_and_the_rest(world: World) {
        let shop = Shop::open(&world, json!({})).await;
        let payment = shop.topped_up(&world).await;
        for amount in ["9.99", "0.01"] {
            assert_eq!(shop.give_back(&payment, amount).await, "");
        }
        assert_eq!(shop.give_back(&payment, "40.01").await, "payment.over_refund");
        assert_eq!(shop.give_back(&payment, "").await, "");
        assert_eq!(shop.platform.refunds(), ["9.99", "0.01", "40.00"]);
        assert_eq!(world.payment_state(payment.id).await.status, PaymentStatus::Refunded);
        assert_eq!(world.balance(payment.customer_id).await, "0.00");
        world.check_ledgers().await;
    }

    async fn many_at_once_leave_one_after_the_other(world: World) {
        let shop = Arc::new(Shop::open(&world, json!({})).await);
        let payment = Arc::new(shop.topped_up(&world).await);
        let words = at_once(8, |_| {
            let (shop, payment) = (Arc::clone(&shop), Arc::clone(&payment));
            async move { shop.give_back(&payment, "20.00").await }
        })
        .await;
        assert_eq!(words.iter().filter(|word| *word == "payment.over_refund").count(), 6, "{words:?}");
        shop.settled(&world).await;
        assert_eq!(shop.platform.refunds(), ["20.00", "20.00"]);
        assert_eq!(refunded(&world, &payment).await, "40.00");
    }

    async fn an_answer_that_is_lost_gives_back_once(world: World) {
        let shop = Shop::open(&world, json!({})).await;
        for fault in [Fault::BreakOff, Fault::ErrorPage, Fault::Garbled, Fault::SayNo] {
            let payment = shop.topped_up(&world).await;
            shop.platform.fail_next(fault);
            shop.give_back(&payment, "20.00").await;
            shop.settled(&world).await;
            assert_eq!(refunded(&world, &payment).await, "20.00", "{fault:?}");
        }
        assert_eq!(shop.platform.refunds(), ["20.00"; 4]);
        // Nothing was done: it is sent again, when the platform had time enough to do it.
        let payment = shop.topped_up(&world).await;
        shop.platform.fail_next(Fault::DoNothing);
        assert_eq!(shop.give_back(&payment, "20.00").await, "payment.refund_pending");
        shop.settled(&world).await;
        assert_eq!(refunded(&world, &payment).await, "20.00");
        assert_eq!(shop.platform.refunds().len(), 5);
        world.check_ledgers().await;
    }

    async fn a_platform_that_refuses_keeps_the_money(world: World) {
        let shop = Shop::open(&world, json!({})).await;
        // The platform never saw the money; an administrator recorded it.
        let payment = world.top_up_at(&shop.gateway).await;
        settlement::confirm(&world.app, &world.admin, payment.id, "by hand", "").await.unwrap();
        assert_eq!(shop.give_back(&payment, "20.00").await, "payment.gateway");
        assert_eq!(refunded(&world, &payment).await, "0.00");
        assert_eq!(world.balance(payment.customer_id).await, "50.00");
        assert_eq!(world.count(OPEN).await, 0);
        assert!(shop.platform.refunds().is_empty());
    }

    async fn a_part_that_nobody_can_see_is_settled_by_a_person(world: World) {
        let shop = Shop::open(&world, json!({})).await;
        shop.platform.hide_refunds();
        let whole = shop.topped_up(&world).await;
        shop.platform.fail_next(Fault::BreakOff);
        shop.give_back(&whole, "").await;
        shop.settled(&world).await;
        assert_eq!(world.payment_state(whole.id).await.status, PaymentStatus::Refunded, "the state of the order tells");

        let part = shop.topped_up(&world).await;
        shop.platform.fail_next(Fault::BreakOff);
        assert_eq!(shop.give_back(&part, "20.00").await, "payment.refund_pending");
        let page = json!({ "interface_id": shop.gateway.id });
        let refund = wait::value("the page lists the refund", async || {
            let page = shop.call("IntegrationService/GetPluginAdminPage", page.clone()).await.unwrap();
            let html = page["html_content"].as_str().unwrap().to_owned();
            let (_, rest) = html.split_once("admin_settle_refund`</td><td><code>")?;
            Some(rest[..36].to_owned())
        })
        .await;
        assert_eq!(shop.platform.refunds(), ["50.00", "20.00"], "and never sent again by itself");
        let settle = async |outcome: &str| {
            let arguments = json!({ "refund_id": refund, "outcome": outcome }).to_string();
            let message = json!({ "interface_id": shop.gateway.id, "function": "admin_settle_refund", "args_json": arguments });
            shop.call("IntegrationService/CallPluginAction", message).await
        };
        assert!(settle("perhaps").await.is_err());
        settle("given").await.unwrap();
        assert!(settle("given").await.is_err(), "it is not open any more");
        shop.settled(&world).await;
        assert_eq!(refunded(&world, &part).await, "20.00");
        assert_eq!(shop.platform.refunds().len(), 2);
    }
}
