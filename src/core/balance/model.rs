//! The ledger's rows.

use crate::core::{id::Id, money::Money, time::Timestamp};

crate::text_enum! {
    /// Why money moved.
    TransactionType, "transaction_type" {
        /// The customer paid in.
        Recharge = "recharge",
        /// The customer paid for something.
        Payment = "payment",
        /// Something that was paid came back.
        Refund = "refund",
        /// An administrator corrected the balance.
        Adjustment = "adjustment",
    }
}

/// A movement of a customer's money.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Transaction {
    /// The identifier.
    pub id: Id,
    /// Whose.
    pub customer_id: Id,
    /// Why.
    pub transaction_type: TransactionType,
    /// How much; negative when it left the balance.
    pub amount: Money,
    /// The balance before.
    pub balance_before: Money,
    /// The balance after: before plus amount.
    pub balance_after: Money,
    /// What it belongs to: a payment or an order; may be empty.
    pub reference_id: String,
    /// What a person reads.
    pub description: String,
    /// When.
    pub created_at: Timestamp,
}

/// What a customer has.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Balance {
    /// Whose.
    pub customer_id: Id,
    /// How much.
    pub balance: Money,
    /// How far it may fall below zero.
    pub credit_limit: Money,
}
