//! One server, its order, and the script that runs it.

use std::fmt::Display;

use serde_json::{Map, Value, json};

use super::{
    details::{self, Action, Answer, Section},
    params,
};
use crate::core::{
    actor::{Actor, Scope},
    app::App,
    error::{Error, Kind, Result},
    instances::{Instance, InstanceStatus, Operation},
    orders::{self, Order, OrderStatus},
    plugins::{self, Interface},
};

/// The code of an error in which a provider could not do what it was asked, where the caller may not know why.
const FAILED: &str = "provider.failed";

/// A server with everything that asking its provider needs.
pub(super) struct Server {
    pub(super) instance: Instance,
    pub(super) interface: Interface,
}

/// Checks that something may be done with a server that its customer has: its order must be active, and its state must
/// allow it. An order that ended, or was suspended, has a server that still looks well until the worker comes to it.
///
/// # Errors
/// `instance.wrong_state`, naming the state.
pub(super) fn check(status: InstanceStatus, order: &Order, operation: Operation) -> Result<()> {
    status.check(operation)?;
    if order.status == OrderStatus::Active {
        return Ok(());
    }
    let message = format!("the order of the instance is {}, which does not allow `{operation}`", order.status);
    Err(Error::invalid("instance.wrong_state", message))
}

impl Server {
    /// The server, when something may be done with it.
    ///
    /// # Errors
    /// `instance.wrong_state`; Unavailable for a provider that is disabled.
    pub(super) async fn for_operation(app: &App, mut instance: Instance, operation: Operation) -> Result<Self> {
        let order = order_of(app, &instance).await?;
        // A provider may take its time: the last it said of this server is that it is being made.
        let is_made = instance.status == InstanceStatus::Provisioning
            && !instance.provider_instance_id.is_empty()
            && order.status == OrderStatus::Active;
        if !is_made {
            check(instance.status, &order, operation)?;
        }
        let interface = plugins::find(&app.database, instance.provider_interface_id).await?;
        if !interface.enabled {
            return Err(Error::unavailable("provider.disabled", "the provider of this instance is disabled now"));
        }
        if is_made {
            let now = Self { instance: instance.clone(), interface: interface.clone() }.status(app).await;
            check(now.unwrap_or(instance.status), &order, operation)?;
            instance.status = now.unwrap_or(instance.status);
        }
        Ok(Self { instance, interface })
    }

    /// What every call says of the server.
    fn business(&self) -> Map<String, Value> {
        let instance = &self.instance;
        let fields = json!({
            "instance_id": instance.provider_instance_id,
            "order_id": instance.order_id,
            "customer_id": instance.customer_id,
            "product_id": instance.product_id,
            "product_name": instance.product_name,
            "instance_status": instance.status,
            "ip_address": instance.ip_address,
            "server_spec": instance.server_spec.0,
        });
        match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    async fn call(&self, app: &App, function: &str, business: Map<String, Value>) -> Result<Value> {
        app.plugins.call_json(&self.interface, function, Value::Object(business)).await
    }

    /// The sections of its page.
    pub(super) async fn sections(&self, app: &App) -> Result<Vec<Section>> {
        self.call(app, "instance_detail_sections", self.business()).await.map(|answer| details::sections(&answer))
    }

    /// What its provider offers to do with it.
    pub(super) async fn actions(&self, app: &App) -> Result<Vec<Action>> {
        self.call(app, "instance_actions", self.business()).await.map(|answer| details::actions(&answer))
    }

    /// Runs an action.
    pub(super) async fn execute(&self, app: &App, action: &str, params: Map<String, Value>) -> Result<Answer> {
        let mut business = self.business();
        business.insert("action".to_owned(), Value::from(action));
        params::add(&mut business, &self.interface, params);
        let answer = self.call(app, "execute_action", business).await?;
        Answer::read(&answer).ok_or_else(|| {
            Error::internal(FAILED, "the provider did not say whether it worked")
                .hint("look at the instance, then try again")
        })
    }

    /// Whether it is on or off, where its provider knows.
    pub(super) async fn status(&self, app: &App) -> Option<InstanceStatus> {
        let answer = self.call(app, "get_instance_status", self.business()).await;
        match answer {
            Ok(answer) => InstanceStatus::from_power(plugins::answer_status(&answer)),
            Err(error) => {
                tracing::warn!(instance = %self.instance.id, %error, "a provider did not say how a server is");
                None
            }
        }
    }
}

pub(super) async fn order_of(app: &App, instance: &Instance) -> Result<Order> {
    let order = orders::store::find(&app.database, instance.order_id).await?;
    order.ok_or_else(|| Error::not_found("order", instance.order_id))
}

/// A failure of a provider's script as its caller may see it: who runs the shop reads what the script said, a customer
/// only that it did not work.
pub(super) fn told(actor: &Actor, what: impl Display, error: Error) -> Error {
    let is_staff = actor.scope().is_ok_and(|scope| scope == Scope::All);
    match error.kind() {
        _ if is_staff || error.code() == FAILED => error,
        Kind::Unavailable => Error::unavailable("provider.unavailable", format!("the provider can't {what} now"))
            .hint("try again later")
            .caused_by(error),
        Kind::Internal => {
            Error::internal(FAILED, format!("the provider could not {what}")).hint("try again later").caused_by(error)
        }
        _ => error,
    }
}
