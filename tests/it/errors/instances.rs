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
        InvalidArgument "the instance's state does not allow it; names the state": Owner, "", "terminated" => |s| json!({
            "id": s.terminated().await,
        });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
        Internal "the provider refused or failed": Owner, "", "" => |s| json!({ "id": s.stopped_orphan });
        Unavailable "the provider can't be asked now": AdminCutOff, "", "" => |s| json!({ "id": s.stopped().await });
    }
    "InstanceService/StopInstance" {
        InvalidArgument "the instance's state does not allow it; names the state": Owner, "", "terminated" => |s| json!({
            "id": s.terminated().await,
        });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
        Internal "the provider refused or failed": Owner, "", "" => |s| json!({ "id": s.orphan });
        Unavailable "the provider can't be asked now": AdminCutOff, "", "" => |s| json!({ "id": s.instance().await });
    }
    "InstanceService/RestartInstance" {
        InvalidArgument "the instance's state does not allow it; names the state": Owner, "", "terminated" => |s| json!({
            "id": s.terminated().await,
        });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
        Internal "the provider refused or failed": Owner, "", "" => |s| json!({ "id": s.orphan });
        Unavailable "the provider can't be asked now": AdminCutOff, "", "" => |s| json!({ "id": s.instance().await });
    }
    "InstanceService/TerminateInstance" {
        InvalidArgument "the instance's state does not allow it; names the state": Owner, "", "terminated" => |s| json!({
            "id": s.terminated().await,
        });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
        Internal "the provider refused or failed": Owner, "", "" => |s| json!({ "id": s.orphan });
        Unavailable "the provider can't be asked now": AdminCutOff, "", "" => |s| json!({ "id": s.instance().await });
    }
    "InstanceService/ExecuteInstanceAction" {
        InvalidArgument "no such action": Owner, "", "dance" => |s| json!({
            "id": s.instance().await, "action": "dance", "params_json": "{}",
        });
        InvalidArgument "params_json is malformed": Owner, "", "`params_json`" => |s| json!({
            "id": s.instance().await, "action": "rescue", "params_json": "{",
        });
        InvalidArgument "the instance's state does not allow it": Owner, "", "terminated" => |s| json!({
            "id": s.terminated().await, "action": "rescue", "params_json": "{}",
        });
        NotFound "no such instance": Owner, "not_found", "instance `UNKNOWN`" => |_| json!({
            "id": UNKNOWN, "action": "rescue", "params_json": "{}",
        });
        Internal "the provider failed": Owner, "", "" => |s| json!({
            "id": s.orphan, "action": "rescue", "params_json": "{}",
        });
        Unavailable "the provider can't be asked now": AdminCutOff, "", "" => |s| json!({
            "id": s.instance().await, "action": "rescue", "params_json": "{}",
        });
    }
}
