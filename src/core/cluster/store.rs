//! SQL of servers and roles.
//!
//! The times in these two tables are PostgreSQL's own (`push_now`, [`LEASE_RUNS`]): a lease that one machine gives itself
//! and another one judges must be measured by one clock. On SQLite they are the application's, and nothing is decided by
//! them.

use sqlx::types::Json;

use super::model::{Breaker, Fence, Instance, Pool, Role, RoleRow, ServerRow};
use crate::core::{
    database::{Database, Source, Tx},
    error::{Error, Result},
    id::Id,
    time::Timestamp,
};

/// The code of the error that says: the role is another server's by now, and nothing may be done in its name.
pub const LOST: &str = "cluster.role_lost";

const ROLES: &str = "SELECT role, holder, epoch, heartbeat_at, acquired_at, ttl_secs, ";
/// A lease that was not renewed in time is over even when nobody has taken the role yet.
const LEASE_RUNS: &str = " AND heartbeat_at > clock_timestamp() - make_interval(secs => ttl_secs)";

/// What has to be added to a statement about a role that is held.
const fn lease_runs(tx: &Tx) -> &'static str {
    if tx.is_postgres() { LEASE_RUNS } else { "" }
}

/// Proves that a role is still held as it was when the fence was given, and keeps it so until the transaction ends: who
/// wants to take the role over waits for that. Without a fence nothing is to be proved. Call it late in a transaction.
///
/// # Errors
/// [`LOST`].
pub async fn prove(tx: &mut Tx, fence: Option<&Fence>) -> Result<()> {
    let Some(fence) = fence else { return Ok(()) };
    let runs = lease_runs(tx);
    let found = tx
        .q_shared("SELECT epoch FROM leader_role WHERE role = $1 AND holder = $2 AND epoch = $3")
        .bind(fence.role)
        .bind(fence.holder)
        .bind(fence.epoch)
        .push(runs)
        .lock()
        .scalar_opt::<i64>()
        .await?;
    if found.is_some() {
        return Ok(());
    }
    let Fence { role, epoch, .. } = fence;
    Err(Error::unavailable(
        LOST,
        format!("the role `{role}`, taken over as number {epoch}, is not this server's any more"),
    ))
}

/// All roles.
pub(super) async fn roles(source: impl Source<'_>, at: Timestamp) -> Result<Vec<RoleRow>> {
    source.q(ROLES).push_now(at).push(" AS now FROM leader_role ORDER BY role").all().await
}

/// A role, held until the transaction ends. Waits for those who prove that they have it.
pub(super) async fn lock_role(tx: &mut Tx, at: Timestamp, role: Role) -> Result<RoleRow> {
    tx.q_alone(ROLES).push_now(at).push(" AS now FROM leader_role").push_bind(" WHERE role = ", role).lock().one().await
}

/// Gives a role to its next holder.
pub(super) async fn take(tx: &mut Tx, at: Timestamp, fence: &Fence) -> Result<()> {
    tx.q("UPDATE leader_role SET holder = $1, epoch = $2")
        .bind(fence.holder)
        .bind(fence.epoch)
        .push(", heartbeat_at = ")
        .push_now(at)
        .push(", acquired_at = ")
        .push_now(at)
        .push_bind(" WHERE role = ", fence.role)
        .execute_one()
        .await
}

/// Makes a lease last longer; `false` when it is over.
pub(super) async fn renew(tx: &mut Tx, at: Timestamp, fence: &Fence) -> Result<bool> {
    let runs = lease_runs(tx);
    let renewed = tx
        .q("UPDATE leader_role SET heartbeat_at = ")
        .push_now(at)
        .push_bind(" WHERE role = ", fence.role)
        .push_bind(" AND holder = ", fence.holder)
        .push_bind(" AND epoch = ", fence.epoch)
        .push(runs)
        .execute()
        .await?;
    Ok(renewed == 1)
}

/// Gives a role back, if it still is ours.
pub(super) async fn release(tx: &mut Tx, at: Timestamp, fence: &Fence) -> Result<()> {
    tx.q("UPDATE leader_role SET holder = NULL, acquired_at = NULL, heartbeat_at = ")
        .push_now(at)
        .push_bind(" WHERE role = ", fence.role)
        .push_bind(" AND holder = ", fence.holder)
        .push_bind(" AND epoch = ", fence.epoch)
        .execute()
        .await
        .map(drop)
}

/// Tells that a server is there, and registers it if nobody knows it.
pub(super) async fn beat(tx: &mut Tx, at: Timestamp, me: &Instance, pool: Pool, breakers: Vec<Breaker>) -> Result<()> {
    tx.q("INSERT INTO instance_heartbeat (instance_id, host, version, address, started_at, pool_idle, pool_active, pool_max, \
          breakers, registered_at, heartbeat_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, ")
        .bind(me.id)
        .bind(me.host.clone())
        .bind(me.version)
        .bind(me.address.clone())
        .bind(me.started_at)
        .bind(pool.idle)
        .bind(pool.active)
        .bind(pool.max)
        .bind(Json(breakers))
        .push_now(at)
        .push(", ")
        .push_now(at)
        .push(
            ") ON CONFLICT (instance_id) DO UPDATE SET pool_idle = excluded.pool_idle, pool_active = excluded.pool_active, \
             pool_max = excluded.pool_max, breakers = excluded.breakers, heartbeat_at = excluded.heartbeat_at",
        )
        .execute_one()
        .await
}

/// All servers, in the order of their starts.
pub(super) async fn servers(source: impl Source<'_>, at: Timestamp) -> Result<Vec<ServerRow>> {
    source
        .q("SELECT instance_id, heartbeat_at, pool_idle, pool_active, pool_max, host, version, address, started_at, breakers, ")
        .push_now(at)
        .push(" AS now FROM instance_heartbeat ORDER BY instance_id")
        .all()
        .await
}

/// Forgets a server.
pub(super) async fn forget(tx: &mut Tx, server: Id) -> Result<()> {
    tx.q("DELETE FROM instance_heartbeat WHERE instance_id = $1").bind(server).execute().await.map(drop)
}

/// Roles and servers, read one after the other.
pub(super) async fn everything(database: &Database, at: Timestamp) -> Result<(Vec<RoleRow>, Vec<ServerRow>)> {
    Ok((roles(database, at).await?, servers(database, at).await?))
}
