//! Looking at payments.

use super::{
    model::{Payment, PaymentStatus},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
};

/// What a list of payments is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct PaymentFilter {
    /// One customer's.
    pub customer_id: Option<Id>,
    /// Of one order.
    pub order_id: Option<Id>,
    /// Of one invoice.
    pub invoice_id: Option<Id>,
    /// Through one gateway.
    pub gateway_interface_id: Option<Id>,
    /// In one state.
    pub status: Option<PaymentStatus>,
}

/// A page of payments; customers see their own.
///
/// # Errors
/// PermissionDenied for another customer's.
pub async fn list(app: &App, actor: &Actor, filter: PaymentFilter, page: PageRequest) -> Result<Page<Payment>> {
    let filter = PaymentFilter { customer_id: actor.scope()?.narrow(filter.customer_id)?, ..filter };
    store::list(&app.database, &filter, page).await
}

/// One payment.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<Payment> {
    actor.require(Permission::Authenticated)?;
    let payment = store::find(&app.database, id).await?.ok_or_else(|| Error::not_found("payment", id))?;
    actor.require_customer(payment.customer_id)?;
    Ok(payment)
}
