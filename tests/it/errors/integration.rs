//! Plugins, their interfaces, and what upstream providers are asked.

use serde_json::{Value, json};

use super::{
    row::{UNKNOWN, rows},
    scene::Scene,
};
use crate::support::stage::unique;

/// An interface of the provider's plugin with this name.
fn named(scene: &Scene<'_>, name: &str) -> Value {
    let mut message = scene.interface_message();
    message["display_name"] = json!(name);
    message
}

rows! {
    "IntegrationService/ListPlugins" {
        InvalidArgument "plugin_type is no known word": Admin, "enum.unknown", "`plugin_type` is `toy`" => |_| json!({ "plugin_type": "toy" });
    }
    "IntegrationService/GetPlugin" {
        InvalidArgument "id is malformed": Admin, "id.malformed", "`id` is `42`" => |_| json!({ "id": "42" });
        NotFound "no such plugin": Admin, "not_found", "plugin `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "IntegrationService/ListPluginInterfaces" {
        InvalidArgument "plugin_type is no known word": Admin, "enum.unknown", "`plugin_type` is `toy`" => |_| json!({ "plugin_type": "toy" });
    }
    "IntegrationService/GetPluginInterface" {
        InvalidArgument "interface_id is malformed": Admin, "id.malformed", "`interface_id` is `42`" => |_| json!({ "interface_id": "42" });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN });
    }
    "IntegrationService/CreatePluginInterface" {
        InvalidArgument "config_json is malformed": Admin, "plugin.config", "`config_json` is no JSON" => |s| {
            let mut message = s.interface_message();
            message["config_json"] = json!("{");
            message
        };
        NotFound "no such plugin": Admin, "not_found", "plugin `UNKNOWN`" => |s| {
            let mut message = s.interface_message();
            message["plugin_def_id"] = json!(UNKNOWN);
            message
        };
        AlreadyExists "the plugin has an interface of that name": Admin, "plugin.name_taken", "an interface of this plugin" => |s| {
            let message = named(s, &unique());
            s.admin("IntegrationService/CreatePluginInterface", message.clone()).await;
            message
        };
    }
    "IntegrationService/UpdatePluginInterface" {
        InvalidArgument "config_json is malformed": Admin, "plugin.config", "`config_json` is no JSON" => |s| json!({
            "interface_id": s.interface().await, "config_json": "{",
        });
        InvalidArgument "does not fit the plugin's schema": Admin, "plugin.config", "" => |s| json!({
            "interface_id": s.interface().await, "config_json": "[]",
        });
        InvalidArgument "display_name is empty": Admin, "text.missing", "`display_name`" => |s| json!({
            "interface_id": s.interface().await, "display_name": "",
        });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({
            "interface_id": UNKNOWN, "display_name": "A",
        });
        AlreadyExists "the plugin has an interface of that name": Admin, "plugin.name_taken", "an interface of this plugin" => |s| {
            let name = unique();
            s.admin("IntegrationService/CreatePluginInterface", named(s, &name)).await;
            json!({ "interface_id": s.interface().await, "display_name": name })
        };
    }
    "IntegrationService/TogglePluginInterface" {
        InvalidArgument "the plugin does not start with this configuration and stays disabled": Admin, "plugin.initialize", "out of order" => |s| json!({
            "interface_id": s.closed().await, "enable": true,
        });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN });
    }
    "IntegrationService/DeletePluginInterface" {
        InvalidArgument "products, orders, instances or payments use it: plugin.in_use": Admin, "plugin.in_use", "is used by" => |s| json!({ "interface_id": s.provider.id });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN });
    }
    "IntegrationService/CheckPluginHealth" {
        InvalidArgument "interface_id is malformed": Admin, "id.malformed", "`interface_id` is `42`" => |_| json!({ "interface_id": "42" });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN });
    }
    "IntegrationService/GetPluginAdminPage" {
        InvalidArgument "the plugin has no such page: plugin.no_page": Admin, "plugin.no_page", "" => |s| json!({ "interface_id": s.gateway.id });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN });
        Internal "the plugin refused or failed": Admin, "", "" => |s| json!({ "interface_id": s.broken });
        Unavailable "the plugin can't run now": AdminCutOff, "", "" => |s| json!({ "interface_id": s.provider.id });
    }
    "IntegrationService/CallPluginAction" {
        InvalidArgument "args_json is no JSON object or has the name of a setting: plugin.arguments": Admin, "plugin.arguments", "`args_json`" => |s| json!({
            "interface_id": s.provider.id, "function": "admin_hello", "args_json": "{",
        });
        InvalidArgument "the function has another name: plugin.function": Admin, "plugin.function", "create_instance" => |s| json!({
            "interface_id": s.provider.id, "function": "create_instance", "args_json": "{}",
        });
        InvalidArgument "there is no such function: plugin.no_function": Admin, "plugin.no_function", "admin_none" => |s| json!({
            "interface_id": s.provider.id, "function": "admin_none", "args_json": "{}",
        });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({
            "interface_id": UNKNOWN, "function": "admin_hello", "args_json": "{}",
        });
        Internal "the plugin refused or failed": Admin, "", "" => |s| json!({
            "interface_id": s.broken, "function": "admin_hello", "args_json": "{}",
        });
        Unavailable "the plugin can't run now": AdminCutOff, "", "" => |s| json!({
            "interface_id": s.provider.id, "function": "admin_hello", "args_json": "{}",
        });
    }
    "IntegrationService/SyncProducts" {
        InvalidArgument "the interface is no provider": Admin, "plugin.wrong_type", "`interface_id`" => |s| json!({ "interface_id": s.gateway.id });
        NotFound "group": Admin, "not_found", "product group `UNKNOWN`" => |s| json!({ "interface_id": s.provider.id, "group_id": UNKNOWN });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN });
        Internal "the plugin refused or failed": Admin, "", "" => |s| json!({ "interface_id": s.broken });
        Unavailable "the plugin can't run now": AdminCutOff, "", "" => |s| json!({ "interface_id": s.provider.id });
    }
    "IntegrationService/QueryPrice" {
        InvalidArgument "the interface is no provider": Admin, "plugin.wrong_type", "`interface_id`" => |s| json!({ "interface_id": s.gateway.id, "disk_gb": 20, "region": "eu" });
        InvalidArgument "the specification does not fit its template": Admin, "spec.value", "mars" => |s| json!({ "interface_id": s.provider.id, "region": "mars" });
        NotFound "it is disabled": Admin, "not_found", "interface" => |s| json!({ "interface_id": s.interface().await, "region": "eu" });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN, "disk_gb": 20, "region": "eu" });
        NotFound "nothing on sale fits: product.no_match": Owner, "product.no_match", "nothing on sale" => |s| json!({ "interface_id": s.barren().await });
        Internal "the plugin refused or failed": Admin, "", "" => |s| json!({ "interface_id": s.broken, "disk_gb": 20, "region": "eu" });
        Unavailable "the plugin can't run now": AdminCutOff, "", "" => |s| json!({ "interface_id": s.provider.id, "disk_gb": 20, "region": "eu" });
    }
    "IntegrationService/CreateUpstreamInstance" {
        InvalidArgument "the interface is no provider": Admin, "plugin.wrong_type", "`interface_id`" => |s| json!({ "interface_id": s.gateway.id, "server_spec": { "region": "eu" } });
        InvalidArgument "the specification does not fit its template": Admin, "spec.value", "mars" => |s| json!({ "interface_id": s.provider.id, "server_spec": { "region": "mars" } });
        NotFound "it is disabled": Admin, "not_found", "interface" => |s| json!({ "interface_id": s.interface().await, "server_spec": { "region": "eu" } });
        InvalidArgument "the balance does not suffice: balance.insufficient, and then nothing was ordered": Third, "balance.insufficient", "does not cover" => |s| json!({ "interface_id": s.provider.id, "server_spec": {} });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN, "server_spec": { "region": "eu" } });
        NotFound "nothing on sale fits: product.no_match": Owner, "product.no_match", "nothing on sale" => |s| json!({ "interface_id": s.barren().await, "server_spec": {} });
        Internal "the plugin refused or failed": Admin, "", "" => |s| json!({ "interface_id": s.broken, "server_spec": { "region": "eu" } });
        Unavailable "the plugin can't run now": AdminCutOff, "", "" => |s| json!({ "interface_id": s.provider.id, "server_spec": { "region": "eu" } });
    }
    "IntegrationService/GetInstanceStatus" {
        InvalidArgument "the interface is no provider": Admin, "plugin.wrong_type", "`interface_id`" => |s| json!({ "interface_id": s.gateway.id, "instance_id": "up-1" });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN, "instance_id": "up-1" });
        Internal "the plugin refused or failed": Admin, "", "" => |s| json!({ "interface_id": s.broken, "instance_id": "up-1" });
        Unavailable "the plugin can't run now": AdminCutOff, "", "" => |s| json!({ "interface_id": s.provider.id, "instance_id": "up-1" });
    }
    "IntegrationService/SyncUpstreamInstances" {
        InvalidArgument "the interface is no upstream provider": Admin, "plugin.wrong_type", "`interface_id`" => |s| json!({ "interface_id": s.gateway.id });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN });
        Internal "the plugin refused or failed": Admin, "", "" => |s| json!({ "interface_id": s.broken });
        Unavailable "the plugin can't run now": AdminCutOff, "", "" => |s| json!({ "interface_id": s.provider.id });
    }
    "IntegrationService/ImportUpstreamInstance" {
        InvalidArgument "the interface is no upstream provider": Admin, "plugin.wrong_type", "`interface_id`" => |s| json!({ "interface_id": s.gateway.id, "instance_id": "up-1" });
        AlreadyExists "the server is in our records already": Admin, "", "" => |s| {
            let message = json!({ "interface_id": s.provider.id, "instance_id": unique() });
            s.admin("IntegrationService/ImportUpstreamInstance", message.clone()).await;
            message
        };
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN, "instance_id": "up-1" });
        Internal "the plugin refused or failed": Admin, "", "" => |s| json!({ "interface_id": s.broken, "instance_id": "up-1" });
        Unavailable "the plugin can't run now": AdminCutOff, "", "" => |s| json!({ "interface_id": s.provider.id, "instance_id": "up-1" });
    }
    "IntegrationService/GetUpstreamBalance" {
        InvalidArgument "the interface is no upstream provider": Admin, "plugin.wrong_type", "`interface_id`" => |s| json!({ "interface_id": s.gateway.id });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN });
        Internal "the plugin refused or failed": Admin, "", "" => |s| json!({ "interface_id": s.broken });
        Unavailable "the plugin can't run now": AdminCutOff, "", "" => |s| json!({ "interface_id": s.provider.id });
    }
    "IntegrationService/GetPluginSource" {
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN });
    }
    "IntegrationService/UpdatePluginSource" {
        InvalidArgument "the script is not the one with expected_hash any more: plugin.stale": Admin, "plugin.stale", "" => |s| json!({
            "interface_id": s.interface().await, "source": "", "expected_hash": "0000",
        });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({
            "interface_id": UNKNOWN, "source": "", "expected_hash": "",
        });
    }
    "IntegrationService/CheckPluginSource" {
        InvalidArgument "plugin_type is no known word": Admin, "enum.unknown", "`plugin_type` is `toy`" => |_| json!({ "plugin_type": "toy" });
    }
}
