//! Random sequences of what people do with orders, servers, payments, invoices, balances and tickets. After each step all states
//! are where the contract's tables allow, and the money adds up.

mod laws;

use std::{cell::RefCell, collections::BTreeMap};

use futures::future::LocalBoxFuture;
use proptest::{
    collection::vec,
    prelude::{Strategy as _, any},
};
use rustbill::core::{
    actor::Actor,
    balance, control,
    customers::Customer,
    error::{Kind, Result},
    id::Id,
    instances::Power,
    invoices::{self, InvoiceStatus, NewInvoice, NewItem},
    money::Money,
    orders::{self, OrderStatus},
    payments::Payment,
    plugins::Interface,
    products::Product,
    reconciliation,
    settlement::{self, InvoiceUpdate, Notice, OrderUpdate, Target},
    tickets::{self, NewReply, NewTicket, TicketStatus, TicketUpdate},
    worker,
};
use tokio_util::sync::CancellationToken;

use self::laws::Snapshot;
use super::check;
use crate::{
    on_both,
    support::{
        database::TestDatabase,
        world::{World, actor_of, money, new_order},
    },
};

/// Where the moves are made: two customers of their own in a shop that others use too.
struct Shop<'a> {
    world: &'a World,
    product: &'a Product,
    gateway: &'a Interface,
    customers: [(Customer, Actor); 2],
}

/// Numbers from which a move takes what it needs.
#[derive(Clone, Copy, Debug)]
struct Pick {
    /// Which of the customers, orders, … that there are.
    which: u8,
    /// A choice of the move's own.
    choice: u8,
    /// An amount.
    cents: u16,
}

type Move = for<'a> fn(&'a Shop<'a>, Pick) -> LocalBoxFuture<'a, Result<()>>;

macro_rules! moves {
    ($($name:ident => |$shop:ident, $pick:ident| $body:expr;)+) => {
        /// Every move, by its name.
        const MOVES: &[(&str, Move)] = &[$((stringify!($name), {
            fn make<'a>($shop: &'a Shop<'a>, $pick: Pick) -> LocalBoxFuture<'a, Result<()>> {
                Box::pin(async move { $body.await.map(drop) })
            }
            make
        })),+];
    };
}

// One line each. A thing that does not exist yet is asked for by an unknown identifier, which is a move too.
moves! {
    place => |s, p| orders::place(&s.world.app, s.actor(p), &new_order(s.customer(p), s.product));
    place_and_pay => |s, p| settlement::order_and_pay(&s.world.app, s.actor(p), &new_order(s.customer(p), s.product), Some(s.gateway.id));
    pay_from_the_balance => |s, p| async { settlement::pay_order(&s.world.app, s.actor(p), s.unpaid(p).await, None).await };
    pay_through_a_gateway => |s, p| async { settlement::pay_order(&s.world.app, s.actor(p), s.unpaid(p).await, Some(s.gateway.id)).await };
    pay_an_invoice => |s, p| async { settlement::start(&s.world.app, s.actor(p), Target::Invoice(s.payable(p).await), s.gateway.id, "").await };
    pay_an_invoice_from_the_balance => |s, p| async { settlement::pay(&s.world.app, s.actor(p), Target::Invoice(s.payable(p).await), None, "").await };
    recharge => |s, p| settlement::start(&s.world.app, s.actor(p), Target::Recharge { customer_id: None, amount: p.amount() }, s.gateway.id, "");
    confirm => |s, p| async { settlement::confirm(&s.world.app, &s.world.admin, s.payment(p).await, "", "").await };
    callback => |s, p| async { s.notice(s.payment(p).await).await };
    refund_partial => |s, p| async { settlement::refund(&s.world.app, &s.world.admin, s.payment(p).await, Some(p.amount())).await };
    refund_full => |s, p| async { settlement::refund(&s.world.app, &s.world.admin, s.payment(p).await, None).await };
    refund_order => |s, p| async { settlement::refund_order(&s.world.app, &s.world.admin, s.running(p).await).await };
    adjust => |s, p| balance::adjust(&s.world.app, &s.world.admin, s.customer(p).id, p.signed(), "A correction");
    draft => |s, p| async { invoices::create(&s.world.app, &s.world.admin, &s.draft(p)).await };
    issue => |s, p| async { invoices::issue(&s.world.app, &s.world.admin, s.unissued(p).await).await };
    move_an_order => |s, p| async { settlement::update_order(&s.world.app, &s.world.admin, s.order(p).await, &p.order_update()).await };
    move_an_invoice => |s, p| async { settlement::update_invoice(&s.world.app, &s.world.admin, s.invoice(p).await, &p.invoice_update()).await };
    delete_an_order => |s, p| async { settlement::delete_order(&s.world.app, &s.world.admin, s.order(p).await).await };
    delete_an_invoice => |s, p| async { invoices::delete(&s.world.app, &s.world.admin, s.invoice(p).await).await };
    look_for_overdue => |s, _p| invoices::mark_overdue(&s.world.app, &s.world.admin);
    open_a_ticket => |s, p| async { tickets::create(&s.world.app, s.actor(p), &ticket()).await };
    reply => |s, p| async { tickets::reply(&s.world.app, s.actor(p), &s.reply(p).await).await };
    answer => |s, p| async { tickets::reply(&s.world.app, &s.world.admin, &s.reply(p).await).await };
    move_a_ticket => |s, p| async { tickets::update(&s.world.app, &s.world.admin, s.ticket(p).await, &p.ticket_update()).await };
    switch_a_server => |s, p| async { control::switch(&s.world.app, s.actor(p), s.instance(p).await, p.power()).await };
    end_a_server => |s, p| async { settlement::terminate(&s.world.app, s.actor(p), s.instance(p).await).await };
    deliver => |s, _p| s.deliver();
}

