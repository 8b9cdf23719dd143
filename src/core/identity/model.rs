//! Users.

use crate::core::{id::Id, time::Timestamp};

crate::text_enum! {
    /// Which of the two kinds of users.
    UserKind, "user_type" {
        /// Runs the shop.
        Admin = "admin",
        /// Buys in it.
        Customer = "customer",
    }
}

crate::text_enum! {
    /// What a user of the shop may do.
    AdminRole, "role" {
        /// Everything.
        Admin = "admin",
        /// Everything but what is marked admin-only.
        Operator = "operator",
    }
}

crate::text_enum! {
    /// What a verification code is good for.
    Purpose, "purpose" {
        /// Making an account.
        Registration = "registration",
        /// Setting a forgotten password.
        PasswordReset = "password_reset",
    }
}

/// A user of either kind, without its password.
#[derive(Clone, Debug, serde::Serialize)]
pub struct User {
    /// The identifier.
    pub id: Id,
    /// The name to log in with, in lower case.
    pub username: String,
    /// The e-mail address, in lower case; may be empty for administrators.
    pub email: String,
    /// The name to show.
    pub display_name: String,
    /// Of administrators: their role.
    pub role: Option<AdminRole>,
    /// Whether it may log in.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Of customers' users: the customer.
    pub customer_id: Option<Id>,
}

impl User {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> UserKind {
        if self.role.is_some() { UserKind::Admin } else { UserKind::Customer }
    }
}
