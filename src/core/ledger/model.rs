//! Accounts, and postings that are balanced because nothing else can be built.

use crate::core::{id::Id, money::Money};

/// Where money is, or what it is for. Positive is what we owe or earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// What the customer has with us; below zero it owes us, on credit.
    Wallet,
    /// What the customer owes by invoices.
    Receivable,
    /// What was sold.
    Revenue,
    /// What lies at the gateway of this interface.
    Gateway(Id),
    /// What an administrator saw come by another way.
    ByHand,
    /// What was sold and given back.
    Refunds,
    /// What left a wallet and is on its way to its payer.
    Reserved,
    /// What administrators corrected.
    Adjustments,
}

impl Account {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Receivable => "receivable",
            Self::Revenue => "revenue",
            Self::Gateway(_) => "gateway",
            Self::ByHand => "by_hand",
            Self::Refunds => "refunds",
            Self::Reserved => "reserved",
            Self::Adjustments => "adjustments",
        }
    }

    /// The gateway's interface, of what lies at one.
    #[must_use]
    pub const fn gateway(self) -> Option<Id> {
        match self {
            Self::Gateway(interface) => Some(interface),
            Self::Wallet
            | Self::Receivable
            | Self::Revenue
            | Self::ByHand
            | Self::Refunds
            | Self::Reserved
            | Self::Adjustments => None,
        }
    }
}

crate::text_enum! {
    /// What happened. The module's table says which accounts each touches.
    Kind, "kind" {
        /// Money came for a wallet.
        TopUp = "top_up",
        /// An order was paid.
        OrderPaid = "order_paid",
        /// An invoice got its number.
        InvoiceIssued = "invoice_issued",
        /// An invoice was paid.
        InvoicePaid = "invoice_paid",
        /// An invoice was taken back.
        InvoiceCancelled = "invoice_cancelled",
        /// Money was given back.
        Refund = "refund",
        /// A top-up left its wallet and waits for its gateway.
        RefundReserved = "refund_reserved",
        /// It came back, since the gateway refused it.
        RefundReleased = "refund_released",
        /// An administrator corrected a balance.
        Adjustment = "adjustment",
        /// What was there when the ledger was begun; only its migration writes it.
        Opening = "opening",
    }
}

/// What a transaction tells of: the rows that it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// An order.
    pub order_id: Option<Id>,
    /// An invoice.
    pub invoice_id: Option<Id>,
    /// A payment.
    pub payment_id: Option<Id>,
    /// A refund of a payment.
    pub refund_id: Option<Id>,
    /// A row of the customer's view of its wallet.
    pub balance_transaction_id: Option<Id>,
}

/// A transaction to be written. Its entries are made in pairs of one amount with both signs, so that they always sum to
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    pub(super) customer_id: Id,
    pub(super) kind: Kind,
    pub(super) subject: Subject,
    pub(super) entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) account: Account,
    pub(super) amount: Money,
}

impl Posting {
    /// Moves an amount of a customer's between two accounts: `from` gets it with the other sign, `to` as it is.
    #[must_use]
    pub fn transfer(customer_id: Id, kind: Kind, from: Account, to: Account, amount: Money) -> Self {
        let entries = vec![Entry { account: from, amount: amount.negated() }, Entry { account: to, amount }];
        Self { customer_id, kind, subject: Subject::default(), entries }
    }

    /// Says what it tells of.
    #[must_use]
    pub const fn about(mut self, subject: Subject) -> Self {
        self.subject = subject;
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_posting_sums_to_nothing(minor in -999_999_999_999_i64..=999_999_999_999) {
            let amount = Money::from_minor(minor).unwrap();
            let posting = Posting::transfer(Id::generate(), Kind::Adjustment, Account::Adjustments, Account::Wallet, amount);
            prop_assert!(Money::sum(posting.entries.iter().map(|entry| entry.amount)).unwrap().is_zero());
            prop_assert_eq!(posting.entries[1], Entry { account: Account::Wallet, amount });
        }
    }
}
