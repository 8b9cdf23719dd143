//! What can happen in a shop: what people do, what comes from outside, and that time passes.

use chrono::{Months, TimeDelta};
use futures::future::LocalBoxFuture;
use md5::{Digest as _, Md5};
use rustbill::core::{
    actor::Actor,
    balance,
    error::{Error, Result},
    id::Id,
    invoices::{self, InvoiceStatus, NewInvoice, NewItem},
    money::Money,
    orders::{self, OrderStatus},
    products::BillingCycle,
    settlement::{self, InvoiceUpdate, Notice, OrderUpdate, Target},
    worker,
};

use super::universe::{SECRET, Universe};

/// Numbers from which a step takes what it needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    /// Which of the orders, payments, … that there are.
    pub(super) which: usize,
    /// A choice of the step's own.
    pub(super) choice: usize,
    /// An amount.
    pub(super) cents: i64,
}

type Step = for<'a> fn(&'a Universe<'_>, Pick) -> LocalBoxFuture<'a, Result<()>>;

macro_rules! steps {
    ($($weight:literal $name:ident => |$universe:ident, $pick:ident| $body:expr;)+) => {
        /// Every step, with how often it comes and its name.
        pub(super) const STEPS: &[(u32, &str, Step)] = &[$(($weight, stringify!($name), {
            fn make<'a>($universe: &'a Universe<'_>, $pick: Pick) -> LocalBoxFuture<'a, Result<()>> {
                Box::pin(async move { $body.await.map(drop) })
            }
            make
        })),+];
    };
}

// One line each. A thing that is not there is asked for by an unknown identifier.
steps! {
    12 place => |u, p| orders::place(&u.app, &u.customer(p).1, &u.new_order(u.customer(p).0, p.cycle()));
    10 order_from_balance => |u, p| settlement::order_from_balance(&u.app, &u.customer(p).1, &u.new_order(u.customer(p).0, p.cycle()));
    10 order_at_gateway => |u, p| settlement::order_and_pay(&u.app, &u.customer(p).1, &u.new_order(u.customer(p).0, p.cycle()), Some(u.gateway));
    8 pay_order_from_balance => |u, p| async { settlement::pay_order(&u.app, u.admin, u.unpaid_order(p).await?, None).await };
    8 pay_order_at_gateway => |u, p| async { settlement::pay_order(&u.app, u.admin, u.unpaid_order(p).await?, Some(u.gateway)).await };
    4 pay_invoice_from_balance => |u, p| async { settlement::pay(&u.app, u.admin, Target::Invoice(u.unpaid_invoice(p).await?), None, "").await };
    4 pay_invoice_at_gateway => |u, p| async { settlement::start(&u.app, u.admin, Target::Invoice(u.unpaid_invoice(p).await?), u.gateway, "").await };
    5 recharge => |u, p| settlement::start(&u.app, &u.customer(p).1, Target::Recharge { customer_id: None, amount: p.amount() }, u.gateway, "");
    4 adjust => |u, p| balance::adjust(&u.app, u.admin, u.customer(p).0, p.adjustment(), "A correction");
    20 customer_pays_at_gateway => |u, p| async { u.customer_pays(p); Ok::<(), Error>(()) };
    14 true_notice => |u, p| u.true_notice(p);
    3 failure_notice => |u, p| async { notice(u, &u.account(p, false), "failed").await };
    2 forged_notice => |u, p| u.forged_notice(p);
    3 refund_part => |u, p| async { settlement::refund(&u.app, u.admin, u.payment(p).await?, Some(p.amount())).await };
    3 refund_all => |u, p| async { settlement::refund(&u.app, u.admin, u.payment(p).await?, None).await };
    3 refund_order => |u, p| async { settlement::refund_order(&u.app, u.admin, u.order(p).await?).await };
    8 move_order => |u, p| async { settlement::update_order(&u.app, u.admin, u.order(p).await?, &p.order_update()).await };
    2 end_server => |u, p| async { settlement::terminate(&u.app, u.admin, u.instance(p).await?).await };
    3 bill_the_month => |u, _p| u.bill_the_month();
    2 draft => |u, p| invoices::create(&u.app, u.admin, &u.draft(p));
    2 issue => |u, p| async { invoices::issue(&u.app, u.admin, u.draft_invoice(p).await?).await };
    1 cancel_invoice => |u, p| async { settlement::update_invoice(&u.app, u.admin, u.unpaid_invoice(p).await?, &cancelled()).await };
    2 look_for_overdue => |u, _p| invoices::mark_overdue(&u.app, u.admin);
    2 cancel_unpaid => |u, _p| settlement::cancel_unpaid(&u.app, u.admin);
    5 ask_gateways => |u, _p| settlement::ask_due(&u.app, u.admin);
    40 work => |u, p| u.work(p);
    12 seconds_pass => |u, p| async { u.pass(TimeDelta::milliseconds(p.cents * 10)); Ok::<(), Error>(()) };
    5 minutes_pass => |u, p| async { u.pass(TimeDelta::seconds(p.cents)); Ok::<(), Error>(()) };
    2 hours_pass => |u, p| async { u.pass(TimeDelta::minutes(p.cents / 4)); Ok::<(), Error>(()) };
    1 days_pass => |u, p| async { u.pass(TimeDelta::days(1 + p.cents / 200)); Ok::<(), Error>(()) };
    3 trouble_comes => |u, p| async { u.outside.books().set_trouble(2 + u32::try_from(p.choice % 4).unwrap()); Ok::<(), Error>(()) };
    2 trouble_goes => |u, _p| async { u.outside.books().set_trouble(0); Ok::<(), Error>(()) };
}

