//! Stops the server of an order that was suspended, and starts it when the order goes on.

use serde_json::{Value, json};

use super::handle;
use crate::core::{
    actor::Actor,
    app::App,
    audit,
    error::{Error, Result},
    instances::{self, Instance, InstanceStatus},
    orders::{self, OrderStatus},
    outbox::{self, Claim},
    plugins::{self, REFUSED},
};

/// Characters of what a provider says.
const WORDS_MAX: usize = 300;

/// What is done with a server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Power {
    Stop,
    Start,
}

impl Power {
    /// The word for it in `execute_action`.
    const fn action(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
        }
    }

    /// The state of the orders that it is for.
    const fn wanted_by(self) -> OrderStatus {
        match self {
            Self::Stop => OrderStatus::Suspended,
            Self::Start => OrderStatus::Active,
        }
    }
}

/// Handles `order_suspended` and `order_resumed`. An order that went on meanwhile left a later event, which does what is
/// right by then.
pub(super) async fn switch(app: &App, claim: &Claim, power: Power) -> Result<()> {
    let order_id = claim
        .order_id
        .ok_or_else(|| Error::internal("event.payload", format!("the event `{}` names no order", claim.id)))?;
    let order = orders::store::find(&app.database, order_id).await?;
    if order.is_none_or(|order| order.status != power.wanted_by()) {
        return handle::finish(app, claim).await;
    }
    match instances::store::find_by_order(&app.database, order_id).await? {
        Some(instance) if !matches!(instance.status, InstanceStatus::Terminated | InstanceStatus::Error) => {
            ask_provider(app, &instance, power).await?;
            complete(app, claim, &instance, power).await
        }
        _ => handle::finish(app, claim).await,
    }
}

async fn ask_provider(app: &App, instance: &Instance, power: Power) -> Result<()> {
    let interface = plugins::find(&app.database, instance.provider_interface_id).await?;
    let action = power.action();
    let business = json!({
        "action": action, "instance_id": instance.provider_instance_id, "order_id": instance.order_id,
    });
    let answer = app.plugins.call_json(&interface, "execute_action", business).await?;
    if answer.get("success") != Some(&Value::Bool(false)) {
        return Ok(());
    }
    let words = crate::core::text::shown(plugins::answer_text(&answer, "message"), WORDS_MAX);
    Err(Error::internal(REFUSED, format!("`{}` did not {action} the server: {words}", interface.display_name)))
}

async fn complete(app: &App, claim: &Claim, instance: &Instance, power: Power) -> Result<()> {
    let at = app.clock.now();
    let action = match power {
        Power::Stop => "instance.suspend",
        Power::Start => "instance.resume",
    };
    let detail = json!({ "order_id": instance.order_id, "action": power.action() });
    let entry = audit::Entry { action, target_type: "instance", target_id: instance.id, detail: &detail };
    let mut tx = app.database.begin().await?;
    audit::record(&mut tx, at, &Actor::system("worker"), entry).await?;
    outbox::finish(&mut tx, at, claim).await?;
    tx.commit().await
}
