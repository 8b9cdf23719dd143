//! The installation's servers and events.

use serde_json::json;

use super::row::{UNKNOWN, rows};

rows! {
    "SystemService/ListEvents" {
        InvalidArgument "a filter is malformed": Admin, "id.malformed", "`subject_id` is `42`" => |_| json!({ "subject_id": "42" });
        InvalidArgument "no known word": Admin, "enum.unknown", "`status` is `lost`" => |_| json!({ "status": "lost" });
        InvalidArgument "no known word": Admin, "enum.unknown", "`event_type` is `order_lost`" => |_| json!({ "event_type": "order_lost" });
    }
    "SystemService/GetEvent" {
        NotFound "no such event": Admin, "not_found", "event `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "SystemService/RetryEvent" {
        InvalidArgument "the event is done or being processed": Admin, "event.wrong_state", "is done" => |s| json!({
            "id": s.world.event_that_is("done").await,
        });
        NotFound "no such event": Admin, "not_found", "event `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
}
