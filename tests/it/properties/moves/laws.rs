//! What must hold after every step. The tables of states are the contract's, written down here once more: a test that
//! took them from the program would agree with any of them.

use std::collections::{BTreeMap, BTreeSet};

use rustbill::core::{id::Id, money::Money};

use crate::support::world::World;

type Table = &'static [(&'static str, &'static [&'static str])];

const ORDERS: Table = &[
    ("pending", &["paid", "cancelled"]),
    ("paid", &["provisioning", "cancelled", "refunded"]),
    ("provisioning", &["active", "cancelled"]),
    ("active", &["suspended", "completed", "terminated", "refunded"]),
    ("suspended", &["active", "terminated", "refunded"]),
];
const PAYMENTS: Table = &[("pending", &["success", "failed"]), ("success", &["refunded"])];
const INVOICES: Table = &[
    ("draft", &["issued", "cancelled"]),
    ("issued", &["paid", "overdue", "cancelled"]),
    ("overdue", &["paid", "cancelled"]),
];
const TICKETS: Table = &[
    ("pending", &["processing", "resolved", "closed"]),
    ("processing", &["resolved", "closed"]),
    ("resolved", &["processing", "closed"]),
];
const INSTANCES: Table = &[
    ("provisioning", &["running", "stopped", "error", "terminated"]),
    ("running", &["stopped", "suspended", "terminated"]),
    ("stopped", &["running", "suspended", "terminated"]),
    ("suspended", &["running", "stopped", "terminated"]),
];

/// The states from which a thing may come into being.
const FIRST: [(&str, &[&str]); 5] = [
    ("orders", &["pending"]),
    // A payment from the balance is made at once; one whose gateway fails is failed at once.
    ("payments", &["pending", "success", "failed"]),
    ("invoices", &["draft", "issued", "paid"]),
    ("tickets", &["pending"]),
    // The worker makes it in the step that looks for it.
    ("instances", &["provisioning", "running", "error"]),
];

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
struct OrderRow {
    id: Id,
    status: String,
    total_amount: Money,
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
struct InstanceRow {
    id: Id,
    order_id: Id,
    status: String,
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
struct PaymentRow {
    id: Id,
    status: String,
    order_id: Option<Id>,
    amount: Money,
    refunded_amount: Money,
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
struct InvoiceRow {
    id: Id,
    status: String,
    invoice_number: Option<String>,
    amount: Money,
    tax_amount: Money,
    total_amount: Money,
    paid_amount: Money,
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
struct LedgerRow {
    id: Id,
    customer_id: Id,
    amount: Money,
    balance_before: Money,
    balance_after: Money,
}

/// How everything of two customers stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Snapshot {
    orders: Vec<OrderRow>,
    payments: Vec<PaymentRow>,
    invoices: Vec<InvoiceRow>,
    tickets: Vec<(Id, String)>,
    instances: Vec<InstanceRow>,
    ledger: Vec<LedgerRow>,
    balances: Vec<(Id, Money)>,
}

impl Snapshot {
    pub(super) async fn take(world: &World, [a, b]: [Id; 2]) -> Self {
        macro_rules! rows {
            ($columns:literal, $table:literal, $owner:literal) => {
                world
                    .db()
                    .q(concat!("SELECT ", $columns, " FROM ", $table, " WHERE ", $owner, " IN ($1, $2) ORDER BY id"))
                    .bind(a)
                    .bind(b)
                    .all()
                    .await
                    .unwrap()
            };
        }
        Self {
            orders: rows!("id, status, total_amount", "orders", "customer_id"),
            payments: rows!("id, status, order_id, amount, refunded_amount", "payments", "customer_id"),
            invoices: rows!(
                "id, status, invoice_number, amount, tax_amount, total_amount, paid_amount",
                "invoices",
                "customer_id"
            ),
            tickets: rows!("id, status", "tickets", "customer_id"),
            instances: rows!("id, order_id, status", "instances", "customer_id"),
            ledger: rows!(
                "id, customer_id, amount, balance_before, balance_after",
                "balance_transactions",
                "customer_id"
            ),
            balances: rows!("id, balance", "customers", "id"),
        }
    }

