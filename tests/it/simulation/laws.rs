//! What must hold. Some laws hold after every step, whatever was cut off; others when everything has come to its end.

use std::collections::{BTreeMap, BTreeSet};

use rustbill::core::{id::Id, money::Money, reconciliation};

use super::universe::Universe;

/// What is wrong when a row is found; the row says where.
const ALWAYS: &[(&str, &str)] = &[
    (
        "a balance is not the sum of its ledger",
        "SELECT id FROM customers WHERE balance <> \
         COALESCE((SELECT SUM(amount) FROM balance_transactions WHERE customer_id = customers.id), 0)",
    ),
    (
        "a row of the ledger does not add up",
        "SELECT id FROM balance_transactions WHERE balance_before + amount <> balance_after",
    ),
    (
        "a row of the ledger does not go on where the one before ended",
        "SELECT id FROM (SELECT id, balance_before, LAG(balance_after, 1, 0) \
         OVER (PARTITION BY customer_id ORDER BY id) AS before FROM balance_transactions) AS chain \
         WHERE balance_before <> before",
    ),
    (
        "an order was paid twice",
        "SELECT order_id FROM payments WHERE order_id IS NOT NULL AND status = 'success' \
         GROUP BY order_id HAVING COUNT(*) > 1",
    ),
    (
        "an order goes on without its money",
        "SELECT id FROM orders WHERE status IN ('paid', 'provisioning', 'active', 'suspended') AND NOT EXISTS \
         (SELECT 1 FROM payments WHERE order_id = orders.id AND status = 'success' AND amount = total_amount)",
    ),
    (
        "an order has ended, and what was paid for it is not given back or on its way",
        "SELECT orders.id FROM orders JOIN payments ON order_id = orders.id AND payments.status = 'success' \
         WHERE orders.status IN ('cancelled', 'refunded') AND NOT EXISTS \
         (SELECT 1 FROM payment_refunds WHERE payment_id = payments.id AND status = 'pending')",
    ),
    (
        "a paid order waits for nobody",
        "SELECT id FROM orders WHERE status IN ('paid', 'provisioning') AND NOT EXISTS \
         (SELECT 1 FROM event_queue WHERE order_id = orders.id AND event_type = 'order_paid' AND event_queue.status <> 'done')",
    ),
    (
        "an order runs and nobody was told",
        "SELECT id FROM orders WHERE activated_at IS NOT NULL AND 1 <> \
         (SELECT COUNT(*) FROM event_queue WHERE order_id = orders.id AND event_type = 'order_provisioned')",
    ),
    (
        "an order has ended, and its server waits for nobody",
        "SELECT orders.id FROM orders JOIN instances ON order_id = orders.id \
         WHERE orders.status IN ('cancelled', 'refunded', 'completed', 'terminated') \
         AND instances.status NOT IN ('terminated', 'error') AND NOT EXISTS (SELECT 1 FROM event_queue \
         WHERE event_queue.order_id = orders.id AND event_queue.status <> 'done')",
    ),
    ("an order has two servers", "SELECT order_id FROM instances GROUP BY order_id HAVING COUNT(*) > 1"),
    (
        "a refund waits for nobody",
        "SELECT id FROM payment_refunds WHERE status = 'pending' AND NOT EXISTS \
         (SELECT 1 FROM event_queue WHERE event_type = 'refund_requested' AND status <> 'done')",
    ),
    (
        "more is given back than was paid",
        "SELECT id FROM payments WHERE refunded_amount + COALESCE((SELECT SUM(amount) FROM payment_refunds \
         WHERE payment_id = payments.id AND status = 'pending'), 0) > amount",
    ),
    (
        "a payment is refunded, or not, against its sums",
        "SELECT id FROM payments WHERE (status = 'refunded') <> (refunded_amount = amount AND status <> 'pending' AND status <> 'failed')",
    ),
    (
        "an invoice is not its items",
        "SELECT id FROM invoices WHERE amount <> \
         COALESCE((SELECT SUM(amount) FROM invoice_items WHERE invoice_id = invoices.id), 0)",
    ),
    (
        "an invoice is paid, or not, against its sums",
        "SELECT id FROM invoices WHERE status = 'paid' AND paid_amount <> total_amount \
         OR status IN ('issued', 'overdue') AND paid_amount >= total_amount AND total_amount > 0",
    ),
    (
        "the numbers of a year's invoices have a gap",
        "SELECT substr(invoice_number, 1, 8) FROM invoices WHERE invoice_number IS NOT NULL \
         GROUP BY substr(invoice_number, 1, 8) \
         HAVING COUNT(DISTINCT invoice_number) <> MAX(CAST(substr(invoice_number, 10) AS INTEGER))",
    ),
    (
        "an instalment was billed twice",
        "SELECT order_id FROM invoice_items WHERE order_id IS NOT NULL GROUP BY order_id, instalment HAVING COUNT(*) > 1",
    ),
];

