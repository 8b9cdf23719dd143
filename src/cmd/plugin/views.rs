//! What commands print of plugins and interfaces: never a script, never a secret.

use serde::Serialize;
use serde_json::Value;

use super::super::show;
use crate::core::{
    id::Id,
    plugins::{Definition, Interface},
    time::Timestamp,
};

/// A definition without its script.
#[derive(Serialize)]
pub(super) struct DefinitionView {
    pub(super) id: Id,
    pub(super) plugin_type: String,
    pub(super) plugin_id: String,
    pub(super) version: String,
    pub(super) file_name: String,
    pub(super) problem: String,
    pub(super) has_admin_page: bool,
    pub(super) config_schema: Value,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl From<Definition> for DefinitionView {
    fn from(definition: Definition) -> Self {
        Self {
            id: definition.id,
            plugin_type: definition.plugin_type,
            plugin_id: definition.plugin_id,
            version: definition.version,
            file_name: definition.file_name,
            problem: definition.problem,
            has_admin_page: definition.has_admin_page,
            config_schema: definition.config_schema.0,
            created_at: definition.created_at,
            updated_at: definition.updated_at,
        }
    }
}

/// Whether an interface is well: to programs always one or the other, to people nothing before it was asked.
pub(super) struct Wellness {
    pub(super) is_well: bool,
    pub(super) is_known: bool,
}

impl Serialize for Wellness {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_bool(self.is_well)
    }
}

impl show::Show for Wellness {
    fn show(&self) -> String {
        if self.is_known { self.is_well.to_string() } else { String::new() }
    }
}

/// An interface as it may be printed: without its script, with masked secrets.
#[derive(Serialize)]
pub(super) struct InterfaceView {
    pub(super) id: Id,
    pub(super) display_name: String,
    pub(super) plugin_type: String,
    pub(super) plugin_id: String,
    pub(super) plugin_version: String,
    pub(super) plugin_def_id: Option<Id>,
    pub(super) enabled: bool,
    pub(super) is_healthy: Wellness,
    pub(super) health_error: Option<String>,
    pub(super) last_check_at: Option<Timestamp>,
    pub(super) config: Value,
    pub(super) script_edited: bool,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl From<Interface> for InterfaceView {
    fn from(interface: Interface) -> Self {
        Self {
            config: interface.masked_config(),
            id: interface.id,
            display_name: interface.display_name,
            plugin_type: interface.plugin_type,
            plugin_id: interface.plugin_id,
            plugin_version: interface.plugin_version,
            plugin_def_id: interface.plugin_def_id,
            enabled: interface.enabled,
            is_healthy: Wellness { is_well: interface.is_healthy, is_known: interface.last_check_at.is_some() },
            health_error: interface.health_error,
            last_check_at: interface.last_check_at,
            script_edited: interface.script_edited,
            created_at: interface.created_at,
            updated_at: interface.updated_at,
        }
    }
}

/// What a check said.
#[derive(Serialize)]
pub(super) struct HealthView {
    pub(super) id: Id,
    pub(super) is_healthy: bool,
    pub(super) error: Option<String>,
    pub(super) checked_at: Timestamp,
}
