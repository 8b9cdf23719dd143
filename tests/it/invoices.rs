//! Invoices: numbers without gaps, each instalment once.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use rustbill::core::{
    customers::Customer,
    id::Id,
    invoices::{self, Invoice, InvoiceFilter, InvoiceStatus, NewInvoice, NewItem},
    orders::{Order, OrderStatus},
    page::PageRequest,
    products::Product,
    settlement,
};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        world::{World, actor_of, at_once, clock_at, money},
    },
};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn draft(customer: &Customer) -> NewInvoice {
    NewInvoice {
        customer_id: customer.id,
        billing_period_start: day("2026-01-01"),
        billing_period_end: day("2026-01-31"),
        amount: money("100.00"),
        tax_amount: money("13.00"),
        total_amount: money("113.00"),
        due_date: day("2026-02-15"),
        notes: String::new(),
        items: vec![NewItem {
            description: "VPS".to_owned(),
            quantity: 4,
            unit_price: money("25.00"),
            amount: money("100.00"),
        }],
    }
}

async fn all_of(world: &World, customer: Id) -> Vec<Invoice> {
    let filter = InvoiceFilter { customer_id: Some(customer), status: None };
    let mut items = invoices::list(&world.app, &world.admin, filter, PageRequest::default()).await.unwrap().items;
    items.reverse();
    items
}

/// An order that runs since the clock's present.
async fn active_order(world: &World, customer: &Customer, product: &Product) -> Order {
    world.top_up(customer.id, "29.00").await;
    let order = world.order(customer, product).await;
    settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
    world.start_worker();
    world.until_order_is(order.id, OrderStatus::Active).await
}

on_both! {
    async fn a_draft_gets_its_number_when_it_is_issued(world: World) {
        let customer = world.customer().await;
        let made = invoices::create(&world.app, &world.admin, &draft(&customer)).await.unwrap();
        assert_eq!((made.status, made.invoice_number.as_deref()), (InvoiceStatus::Draft, None));
        // Its customer does not see what is still being written.
        let owner = actor_of(&world.customer_user(&customer).await);
        assert_eq!(invoices::get(&world.app, &owner, made.id).await.unwrap_err().code(), "not_found");
        assert_eq!(invoices::list(&world.app, &owner, InvoiceFilter::default(), PageRequest::default()).await.unwrap().total, 0);
        let issued = invoices::issue(&world.app, &world.admin, made.id).await.unwrap();
        let year = world.app.clock.now().year();
        assert_eq!(issued.invoice_number.unwrap(), format!("INV-{year}-000001"));
        let error = invoices::issue(&world.app, &world.admin, made.id).await.unwrap_err();
        assert_eq!(error.code(), "invoice.wrong_state");
        let found = invoices::get(&world.app, &world.admin, made.id).await.unwrap();
        assert!(invoices::get(&world.app, &owner, made.id).await.is_ok());
        assert_eq!((found.status, found.items.len(), found.total_amount), (InvoiceStatus::Issued, 1, money("113.00")));
    }

    async fn numbers_have_no_gaps_also_at_the_same_moment(world: World) {
        const INVOICES: usize = 24;
        let customer = world.customer().await;
        let mut drafts = Vec::new();
        for _ in 0..INVOICES {
            drafts.push(invoices::create(&world.app, &world.admin, &draft(&customer)).await.unwrap().id);
        }
        // One that took a number and failed gives it back.
        let mut tx = world.db().begin().await.unwrap();
        let year = i64::from(world.app.clock.now().year());
        tx.q("INSERT INTO invoice_counters (year, last_number) VALUES ($1, 1)").bind(year).execute().await.unwrap();
        drop(tx);
        let issued = at_once(INVOICES, |index| {
            let (app, admin, id) = (world.app.clone(), world.admin.clone(), drafts[index]);
            async move { invoices::issue(&app, &admin, id).await.unwrap().invoice_number.unwrap() }
        })
        .await;
        let year = world.app.clock.now().year();
        let expected: BTreeSet<String> = (1..=INVOICES).map(|number| format!("INV-{year}-{number:06}")).collect();
        assert_eq!(issued.into_iter().collect::<BTreeSet<_>>(), expected);
    }

    async fn an_invoice_over_nothing_is_paid_when_it_is_issued(world: World) {
        let customer = world.customer().await;
        let free = NewInvoice {
            amount: money("0.00"),
            tax_amount: money("0.00"),
            total_amount: money("0.00"),
            items: vec![NewItem { description: "Gift".to_owned(), quantity: 1, unit_price: money("0.00"), amount: money("0.00") }],
            ..draft(&customer)
        };
        let made = invoices::create(&world.app, &world.admin, &free).await.unwrap();
        let issued = invoices::issue(&world.app, &world.admin, made.id).await.unwrap();
        assert_eq!((issued.status, issued.paid_at.is_some()), (InvoiceStatus::Paid, true));
    }

    async fn amounts_that_do_not_add_up_are_refused(world: World) {
        let customer = world.customer().await;
        let good = draft(&customer);
        let line = |quantity: u32, unit: &str, amount: &str| {
            vec![NewItem { description: "x".to_owned(), quantity, unit_price: money(unit), amount: money(amount) }]
        };
        for (bad, code) in [
            (NewInvoice { total_amount: money("112.99"), ..good.clone() }, "invoice.sum"),
            (NewInvoice { amount: money("99.00"), total_amount: money("112.00"), ..good.clone() }, "invoice.sum"),
            (NewInvoice { items: line(3, "33.33", "100.00"), ..good.clone() }, "invoice.sum"),
            (NewInvoice { items: line(0, "100.00", "0.00"), ..good.clone() }, "invoice.items"),
            (NewInvoice { items: Vec::new(), ..good.clone() }, "invoice.items"),
            (NewInvoice { billing_period_start: day("2026-02-01"), ..good.clone() }, "invoice.period"),
            (NewInvoice { tax_amount: money("-13.00"), total_amount: money("87.00"), ..good.clone() }, "invoice.sum"),
            (NewInvoice { customer_id: Id::generate(), ..good.clone() }, "not_found"),
        ] {
            assert_eq!(invoices::create(&world.app, &world.admin, &bad).await.unwrap_err().code(), code, "{bad:?}");
        }
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM invoices").await, 0);
    }

    async fn a_period_is_billed_once_whoever_asks(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let customer = world.customer().await;
        let order = active_order(&world, &customer, &product).await;
        let today = order.activated_at.unwrap().date();
        let counts = at_once(8, |_| {
            let (app, admin) = (world.app.clone(), world.admin.clone());
            async move { invoices::generate(&app, &admin, today, today).await.unwrap() }
        })
        .await;
        assert_eq!(counts.iter().sum::<u32>(), 1);
        assert_eq!(invoices::generate(&world.app, &world.admin, today, today).await.unwrap(), 0);
        let made = all_of(&world, customer.id).await.remove(0);
        // The first instalment was paid with the order.
        assert_eq!((made.status, made.paid_amount, made.total_amount), (InvoiceStatus::Paid, money("29.00"), money("29.00")));
        assert_eq!((made.items[0].order_id, made.items[0].instalment), (Some(order.id), Some(1)));
    }
}

