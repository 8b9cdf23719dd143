//! Use cases of customers.

use serde_json::{Value, json};

use super::{
    model::Customer,
    store::{self, Holdings},
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    database::{Tx, is_foreign_key_violation},
    error::{Error, Result},
    id::Id,
    identity::{NameKind, claim_name, forget, release_name, remove_customer, revoke_customer},
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

/// What to change of a customer; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct CustomerUpdate {
    /// Another name on invoices.
    pub name: Option<String>,
    /// Another person to ask for.
    pub contact_person: Option<String>,
    /// Another address for notifications.
    pub email: Option<String>,
    /// Another telephone number.
    pub phone: Option<String>,
    /// Another company.
    pub company: Option<String>,
    /// Other notes.
    pub notes: Option<String>,
    /// Another credit limit.
    pub credit_limit: Option<Money>,
    /// Whether it may buy.
    pub is_active: Option<bool>,
    /// Whether it may make API keys for itself.
    pub can_create_api_keys: Option<bool>,
}

impl CustomerUpdate {
    fn apply(&self, customer: &mut Customer) -> Result<()> {
        if let Some(name) = &self.name {
            customer.name = text::required("name", name, NAME_MAX)?;
        }
        if let Some(email) = &self.email {
            customer.email = text::email("email", email)?;
        }
        for (field, given, kept, max) in [
            ("contact_person", &self.contact_person, &mut customer.contact_person, NAME_MAX),
            ("phone", &self.phone, &mut customer.phone, NAME_MAX),
            ("company", &self.company, &mut customer.company, NAME_MAX),
            ("notes", &self.notes, &mut customer.notes, NOTE_MAX),
        ] {
            if let Some(given) = given {
                *kept = text::optional(field, given, max)?;
            }
        }
        customer.credit_limit = self.credit_limit.unwrap_or(customer.credit_limit);
        customer.is_active = self.is_active.unwrap_or(customer.is_active);
        customer.can_create_api_keys = self.can_create_api_keys.unwrap_or(customer.can_create_api_keys);
        Ok(())
    }
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

/// The address that marks the one customer of [`nobody`]; no mail can reach it.
const NOBODY: &str = "unassigned@rustbill.invalid";

/// The customer that holds servers which belong to nobody yet. It is made when it is needed first, disabled, so that
/// nothing can be bought in its name.
///
/// # Errors
/// `name.taken` when another transaction is just making it; then try again.
pub(crate) async fn nobody(tx: &mut Tx, at: Timestamp, actor: &Actor) -> Result<Customer> {
    if let Some(customer) = find_nobody(tx).await? {
        return Ok(customer);
    }
    let new = NewCustomer {
        name: "Unassigned servers".to_owned(),
        email: NOBODY.to_owned(),
        notes: "Holds servers that were imported from providers.".to_owned(),
        ..NewCustomer::default()
    };
    let customer = Customer { is_active: false, ..insert(tx, at, actor, Id::generate(), &new).await? };
    store::save(tx, &customer, &search_of(&customer)).await?;
    Ok(customer)
}

/// The customer of [`nobody`], where it is there.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find_nobody(tx: &mut Tx) -> Result<Option<Customer>> {
    store::find_by_email(tx, NOBODY).await
}

/// Writes a new customer with its unique name and the audit entry; who may do so is the caller's to know.
///
/// # Errors
/// As [`create`].
pub(crate) async fn insert(tx: &mut Tx, at: Timestamp, actor: &Actor, id: Id, new: &NewCustomer) -> Result<Customer> {
    check_credit_limit(new.credit_limit)?;
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
    store::insert(tx, &customer, &search_of(&customer)).await?;
    claim_name(tx, NameKind::CustomerEmail, &customer.email, customer.id, customer.id).await?;
    record(tx, at, actor, "customer.create", customer.id, &json!({ "after": customer })).await?;
    Ok(customer)
}

/// Changes the given fields of a customer. A credit limit below what the balance already uses is taken; from then on
/// the balance can only rise. Disabling a customer ends the refresh tokens of its users. For administrators.
///
/// # Errors
/// NotFound; `name.taken` when another customer has the e-mail address; InvalidArgument for fields that break their
/// rules; PermissionDenied for others.
pub async fn update(app: &App, actor: &Actor, id: Id, change: &CustomerUpdate) -> Result<Customer> {
    actor.require(Permission::Admin)?;
    change.credit_limit.map_or(Ok(()), check_credit_limit)?;
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let before = store::lock(&mut tx, id).await?;
    let mut customer = before.clone();
    change.apply(&mut customer)?;
    customer.updated_at = at;
    if customer.email != before.email {
        claim_name(&mut tx, NameKind::CustomerEmail, &customer.email, id, id).await?;
        release_name(&mut tx, NameKind::CustomerEmail, &before.email, id).await?;
    }
    if before.is_active && !customer.is_active {
        revoke_customer(&mut tx, at, id).await?;
    }
    store::save(&mut tx, &customer, &search_of(&customer)).await?;
    record(&mut tx, at, actor, "customer.update", id, &audit::change(&before, &customer)).await?;
    tx.commit().await?;
    if !customer.is_active {
        forget(app, &[id]).await;
    }
    Ok(customer)
}

/// Deletes a customer that has neither money nor history, with its users, their names and its API keys. For
/// administrators.
///
/// # Errors
/// NotFound; `customer.in_use`, naming what stands in the way; PermissionDenied for others.
pub async fn delete(app: &App, actor: &Actor, id: Id) -> Result<()> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    let customer = store::lock(&mut tx, id).await?;
    let in_use = |held: &str| {
        Error::invalid("customer.in_use", format!("the customer `{}` has {held}", customer.name))
            .hint("disable it instead")
    };
    let held = held_by(&customer, &store::holdings(&mut tx, id).await?);
    if !held.is_empty() {
        return Err(in_use(&held.join(", ")));
    }
    remove_customer(&mut tx, id).await?;
    // What came in between, a user or an order, is seen by the foreign keys.
    store::delete(&mut tx, id)
        .await
        .map_err(|error| if is_foreign_key_violation(&error) { in_use("something new") } else { error })?;
    record(&mut tx, app.clock.now(), actor, "customer.delete", id, &json!({ "before": customer })).await?;
    tx.commit().await?;
    forget(app, &[id]).await;
    Ok(())
}

/// What stands in the way of deleting a customer, as people read it.
fn held_by(customer: &Customer, holdings: &Holdings) -> Vec<String> {
    let Holdings { orders, payments, invoices, movements, tickets } = *holdings;
    let mut held: Vec<String> = [
        (orders, "order", "orders"),
        (payments, "payment", "payments"),
        (invoices, "invoice", "invoices"),
        (movements, "movement of its balance", "movements of its balance"),
        (tickets, "ticket", "tickets"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
    .collect();
    if !customer.balance.is_zero() {
        held.push(format!("a balance of {}", customer.balance));
    }
    held
}

fn check_credit_limit(limit: Money) -> Result<()> {
    if limit.is_negative() {
        let message = format!("`credit_limit` is `{limit}`, expected zero or more");
        return Err(Error::invalid("customer.credit_limit", message));
    }
    Ok(())
}

/// What a search for customers looks through.
fn search_of(customer: &Customer) -> String {
    let Customer { name, email, company, contact_person, phone, .. } = customer;
    text::search_text(&[name, email, company, contact_person, phone])
}

async fn record(tx: &mut Tx, at: Timestamp, actor: &Actor, action: &'static str, id: Id, detail: &Value) -> Result<()> {
    audit::record(tx, at, actor, audit::Entry { action, target_type: "customer", target_id: id, detail }).await
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
