//! Reading what providers' scripts answer. Nonsense is the script's fault, and is told as such.

use serde_json::Value;

use crate::core::{
    error::Error,
    instances::InstanceStatus,
    plugins::Interface,
    products::plain,
    text::{self, NAME_MAX},
};

/// The error of an answer that can't be used.
pub(super) fn nonsense(interface: &Interface, function: &str, what: &str) -> Error {
    Error::internal("plugin.answer", format!("`{function}` of `{}` answered with {what}", interface.display_name))
}

/// A short text at one of these names of an object; empty where there is none.
pub(super) fn word(answer: &Value, names: &[&str]) -> String {
    let found = names.iter().filter_map(|name| answer.get(name)).map(plain).find(|text| !text.is_empty());
    text::shown(&found.unwrap_or_default(), NAME_MAX)
}

/// The contract's word for how a provider says that a server is.
pub(super) const fn contract_word(status: InstanceStatus) -> &'static str {
    match status {
        InstanceStatus::Running => "running",
        InstanceStatus::Stopped | InstanceStatus::Suspended => "stopped",
        InstanceStatus::Terminated => "terminated",
        InstanceStatus::Provisioning => "pending",
        InstanceStatus::Error => "error",
    }
}
