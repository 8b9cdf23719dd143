//! Use cases of customers.

use serde_json::json;

use super::{model::Customer, store};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    database::Tx,
    error::{Error, Result},
    id::Id,
    identity::{NameKind, claim_name},
    money::Money,
    page::{Page, PageRequest},
    text::{self, NAME_MAX, NOTE_MAX},
    time::Timestamp,
};

/// What a list of customers is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct CustomerFilter {
    /// Enabled or disabled ones.
    pub is_active: Option<bool>,
    /// A pattern of `text::search_filter`.
    pub search: Option<String>,
}

/// A customer to be made.
#[derive(Clone, Debug, Default)]
pub struct NewCustomer {
    /// The name on invoices.
    pub name: String,
    /// Whom to ask for.
    pub contact_person: String,
    /// The address for notifications.
    pub email: String,
    /// A telephone number.
    pub phone: String,
    /// The company.
    pub company: String,
    /// Notes of the operator.
    pub notes: String,
    /// How far the balance may fall below zero.
    pub credit_limit: Money,
}

/// Makes a customer. For administrators.
///
/// # Errors
/// `name.taken` when a customer with this e-mail address exists; InvalidArgument for fields that break their rules.
pub async fn create(app: &App, actor: &Actor, new: &NewCustomer) -> Result<Customer> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let customer = insert(&mut tx, app.clock.now(), actor, Id::generate(), new).await?;
    tx.commit().await?;
    Ok(customer)
}

/// Writes a new customer with its unique name and the audit entry; who may do so is the caller's to know.
///
/// # Errors
/// As [`create`].
pub(crate) async fn insert(tx: &mut Tx, at: Timestamp, actor: &Actor, id: Id, new: &NewCustomer) -> Result<Customer> {
    if new.credit_limit.is_negative() {
        return Err(Error::invalid(
            "customer.credit_limit",
            format!("`credit_limit` is `{}`, expected zero or more", new.credit_limit),
        ));
    }
    let customer = Customer {
        id,
        name: text::required("name", &new.name, NAME_MAX)?,
        contact_person: text::optional("contact_person", &new.contact_person, NAME_MAX)?,
        email: text::email("email", &new.email)?,
        phone: text::optional("phone", &new.phone, NAME_MAX)?,
        company: text::optional("company", &new.company, NAME_MAX)?,
        notes: text::optional("notes", &new.notes, NOTE_MAX)?,
        balance: Money::ZERO,
        credit_limit: new.credit_limit,
        is_active: true,
        can_create_api_keys: false,
        created_at: at,
        updated_at: at,
    };
    let search = text::search_text(&[
        &customer.name,
        &customer.email,
        &customer.company,
        &customer.contact_person,
        &customer.phone,
    ]);
    store::insert(tx, &customer, &search).await?;
    claim_name(tx, NameKind::CustomerEmail, &customer.email, customer.id, customer.id).await?;
    let detail = json!({ "after": customer });
    audit::record(
        tx,
        at,
        actor,
        audit::Entry { action: "customer.create", target_type: "customer", target_id: customer.id, detail: &detail },
    )
    .await?;
    Ok(customer)
}

/// A page of customers. For administrators.
///
/// # Errors
/// PermissionDenied for others.
pub async fn list(app: &App, actor: &Actor, filter: &CustomerFilter, page: PageRequest) -> Result<Page<Customer>> {
    actor.require(Permission::Admin)?;
    store::list(&app.database, filter, page).await
}

/// One customer. For administrators.
///
/// # Errors
/// NotFound; PermissionDenied for others.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<Customer> {
    actor.require(Permission::Admin)?;
    store::find(&app.database, id).await?.ok_or_else(|| Error::not_found("customer", id))
}