    fn states(&self) -> [(&'static str, Table, BTreeMap<Id, &str>); 5] {
        [
            ("orders", ORDERS, self.orders.iter().map(|row| (row.id, row.status.as_str())).collect()),
            ("payments", PAYMENTS, self.payments.iter().map(|row| (row.id, row.status.as_str())).collect()),
            ("invoices", INVOICES, self.invoices.iter().map(|row| (row.id, row.status.as_str())).collect()),
            ("tickets", TICKETS, self.tickets.iter().map(|(id, status)| (*id, status.as_str())).collect()),
            ("instances", INSTANCES, self.instances.iter().map(|row| (row.id, row.status.as_str())).collect()),
        ]
    }

    /// Whether everything may have become what it is, in one move or, where that is said, in several.
    pub(super) fn follows(&self, before: &Self, may_skip: bool) -> Result<(), String> {
        for ((kind, table, now), (_, _, then)) in self.states().into_iter().zip(before.states()) {
            for (id, state) in &now {
                let allowed = match then.get(id) {
                    Some(old) => old == state || can_become(table, old, state, may_skip),
                    None => FIRST.iter().any(|(of, states)| *of == kind && states.contains(state)),
                };
                if !allowed {
                    return Err(format!("{kind} {id} went from {:?} to {state}", then.get(id)));
                }
            }
        }
        for old in &before.orders {
            if let Some(new) = self.orders.iter().find(|new| new.id == old.id)
                && new.total_amount != old.total_amount
            {
                return Err(format!("the price of order {} changed: {old:?} {new:?}", old.id));
            }
        }
        match before.ledger.iter().find(|row| !self.ledger.contains(row)) {
            Some(row) => Err(format!("the ledger lost or changed a row: {row:?}")),
            None => Ok(()),
        }
    }

    /// Whether the money is right, wherever it stands.
    pub(super) fn adds_up(&self) -> Result<(), String> {
        for (customer, balance) in &self.balances {
            let own = self.ledger.iter().filter(|row| row.customer_id == *customer);
            let sum = own.fold(Money::ZERO, |sum, row| sum.plus(row.amount).unwrap());
            if sum != *balance {
                return Err(format!("the balance of {customer} is {balance}, its ledger's sum {sum}"));
            }
        }
        if let Some(row) =
            self.ledger.iter().find(|row| row.balance_before.plus(row.amount).unwrap() != row.balance_after)
        {
            return Err(format!("a row of the ledger does not add up: {row:?}"));
        }
        for payment in &self.payments {
            let is_whole = payment.refunded_amount == payment.amount;
            let is_within = payment.refunded_amount >= Money::ZERO && payment.refunded_amount <= payment.amount;
            if !is_within || payment.amount <= Money::ZERO || (payment.status == "refunded") != is_whole {
                return Err(format!("a refund does not fit its payment: {payment:?}"));
            }
        }
        for order in self
            .orders
            .iter()
            .filter(|order| ["paid", "provisioning", "active", "suspended"].contains(&order.status.as_str()))
        {
            let paid = self
                .payments
                .iter()
                .filter(|payment| payment.order_id == Some(order.id) && payment.status == "success");
            let amounts: Vec<Money> = paid.map(|payment| payment.amount).collect();
            if amounts != [order.total_amount] {
                return Err(format!("order {} over {} was paid by {amounts:?}", order.id, order.total_amount));
            }
        }
        for invoice in &self.invoices {
            let is_sum = invoice.amount.plus(invoice.tax_amount).unwrap() == invoice.total_amount;
            let is_numbered = invoice.invoice_number.is_some();
            let is_right = match invoice.status.as_str() {
                "draft" => !is_numbered && invoice.paid_amount == Money::ZERO,
                "issued" | "overdue" => is_numbered && invoice.paid_amount < invoice.total_amount,
                "paid" => is_numbered && invoice.paid_amount == invoice.total_amount,
                _ => true,
            };
            if !is_sum || !is_right {
                return Err(format!("an invoice is not right: {invoice:?}"));
            }
        }
        Ok(())
    }
}

/// Whether the table leads from one state to another: in one move, or in any number.
fn can_become(table: Table, from: &str, to: &str, may_skip: bool) -> bool {
    let next = |state: &str| table.iter().find(|(of, _)| *of == state).map_or(&[][..], |(_, next)| *next);
    if !may_skip {
        return next(from).contains(&to);
    }
    let mut reached = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(state) = open.pop() {
        open.extend(next(state).iter().copied().filter(|next| reached.insert(next)));
    }
    reached.contains(to)
}

/// The numbers of all invoices are 1, 2, 3, … within their year.
pub(super) async fn numbers_have_no_gap(world: &World) {
    let sql = "SELECT invoice_number FROM invoices WHERE invoice_number IS NOT NULL ORDER BY invoice_number";
    let numbers: Vec<String> = world.db().q(sql).scalars().await.unwrap();
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for number in numbers {
        let (year, place) = number.rsplit_once('-').unwrap();
        let next = expected.entry(year.to_owned()).or_insert(1);
        assert_eq!(place.parse::<usize>().unwrap(), *next, "{number}");
        *next += 1;
    }
}
