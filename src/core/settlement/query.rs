//! Asking a gateway how a payment stands.

use serde_json::json;

use super::report::{self, Booked, Report, Standing};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    error::{Error, Result},
    id::Id,
    payments::{self, Method, Payment, PaymentStatus},
    plugins::{self, Interface},
};

/// Asks the gateway of a pending payment how it stands, and books what it says. A payment that has come to its end, and
/// one that goes through no gateway, is answered as it is. For administrators.
///
/// # Errors
/// NotFound; `payment.gateway` when the gateway can't be asked; `payment.mismatch` when it reports another amount or
/// currency; PermissionDenied for others.
pub async fn query(app: &App, actor: &Actor, payment_id: Id) -> Result<Payment> {
    actor.require(Permission::Admin)?;
    let payment = payments::store::find(&app.database, payment_id).await?;
    let payment = payment.ok_or_else(|| Error::not_found("payment", payment_id))?;
    let (Method::Gateway, PaymentStatus::Pending, Some(gateway)) =
        (payment.method, payment.status, payment.gateway_interface_id)
    else {
        return Ok(payment);
    };
    let interface = plugins::find(&app.database, gateway).await?;
    ask(app, actor, &interface, &payment).await.map(|(payment, _)| payment)
}

/// Asks the gateway, and books what it says. Also says whether it makes sense to ask again: it does not where nobody can
/// be asked, and for money that came and went.
///
/// # Errors
/// As [`query`].
pub(super) async fn ask(app: &App, actor: &Actor, interface: &Interface, payment: &Payment) -> Result<(Payment, bool)> {
    let business = json!({
        "payment_id": payment.id,
        "gateway_payment_id": payment.gateway_payment_id,
        "order_id": payment.order_id.map(|id| id.to_string()).unwrap_or_default(),
        "invoice_id": payment.invoice_id.map(|id| id.to_string()).unwrap_or_default(),
        "amount": payment.amount,
        "money": payment.amount,
        "currency": payment.currency,
    });
    let answer = app.plugins.call_json(interface, "query_payment", business).await;
    let answer = answer.map_err(|cause| failed(interface).caused_by(cause))?;
    let report = Report::read(&answer).ok_or_else(|| failed(interface))?;
    if !report.payment_id.is_empty() && report.payment_id != payment.id.to_string() {
        tracing::error!(payment = %payment.id, "a gateway answered about another payment than it was asked for");
        return Err(report::mismatch("the gateway answered about another payment"));
    }
    match report::book(app, actor, payment, interface.id, &report).await? {
        Booked::Changed(payment) | Booked::Unchanged(payment) | Booked::Known(payment) => {
            Ok((payment, report.is_queryable && report.standing != Standing::Refunded))
        }
    }
}

fn failed(interface: &Interface) -> Error {
    let name = &interface.display_name;
    Error::internal("payment.gateway", format!("the gateway `{name}` could not say how the payment stands"))
        .hint("try again later; the server's log has the reason")
}
