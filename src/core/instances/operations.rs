//! Looking at instances. They are made by `worker`; what is done with them is in `control`.

use super::{
    model::{Instance, InstanceStatus},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
};

/// What a list of instances is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstanceFilter {
    /// One customer's.
    pub customer_id: Option<Id>,
    /// In one state.
    pub status: Option<InstanceStatus>,
    /// Run by one provider.
    pub provider_interface_id: Option<Id>,
}

/// A page of instances; customers see their own.
///
/// # Errors
/// PermissionDenied for another customer's.
pub async fn list(app: &App, actor: &Actor, filter: InstanceFilter, page: PageRequest) -> Result<Page<Instance>> {
    let filter = InstanceFilter { customer_id: actor.scope()?.narrow(filter.customer_id)?, ..filter };
    store::list(&app.database, &filter, page).await
}

/// One instance.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<Instance> {
    actor.require(Permission::Authenticated)?;
    let instance = store::find(&app.database, id).await?.ok_or_else(|| Error::not_found("instance", id))?;
    actor.require_customer(instance.customer_id)?;
    Ok(instance)
}
