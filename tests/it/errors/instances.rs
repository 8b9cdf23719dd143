//! Servers.

use serde_json::json;

use super::row::{UNKNOWN, rows};

rows! {
    "InstanceService/ListInstances" {
        InvalidArgument "a filter is malformed": Admin, "id.malformed", "`customer_id` is `42`" => |_| json!({ "customer_id": "42" });
        InvalidArgument "no known word": Owner, "enum.unknown", "`status` is `lost`" => |_| json!({ "status": "lost" });
    }
    "InstanceService/GetInstance" {
        InvalidArgument "id is malformed": Owner, "id.malformed", "`id` is `42`" => |_| json!({ "id": "42" });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "InstanceService/StartInstance" {
        InvalidArgument "id is malformed": Owner, "id.malformed", "`id` is `42`" => |_| json!({ "id": "42" });
        InvalidArgument "the instance or its order is in a state that does not allow it, which is named: `instance.wrong_state`": Owner, "instance.wrong_state", "terminated" => |s| json!({
            "id": s.terminated().await,
        });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
        Internal "the provider refused: `provider.refused` with its words": Owner, "", "" => |s| json!({ "id": s.stopped_orphan });
        Internal "its plugin failed: `provider.failed`, for administrators `plugin.refused` or `plugin.failed`": Admin, "", "" => |s| json!({ "id": s.stopped_orphan });
        Unavailable "the provider can't be asked now: `provider.disabled`, `provider.unavailable`": AdminCutOff, "", "" => |s| json!({ "id": s.stopped().await });
    }
    "InstanceService/StopInstance" {
        InvalidArgument "id is malformed": Owner, "id.malformed", "`id` is `42`" => |_| json!({ "id": "42" });
        InvalidArgument "the instance or its order is in a state that does not allow it, which is named: `instance.wrong_state`": Owner, "instance.wrong_state", "terminated" => |s| json!({
            "id": s.terminated().await,
        });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
        Internal "the provider refused: `provider.refused` with its words": Owner, "", "" => |s| json!({ "id": s.orphan });
        Internal "its plugin failed: `provider.failed`, for administrators `plugin.refused` or `plugin.failed`": Admin, "", "" => |s| json!({ "id": s.orphan });
        Unavailable "the provider can't be asked now: `provider.disabled`, `provider.unavailable`": AdminCutOff, "", "" => |s| json!({ "id": s.instance().await });
    }
    "InstanceService/RestartInstance" {
        InvalidArgument "id is malformed": Owner, "id.malformed", "`id` is `42`" => |_| json!({ "id": "42" });
        InvalidArgument "the instance or its order is in a state that does not allow it, which is named: `instance.wrong_state`": Owner, "instance.wrong_state", "terminated" => |s| json!({
            "id": s.terminated().await,
        });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
        Internal "the provider refused: `provider.refused` with its words": Owner, "", "" => |s| json!({ "id": s.orphan });
        Internal "its plugin failed: `provider.failed`, for administrators `plugin.refused` or `plugin.failed`": Admin, "", "" => |s| json!({ "id": s.orphan });
        Unavailable "the provider can't be asked now: `provider.disabled`, `provider.unavailable`": AdminCutOff, "", "" => |s| json!({ "id": s.instance().await });
    }
    "InstanceService/TerminateInstance" {
        InvalidArgument "id is malformed": Owner, "id.malformed", "`id` is `42`" => |_| json!({ "id": "42" });
        InvalidArgument "the instance is terminated or was never made: `instance.wrong_state`": Owner, "instance.wrong_state", "terminated" => |s| json!({
            "id": s.terminated().await,
        });
        InvalidArgument "its order is neither active nor suspended: `order.wrong_state`; both name the states": Owner, "order.wrong_state", "completed" => |s| json!({
            "id": s.completed().await,
        });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "InstanceService/ExecuteInstanceAction" {
        InvalidArgument "id is malformed": Owner, "id.malformed", "`id` is `42`" => |_| json!({ "id": "42", "action": "rescue" });
        InvalidArgument "the action is not listed or not enabled: `instance.action`": Owner, "instance.action", "dance" => |s| json!({
            "id": s.instance().await, "action": "dance", "params_json": "{}",
        });
        InvalidArgument "params_json is no JSON object": Owner, "instance.params", "`params_json`" => |s| json!({
            "id": s.instance().await, "action": "rescue", "params_json": "{",
        });
        InvalidArgument "longer than 16 KiB: `instance.params`": Owner, "instance.params", "`params_json`" => |s| json!({
            "id": s.instance().await, "action": "rescue", "params_json": format!("{{\"a\":\"{}\"}}", "a".repeat(16 * 1024)),
        });
        InvalidArgument "the instance's state does not allow it: `instance.wrong_state`": Owner, "instance.wrong_state", "terminated" => |s| json!({
            "id": s.terminated().await, "action": "rescue", "params_json": "{}",
        });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({
            "id": UNKNOWN, "action": "rescue", "params_json": "{}",
        });
        Internal "the plugin failed: `provider.failed`, for administrators `plugin.refused` or `plugin.failed`": Admin, "", "" => |s| json!({
            "id": s.orphan, "action": "rescue", "params_json": "{}",
        });
        Unavailable "the provider can't be asked now: `provider.disabled`, `provider.unavailable`": AdminCutOff, "", "" => |s| json!({
            "id": s.instance().await, "action": "rescue", "params_json": "{}",
        });
    }
}
