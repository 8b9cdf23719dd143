//! Customers, their keys and tickets, and what is sent to them.

use serde_json::json;

use super::row::{UNKNOWN, rows};
use crate::support::stage::{Stage, unique};

rows! {
    "CustomerService/CreateCustomer" {
        InvalidArgument "a value is not acceptable": Admin, "money.malformed", "`credit_limit` is `lots`" => |_| {
            let mut message = Stage::customer_message();
            message["credit_limit"] = json!("lots");
            message
        };
        AlreadyExists "the e-mail address is taken": Admin, "name.taken", "e-mail" => |s| json!({
            "name": unique(), "email": s.taken_email().await,
        });
    }
    "CustomerService/GetCustomer" {
        NotFound "no such customer": Admin, "not_found", "customer `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "CustomerService/UpdateCustomer" {
        InvalidArgument "a value is not acceptable": Admin, "money.malformed", "`credit_limit` is `-1.00`" => |s| json!({
            "id": s.owner, "credit_limit": "-1.00",
        });
        NotFound "no such customer": Admin, "not_found", "customer `UNKNOWN`" => |_| json!({ "id": UNKNOWN, "notes": "A" });
        AlreadyExists "another customer has the e-mail address": Admin, "name.taken", "e-mail" => |s| json!({
            "id": s.owner, "email": s.taken_email().await,
        });
    }
    "CustomerService/DeleteCustomer" {
        InvalidArgument "something stands in the way": Admin, "customer.in_use", "balance" => |s| json!({ "id": s.owner });
        NotFound "no such customer": Admin, "not_found", "customer `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "ApiKeyService/CreateApiKey" {
        InvalidArgument "name is empty": Owner, "text.missing", "`name`" => |_| json!({ "name": " " });
        NotFound "no such customer": Admin, "not_found", "customer `UNKNOWN`" => |_| json!({
            "name": unique(), "customer_id": UNKNOWN,
        });
        PermissionDenied "the customer may not create keys": Third, "api_key.not_allowed", "API keys" => |_| json!({
            "name": unique(),
        });
    }
    "ApiKeyService/ListApiKeys" {
        PermissionDenied "the customer may not create keys": Third, "api_key.not_allowed", "API keys" => |_| json!({});
    }
    "ApiKeyService/RevokeApiKey" {
        NotFound "no such key": Owner, "not_found", "API key `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "TicketService/CreateTicket" {
        InvalidArgument "title is empty": Owner, "text.missing", "`title`" => |_| json!({ "title": "", "priority": "low" });
        InvalidArgument "the priority unknown": Owner, "enum.unknown", "`priority` is `urgent!`" => |_| json!({
            "title": "Help", "priority": "urgent!",
        });
        NotFound "no such customer": Admin, "not_found", "customer `UNKNOWN`" => |_| json!({
            "customer_id": UNKNOWN, "title": "Help", "priority": "low",
        });
    }
    "TicketService/ListTickets" {
        InvalidArgument "a filter is malformed": Admin, "id.malformed", "`customer_id` is `42`" => |_| json!({ "customer_id": "42" });
        InvalidArgument "no known word": Owner, "enum.unknown", "`status` is `lost`" => |_| json!({ "status": "lost" });
    }
    "TicketService/GetTicket" {
        NotFound "no such ticket": Owner, "not_found", "ticket `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "TicketService/UpdateTicket" {
        InvalidArgument "the move is not allowed; names both states": Admin, "ticket.wrong_state", "closed and can't become pending" => |s| {
            let id = s.ticket().await;
            for status in ["processing", "resolved", "closed"] {
                s.admin("TicketService/UpdateTicket", json!({ "id": id, "status": status })).await;
            }
            json!({ "id": id, "status": "pending" })
        };
        NotFound "no such ticket": Admin, "not_found", "ticket `UNKNOWN`" => |_| json!({ "id": UNKNOWN, "priority": "low" });
    }
    "TicketService/CreateReply" {
        InvalidArgument "content is empty": Owner, "text.missing", "`content`" => |s| json!({
            "ticket_id": s.ticket().await, "content": "",
        });
        NotFound "no such ticket": Owner, "not_found", "ticket `UNKNOWN`" => |_| json!({ "ticket_id": UNKNOWN, "content": "A" });
    }
    "TicketService/DeleteTicket" {
        NotFound "no such ticket": Admin, "not_found", "ticket `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "NotificationService/SendNotification" {
        InvalidArgument "event_type": Admin, "text.missing", "`event_type`" => |_| json!({ "event_type": "", "title": "A" });
        InvalidArgument "title is empty": Admin, "text.missing", "`title`" => |_| json!({ "event_type": "test", "title": "" });
    }
}
