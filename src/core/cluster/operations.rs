//! What an operator is told of the servers.

use super::{
    election::is_live,
    model::{ClusterStatus, Pool, RoleRow, RoleStatus, ServerRow, ServerStatus},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    error::Result,
};

/// All servers that are there or were within the last day, and who has which role. For administrators.
///
/// # Errors
/// PermissionDenied for others; when the database can't be used.
pub async fn status(app: &App, actor: &Actor) -> Result<ClusterStatus> {
    actor.require(Permission::Admin)?;
    let (roles, servers) = store::everything(&app.database, app.clock.now()).await?;
    Ok(ClusterStatus {
        servers: servers.into_iter().map(server).collect(),
        roles: roles.into_iter().map(role).collect(),
    })
}

fn server(row: ServerRow) -> ServerStatus {
    ServerStatus {
        id: row.instance_id,
        is_live: is_live(row.heartbeat_at, row.now),
        heartbeat_age_secs: row.now.since(row.heartbeat_at).num_seconds().max(0),
        host: row.host,
        version: row.version,
        address: row.address,
        started_at: row.started_at,
        heartbeat_at: row.heartbeat_at,
        pool: Pool { idle: row.pool_idle, active: row.pool_active, max: row.pool_max },
        breakers: row.breakers.0,
    }
}

fn role(row: RoleRow) -> RoleStatus {
    let is_held = row.is_held();
    let age = row.heartbeat_at.map(|renewed| row.now.since(renewed).num_seconds().max(0));
    RoleStatus {
        role: row.role,
        holder: row.holder.filter(|_| is_held),
        epoch: row.epoch,
        acquired_at: row.acquired_at.filter(|_| is_held),
        renewed_secs_ago: age.filter(|_| is_held),
        ttl_secs: row.ttl_secs,
    }
}
