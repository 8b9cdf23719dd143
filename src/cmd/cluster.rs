//! `rustbill cluster`: the servers that share the database.

use clap::Subcommand;

use super::{Context, Format, show::Show as _};
use crate::core::{
    cluster::{self, Breaker, ClusterStatus, RoleStatus, ServerStatus},
    error::Result,
};

/// Look at the servers that share the database
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  rustbill cluster status")]
pub(super) enum ClusterCommand {
    /// Show the servers that are there, and which of them does what only one may do at a time
    ///
    /// Servers that are gone are shown for a day. This command is no server and does not show itself.
    #[command(after_help = "Examples:\n  rustbill cluster status\n  rustbill cluster status --output json")]
    Status,
}

impl ClusterCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Status => status(context).await,
        }
    }
}

/// Servers and roles are two tables for people, one object in JSON, and the servers with their roles in CSV.
async fn status(context: &Context) -> Result<()> {
    let found = cluster::status(context.app().await?, &context.actor).await?;
    let columns =
        ["server", "host", "address", "version", "started_at", "last_seen", "live", "pool", "open_breakers", "roles"];
    let rows = found.servers.iter().map(|server| server_row(server, &found)).collect();
    context.printer.list(&columns, rows, &found)?;
    if context.printer.format() != Format::Table {
        return Ok(());
    }
    context.printer.line("\n")?;
    let rows = found.roles.iter().map(role_row).collect();
    context.printer.list(&["role", "holder", "epoch", "since", "renewed", "ttl_secs"], rows, &found.roles)
}

fn server_row(server: &ServerStatus, all: &ClusterStatus) -> Vec<String> {
    let roles = all.roles.iter().filter(|role| role.holder == Some(server.id)).map(|role| role.role.to_string());
    let breaker = |breaker: &Breaker| format!("{} {} since {}", breaker.host, breaker.state, breaker.since);
    let pool = server.pool;
    vec![
        server.id.show(),
        server.host.clone(),
        server.address.clone(),
        server.version.clone(),
        server.started_at.show(),
        ago(server.heartbeat_age_secs),
        server.is_live.show(),
        format!("{} idle, {} active, {} max", pool.idle, pool.active, pool.max),
        server.breakers.iter().map(breaker).collect::<Vec<_>>().join("\n"),
        roles.collect::<Vec<_>>().join("\n"),
    ]
}

fn role_row(role: &RoleStatus) -> Vec<String> {
    vec![
        role.role.to_string(),
        role.holder.show(),
        role.epoch.show(),
        role.acquired_at.show(),
        role.renewed_secs_ago.map(ago).unwrap_or_default(),
        role.ttl_secs.show(),
    ]
}

fn ago(seconds: i64) -> String {
    format!("{seconds} s ago")
}
