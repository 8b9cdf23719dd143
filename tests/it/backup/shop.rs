//! A shop with everything in it, and what its database holds.

use std::{collections::BTreeMap, path::Path};

use rustbill::core::{
    actor::Actor,
    app::App,
    backup::{self, Made, Restored, Wish},
    customers::Customer,
    database::{Content, Location, Session},
    error::Result,
    identity::User,
    invoices,
    orders::OrderStatus,
    products::Product,
    settlement, tickets,
    time::{Clock, Timestamp},
};

use crate::support::{
    database::TestDatabase,
    world::{PROGRAM, World, money, settings},
};

/// What happened in the shop.
pub(super) struct Shop {
    pub(super) customer: Customer,
    pub(super) user: User,
    pub(super) product: Product,
}

/// Texts that have gone wrong somewhere before.
pub(super) const NASTY: &str = "漢字 「引用」 \"double\" 'single' `tick` \\ back \u{1}\u{8}\u{1b}\u{7f} \t\r\n ☃ 𝕏 \u{feff}\u{fffd} \\. NULL {a,b}";

impl Shop {
    /// Sells a server, bills it, and leaves values that are hard to keep.
    pub(super) async fn open(world: &World) -> Self {
        let provider = world.instant_provider().await;
        let product = world.product(&provider).await;
        let customer = world.customer().await;
        let user = world.customer_user(&customer).await;
        world.top_up(customer.id, "100.00").await;
        world.top_up(customer.id, "-3.07").await;
        world.start_worker();
        let order = world.order(&customer, &product).await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        world.until_order_is(order.id, OrderStatus::Active).await;
        world.until_quiet().await;
        world.stop_worker().await;
        let ticket = tickets::NewTicket {
            customer_id: Some(customer.id),
            title: "漢字".to_owned(),
            description: "It's \"broken\"".to_owned(),
            priority: None,
        };
        tickets::create(&world.app, &world.admin, &ticket).await.unwrap();
        let day = |text: &str| text.parse().unwrap();
        let invoice = invoices::NewInvoice {
            customer_id: customer.id,
            billing_period_start: day("2026-01-01"),
            billing_period_end: day("2026-01-31"),
            amount: money("0.21"),
            tax_amount: money("0.00"),
            total_amount: money("0.21"),
            due_date: day("2026-02-15"),
            notes: String::new(),
            items: vec![invoices::NewItem {
                description: "三台".to_owned(),
                quantity: 3,
                unit_price: money("0.07"),
                amount: money("0.21"),
            }],
        };
        let invoice = invoices::create(&world.app, &world.admin, &invoice).await.unwrap();
        invoices::issue(&world.app, &world.admin, invoice.id).await.unwrap();
        nasty(world, &customer).await;
        Self { customer, user, product }
    }
}

/// Values at the ends of what a column takes.
async fn nasty(world: &World, customer: &Customer) {
    let mut tx = world.db().begin().await.unwrap();
    let at = Timestamp::new("1999-12-31T23:59:59.999999Z".parse().unwrap());
    tx.q("UPDATE customers SET notes = $1, company = '', created_at = $2 WHERE id = $3")
        .bind(NASTY.to_owned())
        .bind(at)
        .bind(customer.id)
        .execute_one()
        .await
        .unwrap();
    tx.q("UPDATE products SET price = $1, cost_price = $2")
        .bind(money("9999999999.99"))
        .bind(money("0.01"))
        .execute()
        .await
        .unwrap();
    let json =
        "'[{\"z\":12345678901234567890123,\"a\":1.50e-7,\"neg\":-0.10,\"t\":\"\\u0041é 漢\",\"n\":null,\"o\":{}}]'";
    let set: &'static str = Box::leak(format!("UPDATE instances SET detail_sections = {json}").into_boxed_str());
    tx.q(set).execute().await.unwrap();
    tx.q("INSERT INTO idempotency_keys (scope, key_hash, id, request_hash, applied, lease_until, answer, created_at, expires_at) \
          VALUES ('s', 'h', $1, 'r', TRUE, $2, $3, $2, $2)")
        .bind(rustbill::core::id::Id::generate())
        .bind(at)
        .bind(vec![0_u8, 255, 10, 39])
        .execute_one()
        .await
        .unwrap();
    // A second one without an answer, and a key that other languages sort elsewhere.
    tx.q("INSERT INTO idempotency_keys (scope, key_hash, id, request_hash, applied, lease_until, created_at, expires_at) \
          VALUES ('Ä', 'h', $1, 'r', FALSE, $2, $2, $2), ('a', 'h', $3, 'r', FALSE, $2, $2, $2), ('Z', 'h', $4, 'r', FALSE, $2, $2, $2)")
        .bind(rustbill::core::id::Id::generate())
        .bind(at)
        .bind(rustbill::core::id::Id::generate())
        .bind(rustbill::core::id::Id::generate())
        .execute()
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Makes the database large: this many rows of 100 kB that no two compress into one.
pub(super) async fn fill(world: &World, rows: u64) {
    let provider = world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_interfaces").await;
    assert!(provider > 0, "an interface to keep them");
    let interface: rustbill::core::id::Id =
        world.db().q("SELECT id FROM plugin_interfaces LIMIT 1").scalar().await.unwrap();
    let mut tx = world.db().begin().await.unwrap();
    for index in 0..rows {
        let mut state = index + 1;
        let text: String = (0..100_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b' ' + u8::try_from(state >> 58).unwrap())
            })
            .collect();
        tx.q("INSERT INTO plugin_state (interface_id, key, value, updated_at) VALUES ($1, $2, $3, $4)")
            .bind(interface)
            .bind(format!("k{index}"))
            .bind(text)
            .bind(world.app.clock.now())
            .execute_one()
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

pub(super) fn location(database: &TestDatabase) -> Location {
    Location::parse(&database.url).unwrap()
}

/// A database of the same kind with nothing in it.
pub(super) async fn elsewhere(world: &World, name: &str) -> TestDatabase {
    if world.db().is_postgres() { TestDatabase::empty_postgres(name).await } else { TestDatabase::sqlite() }
}

/// One of the other kind.
pub(super) async fn other_kind(world: &World, name: &str) -> TestDatabase {
    if world.db().is_postgres() { TestDatabase::sqlite() } else { TestDatabase::empty_postgres(name).await }
}

/// Every table with what it holds.
pub(super) async fn contents(database: &TestDatabase) -> BTreeMap<String, Content> {
    let mut session = Session::open(&location(database)).await.unwrap();
    let mut found = BTreeMap::new();
    for table in session.tables().await.unwrap() {
        found.insert(table.name.clone(), session.content(&table).await.unwrap());
    }
    session.close().await.unwrap();
    found
}

/// The same without what says of itself that it differs.
pub(super) fn without(mut found: BTreeMap<String, Content>, tables: &[&str]) -> BTreeMap<String, Content> {
    found.retain(|name, _| !tables.contains(&name.as_str()));
    found
}

pub(super) async fn save(world: &World, path: &Path) -> Result<Made> {
    let wish = Wish { path: Some(path.to_owned()), ..Wish::default() };
    backup::make(&Actor::local(), world.db().location(), world.app.clock.now(), &wish, &|_| ()).await
}

pub(super) async fn restore(file: &Path, database: &TestDatabase, force: bool) -> Result<Restored> {
    let at = Clock::system().now();
    backup::restore(&Actor::local(), &location(database), at, file, force, None, &|_| ()).await
}

/// The shop's program on another database.
pub(super) async fn reopen(database: &TestDatabase) -> App {
    App::open_with_program(settings(database), Clock::system(), PROGRAM.into()).await.unwrap()
}
