//! Whatever is changed past the program is named by the check.

use std::collections::BTreeSet;

use rustbill::core::{
    id::Id,
    money::Money,
    reconciliation::{Code, Difference},
};

use super::shop::{self, Books, checked};
use crate::{
    on_both,
    support::{
        database::TestDatabase,
        world::{World, money},
    },
};

/// Takes away what would keep a database from being wrong.
async fn loosen(world: &World) {
    const POSTGRES: [&str; 4] = [
        "ALTER TABLE ledger_entries DISABLE TRIGGER USER",
        "ALTER TABLE ledger_transactions DISABLE TRIGGER USER",
        "DO $$ DECLARE found record; BEGIN FOR found IN SELECT CAST(conrelid AS regclass) AS place, conname FROM pg_constraint \
         WHERE contype = 'c' AND connamespace = CAST('public' AS regnamespace) LOOP \
         EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.place, found.conname); END LOOP; END $$",
        "DROP INDEX payments_order_paid",
    ];
    const SQLITE: [&str; 6] = [
        "DROP TRIGGER ledger_entries_no_update",
        "DROP TRIGGER ledger_entries_no_delete",
        "DROP TRIGGER ledger_transactions_no_update",
        "DROP TRIGGER ledger_transactions_no_delete",
        "DROP INDEX payments_order_paid",
        "PRAGMA ignore_check_constraints = ON",
    ];
    let mut tx = world.db().begin().await.unwrap();
    let statements = if world.db().is_postgres() { &POSTGRES[..] } else { &SQLITE[..] };
    for sql in statements {
        tx.q(sql).execute().await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Changes one row by an amount.
async fn change(world: &World, sql: &'static str, id: Id, by: Money) {
    let mut tx = world.db().begin().await.unwrap();
    tx.q(sql).bind(id).bind(by).execute_one().await.unwrap();
    tx.commit().await.unwrap();
}

/// Changes one row to something else.
async fn set(world: &World, sql: &'static str, id: Id, to: Id) {
    let mut tx = world.db().begin().await.unwrap();
    tx.q(sql).bind(id).bind(to).execute_one().await.unwrap();
    tx.commit().await.unwrap();
}

async fn run(world: &World, sql: &'static str, id: Id) {
    let mut tx = world.db().begin().await.unwrap();
    tx.q(sql).bind(id).execute_one().await.unwrap();
    tx.commit().await.unwrap();
}

/// Every code that a case made the check say, so that none is left out.
type Named = BTreeSet<Code>;

/// The check names exactly these codes, and the difference of the first of them.
async fn differs(world: &World, named: &mut Named, codes: &[Code]) -> Difference {
    let report = checked(world).await;
    let found: BTreeSet<Code> = report.differences.iter().map(|difference| difference.code).collect();
    assert_eq!(found, codes.iter().copied().collect(), "{report:#?}");
    assert!(!report.clean && report.differences_total == report.differences.len() as u64);
    named.extend(found);
    report.differences.into_iter().find(|difference| difference.code == codes[0]).unwrap()
}

/// Changes an amount by 5.00, looks what the check says, and takes it back.
async fn off(world: &World, named: &mut Named, sql: &'static str, id: Id, codes: &[Code]) -> Difference {
    change(world, sql, id, money("5.00")).await;
    let difference = differs(world, named, codes).await;
    change(world, sql, id, money("-5.00")).await;
    difference
}

fn amounts(difference: &Difference) -> (&str, &str) {
    (&difference.expected, &difference.found)
}

async fn wallets(world: &World, books: &Books, named: &mut Named) {
    let customer = books.customer.id;
    let balance = "UPDATE customers SET balance = balance + $2 WHERE id = $1";
    let found = off(world, named, balance, customer, &[Code::WalletBalance]).await;
    let right = world.balance(customer).await;
    assert_eq!((found.customer_id, found.expected.as_str()), (Some(customer), right.as_str()));

    let first = "SELECT id FROM balance_transactions WHERE customer_id = $1 ORDER BY created_at, id LIMIT 1";
    let row = world.db().q(first).bind(customer).scalar::<Id>().await.unwrap();
    let amount = "UPDATE balance_transactions SET amount = amount + $2 WHERE id = $1";
    let codes = [Code::MovementSum, Code::MovementEntry, Code::WalletMovements];
    let found = off(world, named, amount, row, &codes).await;
    assert_eq!((found.row_id, amounts(&found)), (Some(row), ("505.00", "500.00")));
    let both = "UPDATE balance_transactions SET balance_before = balance_before + $2, balance_after = balance_after + $2 WHERE id = $1";
    let found = off(world, named, both, row, &[Code::WalletChain]).await;
    assert_eq!(found.customer_id, Some(customer));
}

async fn entries(world: &World, books: &Books, named: &mut Named) {
    let payment = &books.through_gateway;
    let revenue = "UPDATE ledger_entries SET amount = amount + $2 WHERE account = 'revenue' AND transaction_id = \
                   (SELECT id FROM ledger_transactions WHERE payment_id = $1 AND kind = 'order_paid')";
    let codes = [Code::LedgerUnbalanced, Code::OrderMoney, Code::PaymentUse];
    let found = off(world, named, revenue, payment.id, &codes).await;
    assert_eq!(
        (found.payment_id, found.order_id, amounts(&found)),
        (Some(payment.id), payment.order_id, ("0.00", "5.00"))
    );

    let source = "UPDATE ledger_entries SET amount = amount + $2 WHERE account = 'gateway' AND transaction_id = \
                  (SELECT id FROM ledger_transactions WHERE payment_id = $1 AND kind = 'order_paid')";
    let codes = [Code::PaymentMoney, Code::GatewayClearing, Code::LedgerUnbalanced];
    let found = off(world, named, source, payment.id, &codes).await;
    assert_eq!((found.payment_id, amounts(&found)), (Some(payment.id), ("29.00", "24.00")));

    let elsewhere = "UPDATE ledger_entries SET gateway_interface_id = $2 WHERE account = 'gateway' AND transaction_id = \
                     (SELECT id FROM ledger_transactions WHERE payment_id = $1 AND kind = 'order_paid')";
    set(world, elsewhere, payment.id, books.other_gateway.id).await;
    let found = differs(world, named, &[Code::GatewayClearing]).await;
    assert_eq!((found.payment_id, amounts(&found)), (Some(payment.id), ("19.00", "-10.00")));
    set(world, elsewhere, payment.id, books.gateway.id).await;
}

async fn payments(world: &World, books: &Books, named: &mut Named) {
    let payment = books.through_gateway.id;
    let refunded = "UPDATE payments SET refunded_amount = refunded_amount + $2 WHERE id = $1";
    let codes = [Code::PaymentRefunded, Code::GatewayClearing];
    let found = off(world, named, refunded, payment, &codes).await;
    assert_eq!((found.payment_id, amounts(&found)), (Some(payment), ("15.00", "10.00")));

    change(world, refunded, payment, money("25.00")).await;
    let codes = [Code::PaymentOverRefunded, Code::PaymentRefunded, Code::GatewayClearing];
    let found = differs(world, named, &codes).await;
    assert_eq!((found.payment_id, amounts(&found)), (Some(payment), ("at most 29.00", "35.00")));
    change(world, refunded, payment, money("-25.00")).await;

    let way = "UPDATE payment_refunds SET amount = amount + $2 WHERE payment_id = $1 AND status = 'pending'";
    let found = off(world, named, way, books.on_its_way.id, &[Code::PaymentReserved]).await;
    assert_eq!((found.payment_id, amounts(&found)), (Some(books.on_its_way.id), ("25.00", "20.00")));
}

async fn orders(world: &World, books: &Books, named: &mut Named) {
    run(world, "UPDATE orders SET status = 'paid' WHERE id = $1", books.unpaid_order).await;
    let found = differs(world, named, &[Code::OrderMoney]).await;
    assert_eq!((found.order_id, amounts(&found)), (Some(books.unpaid_order), ("29.00", "0.00")));
    run(world, "UPDATE orders SET status = 'pending' WHERE id = $1", books.unpaid_order).await;

    let order = books.from_balance.order_id.unwrap();
    let other = books.through_gateway.order_id.unwrap();
    let sql = "UPDATE payments SET order_id = $2 WHERE id = $1";
    set(world, sql, books.through_gateway.id, order).await;
    let found = differs(world, named, &[Code::OrderPaidTwice]).await;
    assert_eq!((found.order_id, amounts(&found)), (Some(order), ("1", "2")));
    set(world, sql, books.through_gateway.id, other).await;

    let refunded = "UPDATE payments SET refunded_amount = refunded_amount - $2 WHERE id = $1";
    let codes = [Code::OrderMoneyKept, Code::PaymentRefunded];
    let found = off(world, named, refunded, books.cancelled.id, &codes).await;
    assert_eq!((found.order_id, amounts(&found)), (books.cancelled.order_id, ("0.00", "5.00")));
}

async fn invoices(world: &World, books: &Books, named: &mut Named) {
    let owed = "UPDATE ledger_entries SET amount = amount - $2 WHERE account = 'receivable' AND transaction_id = \
                (SELECT id FROM ledger_transactions WHERE invoice_id = $1)";
    let codes = [Code::InvoiceReceivable, Code::LedgerUnbalanced];
    let found = off(world, named, owed, books.open_invoice, &codes).await;
    assert_eq!((found.invoice_id, amounts(&found)), (Some(books.open_invoice), ("113.00", "118.00")));

    let paid = "UPDATE invoices SET paid_amount = paid_amount - $2 WHERE id = $1";
    let found = off(world, named, paid, books.paid_invoice, &[Code::InvoicePaid]).await;
    assert_eq!((found.invoice_id, amounts(&found)), (Some(books.paid_invoice), ("113.00", "108.00")));

    let number_of = "SELECT invoice_number FROM invoices WHERE id = $1";
    let own = world.db().q(number_of).bind(books.open_invoice).scalar::<String>().await.unwrap();
    let other = world.db().q(number_of).bind(books.other_invoice).scalar::<String>().await.unwrap();
    let set_number = async |number: String| {
        let mut tx = world.db().begin().await.unwrap();
        let sql = "UPDATE invoices SET invoice_number = $2 WHERE id = $1";
        tx.q(sql).bind(books.open_invoice).bind(number).execute_one().await.unwrap();
        tx.commit().await.unwrap();
    };
    set_number("INV-2020-000001".to_owned()).await;
    let found = differs(world, named, &[Code::InvoiceNumber, Code::InvoiceNumberMissing]).await;
    assert_eq!((found.invoice_id, found.found.as_str()), (Some(books.open_invoice), "INV-2020-000001"));
    let missing = differs(world, named, &[Code::InvoiceNumberMissing, Code::InvoiceNumber]).await;
    assert_eq!(missing.expected, format!("one invoice {own}"));
    set_number(other.clone()).await;
    let found = differs(world, named, &[Code::InvoiceNumberTwice, Code::InvoiceNumberMissing]).await;
    assert_eq!(amounts(&found), (format!("one invoice {other}").as_str(), "2 invoices"));
    set_number(own).await;
}

on_both! {
    async fn everything_that_is_changed_is_named(world: World) {
        let books = shop::play(&world).await;
        loosen(&world).await;
        assert!(checked(&world).await.clean);
        let mut named = Named::new();
        wallets(&world, &books, &mut named).await;
        entries(&world, &books, &mut named).await;
        payments(&world, &books, &mut named).await;
        orders(&world, &books, &mut named).await;
        invoices(&world, &books, &mut named).await;
        assert!(checked(&world).await.clean, "all of it was taken back");
        // An entry that is gone can't be put back so simply.
        let sql = "DELETE FROM ledger_entries WHERE account = 'receivable' AND transaction_id = \
                   (SELECT id FROM ledger_transactions WHERE invoice_id = $1)";
        run(&world, sql, books.open_invoice).await;
        let codes = [Code::LedgerIncomplete, Code::LedgerUnbalanced, Code::InvoiceReceivable];
        let found = differs(&world, &mut named, &codes).await;
        assert_eq!((found.invoice_id, found.customer_id), (Some(books.open_invoice), Some(books.customer.id)));
        let never: Vec<&Code> = Code::ALL.iter().filter(|code| !named.contains(code)).collect();
        assert!(never.is_empty(), "never said: {never:?}");
    }
}
