//! The double-entry ledger: what is posted, that it stays, what older installations get, and the check of it.

mod differences;
mod shop;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rustbill::core::{
    actor::Actor,
    app::App,
    audit::{self, LogFilter},
    error::Kind,
    id::Id,
    ledger::{self, Account, Posting},
    money::Money,
    page::PageRequest,
    reconciliation::{self, Code},
};

use self::shop::checked;
use crate::{
    on_both,
    support::{
        cli::{command, text},
        database::TestDatabase,
        world::{PROGRAM, World, actor_of, at_once, clock_at, money, settings, settings_file},
    },
};

#[derive(sqlx::FromRow)]
struct Pair {
    kind: String,
    negative: String,
    positive: String,
}

/// Kinds, with the accounts that get less and those that get more.
async fn postings(world: &World) -> BTreeSet<(String, String, String)> {
    let sql = "SELECT DISTINCT t.kind, less.account AS negative, more.account AS positive FROM ledger_transactions AS t \
               JOIN ledger_entries AS less ON less.transaction_id = t.id AND less.amount < 0 \
               JOIN ledger_entries AS more ON more.transaction_id = t.id AND more.amount > 0";
    let found: Vec<Pair> = world.db().q(sql).all().await.unwrap();
    found.into_iter().map(|pair| (pair.kind, pair.negative, pair.positive)).collect()
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Sum {
    customer_id: Id,
    account: String,
    gateway_interface_id: Option<Id>,
    payment_id: Option<Id>,
    amount: Money,
}

/// What each account holds of each customer for each payment.
async fn sums(world: &World) -> Vec<Sum> {
    let sql = "SELECT e.customer_id, e.account, e.gateway_interface_id, t.payment_id, SUM(e.amount) AS amount FROM ledger_entries AS e \
               JOIN ledger_transactions AS t ON t.id = e.transaction_id AND t.customer_id = e.customer_id \
               GROUP BY e.customer_id, e.account, e.gateway_interface_id, t.payment_id";
    let mut found: Vec<Sum> = world.db().q(sql).all().await.unwrap();
    found.sort_by_key(|sum| (sum.customer_id, sum.account.clone(), sum.gateway_interface_id, sum.payment_id));
    found
}

/// Takes the ledger away as if its migration had not run.
async fn forget_the_ledger(world: &World) {
    let mut tx = world.db().begin().await.unwrap();
    for table in ["DROP TABLE ledger_entries", "DROP TABLE ledger_transactions", "DROP TABLE ledger_checks"] {
        tx.q(table).execute().await.unwrap();
    }
    if world.db().is_postgres() {
        tx.q("DROP FUNCTION ledger_is_append_only").execute().await.unwrap();
    }
    tx.q("DELETE FROM _sqlx_migrations WHERE version = 24").execute().await.unwrap();
    tx.commit().await.unwrap();
}

on_both! {
    async fn every_movement_is_posted_as_the_rules_say(world: World) {
        let books = shop::play(&world).await;
        let report = checked(&world).await;
        assert_eq!(report.differences, []);
        assert!(report.clean && report.checked.transactions > 20 && report.checked.movements > 5, "{report:?}");
        let expected = [
            ("top_up", "gateway", "wallet"),
            ("adjustment", "adjustments", "wallet"),
            ("adjustment", "wallet", "adjustments"),
            ("order_paid", "wallet", "revenue"),
            ("order_paid", "gateway", "revenue"),
            ("order_paid", "by_hand", "revenue"),
            ("invoice_issued", "receivable", "revenue"),
            ("invoice_paid", "wallet", "receivable"),
            ("invoice_paid", "gateway", "receivable"),
            ("invoice_paid", "by_hand", "receivable"),
            ("invoice_cancelled", "revenue", "receivable"),
            ("refund", "refunds", "wallet"),
            ("refund", "refunds", "gateway"),
            ("refund", "reserved", "gateway"),
            ("refund_reserved", "wallet", "reserved"),
            ("refund_released", "reserved", "wallet"),
        ];
        let expected = expected.map(|(kind, from, to)| (kind.to_owned(), from.to_owned(), to.to_owned()));
        assert_eq!(postings(&world).await, BTreeSet::from(expected));

        let of = |sums: &[Sum], account: &str| {
            let own = sums.iter().filter(|sum| sum.customer_id == books.customer.id && sum.account == account);
            Money::sum(own.map(|sum| sum.amount)).unwrap().to_string()
        };
        let sums = sums(&world).await;
        assert_eq!(of(&sums, "wallet"), world.balance(books.customer.id).await);
        // Open: 113.00, and 113.00 that are late, and the second instalment of 29.00.
        assert_eq!(of(&sums, "receivable"), "-255.00");
        // Five orders at 29.00; six invoices at 113.00, of which one was cancelled; the second instalment.
        assert_eq!(of(&sums, "revenue"), "739.00");
        // 10.00, 29.00, 29.00 and 13.00.
        assert_eq!(of(&sums, "refunds"), "-81.00");
        assert_eq!(of(&sums, "by_hand"), "-142.00");
        assert_eq!(of(&sums, "reserved"), "20.00");
        assert_eq!(of(&sums, "adjustments"), "-497.00");
        // Two orders, a late payment, a top-up and an invoice, less what went back: 10.00, 7.00 and 13.00.
        assert_eq!(of(&sums, "gateway"), "-220.00");
    }

    async fn rows_of_the_ledger_stay(world: World) {
        let customer = world.customer().await;
        world.top_up(customer.id, "5.00").await;
        for sql in [
            "UPDATE ledger_entries SET amount = amount",
            "DELETE FROM ledger_entries",
            "UPDATE ledger_transactions SET kind = 'opening'",
            "DELETE FROM ledger_transactions",
        ] {
            let mut tx = world.db().begin().await.unwrap();
            let error = tx.q(sql).execute().await.unwrap_err();
            assert!(error.to_string().contains("the ledger is append-only"), "{sql}: {error}");
        }
        assert!(checked(&world).await.clean);
    }

    async fn what_is_rolled_back_is_not_posted(world: World) {
        let customer = world.customer().await;
        let mut tx = world.db().begin().await.unwrap();
        let posting = Posting::transfer(customer.id, ledger::Kind::Adjustment, Account::Adjustments, Account::Wallet, money("5.00"));
        ledger::post(&mut tx, world.app.clock.now(), &posting).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM ledger_entries").await, 0);
    }

    async fn an_older_installation_gets_its_history(world: World) {
        shop::play(&world).await;
        let before = sums(&world).await;
        let cancelled = |sum: &Sum| sum.payment_id.is_none() && sum.account == "revenue";
        forget_the_ledger(&world).await;
        world.db().migrate().await.unwrap();
        let report = checked(&world).await;
        assert_eq!(report.differences, []);
        assert!(report.checked.transactions > 20, "{report:?}");
        let after = sums(&world).await;
        let parts = |sums: &[Sum]| sums.iter().map(|sum| format!("{sum:?}")).collect::<Vec<_>>();
        assert_eq!(parts(&after), parts(&before));
        assert!(after.iter().any(cancelled), "invoices were posted");
        // It goes on from there.
        let customer = world.customer().await;
        world.top_up(customer.id, "5.00").await;
        assert!(checked(&world).await.clean);
    }

    async fn what_the_history_does_not_tell_is_an_opening(world: World) {
        let books = shop::play(&world).await;
        let mut tx = world.db().begin().await.unwrap();
        let sql = "UPDATE balance_transactions SET reference_id = 'a note' WHERE transaction_type <> 'refund'";
        assert!(tx.q(sql).execute().await.unwrap() > 4);
        tx.commit().await.unwrap();
        forget_the_ledger(&world).await;
        world.db().migrate().await.unwrap();
        let openings = postings(&world).await.into_iter().filter(|(kind, ..)| kind == "opening");
        let pairs: Vec<(String, String)> = openings.map(|(_, from, to)| (from, to)).collect();
        for (from, to) in [("opening", "revenue"), ("opening", "wallet"), ("wallet", "opening")] {
            assert!(pairs.contains(&(from.to_owned(), to.to_owned())), "{from} {to}: {pairs:?}");
        }
        let report = checked(&world).await;
        // Top-ups whose movement tells nothing can't be told from money that is missing; all else is right.
        let codes: BTreeSet<Code> = report.differences.iter().map(|difference| difference.code).collect();
        let of_top_ups = [Code::PaymentMoney, Code::PaymentUse, Code::PaymentReserved, Code::GatewayClearing];
        assert!(codes.iter().all(|code| of_top_ups.contains(code)), "{report:?}");
        assert!(report.differences.iter().all(|difference| difference.payment_id != Some(books.from_balance.id)));
    }

    async fn only_administrators_check(world: World) {
        let user = world.customer_user(&world.customer().await).await;
        let error = reconciliation::check(&world.app, &actor_of(&user)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::PermissionDenied);
        let error = reconciliation::check(&world.app, &Actor::anonymous("192.0.2.1")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthenticated);
    }

    async fn a_check_under_way_sees_one_moment_and_keeps_nobody_waiting(world: World) {
        let customer = world.customer().await;
        world.top_up(customer.id, "5.00").await;
        let mut snapshot = world.db().snapshot().await.unwrap();
        let sum = "SELECT balance FROM customers ORDER BY balance DESC LIMIT 1";
        assert_eq!(snapshot.q(sum).scalar::<Money>().await.unwrap(), money("5.00"));
        world.top_up(customer.id, "2.00").await;
        assert_eq!(snapshot.q(sum).scalar::<Money>().await.unwrap(), money("5.00"));
        assert!(snapshot.q("DELETE FROM customers").execute().await.is_err(), "it only reads");
        drop(snapshot);
        assert_eq!(world.balance(customer.id).await, "7.00");
    }

    async fn the_program_checks_and_says_so(world: World) {
        let customer = world.customer().await;
        world.top_up(customer.id, "5.00").await;
        let home = world.database.directory.path();
        let config = settings_file(&world.database, home);
        let run = |more: &[&str]| {
            let args = [&["db", "check", "--config", config.to_str().unwrap()], more].concat();
            command(home, &args).output().unwrap()
        };
        let output = run(&[]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert_eq!(said, "the books are right: 1 transactions, 1 customers, 0 orders, 0 payments, 0 invoices\n");

        let mut tx = world.db().begin().await.unwrap();
        tx.q("UPDATE customers SET balance = balance + $2 WHERE id = $1").bind(customer.id).bind(money("1.00")).execute_one().await.unwrap();
        tx.commit().await.unwrap();
        let output = run(&["--output", "json"]);
        assert_eq!(output.status.code(), Some(1));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["clean"], &report["differences_total"]), (&false.into(), &1.into()));
        let difference = &report["differences"][0];
        assert_eq!(difference["code"], "wallet.balance");
        assert_eq!(difference["customer_id"], customer.id.to_string());
        assert_eq!((&difference["expected"], &difference["found"]), (&"5.00".into(), &"6.00".into()));
        let stderr = text(&output.stderr);
        assert!(stderr.contains("error: 1 difference was found in the books") && stderr.contains("hint: "), "{stderr}");
        let table = text(&run(&[]).stdout);
        assert!(table.contains("wallet.balance") && table.contains(&customer.id.to_string()), "{table}");
        assert!(!table.contains(&customer.email) && !stderr.contains(&customer.email));
    }
}