impl Pick {
    fn amount(self) -> Money {
        Money::from_minor(i64::from(self.cents)).unwrap()
    }

    fn signed(self) -> Money {
        if self.choice.is_multiple_of(3) { self.amount().negated() } else { self.amount() }
    }

    fn power(self) -> Power {
        Power::ALL[usize::from(self.choice) % Power::ALL.len()]
    }

    fn order_update(self) -> OrderUpdate {
        let status = OrderStatus::ALL[usize::from(self.choice) % OrderStatus::ALL.len()];
        OrderUpdate { status: Some(status), provider_instance_id: Some("vm-1".to_owned()), notes: None }
    }

    fn invoice_update(self) -> InvoiceUpdate {
        let status = InvoiceStatus::ALL[usize::from(self.choice) % InvoiceStatus::ALL.len()];
        InvoiceUpdate { status: Some(status), notes: None }
    }

    fn ticket_update(self) -> TicketUpdate {
        let status = TicketStatus::ALL[usize::from(self.choice) % TicketStatus::ALL.len()];
        TicketUpdate { status: Some(status), ..TicketUpdate::default() }
    }
}

fn ticket() -> NewTicket {
    NewTicket { title: "Help".to_owned(), ..NewTicket::default() }
}

impl Shop<'_> {
    fn customer(&self, pick: Pick) -> &Customer {
        &self.customers[usize::from(pick.choice) % 2].0
    }

    /// A customer; its own right to do something is part of what is tried.
    fn actor(&self, pick: Pick) -> &Actor {
        &self.customers[usize::from(pick.choice) % 2].1
    }

    async fn one_of(&self, sql: &'static str, pick: Pick) -> Id {
        self.among(sql, [self.customers[0].0.id, self.customers[1].0.id], pick).await
    }

    /// One of the acting customer's; now and then any one at all, for a right or a state that is not there.
    async fn own(&self, sql: &'static str, pick: Pick) -> Id {
        if pick.cents.is_multiple_of(5) {
            return self.one_of(sql, pick).await;
        }
        let own = self.customer(pick).id;
        self.among(sql, [own, own], pick).await
    }

    async fn among(&self, sql: &'static str, [first, second]: [Id; 2], pick: Pick) -> Id {
        let found: Vec<Id> = self.world.db().q(sql).bind(first).bind(second).scalars().await.unwrap();
        let index = usize::from(pick.which).checked_rem(found.len());
        index.map_or_else(Id::generate, |index| found[index])
    }

    async fn order(&self, pick: Pick) -> Id {
        self.one_of("SELECT id FROM orders WHERE customer_id IN ($1, $2) ORDER BY id", pick).await
    }

    /// Mostly an order that was paid: of all orders few are.
    async fn running(&self, pick: Pick) -> Id {
        if pick.cents.is_multiple_of(4) {
            return self.order(pick).await;
        }
        let sql = "SELECT id FROM orders WHERE customer_id IN ($1, $2) AND status IN ('paid', 'active') ORDER BY id";
        self.one_of(sql, pick).await
    }

    async fn payment(&self, pick: Pick) -> Id {
        self.one_of("SELECT id FROM payments WHERE customer_id IN ($1, $2) ORDER BY id", pick).await
    }

    async fn invoice(&self, pick: Pick) -> Id {
        self.one_of("SELECT id FROM invoices WHERE customer_id IN ($1, $2) ORDER BY id", pick).await
    }

    async fn instance(&self, pick: Pick) -> Id {
        self.one_of("SELECT id FROM instances WHERE customer_id IN ($1, $2) ORDER BY id", pick).await
    }

    /// An invoice of the acting customer's that waits for money.
    async fn payable(&self, pick: Pick) -> Id {
        let sql =
            "SELECT id FROM invoices WHERE customer_id IN ($1, $2) AND status IN ('issued', 'overdue') ORDER BY id";
        self.own(sql, pick).await
    }

    async fn unissued(&self, pick: Pick) -> Id {
        self.one_of("SELECT id FROM invoices WHERE customer_id IN ($1, $2) AND status = 'draft' ORDER BY id", pick)
            .await
    }

    /// An order of the acting customer's that waits for money.
    async fn unpaid(&self, pick: Pick) -> Id {
        self.own("SELECT id FROM orders WHERE customer_id IN ($1, $2) AND status = 'pending' ORDER BY id", pick).await
    }

    async fn ticket(&self, pick: Pick) -> Id {
        self.one_of("SELECT id FROM tickets WHERE customer_id IN ($1, $2) ORDER BY id", pick).await
    }

    async fn reply(&self, pick: Pick) -> NewReply {
        NewReply {
            ticket_id: self.ticket(pick).await,
            content: "Hello".to_owned(),
            is_internal: pick.cents.is_multiple_of(5),
        }
    }

    /// The gateway says that a payment succeeded.
    async fn notice(&self, payment: Id) -> Result<Payment> {
        let payload = format!("payment_id={payment}&sign=right");
        let notice = Notice { payload: &payload, query: "" };
        let stranger = Actor::anonymous("192.0.2.9");
        settlement::handle_callback(&self.world.app, &stranger, self.gateway.id, notice).await?.payment()
    }

    fn draft(&self, pick: Pick) -> NewInvoice {
        let (unit, quantity) = (pick.amount(), u32::from(pick.choice % 4));
        let amount = unit.times(quantity).unwrap();
        NewInvoice {
            customer_id: self.customer(pick).id,
            billing_period_start: "2026-01-01".parse().unwrap(),
            billing_period_end: "2026-01-31".parse().unwrap(),
            amount,
            tax_amount: money("0.07"),
            total_amount: amount.plus(money("0.07")).unwrap(),
            due_date: "2026-02-14".parse().unwrap(),
            notes: String::new(),
            items: vec![NewItem { description: "Traffic".to_owned(), quantity, unit_price: unit, amount }],
        }
    }

    /// Lets the worker do what there is to do.
    async fn deliver(&self) -> Result<()> {
        let stop = CancellationToken::new();
        let worker = worker::start(self.world.app.clone(), stop.clone());
        self.world.until_quiet().await;
        stop.cancel();
        worker.await.unwrap();
        Ok(())
    }
}

