//! A shop in which every way that money takes was taken.

use chrono::{NaiveDate, TimeDelta};
use rustbill::core::{
    balance,
    customers::Customer,
    id::Id,
    invoices::{self, InvoiceStatus, NewInvoice, NewItem},
    orders::OrderStatus,
    payments::Payment,
    plugins::Interface,
    products::Product,
    reconciliation::{self, CheckReport},
    settlement::{self, InvoiceUpdate, OrderUpdate, Target},
};
use serde_json::json;

use crate::support::world::{World, money};

/// What there is in the shop, for tests that change some of it.
pub(super) struct Books {
    pub(super) customer: Customer,
    pub(super) gateway: Interface,
    pub(super) other_gateway: Interface,
    /// Paid from the balance.
    pub(super) from_balance: Payment,
    /// Paid through a gateway, 10.00 of it given back there.
    pub(super) through_gateway: Payment,
    /// Its order was cancelled after 5.00 were given back.
    pub(super) cancelled: Payment,
    /// A top-up of which 20.00 are on their way back.
    pub(super) on_its_way: Payment,
    /// An order that nobody paid.
    pub(super) unpaid_order: Id,
    /// An invoice over 113.00 that waits for its money, and one that was paid from the balance.
    pub(super) open_invoice: Id,
    pub(super) paid_invoice: Id,
    /// One of another customer's.
    pub(super) other_invoice: Id,
}

struct Shop<'a> {
    world: &'a World,
    customer: Customer,
    product: Product,
    gateway: Interface,
}

/// Does everything that moves money, once at least.
pub(super) async fn play(world: &World) -> Books {
    let gateway = world.signed_gateway(json!({})).await;
    let other_gateway = world.signed_gateway(json!({})).await;
    let product = world.product(&world.instant_provider().await).await;
    let shop = Shop { world, customer: world.customer().await, product, gateway };
    world.top_up(shop.customer.id, "500.00").await;
    balance::adjust(&world.app, &world.admin, shop.customer.id, money("-3.00"), "a correction").await.unwrap();
    let from_balance = shop.paid(None).await;
    let through_gateway = shop.paid(Some(&shop.gateway)).await;
    shop.give_back(&through_gateway, "10.00").await;
    let unpaid_order = shop.place().await;
    let by_hand = shop.place().await;
    shop.move_order(by_hand, OrderStatus::Paid).await;
    settlement::refund_order(&world.app, &world.admin, by_hand).await.unwrap();
    let cancelled = shop.paid(None).await;
    shop.give_back(&cancelled, "5.00").await;
    shop.move_order(cancelled.order_id.unwrap(), OrderStatus::Cancelled).await;
    shop.pay_one_order_twice().await;
    let on_its_way = shop.top_ups().await;
    let (open_invoice, paid_invoice) = shop.invoices().await;
    shop.instalments(&from_balance).await;
    let Shop { customer, product, gateway, .. } = shop;
    let other = Shop { world, customer: world.customer().await, product, gateway };
    let other_invoice = other.issued().await;
    let Shop { gateway, .. } = other;
    Books {
        customer,
        gateway,
        other_gateway,
        from_balance,
        through_gateway,
        cancelled,
        on_its_way,
        unpaid_order,
        open_invoice,
        paid_invoice,
        other_invoice,
    }
}

