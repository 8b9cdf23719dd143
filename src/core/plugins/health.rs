//! Whether interfaces are well: asked by the worker from time to time, and by administrators at any time.

use std::time::Duration;

use chrono::TimeDelta;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::{
    host::{BUSY, UNAVAILABLE},
    model::{Health, Interface},
    operations::find,
    store,
};
use crate::core::{
    actor::{Actor, Permission, Role},
    app::App,
    cluster,
    error::{Error, Result},
    id::Id,
    time::Timestamp,
};

/// How often an enabled interface is asked.
pub const PERIOD: TimeDelta = TimeDelta::minutes(5);
/// By how much later than [`PERIOD`] it may be, in seconds, so that not all are asked at once.
const SPREAD_SECONDS: u128 = 60;
/// After how long an interface is tried again that could not be asked, since no process was free.
pub const SOON: TimeDelta = TimeDelta::seconds(30);
/// Interfaces that are asked at once. Scripts that take payments need workers too.
const AT_ONCE: usize = 2;
/// Interfaces that are asked in one turn.
const TURN_MAX: i64 = 100;
/// The longest that an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Asks an interface whether it is well, and keeps the answer. For administrators.
///
/// # Errors
/// NotFound. That it is not well is no error but the answer. `plugin.busy` and `plugin.unavailable` when no process was
/// free to ask it, which says nothing about it: what the last check said stays.
pub async fn check_health(app: &App, actor: &Actor, id: Id) -> Result<Health> {
    actor.require(Permission::Admin)?;
    let interface = find(&app.database, id).await?;
    let health = ask(app, &interface).await?;
    save(app, &interface, &health).await?;
    // Who sits at the machine reads the answer itself, and the log would say it to them once more.
    if actor.role() != Role::Local {
        tell(&interface, &health);
    }
    Ok(health)
}

/// Asks every enabled interface that is due, and keeps the answers; says how many were asked. Several servers may do it at
/// the same time: each interface is asked by one of them. For the worker.
///
/// # Errors
/// PermissionDenied for others; when the database can't be used.
pub async fn check_due(app: &App, actor: &Actor) -> Result<usize> {
    actor.require(Permission::Admin)?;
    let due = store::health_due(&app.database, app.clock.now(), TURN_MAX).await?;
    let asked = stream::iter(due).map(|id| check_if_due(app, actor, id)).buffer_unordered(AT_ONCE);
    let outcomes: Vec<Result<bool>> = asked.collect().await;
    let mut count = 0;
    for outcome in outcomes {
        count += usize::from(outcome?);
    }
    Ok(count)
}

/// Asks one interface, unless somebody else does.
async fn check_if_due(app: &App, actor: &Actor, id: Id) -> Result<bool> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let is_ours = store::claim_health(&mut tx, id, at, next_turn(at)).await?;
    cluster::prove(&mut tx, actor.fence()).await?;
    tx.commit().await?;
    if !is_ours {
        return Ok(false);
    }
    let Some(interface) = store::find(&app.database, id).await? else { return Ok(false) };
    match ask(app, &interface).await {
        Ok(health) => {
            save(app, &interface, &health).await?;
            tell(&interface, &health);
        }
        Err(error) => {
            tracing::warn!(interface = %id, %error, "a plugin interface could not be asked for its health");
            let mut tx = app.database.begin().await?;
            store::put_off_health(&mut tx, id, app.clock.now().plus(SOON)).await?;
            tx.commit().await?;
        }
    }
    Ok(true)
}

/// Whether an error of a check says that no script could be run here and now, which is no fault of the interface.
pub(super) fn was_not_asked(error: &Error) -> bool {
    [UNAVAILABLE, BUSY].contains(&error.code())
}

fn next_turn(at: Timestamp) -> Timestamp {
    let seconds = Id::generate().uuid().as_u128() % SPREAD_SECONDS;
    at.plus(PERIOD + TimeDelta::seconds(i64::try_from(seconds).unwrap_or(0)))
}

/// What the interface says.
///
/// # Errors
/// Only those of [`was_not_asked`].
async fn ask(app: &App, interface: &Interface) -> Result<Health> {
    // Only its own time counts: how long it waits for its turn depends on others.
    let answer = app.plugins.with_wall(ANSWER_MAX).call_json(interface, "health_check", json!({})).await;
    let failed = Some("the health check failed".to_owned());
    let error = match answer {
        Ok(Value::Bool(false)) => failed,
        Ok(Value::String(text)) if text == "false" => failed,
        Ok(_) => None,
        Err(error) if was_not_asked(&error) => return Err(error),
        Err(error) => Some(error.to_string()),
    };
    Ok(Health { is_healthy: error.is_none(), error, checked_at: app.clock.now() })
}

/// Keeps what a check said.
async fn save(app: &App, before: &Interface, health: &Health) -> Result<()> {
    let mut tx = app.database.begin().await?;
    store::save_health(&mut tx, before.id, health).await?;
    tx.commit().await
}

/// Tells the log what a check said when it is news.
fn tell(before: &Interface, health: &Health) {
    let (interface, name) = (before.id, before.display_name.as_str());
    let was_healthy = before.last_check_at.map(|_| before.is_healthy);
    match (&health.error, was_healthy) {
        (None, Some(false)) => tracing::info!(%interface, name, "a plugin interface is well again"),
        (Some(error), None | Some(true)) => tracing::warn!(%interface, name, error, "a plugin interface is not well"),
        (Some(error), Some(false)) if before.health_error.as_ref() != Some(error) => {
            tracing::warn!(%interface, name, error, "a plugin interface is not well for another reason");
        }
        (None, None | Some(true)) | (Some(_), Some(false)) => {}
    }
}
