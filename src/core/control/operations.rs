//! Use cases: switch a server, run an action, look at it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    ask::{self, Server, check, told},
    details::{ACTION_MAX, Action, Answer, Section},
    params,
};
use crate::core::{
    actor::{Actor, Permission, Scope},
    app::App,
    audit,
    error::{Error, Result},
    event::EventType,
    id::Id,
    instances::{self, Instance, InstanceStatus, Operation, Power},
    orders::{self, OrderStatus},
    outbox::{self, NewEvent},
    plugins, settlement, text,
};

/// How long a page waits for what a provider shows; without it, it is shown all the same.
const DETAILS_WAIT: Duration = Duration::from_secs(4);
/// How often a status is asked for again, because the instance changed between the answer and the writing of it.
const ASKED_MAX: usize = 8;
/// Names of actions that a refusal lists.
const LISTED_MAX: usize = 10;
/// Names of parameters that the operation log keeps.
const LOGGED_MAX: usize = 50;

/// A server and what its provider shows of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Description {
    /// The server.
    #[serde(flatten)]
    pub instance: Instance,
    /// The provider's sections, in their order.
    pub sections: Vec<Section>,
    /// What the provider offers to do with it.
    pub actions: Vec<Action>,
}

/// Switches a server on or off, or both. For administrators and the server's customer.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's; `instance.wrong_state`; `provider.refused` with the provider's
/// words when it says no; Internal when its script fails; Unavailable when it can't be asked.
pub async fn switch(app: &App, actor: &Actor, id: Id, power: Power) -> Result<Instance> {
    actor.require(Permission::Authenticated)?;
    let instance = instances::get(app, actor, id).await?;
    let (answer, instance) = run_power(app, actor, instance, power, Map::new()).await?;
    if answer.success {
        return Ok(instance);
    }
    Err(Error::internal("provider.refused", refusal(power, &answer.message)))
}

/// A provider that is another RustBill, or passes on what one said, says already what we would say.
fn refusal(power: Power, message: &str) -> String {
    let ours = format!("the provider refused to {power} the instance");
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = words.as_str();
    while let Some(inner) = rest.strip_prefix(&ours) {
        rest = inner.trim_start_matches([':', ' ']);
    }
    if rest.is_empty() { ours } else { format!("{ours}: {rest}") }
}

async fn run_power(
    app: &App,
    actor: &Actor,
    instance: Instance,
    power: Power,
    params: Map<String, Value>,
) -> Result<(Answer, Instance)> {
    let server = Server::for_operation(app, instance, power.operation()).await?;
    let what = format!("{power} the instance");
    let answer = server.execute(app, power.as_str(), params).await.map_err(|error| told(actor, what, error))?;
    if !answer.success {
        return Ok((answer, server.instance));
    }
    let action = match power {
        Power::Start => "instance.start",
        Power::Stop => "instance.stop",
        Power::Restart => "instance.restart",
    };
    let done = Done { action, operation: power.operation(), detail: Map::new(), leaves: Some(power.leaves()) };
    let instance = keep(app, actor, server, &done).await?;
    Ok((answer, instance))
}

/// Runs one of the actions that the provider lists for a server and that are enabled now. Those that are called like an
/// operation of ours are that operation. For administrators and the server's customer.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's; `instance.action` for one that is not listed or not enabled;
/// `instance.params`; `instance.wrong_state`; Internal when the script fails; Unavailable when it can't be asked. That
/// the provider says no is no error but the answer.
pub async fn act(app: &App, actor: &Actor, id: Id, action: &str, params_json: &str) -> Result<Answer> {
    actor.require(Permission::Authenticated)?;
    let instance = instances::get(app, actor, id).await?;
    let action = text::required("action", action, ACTION_MAX)?;
    let params = params::read(params_json)?;
    let server = Server::for_operation(app, instance, Operation::Action).await?;
    let listed = server.actions(app).await.map_err(|error| told(actor, "say what can be done", error))?;
    require_listed(&listed, &action)?;
    if let Ok(power) = Power::parse(&action) {
        return run_power(app, actor, server.instance, power, params).await.map(|(answer, _)| answer);
    }
    if action == Operation::Terminate.as_str() {
        settlement::terminate(app, actor, id).await?;
        return Ok(Answer { success: true, message: String::new(), data: String::new() });
    }
    // Their values may be passwords.
    let names: Vec<String> = params.keys().take(LOGGED_MAX).cloned().collect();
    let answer =
        server.execute(app, &action, params).await.map_err(|error| told(actor, "do this with the instance", error))?;
    let detail = json!({ "action": action, "params": names, "success": answer.success });
    let Value::Object(detail) = detail else { return Ok(answer) };
    let done = Done { action: "instance.action", operation: Operation::Action, detail, leaves: None };
    keep(app, actor, server, &done).await?;
    Ok(answer)
}

fn require_listed(listed: &[Action], action: &str) -> Result<()> {
    let shown = text::shown(action, text::SHOWN_MAX);
    match listed.iter().find(|known| known.id == action) {
        Some(known) if known.enabled => Ok(()),
        Some(_) => Err(Error::invalid("instance.action", format!("the action `{shown}` is not enabled now"))),
        None => {
            let known: Vec<&str> = listed.iter().take(LISTED_MAX).map(|action| action.id.as_str()).collect();
            let known = if known.is_empty() { "this instance has none".to_owned() } else { known.join(", ") };
            Err(Error::invalid("instance.action", format!("`action` is `{shown}`, expected one of: {known}")))
        }
    }
}

