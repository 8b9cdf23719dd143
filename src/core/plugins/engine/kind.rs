//! The four kinds of plugin: their names in files and in the database, and the functions each must define.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a plugin is for, which decides the functions it must define.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Provisions on infrastructure of one's own, such as KVM or Incus.
    FirstPartyProvider,
    /// Resells the instances of another platform.
    UpstreamProvider,
    /// Takes payments.
    Gateway,
    /// Delivers notifications.
    Notifier,
}

/// Functions that a plugin may leave out, whatever its kind.
pub const OPTIONAL_FUNCTIONS: [&str; 2] = ["version", "admin_page"];

/// How the functions begin that a plugin's page may call: the others take payments and make servers.
pub const ACTION_PREFIX: &str = "admin_";

const UPSTREAM_FUNCTIONS: [&str; 15] = [
    "config_schema",
    "spec_template",
    "sync_products",
    "initialize",
    "query_price",
    "create_instance",
    "get_instance_status",
    "terminate_instance",
    "execute_action",
    "health_check",
    "instance_detail_sections",
    "instance_actions",
    "sync_upstream_instances",
    "import_upstream_instance",
    "get_upstream_balance",
];

/// How many of [`UPSTREAM_FUNCTIONS`], from the first, every provider needs.
const PROVIDER_FUNCTIONS: usize = 12;

const GATEWAY_FUNCTIONS: [&str; 7] =
    ["config_schema", "initialize", "create_payment", "query_payment", "handle_callback", "refund", "health_check"];

const NOTIFIER_FUNCTIONS: [&str; 6] =
    ["config_schema", "initialize", "send", "supported_events", "templates", "health_check"];

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::FirstPartyProvider, Self::UpstreamProvider, Self::Gateway, Self::Notifier];

    /// The word that the database and the API use.
    #[must_use]
    pub const fn as_db(self) -> &'static str {
        match self {
            Self::FirstPartyProvider => "first_party_provider",
            Self::UpstreamProvider => "upstream_provider",
            Self::Gateway => "gateway",
            Self::Notifier => "notifier",
        }
    }

    /// Reads a word of the database, the API or the command line: `provider`, `upstream` and `payment_gateway` are other
    /// words for three of them.
    #[must_use]
    pub fn from_db(word: &str) -> Option<Self> {
        match word {
            "payment_gateway" => Some(Self::Gateway),
            "provider" => Some(Self::FirstPartyProvider),
            "upstream" => Some(Self::UpstreamProvider),
            word => Self::ALL.into_iter().find(|kind| kind.as_db() == word),
        }
    }

    /// What people call one of this kind, with its article.
    #[must_use]
    pub const fn described(self) -> &'static str {
        match self {
            Self::FirstPartyProvider => "a provider",
            Self::UpstreamProvider => "an upstream provider",
            Self::Gateway => "a gateway",
            Self::Notifier => "a notifier",
        }
    }

    /// Reads `{type}-{id}.rn` and returns the kind with the plugin's id, or `None` when the name follows no rule.
    ///
    /// A directory in front of the name is ignored. `provider-rustbill.rn` is the one upstream provider.
    #[must_use]
    pub fn from_file_name(file_name: &str) -> Option<(Self, String)> {
        let name = file_name.rsplit(['/', '\\']).next()?;
        let (word, id) = name.strip_suffix(".rn")?.split_once('-')?;
        let kind = match word {
            "gateway" => Self::Gateway,
            "notifier" => Self::Notifier,
            "provider" if id == "rustbill" => Self::UpstreamProvider,
            "provider" => Self::FirstPartyProvider,
            _ => return None,
        };
        let sound = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        sound.then(|| (kind, id.to_owned()))
    }

    /// The functions that a plugin of this kind must define, each with two parameters.
    #[must_use]
    pub const fn required(self) -> &'static [&'static str] {
        match self {
            Self::FirstPartyProvider => UPSTREAM_FUNCTIONS.split_at(PROVIDER_FUNCTIONS).0,
            Self::UpstreamProvider => &UPSTREAM_FUNCTIONS,
            Self::Gateway => &GATEWAY_FUNCTIONS,
            Self::Notifier => &NOTIFIER_FUNCTIONS,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_db())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names() {
        let read = Kind::from_file_name;
        assert_eq!(read("gateway-yipay.rn"), Some((Kind::Gateway, "yipay".into())));
        assert_eq!(read("plugins/provider-rustbill.rn"), Some((Kind::UpstreamProvider, "rustbill".into())));
        assert_eq!(read("provider-incus.rn"), Some((Kind::FirstPartyProvider, "incus".into())));
        assert_eq!(read("notifier-my-chat.rn"), Some((Kind::Notifier, "my-chat".into())));
        for bad in ["gateway-.rn", "gateway.rn", "theme-a.rn", "gateway-a.txt", "notifier-a b.rn"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_and_counts() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_db(kind.as_db()), Some(kind));
        }
        assert_eq!(Kind::from_db("payment_gateway"), Some(Kind::Gateway));
        assert_eq!(Kind::from_db("provider"), Some(Kind::FirstPartyProvider));
        assert_eq!(Kind::from_db("upstream"), Some(Kind::UpstreamProvider));
        assert_eq!(Kind::from_db("Gateway"), None);
        let counts: Vec<_> = Kind::ALL.iter().map(|k| k.required().len()).collect();
        assert_eq!(counts, [12, 15, 7, 6]);
    }
}
