//! Users, and how they log in.

use serde_json::json;

use super::row::{UNKNOWN, rows};
use crate::support::{stage::unique, world::PASSWORD};

rows! {
    "IdentityService/Register" {
        InvalidArgument "code wrong": Nobody, "code.wrong", "`verification_code`" => |_| json!({
            "username": unique(), "email": format!("{}@example.com", unique()), "password": PASSWORD, "verification_code": "1",
        });
        InvalidArgument "expired": Nobody, "code.wrong", "expired" => |s| {
            let email = format!("{}@example.com", unique());
            let code = s.code(&email, "registration").await;
            s.let_expire(&email).await;
            json!({ "username": unique(), "email": email, "password": PASSWORD, "verification_code": code })
        };
        InvalidArgument "username taken": Nobody, "username.taken", "taken" => |s| {
            let email = format!("{}@example.com", unique());
            let code = s.code(&email, "registration").await;
            let username = s.bystander().await["username"].clone();
            json!({ "username": username, "email": email, "password": PASSWORD, "verification_code": code })
        };
        InvalidArgument "password shorter than 6 characters": Nobody, "password.length", "5 characters" => |_| json!({
            "username": unique(), "email": format!("{}@example.com", unique()), "password": "short", "verification_code": "1",
        });
        AlreadyExists "the e-mail address is registered": Nobody, "name.taken", "e-mail" => |s| {
            let email = s.taken_email().await;
            let code = s.code(&email, "registration").await;
            json!({ "username": unique(), "email": email, "password": PASSWORD, "verification_code": code })
        };
    }
    "IdentityService/SendVerificationCode" {
        InvalidArgument "malformed e-mail address": Nobody, "email.malformed", "`email` is `nonsense`" => |_| json!({
            "email": "nonsense", "purpose": "registration",
        });
        InvalidArgument "unknown purpose": Nobody, "enum.unknown", "`purpose` is `fun`" => |_| json!({
            "email": "someone@example.com", "purpose": "fun",
        });
        InvalidArgument "asked again too soon": Nobody, "code.too_soon", "seconds" => |s| {
            let message = json!({ "email": format!("{}@example.com", unique()), "purpose": "registration" });
            s.admin("IdentityService/SendVerificationCode", message.clone()).await;
            message
        };
        Internal "no notifier that sends codes is enabled": NobodyCutOff, "code.no_notifier", "e-mail notifier" => |_| json!({
            "email": format!("{}@example.com", unique()), "purpose": "registration",
        });
    }
    "IdentityService/Login" {
        InvalidArgument "wrong password": Nobody, "login.failed", "password" => |s| {
            let mut message = s.bystander().await;
            message["password"] = json!("wrong password");
            message
        };
        InvalidArgument "unknown user": Nobody, "login.failed", "user name" => |_| json!({
            "username": unique(), "password": PASSWORD, "user_type": "customer",
        });
        PermissionDenied "the user or its customer is disabled; told only after the right password": Nobody, "login.disabled", "disabled" => |s| {
            let mut user = s.user_message();
            let id = s.make("IdentityService/CreateUser", user.clone(), "/user/id").await;
            s.admin("IdentityService/UpdateUser", json!({ "id": id, "is_active": false })).await;
            json!({ "username": user["username"].take(), "password": PASSWORD, "user_type": "customer" })
        };
    }
    "IdentityService/RefreshToken" {
        InvalidArgument "token invalid": Nobody, "refresh_token.invalid", "not valid" => |_| json!({ "refresh_token": "x" });
        InvalidArgument "expired": Nobody, "refresh_token.expired", "expired" => |s| json!({
            "refresh_token": s.expired_token().await,
        });
        InvalidArgument "already used": Nobody, "refresh_token.reused", "used before" => |s| {
            let message = json!({ "refresh_token": s.refresh_token().await });
            s.admin("IdentityService/RefreshToken", message.clone()).await;
            message
        };
    }
    "IdentityService/GetUser" {
        NotFound "no such user": Admin, "not_found", "user `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "IdentityService/UpdateUser" {
        InvalidArgument "a value is not acceptable": Admin, "email.malformed", "`email` is `nonsense`" => |s| json!({
            "id": s.user().await, "email": "nonsense",
        });
        NotFound "no such user": Admin, "not_found", "user `UNKNOWN`" => |_| json!({ "id": UNKNOWN, "display_name": "A" });
        NotFound "customer": Admin, "not_found", "customer `UNKNOWN`" => |s| json!({
            "id": s.user().await, "customer_id": UNKNOWN,
        });
        AlreadyExists "e-mail address taken": Admin, "name.taken", "e-mail" => |s| {
            let other = s.user_message();
            s.admin("IdentityService/CreateUser", other.clone()).await;
            json!({ "id": s.user().await, "email": other["email"] })
        };
        PermissionDenied "an operator who changes what is for the role admin": Operator, "permission.denied", "`admin`" => |s| json!({
            "id": s.world.admin.id().unwrap(), "role": "operator",
        });
    }
    "IdentityService/DeleteUser" {
        InvalidArgument "the last admin": Admin, "user.last_admin", "`admin`" => |s| json!({ "id": s.world.admin.id().unwrap() });
        InvalidArgument "tickets are assigned to the user": Admin, "user.in_use", "tickets" => |s| {
            let name = unique();
            let user = json!({
                "username": name, "email": "", "password": PASSWORD, "user_type": "admin", "role": "operator",
            });
            let id = s.make("IdentityService/CreateUser", user, "/user/id").await;
            let message = json!({ "id": s.ticket().await, "assignee_user_id": id });
            s.admin("TicketService/UpdateTicket", message).await;
            json!({ "id": id })
        };
        NotFound "no such user": Admin, "not_found", "user `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "IdentityService/ChangePassword" {
        InvalidArgument "old password wrong": Owner, "password.wrong", "`old_password`" => |_| json!({
            "old_password": "not this one", "new_password": PASSWORD,
        });
        InvalidArgument "new one shorter than 6 characters": Owner, "password.length", "`new_password` has 5" => |_| json!({
            "old_password": PASSWORD, "new_password": "short",
        });
    }
    "IdentityService/AdminResetPassword" {
        InvalidArgument "shorter than 6 characters": Admin, "password.length", "`new_password` has 5" => |s| json!({
            "user_id": s.user().await, "new_password": "short",
        });
        NotFound "no such user": Admin, "not_found", "user `UNKNOWN`" => |_| json!({
            "user_id": UNKNOWN, "new_password": PASSWORD,
        });
    }
    "IdentityService/ResetPassword" {
        InvalidArgument "code wrong": Nobody, "code.wrong", "`verification_code`" => |s| json!({
            "email": s.everybody.customers[0].email, "verification_code": "1", "new_password": PASSWORD,
        });
        InvalidArgument "expired": Nobody, "code.wrong", "expired" => |s| {
            let user = s.user_message();
            s.admin("IdentityService/CreateUser", user.clone()).await;
            let email = user["email"].as_str().unwrap();
            let code = s.code(email, "password_reset").await;
            s.let_expire(email).await;
            json!({ "email": email, "verification_code": code, "new_password": PASSWORD })
        };
        InvalidArgument "password shorter than 6 characters": Nobody, "password.length", "`new_password` has 5" => |s| json!({
            "email": s.everybody.customers[0].email, "verification_code": "1", "new_password": "short",
        });
    }
    "IdentityService/CreateUser" {
        InvalidArgument "a value is not acceptable": Admin, "enum.unknown", "`role` is `king`" => |_| json!({
            "username": unique(), "password": PASSWORD, "user_type": "admin", "role": "king",
        });
        NotFound "no such customer": Admin, "not_found", "customer `UNKNOWN`" => |s| {
            let mut message = s.user_message();
            message["customer_id"] = json!(UNKNOWN);
            message
        };
        AlreadyExists "username": Admin, "username.taken", "user" => |s| {
            let (mut message, other) = (s.user_message(), s.user_message());
            s.admin("IdentityService/CreateUser", other.clone()).await;
            message["username"] = other["username"].clone();
            message
        };
        AlreadyExists "e-mail address taken": Admin, "name.taken", "e-mail" => |s| {
            let (mut message, other) = (s.user_message(), s.user_message());
            s.admin("IdentityService/CreateUser", other.clone()).await;
            message["email"] = other["email"].clone();
            message
        };
    }
}