/// Something that a provider did with a server.
struct Done {
    /// The entry in the operation log.
    action: &'static str,
    operation: Operation,
    /// What the entry says besides the states.
    detail: Map<String, Value>,
    /// How the server is now, unless its provider says otherwise; none: as it was.
    leaves: Option<InstanceStatus>,
}

/// Writes what was done and how the server is now. When the instance was changed since it was read, its provider is asked
/// once more, so that the later answer stays. What ended or was suspended meanwhile stays so.
async fn keep(app: &App, actor: &Actor, mut server: Server, done: &Done) -> Result<Instance> {
    for asked in 1.. {
        let now = server.status(app).await.or(done.leaves);
        let is_last = asked == ASKED_MAX;
        match app.database.retry(|| write(app, actor, &server.instance, done, now, is_last)).await? {
            Written::Kept(instance) => return Ok(instance),
            Written::Changed(newer) => server.instance = newer,
        }
    }
    Ok(server.instance)
}

enum Written {
    Kept(Instance),
    /// Somebody else wrote since it was read.
    Changed(Instance),
}

async fn write(
    app: &App,
    actor: &Actor,
    seen: &Instance,
    done: &Done,
    now: Option<InstanceStatus>,
    is_last: bool,
) -> Result<Written> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let order = orders::store::lock(&mut tx, seen.order_id).await?;
    let current = instances::store::lock(&mut tx, seen.id).await?;
    let is_untouched = current.updated_at == seen.updated_at;
    // One that is still `provisioning` here was found to be made before it was touched.
    let is_found = is_untouched && current.status == InstanceStatus::Provisioning;
    let late = check(if is_found { seen.status } else { current.status }, &order, done.operation).err();
    if late.is_none() && !is_untouched && !is_last {
        return Ok(Written::Changed(current));
    }
    let status = now.filter(|_| late.is_none()).unwrap_or(current.status);
    if late.is_none() {
        instances::store::set_status(&mut tx, at, &current, status).await?;
    }
    let mut detail = done.detail.clone();
    detail.insert("before".to_owned(), json!(current.status));
    detail.insert("after".to_owned(), json!(status));
    let detail = Value::Object(detail);
    let entry = audit::Entry { action: done.action, target_type: "instance", target_id: current.id, detail: &detail };
    audit::record(&mut tx, at, actor, entry).await?;
    // The worker may have stopped the server before this switched it on again: it stops it once more.
    let is_suspended = late.is_some() && order.status == OrderStatus::Suspended;
    if is_suspended {
        outbox::enqueue(&mut tx, at, NewEvent::of_order(EventType::OrderSuspended, order.id, json!({}))).await?;
    }
    tx.commit().await?;
    if is_suspended {
        app.wake.notify_one();
    }
    match late {
        // It was done, and is in the log; but there is no such server any more.
        Some(late) => Err(late),
        None => Ok(Written::Kept(Instance { status, updated_at: at, ..current })),
    }
}

/// A server with what its provider shows of it. A provider that fails, or takes too long, shows nothing. For
/// administrators and the server's customer.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's.
pub async fn describe(app: &App, actor: &Actor, id: Id) -> Result<Description> {
    actor.require(Permission::Authenticated)?;
    let instance = instances::get(app, actor, id).await?;
    let is_active = ask::order_of(app, &instance).await?.status == OrderStatus::Active;
    let is_staff = actor.scope()? == Scope::All;
    let is_asked = match instance.status {
        InstanceStatus::Running | InstanceStatus::Stopped => is_active || is_staff,
        // A console would give back what was taken away.
        InstanceStatus::Suspended => is_staff,
        InstanceStatus::Provisioning | InstanceStatus::Terminated | InstanceStatus::Error => false,
    };
    let interface = plugins::find(&app.database, instance.provider_interface_id).await?;
    if !is_asked || !interface.enabled {
        return Ok(Description { instance, sections: Vec::new(), actions: Vec::new() });
    }
    let server = Server { instance, interface };
    let (sections, mut actions) = tokio::join!(
        in_time(&server, "instance_detail_sections", server.sections(app)),
        in_time(&server, "instance_actions", server.actions(app)),
    );
    let may_act = is_active && server.instance.status.check(Operation::Action).is_ok();
    for action in &mut actions {
        action.enabled &= may_act;
    }
    Ok(Description { instance: server.instance, sections, actions })
}

/// What a provider shows, or nothing, with a warning in the log.
async fn in_time<T>(server: &Server, function: &str, asked: impl Future<Output = Result<Vec<T>>>) -> Vec<T> {
    let instance = server.instance.id;
    match tokio::time::timeout(DETAILS_WAIT, asked).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::warn!(%instance, function, %error, "a provider shows nothing of a server");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!(%instance, function, "a provider takes too long to show a server");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Power, refusal};

    #[test]
    fn a_refusal_that_was_passed_on_is_told_once() {
        let once = "the provider refused to stop the instance: no switch";
        for said in ["no switch", " no\n switch", once, &format!("the provider refused to stop the instance: {once}")] {
            assert_eq!(refusal(Power::Stop, said), once, "{said}");
        }
        assert_eq!(refusal(Power::Stop, ""), "the provider refused to stop the instance");
        assert_eq!(refusal(Power::Stop, "the provider refused to stop the instance"), refusal(Power::Stop, ""));
    }
}
