//! Plugins, interfaces and spec templates as messages.

use super::{
    convert::text,
    proto::{
        integration::{
            GatewayInfo, NotifierInfo, PluginDef, PluginInterfaceInfo, PluginProblem, PluginSourceIssue, ProviderInfo,
            UpstreamInstanceItem,
        },
        product::{PriceImpact, SpecField, SpecGroup, SpecOption, SpecTemplate},
    },
};
use crate::core::{
    plugins::{Definition, Interface, Kind, engine::Issue},
    products::{Provider, spec},
    supply::ProviderServer,
};

pub(super) fn plugin_def(definition: Definition) -> PluginDef {
    PluginDef {
        id: definition.id.to_string(),
        plugin_type: definition.plugin_type,
        plugin_id: definition.plugin_id,
        has_admin_page: definition.has_admin_page,
        created_at: definition.created_at.to_string(),
        updated_at: definition.updated_at.to_string(),
        version: definition.version,
    }
}

pub(super) fn plugin_problem(definition: Definition) -> PluginProblem {
    PluginProblem {
        plugin_def_id: definition.id.to_string(),
        file_name: definition.file_name,
        version: if definition.script_source.is_empty() { String::new() } else { definition.version },
        problem: definition.problem,
    }
}

/// An interface with its settings, in which every secret is masked.
pub(super) fn interface_info(interface: Interface) -> PluginInterfaceInfo {
    PluginInterfaceInfo {
        id: interface.id.to_string(),
        plugin_def_id: text(interface.plugin_def_id),
        config_json: interface.masked_config().to_string(),
        config_schema: interface.config_schema.0.to_string(),
        plugin_type: interface.plugin_type,
        plugin_id: interface.plugin_id,
        display_name: interface.display_name,
        enabled: interface.enabled,
        created_at: interface.created_at.to_string(),
        updated_at: interface.updated_at.to_string(),
        is_healthy: interface.is_healthy,
        health_error: interface.health_error,
        last_check_at: interface.last_check_at.map(|at| at.to_string()),
        has_admin_page: interface.has_admin_page,
        plugin_version: interface.plugin_version,
    }
}

pub(super) fn issue_info(issue: Issue) -> PluginSourceIssue {
    let message = match issue.advice.as_str() {
        "" => issue.message,
        advice => format!("{}; {advice}", issue.message),
    };
    PluginSourceIssue { line: issue.line, column: issue.column, message }
}

pub(super) fn server_item(server: ProviderServer) -> UpstreamInstanceItem {
    UpstreamInstanceItem {
        instance_id: server.instance_id,
        status: server.status,
        ip_address: server.ip_address,
        created_at: server.created_at,
    }
}

pub(super) fn gateway_info(interface: Interface) -> GatewayInfo {
    GatewayInfo {
        gateway_id: interface.id.to_string(),
        gateway_name: interface.display_name,
        is_healthy: interface.is_healthy,
    }
}

pub(super) fn notifier_info(interface: Interface) -> NotifierInfo {
    NotifierInfo {
        channel_id: interface.id.to_string(),
        channel_name: interface.display_name,
        is_healthy: interface.is_healthy,
    }
}

pub(super) fn provider_info(provider: Provider) -> ProviderInfo {
    let is_upstream = provider.interface.kind() == Some(Kind::UpstreamProvider);
    ProviderInfo {
        interface_id: provider.interface.id.to_string(),
        is_healthy: provider.is_healthy(),
        provider_name: provider.interface.display_name,
        provider_type: if is_upstream { "upstream" } else { "first_party" }.to_owned(),
        spec_template: provider.template.map(spec_template),
    }
}

fn spec_template(template: spec::Template) -> SpecTemplate {
    SpecTemplate {
        fields: template.fields.into_iter().map(spec_field).collect(),
        groups: template.groups.into_iter().map(spec_group).collect(),
    }
}

fn spec_group(group: spec::Group) -> SpecGroup {
    SpecGroup {
        key: group.key,
        label: group.label,
        icon: group.icon,
        display_order: place(group.display_order),
        fields: group.fields.into_iter().map(spec_field).collect(),
    }
}

fn spec_field(field: spec::Field) -> SpecField {
    SpecField {
        key: field.key,
        label: field.label,
        field_type: field.field_type,
        required: field.required,
        display_order: place(field.display_order),
        options: field.options.into_iter().map(spec_option).collect(),
        min: field.min,
        max: field.max,
        default_value: field.default_value,
        unit: field.unit,
        description: field.description,
        icon: field.icon,
        group: field.group,
        step: field.step,
        price_impact: field.price_impact.map(|impact| PriceImpact {
            mode: impact.mode,
            amount: impact.amount.unwrap_or_default(),
            currency: impact.currency,
        }),
    }
}

fn spec_option(option: spec::Choice) -> SpecOption {
    SpecOption {
        value: option.value,
        label: option.label,
        icon: option.icon,
        description: option.description,
        price_modifier: option.price_modifier.unwrap_or_default(),
        disabled: option.disabled,
    }
}

/// A script's place of something; one that is no place counts as first.
fn place(order: Option<i64>) -> u32 {
    order.and_then(|order| u32::try_from(order).ok()).unwrap_or_default()
}
