//! A server.

use sqlx::types::Json;

use crate::core::{
    error::{Error, Result},
    id::Id,
    products::Specs,
    time::Timestamp,
};

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

    /// The two states that switching a server on and off leads to, as a provider's script reports them. Any other word
    /// says nothing that could be kept: the rest of a server's life is its order's.
    #[must_use]
    pub fn from_power(word: &str) -> Option<Self> {
        match word.trim().to_lowercase().as_str() {
            "running" => Some(Self::Running),
            "stopped" => Some(Self::Stopped),
            _ => None,
        }
    }

    /// What may be done in this state. Everything that is not here is refused.
    ///
    /// A server that runs may be started: what is written here is what was heard last, and it may have been switched off
    /// from within since then.
    #[must_use]
    pub const fn allowed(self) -> &'static [Operation] {
        match self {
            Self::Running | Self::Stopped => {
                &[Operation::Start, Operation::Stop, Operation::Restart, Operation::Action, Operation::Terminate]
            }
            // Whether it can be ended while it is made is for its order to say.
            Self::Provisioning | Self::Suspended => &[Operation::Terminate],
            Self::Terminated | Self::Error => &[],
        }
    }

    /// Checks that something may be done in this state.
    ///
    /// # Errors
    /// `instance.wrong_state`, naming the state.
    pub fn check(self, operation: Operation) -> Result<()> {
        if self.allowed().contains(&operation) {
            return Ok(());
        }
        let message = match operation {
            Operation::Terminate => format!("the instance is {self} and can't become {}", Self::Terminated),
            Operation::Start | Operation::Stop | Operation::Restart | Operation::Action => {
                format!("the instance is {self}, which does not allow `{operation}`")
            }
        };
        let refused = Error::invalid("instance.wrong_state", message);
        Err(if self == Self::Suspended { refused.hint("it is resumed with its order") } else { refused })
    }
}

crate::text_enum! {
    /// What can be done with a server.
    Operation, "operation" {
        /// Switch it on.
        Start = "start",
        /// Switch it off.
        Stop = "stop",
        /// Switch it off and on.
        Restart = "restart",
        /// Something that its provider offers.
        Action = "action",
        /// Give it back.
        Terminate = "terminate",
    }
}

crate::text_enum! {
    /// What a server's switch can do; the words are the `action` that a provider's script is asked for.
    Power, "action" {
        /// Switch it on.
        Start = "start",
        /// Switch it off.
        Stop = "stop",
        /// Switch it off and on.
        Restart = "restart",
    }
}

impl Power {
    /// The same among everything that can be done.
    #[must_use]
    pub const fn operation(self) -> Operation {
        match self {
            Self::Start => Operation::Start,
            Self::Stop => Operation::Stop,
            Self::Restart => Operation::Restart,
        }
    }

    /// How the server is afterwards, where its provider does not say.
    #[must_use]
    pub const fn leaves(self) -> InstanceStatus {
        match self {
            Self::Start | Self::Restart => InstanceStatus::Running,
            Self::Stop => InstanceStatus::Stopped,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_allows_what_it_should_and_names_itself_otherwise() {
        use InstanceStatus::{Error, Provisioning, Running, Stopped, Suspended, Terminated};
        let table = [
            (Provisioning, "terminate"),
            (Running, "start stop restart action terminate"),
            (Stopped, "start stop restart action terminate"),
            (Suspended, "terminate"),
            (Terminated, ""),
            (Error, ""),
        ];
        assert_eq!(table.map(|(status, _)| status), *InstanceStatus::ALL);
        for (status, allowed) in table {
            for &operation in Operation::ALL {
                let is_allowed = allowed.split(' ').any(|word| word == operation.as_str());
                match status.check(operation) {
                    Ok(()) => assert!(is_allowed, "{status} {operation}"),
                    Err(error) => {
                        assert!(!is_allowed, "{status} {operation}");
                        assert_eq!(error.code(), "instance.wrong_state");
                        assert!(error.to_string().contains(status.as_str()), "{error}");
                    }
                }
            }
        }
        let twice = Terminated.check(Operation::Terminate).unwrap_err().to_string();
        assert_eq!(twice, "the instance is terminated and can't become terminated");
    }

    #[test]
    fn only_on_and_off_are_taken_from_a_provider() {
        assert_eq!(InstanceStatus::from_power(" Running\n"), Some(InstanceStatus::Running));
        assert_eq!(InstanceStatus::from_power("STOPPED"), Some(InstanceStatus::Stopped));
        // An instance that is written as one of these would never be given back, or be asked nothing any more.
        for word in ["error", "terminated", "pending", "suspended", "", "on"] {
            assert_eq!(InstanceStatus::from_power(word), None, "{word}");
        }
        assert_eq!(
            Power::ALL.iter().map(|power| power.leaves()).collect::<Vec<_>>(),
            [InstanceStatus::Running, InstanceStatus::Stopped, InstanceStatus::Running]
        );
        for power in Power::ALL {
            assert_eq!(power.as_str(), power.operation().as_str());
        }
    }
}