async fn nightly(database: TestDatabase) {
    const SERVERS: usize = 4;
    let clock = clock_at("2026-03-01T02:59:59Z");
    let world = World::with_clock(database, clock.clone()).await;
    let customer = world.customer().await;
    world.top_up(customer.id, "5.00").await;
    assert!(reconciliation::run_if_due(&world.app).await.unwrap().is_none(), "it is too early");
    clock.advance(TimeDelta::seconds(1));

    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        servers.push(App::open_with_program(settings(&world.database), clock.clone(), PROGRAM.into()).await.unwrap());
    }
    let ran = at_once(SERVERS, |index| {
        let app = servers[index].clone();
        async move { reconciliation::run_if_due(&app).await.unwrap() }
    })
    .await;
    let reports: Vec<_> = ran.into_iter().flatten().collect();
    assert_eq!(reports.len(), 1, "one of the servers runs it");
    assert!(reports[0].clean);
    let filter = LogFilter { action: Some("ledger.differ".to_owned()), ..LogFilter::default() };
    let entries = async || audit::list(&world.app, &world.admin, &filter, PageRequest::default()).await.unwrap().items;
    assert!(entries().await.is_empty());

    let mut tx = world.db().begin().await.unwrap();
    let sql = "UPDATE customers SET balance = balance + $2 WHERE id = $1";
    tx.q(sql).bind(customer.id).bind(money("1.00")).execute_one().await.unwrap();
    tx.commit().await.unwrap();
    assert!(reconciliation::run_if_due(&world.app).await.unwrap().is_none(), "it ran today");
    clock.advance(TimeDelta::days(1));
    let report = reconciliation::run_if_due(&world.app).await.unwrap().unwrap();
    assert_eq!(report.differences[0].code, Code::WalletBalance);
    let entry = &entries().await[0];
    assert_eq!(entry.detail.0["differences"], 1);
    assert_eq!(entry.detail.0["first"][0]["customer_id"], customer.id.to_string());
    assert_eq!(entry.detail.0["day"], "2026-03-02");

    // A server that died at it: after a while another one begins again.
    clock.advance(TimeDelta::days(1));
    let mut tx = world.db().begin().await.unwrap();
    let sql = "INSERT INTO ledger_checks (day, started_at) VALUES ($1, $2)";
    let now = clock.now();
    tx.q(sql).bind(now.date()).bind(now).execute_one().await.unwrap();
    tx.commit().await.unwrap();
    clock.advance(TimeDelta::hours(1));
    assert!(reconciliation::run_if_due(&world.app).await.unwrap().is_none());
    clock.advance(TimeDelta::hours(1));
    assert!(reconciliation::run_if_due(&world.app).await.unwrap().is_some());
    let ended = "SELECT CAST(COUNT(*) AS BIGINT) FROM ledger_checks WHERE finished_at IS NOT NULL";
    assert_eq!(world.count(ended).await, 3);
    for server in servers {
        server.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nightly_on_sqlite() {
    nightly(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nightly_on_postgres() {
    nightly(TestDatabase::postgres().await).await;
}

/// More than fits into a page, of several customers.
async fn pages(world: World) {
    const CUSTOMERS: usize = 3;
    const EACH: usize = 251;
    let mut expected = BTreeMap::new();
    for _ in 0..CUSTOMERS {
        let customer = world.customer().await.id;
        for _ in 0..EACH {
            world.top_up(customer, "0.01").await;
        }
        expected.insert(customer, "2.51".to_owned());
    }
    let report = checked(&world).await;
    assert_eq!(report.differences, []);
    assert_eq!(report.checked.movements, u64::try_from(CUSTOMERS * EACH).unwrap());
    let last = std::sync::Mutex::new(None);
    let progress = |at| *last.lock().unwrap() = Some(at);
    reconciliation::check_with_progress(&world.app, &world.admin, &progress).await.unwrap();
    let at = last.into_inner().unwrap().unwrap();
    assert_eq!(at.done, at.total, "everything was counted");
    for (customer, balance) in expected {
        assert_eq!(world.balance(customer).await, balance);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_take_many_pages() {
    pages(World::on(TestDatabase::sqlite()).await).await;
}
