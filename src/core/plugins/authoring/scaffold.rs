//! Scripts to begin with.

use super::super::Kind;
use crate::core::{
    error::{Error, Result},
    text,
};

/// What stands for the plugin's identifier in the templates.
const PLACEHOLDER: &str = "EXAMPLE";
/// Characters of an identifier.
const ID_MAX: usize = 60;

/// A file to begin with.
#[derive(Clone, Debug)]
pub struct Scaffold {
    /// What it is for.
    pub kind: Kind,
    /// What the file must be called.
    pub file_name: String,
    /// The text.
    pub source: String,
}

/// Reads a type, by its short name or as the database has it.
///
/// # Errors
/// `plugin.type` for another word.
pub fn parse_type(word: &str) -> Result<Kind> {
    Kind::from_db(word).ok_or_else(|| {
        let shown = text::shown(word, text::SHOWN_MAX);
        Error::invalid(
            "plugin.type",
            format!("the plugin type is `{shown}`, expected one of: gateway, notifier, provider, upstream"),
        )
    })
}

/// A script that compiles and does nothing yet.
///
/// # Errors
/// `plugin.id` for an identifier that no file can have.
pub fn scaffold(kind: Kind, id: &str) -> Result<Scaffold> {
    let template = match kind {
        Kind::Gateway => include_str!("../scaffold/gateway.rn"),
        Kind::Notifier => include_str!("../scaffold/notifier.rn"),
        Kind::FirstPartyProvider => include_str!("../scaffold/provider.rn"),
        Kind::UpstreamProvider => include_str!("../scaffold/upstream.rn"),
    };
    let word = match kind {
        Kind::Gateway => "gateway",
        Kind::Notifier => "notifier",
        Kind::FirstPartyProvider | Kind::UpstreamProvider => "provider",
    };
    let file_name = format!("{word}-{id}.rn");
    let shown = text::shown(id, text::SHOWN_MAX);
    let refuse = |what: &str, hint: &str| Err(Error::invalid("plugin.id", format!("`{shown}` {what}")).hint(hint));
    match Kind::from_file_name(&file_name) {
        _ if id.len() > ID_MAX => refuse("is too long for a plugin", "use at most 60 characters"),
        None => refuse("is no name of a plugin", "use letters, digits, `-`, `_` and `.`, such as `my-shop`"),
        Some((found, _)) if found == kind => {
            Ok(Scaffold { kind, source: template.replace(PLACEHOLDER, id), file_name })
        }
        Some((Kind::UpstreamProvider, _)) => {
            refuse("is the name of the upstream provider", "for that one say `upstream rustbill`, else choose another")
        }
        Some(_) => refuse("can't be an upstream provider", "the only one is `rustbill`: `upstream rustbill`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(scaffold(Kind::Gateway, "my-bank").unwrap().file_name, "gateway-my-bank.rn");
        assert!(scaffold(Kind::Notifier, "chat").unwrap().source.contains("notifier-chat.rn"));
        for (kind, id) in [
            (Kind::Gateway, ""),
            (Kind::Gateway, "../x"),
            (Kind::Gateway, "a b"),
            (Kind::FirstPartyProvider, "rustbill"),
            (Kind::UpstreamProvider, "moon"),
        ] {
            assert_eq!(scaffold(kind, id).unwrap_err().code(), "plugin.id", "{kind} {id}");
        }
        assert!(scaffold(Kind::Gateway, &"a".repeat(61)).is_err());
        for word in ["gateway", "notifier", "provider", "upstream", "first_party_provider", "payment_gateway"] {
            parse_type(word).unwrap();
        }
        assert_eq!(parse_type("theme").unwrap_err().code(), "plugin.type");
    }
}
