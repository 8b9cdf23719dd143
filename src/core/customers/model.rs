//! A customer.

use crate::core::{id::Id, money::Money, time::Timestamp};

/// A customer.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Customer {
    /// The identifier.
    pub id: Id,
    /// The name on invoices.
    pub name: String,
    /// Whom to ask for.
    pub contact_person: String,
    /// The address for notifications, in lower case.
    pub email: String,
    /// A telephone number.
    pub phone: String,
    /// The company.
    pub company: String,
    /// Notes of the operator; the customer does not see them.
    pub notes: String,
    /// What it has; negative when it used its credit. Always the sum of its ledger.
    pub balance: Money,
    /// How far the balance may fall below zero.
    pub credit_limit: Money,
    /// Whether it may buy.
    pub is_active: bool,
    /// Whether it may make API keys for itself.
    pub can_create_api_keys: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}