async fn a_year_of_an_order(database: TestDatabase) {
    let clock = clock_at("2026-01-31T10:00:00Z");
    let world = World::with_clock(database, clock.clone()).await;
    let product = world.product(&world.instant_provider().await).await;
    let customer = world.customer().await;
    active_order(&world, &customer, &product).await;
    let generate = async |start: &str, end: &str| {
        invoices::generate(&world.app, &world.admin, day(start), day(end)).await.unwrap()
    };
    assert_eq!(generate("2026-01-01", "2026-01-30").await, 0, "it begins on the 31st");
    assert_eq!(generate("2026-01-01", "2026-02-27").await, 1, "the first instalment");
    assert_eq!(generate("2026-01-01", "2026-02-28").await, 1, "the second; the first was billed");
    assert_eq!(generate("2026-01-01", "2026-02-28").await, 0);
    assert_eq!(generate("2026-03-01", "2026-04-30").await, 1, "two instalments on one invoice");
    let found = all_of(&world, customer.id).await;
    let summary: Vec<_> = found
        .iter()
        .map(|invoice| (invoice.status, invoice.total_amount.to_string(), invoice.paid_amount.to_string()))
        .collect();
    assert_eq!(
        summary,
        [
            (InvoiceStatus::Paid, "29.00".to_owned(), "29.00".to_owned()),
            (InvoiceStatus::Issued, "29.00".to_owned(), "0.00".to_owned()),
            (InvoiceStatus::Issued, "58.00".to_owned(), "0.00".to_owned()),
        ]
    );
    let lines: Vec<&str> = found[2].items.iter().map(|item| item.description.as_str()).collect();
    assert_eq!(lines, ["VPS (monthly), 2026-03-31 to 2026-04-29", "VPS (monthly), 2026-04-30 to 2026-05-30"]);
    let error = invoices::generate(&world.app, &world.admin, day("2026-02-02"), day("2026-02-01")).await.unwrap_err();
    assert_eq!(error.code(), "invoice.period");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_sqlite() {
    a_year_of_an_order(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_postgres() {
    a_year_of_an_order(TestDatabase::postgres().await).await;
}
