//! Definitions and interfaces.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::types::Json;

use super::{Kind, config};
use crate::core::{
    error::{Error, Result},
    id::Id,
    text,
    time::Timestamp,
};

/// Reads the kind in `field`.
///
/// # Errors
/// `enum.unknown`, naming the field, the text and the words that would do.
pub fn parse_kind(field: &str, word: &str) -> Result<Kind> {
    Kind::from_db(word).ok_or_else(|| {
        let shown = text::shown(word, text::SHOWN_MAX);
        let known = Kind::ALL.map(Kind::as_db).join(", ");
        Error::invalid("enum.unknown", format!("`{field}` is `{shown}`, expected one of: {known}"))
    })
}

/// A script that was found.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Definition {
    /// The identifier.
    pub id: Id,
    /// Which kind, as stored.
    pub plugin_type: String,
    /// Its name within the kind.
    pub plugin_id: String,
    /// The file that it comes from.
    pub file_name: String,
    /// Whether it has a page for the administration.
    pub has_admin_page: bool,
    /// Its version, by semver.
    pub version: String,
    /// The form of its configuration.
    pub config_schema: Json<Value>,
    /// The script; empty when no version of it was ever usable.
    pub script_source: String,
    /// SHA-256 of the script.
    pub script_hash: String,
    /// Why the file that was found last can't be used; empty when it can.
    pub problem: String,
    /// When it was found first.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A definition with a configuration.
#[expect(clippy::struct_excessive_bools, reason = "a row of a table, whose columns are what they are")]
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Interface {
    /// The identifier.
    pub id: Id,
    /// The definition.
    pub plugin_def_id: Option<Id>,
    /// Which kind, as stored.
    pub plugin_type: String,
    /// The definition's name within the kind.
    pub plugin_id: String,
    /// What people call it.
    pub display_name: String,
    /// The settings, with secrets in clear: see [`Interface::masked_config`] for everything that leaves the core.
    pub config: Json<Value>,
    /// The form of the settings.
    pub config_schema: Json<Value>,
    /// Whether it may be used.
    pub enabled: bool,
    /// Whether the last check went well.
    pub is_healthy: bool,
    /// What the last check said.
    pub health_error: Option<String>,
    /// When it was checked last.
    pub last_check_at: Option<Timestamp>,
    /// The script that it runs.
    pub script_source: String,
    /// SHA-256 of the script.
    pub script_hash: String,
    /// Whether an administrator edited the script.
    pub script_edited: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Whether the definition has a page for the administration.
    pub has_admin_page: bool,
    /// The definition's version.
    pub plugin_version: String,
}

/// What a check said.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether it went well.
    pub is_healthy: bool,
    /// What it said, if not.
    pub error: Option<String>,
    /// When.
    pub checked_at: Timestamp,
}

impl Interface {
    /// Its kind; `None` for a word that this version does not know.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_db(&self.plugin_type)
    }

    /// Whether a setting has this name, be it filled or not.
    #[must_use]
    pub fn has_setting(&self, name: &str) -> bool {
        self.config.get(name).is_some()
            || self.config_schema.pointer("/properties").is_some_and(|known| known.get(name).is_some())
    }

    /// Puts values beside the fields of a call, each under its own name, unless that is the name of a field or of a
    /// setting: what a server is like must not say which host a script sends its password to.
    pub fn add_values(&self, business: &mut Value, values: &BTreeMap<String, String>) {
        let Value::Object(fields) = business else { return };
        for (name, value) in values {
            if !self.has_setting(name) {
                fields.entry(name.clone()).or_insert_with(|| Value::from(value.as_str()));
            }
        }
    }

    /// The settings with every secret replaced by a mask.
    #[must_use]
    pub fn masked_config(&self) -> Value {
        config::mask(&self.config_schema.0, &self.config.0)
    }
}