type Steps = Vec<(usize, Pick)>;

/// How often each move was accepted: laws that are only tried on refusals prove nothing.
type Accepted = RefCell<BTreeMap<&'static str, usize>>;

async fn play(shop: &Shop<'_>, steps: Steps, accepted: &Accepted) -> Result<(), String> {
    let customers = [shop.customers[0].0.id, shop.customers[1].0.id];
    let mut before = Snapshot::take(shop.world, customers).await;
    for (index, (number, pick)) in steps.into_iter().enumerate() {
        let (name, step) = MOVES[number];
        let result = step(shop, pick).await;
        let after = Snapshot::take(shop.world, customers).await;
        let at = |problem: String| format!("step {} ({name}, {pick:?}): {problem}", index + 1);
        if let Err(error) = &result {
            if matches!(error.kind(), Kind::Internal | Kind::Unavailable | Kind::Unauthenticated) {
                return Err(at(format!("{:?}: {error}", error.kind())));
            }
            if after != before {
                return Err(at(format!("was refused ({error}), and yet changed something: {before:?} {after:?}")));
            }
        }
        if result.is_ok() {
            *accepted.borrow_mut().entry(name).or_default() += 1;
        }
        // The worker takes an order through several states in one step.
        after.follows(&before, name == "deliver").map_err(at)?;
        after.adds_up().map_err(at)?;
        if after != before {
            all_is_accounted_for(shop.world).await.map_err(at)?;
        }
        before = after;
    }
    Ok(())
}

