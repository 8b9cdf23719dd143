//! What a check found.

use crate::core::id::Id;

/// Differences that a report lists; further ones are only counted.
pub const DIFFERENCES_MAX: usize = 1_000;

crate::text_enum! {
    /// What differs. Codes are stable.
    Code, "code" {
        /// The entries of a transaction do not sum to nothing.
        LedgerUnbalanced = "ledger.unbalanced",
        /// A transaction has fewer than two entries.
        LedgerIncomplete = "ledger.incomplete",
        /// The balance of a customer is not what its wallet holds.
        WalletBalance = "wallet.balance",
        /// The movements of a balance do not sum to what the wallet holds.
        WalletMovements = "wallet.movements",
        /// A movement does not begin where another one ended.
        WalletChain = "wallet.chain",
        /// Before plus amount of a movement is not after.
        MovementSum = "movement.sum",
        /// A movement has no entry of the wallet with its amount.
        MovementEntry = "movement.entry",
        /// What the ledger says was paid for an order is not its price, or is there although nothing was paid.
        OrderMoney = "order.money",
        /// An order was paid more than once.
        OrderPaidTwice = "order.paid_twice",
        /// An order that was cancelled or refunded kept money.
        OrderMoneyKept = "order.money_kept",
        /// What the ledger says came with a payment is not its amount, or is there although none came.
        PaymentMoney = "payment.money",
        /// What the ledger says a payment paid is not its amount.
        PaymentUse = "payment.use",
        /// What the ledger says was given back of a payment is not what the payment says.
        PaymentRefunded = "payment.refunded",
        /// More was given back of a payment, or is on its way, than was paid.
        PaymentOverRefunded = "payment.over_refunded",
        /// What left the wallet for a refund of a top-up is not what is on its way.
        PaymentReserved = "payment.reserved",
        /// What lies at a gateway for a payment is not what came less what left.
        GatewayClearing = "gateway.clearing",
        /// What is owed by an invoice is not what is left to pay of it.
        InvoiceReceivable = "invoice.receivable",
        /// The paid part of an invoice is not its first instalments and its payments.
        InvoicePaid = "invoice.paid",
        /// An invoice has no number although it was issued, or one that was never given out.
        InvoiceNumber = "invoice.number",
        /// A number was given out and no invoice has it.
        InvoiceNumberMissing = "invoice.number_missing",
        /// Several invoices have one number.
        InvoiceNumberTwice = "invoice.number_twice",
    }
}

impl Code {
    /// What it means, as people read it before what was expected and what was found.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::LedgerUnbalanced => "the entries of a transaction do not sum to nothing",
            Self::LedgerIncomplete => "a transaction has fewer than two entries",
            Self::WalletBalance => "the customer's balance is not what its wallet holds",
            Self::WalletMovements => "the movements of the balance do not sum to what the wallet holds",
            Self::WalletChain => "a movement does not begin where another one ended",
            Self::MovementSum => "before plus amount of a movement is not after",
            Self::MovementEntry => "a movement has no entry of the wallet with its amount",
            Self::OrderMoney => "what the ledger has for the order is not its price",
            Self::OrderPaidTwice => "the order was paid more than once",
            Self::OrderMoneyKept => "money was kept for an order that ended",
            Self::PaymentMoney => "what came with the payment is not its amount",
            Self::PaymentUse => "what the payment paid is not its amount",
            Self::PaymentRefunded => "what was given back is not what the payment says",
            Self::PaymentOverRefunded => "more was given back than was paid",
            Self::PaymentReserved => "what left the wallet for a refund is not what is on its way",
            Self::GatewayClearing => "what lies at the gateway is not what came less what left",
            Self::InvoiceReceivable => "what is owed is not what is left to pay of the invoice",
            Self::InvoicePaid => "the paid part is not the first instalments and the payments",
            Self::InvoiceNumber => "the invoice has no number, or one that was never given out",
            Self::InvoiceNumberMissing => "a number was given out and no invoice has it",
            Self::InvoiceNumberTwice => "several invoices have one number",
        }
    }
}

/// Something that is not as it should be. Identifiers, amounts and numbers of invoices only: no personal data.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What differs.
    pub code: Code,
    /// The same in words.
    pub message: &'static str,
    /// Whose.
    pub customer_id: Option<Id>,
    /// The order, if it is about one.
    pub order_id: Option<Id>,
    /// The invoice, if it is about one.
    pub invoice_id: Option<Id>,
    /// The payment, if it is about one.
    pub payment_id: Option<Id>,
    /// The transaction of the ledger, or the movement of the balance, if it is about one.
    pub row_id: Option<Id>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Difference {
    /// About nothing yet.
    pub(super) fn new(code: Code, expected: &(impl ToString + ?Sized), found: &(impl ToString + ?Sized)) -> Self {
        Self {
            code,
            message: code.meaning(),
            customer_id: None,
            order_id: None,
            invoice_id: None,
            payment_id: None,
            row_id: None,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    pub(super) const fn of_customer(mut self, id: Id) -> Self {
        self.customer_id = Some(id);
        self
    }

    pub(super) const fn of_row(mut self, id: Id) -> Self {
        self.row_id = Some(id);
        self
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Transactions of the ledger.
    pub transactions: u64,
    /// Customers.
    pub customers: u64,
    /// Movements of balances.
    pub movements: u64,
    /// Orders.
    pub orders: u64,
    /// Payments.
    pub payments: u64,
    /// Invoices.
    pub invoices: u64,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CheckReport {
    /// Whether there is no difference.
    pub clean: bool,
    /// How much was looked at.
    pub checked: Checked,
    /// How many differences there are.
    pub differences_total: u64,
    /// The first [`DIFFERENCES_MAX`] of them.
    pub differences: Vec<Difference>,
}

impl CheckReport {
    pub(super) const fn begin() -> Self {
        let checked = Checked { transactions: 0, customers: 0, movements: 0, orders: 0, payments: 0, invoices: 0 };
        Self { clean: true, checked, differences_total: 0, differences: Vec::new() }
    }

    pub(super) fn note(&mut self, difference: Difference) {
        self.clean = false;
        self.differences_total += 1;
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference);
        }
    }
}

/// How far a check got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows that were looked at.
    pub done: u64,
    /// Rows that there are to look at.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_lists_every_code() {
        let manual = include_str!("../../../docs/ledger.md");
        for code in Code::ALL {
            assert!(manual.contains(&format!("| `{code}` |")), "{code}");
        }
    }

    #[test]
    fn a_report_lists_a_bounded_number() {
        let mut report = CheckReport::begin();
        for _ in 0..=DIFFERENCES_MAX {
            report.note(Difference::new(Code::WalletBalance, "1", "2"));
        }
        assert_eq!((report.differences.len(), report.differences_total), (DIFFERENCES_MAX, 1_001));
        assert!(!report.clean);
    }
}