impl Pick {
    fn amount(self) -> Money {
        Money::from_minor(self.cents).unwrap()
    }

    /// Mostly money that comes in, and now and then some that is taken away.
    fn adjustment(self) -> Money {
        if self.choice.is_multiple_of(4) { self.amount().negated() } else { self.amount() }
    }

    fn cycle(self) -> BillingCycle {
        if self.choice.is_multiple_of(7) { BillingCycle::Yearly } else { BillingCycle::Monthly }
    }

    /// All moves but those that say that money came in another way.
    fn order_update(self) -> OrderUpdate {
        let moves = [
            OrderStatus::Cancelled,
            OrderStatus::Suspended,
            OrderStatus::Active,
            OrderStatus::Completed,
            OrderStatus::Terminated,
        ];
        OrderUpdate { status: Some(moves[self.choice % moves.len()]), ..OrderUpdate::default() }
    }
}

fn cancelled() -> InvoiceUpdate {
    InvoiceUpdate { status: Some(InvoiceStatus::Cancelled), notes: None }
}

/// The gateway says what became of a payment.
pub(super) async fn notice(universe: &Universe<'_>, payment: &str, status: &str) -> Result<()> {
    let total = universe.outside.books().accounts.get(payment).map(|account| account.amount).unwrap_or_default();
    send(universe, payment, status, &total.to_string(), SECRET).await
}

async fn send(universe: &Universe<'_>, payment: &str, status: &str, total: &str, secret: &str) -> Result<()> {
    let sign = hex::encode(Md5::digest(format!("{payment}|{status}|{total}|{secret}")));
    let payload = format!("payment_id={payment}&status={status}&total={total}&sign={sign}");
    let notice = Notice { payload: &payload, query: "" };
    let gateway = Actor::anonymous("192.0.2.9");
    settlement::handle_callback(&universe.app, &gateway, universe.gateway, notice).await?.payment().map(drop)
}

