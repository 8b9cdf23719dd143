//! A server.

use sqlx::types::Json;

use crate::core::{id::Id, products::Specs, time::Timestamp};

crate::text_enum! {
    /// How a server is.
    InstanceStatus, "status" {
        /// Being made.
        Provisioning = "provisioning",
        /// On.
        Running = "running",
        /// Off.
        Stopped = "stopped",
        /// Taken from its customer for now.
        Suspended = "suspended",
        /// Given back to its provider; final.
        Terminated = "terminated",
        /// Could not be made.
        Error = "error",
    }
}

impl InstanceStatus {
    /// The status that a provider's script reports, in any letter case.
    #[must_use]
    pub fn from_provider(word: &str) -> Self {
        match word.to_lowercase().as_str() {
            "stopped" => Self::Stopped,
            "suspended" => Self::Suspended,
            "pending" | "provisioning" | "creating" | "starting" => Self::Provisioning,
            "terminated" => Self::Terminated,
            "error" | "failed" => Self::Error,
            _ => Self::Running,
        }
    }
}

/// A server of a customer.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Instance {
    /// The identifier.
    pub id: Id,
    /// Whose.
    pub customer_id: Id,
    /// The order that paid for it.
    pub order_id: Id,
    /// What it is.
    pub product_id: Id,
    /// What it was called when it was ordered.
    pub product_name: String,
    /// Who runs it.
    pub provider_interface_id: Id,
    /// What the provider calls it; empty until it is made.
    pub provider_instance_id: String,
    /// How it is.
    pub status: InstanceStatus,
    /// Where it is reached; may be empty.
    pub ip_address: String,
    /// What it has.
    pub server_spec: Json<Specs>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}