/// The books are computed once more from the ledger.
async fn all_is_accounted_for(world: &World) -> Result<(), String> {
    let report = reconciliation::check(&world.app, &world.admin).await.map_err(|error| error.to_string())?;
    if report.clean { Ok(()) } else { Err(format!("the books differ: {:?}", report.differences)) }
}

/// How often as many cases are played again for moves that were not accepted yet.
const ROUNDS_MAX: usize = 6;

on_both! {
    async fn whatever_is_done_states_and_money_stay_right(world: World) {
        world.write_plugin("gateway-friendly.rn", include_str!("../scripts/gateway-friendly.rn"));
        let gateway = world.interface("gateway-friendly.rn", serde_json::json!({})).await;
        world.write_plugin("provider-powered.rn", include_str!("../scripts/provider-powered.rn"));
        let product = world.product(&world.interface("provider-powered.rn", serde_json::json!({})).await).await;
        let pick = (any::<u8>(), any::<u8>(), 0_u16..6000).prop_map(|(which, choice, cents)| Pick { which, choice, cents });
        // Some moves need three others before them: the more there are, the longer the sequences.
        let strategy = vec((0..MOVES.len(), pick), 1..MOVES.len() * 4);
        let count = if world.db().is_postgres() { 20 } else { 50 };
        let accepted = Accepted::default();
        let case = async |steps: Vec<(usize, Pick)>| {
            let mut customers = Vec::new();
            for _ in 0..2 {
                let customer = world.customer().await;
                let actor = actor_of(&world.customer_user(&customer).await);
                world.top_up(customer.id, "100.00").await;
                customers.push((customer, actor));
            }
            let customers = customers.try_into().unwrap_or_else(|_| panic!("there are two"));
            let shop = Shop { world: &world, product: &product, gateway: &gateway, customers };
            // Each has a server from the start: few sequences come as far as that by themselves.
            for (customer, actor) in &shop.customers {
                world.top_up(customer.id, "29.00").await;
                let order = world.order(customer, &product).await;
                settlement::pay_order(&world.app, actor, order.id, None).await.unwrap();
            }
            shop.deliver().await.unwrap();
            play(&shop, steps, &accepted).await
        };
        let never = || {
            let never = MOVES.iter().map(|(name, _)| *name).filter(|name| !accepted.borrow().contains_key(name));
            never.collect::<Vec<_>>()
        };
        // A law proves nothing about a move that chance never let through, so there are more cases until each was.
        for _ in 0..ROUNDS_MAX {
            if let Err(failure) = check(count, &strategy, case) {
                panic!("{failure}");
            }
            if never().is_empty() {
                break;
            }
        }
        assert!(never().is_empty(), "never accepted: {:?}", never());
        laws::numbers_have_no_gap(&world).await;
        world.check_ledgers().await;
    }
}