impl Universe<'_> {
    fn customer(&self, pick: Pick) -> &(Id, Actor) {
        &self.customers[pick.choice % self.customers.len()]
    }

    async fn one_of(&self, sql: &'static str, pick: Pick) -> Result<Id> {
        let found: Vec<Id> = self.app.database.q(sql).scalars().await?;
        Ok(pick.which.checked_rem(found.len()).map_or_else(Id::generate, |index| found[index]))
    }

    async fn order(&self, pick: Pick) -> Result<Id> {
        self.one_of("SELECT id FROM orders ORDER BY id", pick).await
    }

    async fn unpaid_order(&self, pick: Pick) -> Result<Id> {
        self.one_of("SELECT id FROM orders WHERE status = 'pending' ORDER BY id", pick).await
    }

    async fn payment(&self, pick: Pick) -> Result<Id> {
        self.one_of("SELECT id FROM payments ORDER BY id", pick).await
    }

    async fn instance(&self, pick: Pick) -> Result<Id> {
        self.one_of("SELECT id FROM instances ORDER BY id", pick).await
    }

    async fn unpaid_invoice(&self, pick: Pick) -> Result<Id> {
        self.one_of("SELECT id FROM invoices WHERE status IN ('issued', 'overdue') ORDER BY id", pick).await
    }

    async fn draft_invoice(&self, pick: Pick) -> Result<Id> {
        self.one_of("SELECT id FROM invoices WHERE status = 'draft' ORDER BY id", pick).await
    }

    /// A payment that the gateway knows, paid or not.
    fn account(&self, pick: Pick, is_paid: bool) -> String {
        let books = self.outside.books();
        let found: Vec<&String> =
            books.accounts.iter().filter(|(_, account)| account.is_paid == is_paid).map(|(id, _)| id).collect();
        pick.which.checked_rem(found.len()).map_or_else(|| Id::generate().to_string(), |index| found[index].clone())
    }

    /// At the gateway; nothing of it is known here yet.
    fn customer_pays(&self, pick: Pick) {
        let payment = self.account(pick, false);
        if let Some(account) = self.outside.books().accounts.get_mut(&payment) {
            account.is_paid = true;
        }
    }

    /// Once or several times.
    async fn true_notice(&self, pick: Pick) -> Result<()> {
        let payment = self.account(pick, true);
        let first = notice(self, &payment, "success").await;
        for _ in 0..pick.choice % 3 {
            match notice(self, &payment, "success").await {
                Ok(()) if first.is_ok() => {
                    return Err(Error::internal("simulation.repeated", format!("{payment} was booked twice")));
                }
                _ => {}
            }
        }
        first
    }

    /// Signed with another key, or over another amount than was asked for.
    async fn forged_notice(&self, pick: Pick) -> Result<()> {
        let payment = self.account(pick, pick.choice.is_multiple_of(2));
        let sent = if pick.choice.is_multiple_of(3) {
            send(self, &payment, "success", "0.01", SECRET).await
        } else {
            send(self, &payment, "success", &self.amount_of(&payment), "another key").await
        };
        if sent.is_ok() {
            return Err(Error::internal("simulation.forged", format!("a forged notice about {payment} was believed")));
        }
        sent
    }

    fn amount_of(&self, payment: &str) -> String {
        self.outside.books().accounts.get(payment).map(|account| account.amount).unwrap_or_default().to_string()
    }

    async fn bill_the_month(&self) -> Result<u32> {
        let today = self.app.clock.now().date();
        let end = today.checked_add_months(Months::new(1)).unwrap_or(today);
        invoices::generate(&self.app, self.admin, today, end).await
    }

    fn draft(&self, pick: Pick) -> NewInvoice {
        let today = self.app.clock.now().date();
        let item = NewItem {
            description: "Traffic".to_owned(),
            quantity: 1,
            unit_price: pick.amount(),
            amount: pick.amount(),
        };
        NewInvoice {
            customer_id: self.customer(pick).0,
            billing_period_start: today,
            billing_period_end: today,
            amount: pick.amount(),
            tax_amount: Money::ZERO,
            total_amount: pick.amount(),
            due_date: today,
            notes: String::new(),
            items: vec![item],
        }
    }

    async fn work(&self, pick: Pick) -> Result<()> {
        for _ in 0..=pick.choice % 4 {
            if !worker::step(&self.app, self.worker).await? {
                break;
            }
        }
        Ok(())
    }
}