/// Whether all laws hold that always do.
pub(super) async fn hold(universe: &Universe<'_>) -> Result<(), String> {
    for (wrong, sql) in ALWAYS {
        let found: Vec<String> =
            universe.app.database.q(sql).scalars().await.map_err(|error| format!("{sql}: {error}"))?;
        if !found.is_empty() {
            return Err(format!("{wrong}: {found:?}"));
        }
    }
    Ok(())
}

/// Whether the books are right, by the program's own check.
pub(super) async fn books_are_right(universe: &Universe<'_>) -> Result<(), String> {
    let report = reconciliation::check(&universe.app, universe.admin).await.map_err(|error| error.to_string())?;
    if report.clean { Ok(()) } else { Err(format!("the books differ: {:?}", report.differences)) }
}

#[derive(sqlx::FromRow)]
struct PaymentRow {
    id: String,
    customer_id: Id,
    purpose: String,
    method: String,
    status: String,
    amount: Money,
    refunded_amount: Money,
}

/// Whether what is recorded is what happened outside, when everything has come to its end.
pub(super) async fn agree(universe: &Universe<'_>) -> Result<(), String> {
    servers(universe).await?;
    // What administrators gave and took by hand is known from the ledger alone.
    let sql = "SELECT customer_id, SUM(amount) FROM balance_transactions \
               WHERE reference_id NOT IN (SELECT id FROM payments) GROUP BY customer_id";
    let adjusted: Vec<(Id, Money)> = universe.app.database.q(sql).all().await.map_err(|error| error.to_string())?;
    let mut expected: BTreeMap<Id, Money> = adjusted.into_iter().collect();
    let sql = "SELECT id, customer_id, purpose, method, status, amount, refunded_amount FROM payments ORDER BY id";
    let payments: Vec<PaymentRow> = universe.app.database.q(sql).all().await.map_err(|error| error.to_string())?;
    let accounts = universe.outside.books().accounts.clone();
    for payment in &payments {
        let is_good = matches!(payment.status.as_str(), "success" | "refunded");
        let balance = expected.entry(payment.customer_id).or_insert(Money::ZERO);
        let kept = payment.amount.minus(payment.refunded_amount).unwrap();
        if is_good && payment.purpose != "recharge" {
            *balance = balance.minus(kept).unwrap();
        }
        if payment.status == "pending" && accounts.get(&payment.id).is_some_and(|account| account.is_paid) {
            return Err(format!("payment {} was made, and is still {}", payment.id, payment.status));
        }
        if payment.method == "manual" && is_good {
            *balance = balance.plus(payment.amount).unwrap();
        }
    }
    for (id, account) in accounts.iter().filter(|(_, account)| account.is_paid) {
        let Some(payment) = payments.iter().find(|payment| payment.id == *id) else {
            return Err(format!("the gateway has the payment {id}, which nobody knows"));
        };
        let balance = expected.entry(payment.customer_id).or_insert(Money::ZERO);
        *balance = balance.plus(account.amount).unwrap();
        for refund in account.refunds.values() {
            *balance = balance.minus(*refund).unwrap();
        }
    }
    let sql = "SELECT id, balance FROM customers ORDER BY id";
    let balances: Vec<(Id, Money)> = universe.app.database.q(sql).all().await.map_err(|error| error.to_string())?;
    for (customer, balance) in balances {
        let expected = expected.get(&customer).copied().unwrap_or(Money::ZERO);
        if balance != expected {
            return Err(format!(
                "customer {customer} has {balance}; by what came in, went out and was bought it is {expected}"
            ));
        }
    }
    Ok(())
}

/// Each order that is served has its machine, and no other machine runs.
async fn servers(universe: &Universe<'_>) -> Result<(), String> {
    let sql = "SELECT id FROM orders WHERE status IN ('active', 'suspended')";
    let served: Vec<String> = universe.app.database.q(sql).scalars().await.map_err(|error| error.to_string())?;
    let served: BTreeSet<String> = served.into_iter().collect();
    let machines = universe.outside.books().machines();
    if let Some(order) = served.difference(&machines).next() {
        return Err(format!("order {order} is served and has no machine"));
    }
    match machines.difference(&served).next() {
        Some(order) => Err(format!("the machine of order {order} runs for nobody")),
        None => Ok(()),
    }
}
