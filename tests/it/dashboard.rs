//! The figures of the administration's first page.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rustbill::{
    core::{
        balance, dashboard,
        id::Id,
        invoices::{self, NewInvoice, NewItem},
        settlement::{self, Target},
    },
    server::grpc::protocol::rustbill::dashboard as proto,
};

use crate::{
    as_everybody, on_both,
    support::{
        database::TestDatabase,
        everybody::Everybody,
        server::{InProcess, channel},
        world::{World, clock_at, money},
    },
};
use proto::dashboard_service_client::DashboardServiceClient;

/// What no operation does yet: a refund.
async fn run(world: &World, sql: &'static str) {
    let mut tx = world.db().begin().await.unwrap();
    tx.q(sql).execute().await.unwrap();
    tx.commit().await.unwrap();
}

/// A draft, an invoice that is paid through the gateway, and one that is not paid, over 10.00 each.
async fn bill(world: &World, customer: Id, gateway: Id) {
    let today = world.app.clock.now().date();
    let item =
        NewItem { description: "Setup".to_owned(), quantity: 3, unit_price: money("3.33"), amount: money("9.99") };
    let new = NewInvoice {
        customer_id: customer,
        billing_period_start: today,
        billing_period_end: today,
        amount: money("9.99"),
        tax_amount: money("0.01"),
        total_amount: money("10.00"),
        due_date: today,
        notes: String::new(),
        items: vec![item],
    };
    invoices::create(&world.app, &world.admin, &new).await.unwrap();
    for is_paid in [true, false] {
        let invoice = invoices::create(&world.app, &world.admin, &new).await.unwrap();
        invoices::issue(&world.app, &world.admin, invoice.id).await.unwrap();
        if is_paid {
            let target = Target::Invoice(invoice.id);
            let payment = settlement::start(&world.app, &world.admin, target, gateway, "").await.unwrap();
            settlement::confirm(&world.app, &world.admin, payment.id, "2", "").await.unwrap();
        }
    }
}

async fn figures_of(database: TestDatabase) {
    let clock = clock_at("2026-02-28T23:30:00Z");
    let world = World::with_clock(database, clock.clone()).await;
    let overview = async |days| dashboard::overview(&world.app, &world.admin, days).await.unwrap();
    let empty = overview(0).await;
    assert_eq!(empty.revenue.len(), 30);
    assert_eq!(
        (empty.revenue[0].date.to_string().as_str(), empty.revenue[29].date.to_string().as_str()),
        ("2026-01-30", "2026-02-28")
    );
    assert_eq!(
        (empty.receivable, empty.revenue_this_month, empty.counts["customers"]),
        (money("0.00"), money("0.00"), 0)
    );
    assert_eq!(empty.currency, "CNY");

    let provider = world.instant_provider().await;
    let product = world.product(&provider).await;
    let customer = world.customer().await;
    // Topping up is no revenue, spending it is.
    world.top_up(customer.id, "500.00").await;
    for _ in 0..2 {
        let order = world.order(&customer, &product).await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
    }
    assert_eq!(overview(1).await.revenue_this_month, money("58.00"));
    // Forty minutes later it is another month.
    clock.advance(TimeDelta::minutes(40));
    let order = world.order(&customer, &product).await;
    settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
    world.order(&customer, &product).await;
    let gateway = world
        .interface(
            "gateway-banktransfer.rn",
            serde_json::json!({ "bank_name": "ICBC", "account_name": "Shop", "account_number": "6222" }),
        )
        .await;
    let recharge = Target::Recharge { customer_id: Some(customer.id), amount: money("70.00") };
    let paid_in = settlement::start(&world.app, &world.admin, recharge, gateway.id, "").await.unwrap();
    settlement::confirm(&world.app, &world.admin, paid_in.id, "1", "").await.unwrap();
    settlement::start(&world.app, &world.admin, recharge, gateway.id, "").await.unwrap();

    bill(&world, customer.id, gateway.id).await;

    let found = overview(2).await;
    let days: Vec<(String, String, u32)> =
        found.revenue.iter().map(|day| (day.date.to_string(), day.amount.to_string(), day.orders)).collect();
    assert_eq!(
        days,
        [("2026-02-28".to_owned(), "58.00".to_owned(), 2), ("2026-03-01".to_owned(), "39.00".to_owned(), 1)]
    );
    assert_eq!(
        (found.revenue_this_month, found.revenue_last_month, found.receivable),
        (money("39.00"), money("58.00"), money("10.00"))
    );
    let expected: BTreeMap<&str, u64> = [
        ("customers", 1),
        ("products", 1),
        ("instances", 0),
        ("orders", 4),
        ("orders_pending", 1),
        ("orders_paid", 3),
        ("orders_active", 0),
        ("invoices_issued", 1),
        ("invoices_overdue", 0),
        ("tickets_open", 0),
        ("payments_pending", 1),
        ("events_failed", 0),
    ]
    .into();
    for (name, count) in expected {
        assert_eq!(found.counts[name], count, "{name}");
    }
    assert_eq!(found.counts.len(), 18, "{:?}", found.counts);

    // What is given back lowers the day that it was paid on.
    let half = if world.db().is_postgres() {
        "UPDATE payments SET refunded_amount = 14.50 WHERE order_id IS NOT NULL"
    } else {
        "UPDATE payments SET refunded_amount = 1450 WHERE order_id IS NOT NULL"
    };
    run(&world, half).await;
    let found = overview(2).await;
    assert_eq!(
        (found.revenue[0].amount, found.revenue[0].orders, found.revenue_this_month),
        (money("29.00"), 2, money("24.50"))
    );
    run(&world, "UPDATE payments SET refunded_amount = amount, status = 'refunded' WHERE order_id IS NOT NULL").await;
    let found = overview(1000).await;
    assert_eq!(
        (found.revenue.len(), found.revenue_this_month, found.revenue_last_month),
        (366, money("10.00"), money("0.00"))
    );
    assert!(found.revenue.iter().all(|day| day.orders == 0));
    assert_eq!(balance::get(&world.app, &world.admin, Some(customer.id)).await.unwrap().balance, money("483.00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_on_sqlite() {
    figures_of(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_on_postgres() {
    figures_of(TestDatabase::postgres().await).await;
}

on_both! {
    async fn only_administrators_see_them(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let everybody = Everybody::log_in(&world, &channel).await;
        let mut client = DashboardServiceClient::new(channel);
        as_everybody!(everybody, is_kept_to_admins, client; get_overview(proto::GetOverviewRequest { days: 7 }));
        let found = client.get_overview(everybody.admin().says(proto::GetOverviewRequest { days: 7 })).await.unwrap().into_inner();
        assert_eq!((found.revenue.len(), found.counts["customers"], found.receivable.as_str()), (7, 2, "0.00"));
        assert_eq!(found.revenue[6].date, world.app.clock.now().date().to_string());
        server.stop().await;
    }
}
