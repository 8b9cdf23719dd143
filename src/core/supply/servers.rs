//! Looking at a provider's servers and at our account there. For administrators; nothing is written.

use std::str::FromStr as _;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::answer::{contract_word, nonsense, word};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    error::Result,
    id::Id,
    instances::{self, InstanceStatus},
    money::Money,
    plugins::{self, Kind},
    products::{PROVIDERS, plain},
    text::{self, NAME_MAX},
};

/// Servers that a provider may list.
const SERVERS_MAX: usize = 10_000;

/// A server as its provider tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProviderServer {
    /// What the provider calls it.
    pub instance_id: String,
    /// How it is, in the provider's word.
    pub status: String,
    /// Where it is reached; may be empty.
    pub ip_address: String,
    /// When it was made, in the provider's words; may be empty.
    pub created_at: String,
}

/// What our account at a provider holds.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ProviderBalance {
    /// How much; below zero for a debt.
    pub balance: Money,
    /// In which currency.
    pub currency: String,
}

impl ProviderServer {
    /// What a script tells of one server.
    pub(super) fn read(item: &Value) -> Self {
        Self {
            instance_id: word(item, &["instance_id", "id"]),
            status: word(item, &["status"]),
            ip_address: word(item, &["ip_address"]),
            created_at: word(item, &["created_at"]),
        }
    }
}

/// Asks a provider how one of its servers is; the status is one of running, stopped, terminated, pending and error.
///
/// # Errors
/// NotFound for an unknown interface; `plugin.wrong_type` for one that is no provider; Internal when the script refuses,
/// fails or answers nonsense; PermissionDenied for others.
pub async fn status(app: &App, actor: &Actor, interface: Id, instance_id: &str) -> Result<ProviderServer> {
    const FUNCTION: &str = "get_instance_status";
    actor.require(Permission::Admin)?;
    let instance_id = text::required("instance_id", instance_id, NAME_MAX)?;
    let interface = plugins::of_kind(&app.database, interface, &PROVIDERS, "interface_id").await?;
    let known = instances::store::find_by_provider(&app.database, interface.id, &instance_id).await?;
    let order_id = known.as_ref().map(|instance| instance.order_id.to_string()).unwrap_or_default();
    let business = json!({ "instance_id": instance_id, "order_id": order_id });
    let answer = app.plugins.call_json(&interface, FUNCTION, business).await?;
    let server = match &answer {
        Value::String(status) => {
            ProviderServer { status: text::shown(status.trim(), NAME_MAX), ..ProviderServer::default() }
        }
        other => ProviderServer::read(other),
    };
    if server.status.is_empty() {
        return Err(nonsense(&interface, FUNCTION, "no status"));
    }
    let ip_address = match known {
        Some(known) if server.ip_address.is_empty() => known.ip_address,
        _ => server.ip_address,
    };
    let status = contract_word(InstanceStatus::from_provider(&server.status)).to_owned();
    Ok(ProviderServer { instance_id, status, ip_address, created_at: server.created_at })
}

/// The servers that an upstream provider holds for us.
///
/// # Errors
/// NotFound for an unknown interface; `plugin.wrong_type` for one that is no upstream provider; Internal when the script
/// refuses, fails or answers nonsense; PermissionDenied for others.
pub async fn servers(app: &App, actor: &Actor, interface: Id) -> Result<Vec<ProviderServer>> {
    const FUNCTION: &str = "sync_upstream_instances";
    actor.require(Permission::Admin)?;
    let interface = plugins::of_kind(&app.database, interface, &[Kind::UpstreamProvider], "interface_id").await?;
    let answer = app.plugins.call_json(&interface, FUNCTION, json!({})).await?;
    let items = match answer {
        Value::Array(items) => items,
        Value::Object(mut object) => match object.remove("instances") {
            Some(Value::Array(items)) => items,
            _ => return Err(nonsense(&interface, FUNCTION, "an object without a list of `instances`")),
        },
        _ => return Err(nonsense(&interface, FUNCTION, "no list of servers")),
    };
    if items.len() > SERVERS_MAX {
        let what = format!("{} servers, at most {SERVERS_MAX} are allowed", items.len());
        return Err(nonsense(&interface, FUNCTION, &what));
    }
    let servers: Vec<ProviderServer> = items.iter().map(ProviderServer::read).collect();
    match servers.iter().zip(1..).find(|(server, _)| server.instance_id.is_empty()) {
        Some((_, number)) => {
            Err(nonsense(&interface, FUNCTION, &format!("server {number}, which has no `instance_id`")))
        }
        None => Ok(servers),
    }
}

/// What our account at an upstream provider holds.
///
/// # Errors
/// As [`servers`].
pub async fn balance(app: &App, actor: &Actor, interface: Id) -> Result<ProviderBalance> {
    const FUNCTION: &str = "get_upstream_balance";
    actor.require(Permission::Admin)?;
    let interface = plugins::of_kind(&app.database, interface, &[Kind::UpstreamProvider], "interface_id").await?;
    let answer = app.plugins.call_json(&interface, FUNCTION, json!({})).await?;
    let (amount, currency) = match &answer {
        Value::Object(_) => (word(&answer, &["balance", "amount"]), word(&answer, &["currency"])),
        other => (plain(other), String::new()),
    };
    let balance = Decimal::from_str(&amount)
        .ok()
        .and_then(|amount| Money::round_half_away_from_zero(amount).ok())
        .ok_or_else(|| {
            let shown = text::shown(&amount, text::SHOWN_MAX);
            nonsense(&interface, FUNCTION, &format!("the balance `{shown}`, which is no amount"))
        })?;
    let currency = if currency.is_empty() { app.settings.billing.currency.clone() } else { currency };
    Ok(ProviderBalance { balance, currency })
}