impl Shop<'_> {
    async fn place(&self) -> Id {
        self.world.order(&self.customer, &self.product).await.id
    }

    async fn paid(&self, gateway: Option<&Interface>) -> Payment {
        let (app, admin) = (&self.world.app, &self.world.admin);
        let order = self.place().await;
        let payment = settlement::pay_order(app, admin, order, gateway.map(|gateway| gateway.id)).await.unwrap();
        match gateway {
            Some(_) => self.confirm(&payment).await,
            None => payment,
        }
    }

    async fn confirm(&self, payment: &Payment) -> Payment {
        settlement::confirm(&self.world.app, &self.world.admin, payment.id, "", "").await.unwrap()
    }

    async fn give_back(&self, payment: &Payment, amount: &str) {
        settlement::refund(&self.world.app, &self.world.admin, payment.id, Some(money(amount))).await.unwrap();
    }

    async fn move_order(&self, order: Id, to: OrderStatus) {
        let change = OrderUpdate { status: Some(to), provider_instance_id: Some("vm-1".to_owned()), notes: None };
        settlement::update_order(&self.world.app, &self.world.admin, order, &change).await.unwrap();
    }

    async fn pay_one_order_twice(&self) {
        let (app, admin, order) = (&self.world.app, &self.world.admin, self.place().await);
        let first = settlement::pay_order(app, admin, order, Some(self.gateway.id)).await.unwrap();
        let second = settlement::pay_order(app, admin, order, Some(self.gateway.id)).await.unwrap();
        self.confirm(&second).await;
        self.confirm(&first).await;
    }

    async fn top_ups(&self) -> Payment {
        let target = Target::Recharge { customer_id: Some(self.customer.id), amount: money("50.00") };
        let (app, admin) = (&self.world.app, &self.world.admin);
        let payment = settlement::start(app, admin, target, self.gateway.id, "").await.unwrap();
        self.confirm(&payment).await;
        self.give_back(&payment, "7.00").await;
        for (mode, amount) in [("refuse", "8.00"), ("pending", "20.00")] {
            self.world.set_gateway(&self.gateway, json!({ "refund": mode })).await;
            settlement::refund(app, admin, payment.id, Some(money(amount))).await.unwrap_err();
        }
        self.world.set_gateway(&self.gateway, json!({})).await;
        payment
    }

    async fn drafted(&self) -> Id {
        let today = self.world.app.clock.now().date();
        let new = NewInvoice {
            customer_id: self.customer.id,
            billing_period_start: today,
            billing_period_end: today,
            amount: money("100.00"),
            tax_amount: money("13.00"),
            total_amount: money("113.00"),
            due_date: today - TimeDelta::days(1),
            notes: String::new(),
            items: vec![NewItem {
                description: "Work".to_owned(),
                quantity: 4,
                unit_price: money("25.00"),
                amount: money("100.00"),
            }],
        };
        invoices::create(&self.world.app, &self.world.admin, &new).await.unwrap().id
    }

    async fn issued(&self) -> Id {
        let draft = self.drafted().await;
        invoices::issue(&self.world.app, &self.world.admin, draft).await.unwrap().id
    }

    async fn move_invoice(&self, invoice: Id, to: InvoiceStatus) {
        let change = InvoiceUpdate { status: Some(to), notes: None };
        settlement::update_invoice(&self.world.app, &self.world.admin, invoice, &change).await.unwrap();
    }

    /// One in each state and paid in each way; an open one, and one that was paid from the balance.
    async fn invoices(&self) -> (Id, Id) {
        let (app, admin) = (&self.world.app, &self.world.admin);
        self.drafted().await;
        let cancelled_draft = self.drafted().await;
        self.move_invoice(cancelled_draft, InvoiceStatus::Cancelled).await;
        let open = self.issued().await;
        let by_hand = self.issued().await;
        self.move_invoice(by_hand, InvoiceStatus::Paid).await;
        let late = self.issued().await;
        self.move_invoice(late, InvoiceStatus::Overdue).await;
        self.move_invoice(late, InvoiceStatus::Cancelled).await;
        let late = self.issued().await;
        self.move_invoice(late, InvoiceStatus::Overdue).await;
        let from_balance = self.issued().await;
        settlement::pay(app, admin, Target::Invoice(from_balance), None, "").await.unwrap();
        let through = self.issued().await;
        let payment = settlement::start(app, admin, Target::Invoice(through), self.gateway.id, "").await.unwrap();
        self.confirm(&payment).await;
        self.give_back(&payment, "13.00").await;
        (open, from_balance)
    }

    /// An invoice whose first line was paid with its order, and whose second one was not.
    async fn instalments(&self, payment: &Payment) {
        let (app, admin, order) = (&self.world.app, &self.world.admin, payment.order_id.unwrap());
        self.move_order(order, OrderStatus::Provisioning).await;
        self.move_order(order, OrderStatus::Active).await;
        let today = app.clock.now().date();
        assert_eq!(invoices::generate(app, admin, today, in_a_month(today)).await.unwrap(), 1);
    }
}

/// Late enough for a second instalment, too early for a third.
fn in_a_month(today: NaiveDate) -> NaiveDate {
    today + TimeDelta::days(40)
}

/// What a check of the books says.
pub(super) async fn checked(world: &World) -> CheckReport {
    reconciliation::check(&world.app, &world.admin).await.unwrap()
}
