//! Users of either kind: making, finding, changing and deleting them.

use serde_json::json;

pub use super::store::Filter as UserFilter;
use super::{
    model::{AdminRole, User, UserKind},
    password,
    recognise::forget,
    session_store,
    sessions::end_all,
    store,
    store::{NameKind, Stored, claim_name},
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    database::{Source, Tx, is_foreign_key_violation, is_unique_violation},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
    secret::Secret,
    text,
    time::Timestamp,
};

/// Characters of a login name.
pub(super) const USERNAME_MAX: usize = 64;

/// A user to be made.
#[derive(Debug)]
pub struct NewUser {
    /// The name to log in with.
    pub username: String,
    /// The e-mail address; customers need one.
    pub email: String,
    /// The name to show.
    pub display_name: String,
    /// The password.
    pub password: Secret,
    /// Which kind.
    pub kind: UserKind,
    /// Of administrators: the role.
    pub role: Option<AdminRole>,
    /// Of customers' users: the customer.
    pub customer_id: Option<Id>,
}

/// What changes of a user; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct UserUpdate {
    /// The e-mail address.
    pub email: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// Of administrators: the role.
    pub role: Option<AdminRole>,
    /// Whether it may log in.
    pub is_active: Option<bool>,
    /// Of customers' users: the customer.
    pub customer_id: Option<Id>,
}

/// A user whose fields are checked and whose password is hashed: what takes time, done before the transaction.
pub(crate) struct Prepared {
    new: NewUser,
    password_hash: String,
}

/// Checks the fields of a user to be made, and hashes its password.
///
/// # Errors
/// InvalidArgument for fields that break their rules.
pub(crate) async fn prepare(new: NewUser) -> Result<Prepared> {
    let new = checked(new)?;
    let password_hash = password::hash("password", new.password.reveal()).await?;
    Ok(Prepared { new, password_hash })
}

/// Writes a user that is prepared.
///
/// # Errors
/// `username.taken` and `name.taken`; NotFound for an unknown customer.
pub(crate) async fn insert_prepared(tx: &mut Tx, at: Timestamp, actor: &Actor, user: &Prepared) -> Result<User> {
    insert_user(tx, at, actor, &user.new, &user.password_hash).await
}

/// Whether a customer's user has this address.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn is_user_email(source: impl Source<'_>, email: &str) -> Result<bool> {
    Ok(store::find_by_email(source, email).await?.is_some())
}

/// Makes a user of either kind. Admin-only.
///
/// # Errors
/// `username.taken` and `name.taken` for a name or address that exists; NotFound for an unknown customer;
/// InvalidArgument for fields that break their rules.
pub async fn create_user(app: &App, actor: &Actor, new: NewUser) -> Result<User> {
    actor.require(Permission::AdminOnly)?;
    let prepared = prepare(new).await?;
    let mut tx = app.database.begin().await?;
    let user = insert_prepared(&mut tx, app.clock.now(), actor, &prepared).await?;
    tx.commit().await?;
    Ok(user)
}

fn checked(new: NewUser) -> Result<NewUser> {
    let username = text::required("username", &new.username, USERNAME_MAX)?.to_lowercase();
    if username.contains(char::is_whitespace) {
        return Err(Error::invalid(
            "username.malformed",
            format!("`username` is `{username}`, expected a name without blanks"),
        ));
    }
    let email = checked_email(new.kind, &new.email)?;
    let display_name = checked_display_name(&username, &new.display_name)?;
    match (new.kind, new.role, new.customer_id) {
        (UserKind::Admin, None, _) => {
            return Err(Error::invalid("user.role", "`role` is missing, expected admin or operator"));
        }
        (UserKind::Admin, Some(_), Some(_)) => {
            return Err(Error::invalid("user.customer", "an administrator belongs to no customer"));
        }
        (UserKind::Customer, Some(_), _) => return Err(Error::invalid("user.role", "a customer's user has no role")),
        (UserKind::Customer, None, None) => return Err(Error::invalid("user.customer", "`customer_id` is missing")),
        (UserKind::Admin, Some(_), None) | (UserKind::Customer, None, Some(_)) => {}
    }
    Ok(NewUser { username, email, display_name, ..new })
}

fn checked_email(kind: UserKind, email: &str) -> Result<String> {
    if kind == UserKind::Admin && email.trim().is_empty() { Ok(String::new()) } else { text::email("email", email) }
}

fn checked_display_name(username: &str, name: &str) -> Result<String> {
    let name = text::optional("display_name", name, text::NAME_MAX)?;
    Ok(if name.is_empty() { username.to_owned() } else { name })
}

fn search_of(user: &User) -> String {
    text::search_text(&[&user.username, &user.email, &user.display_name])
}

/// Writes a user whose fields are checked, with its unique names and the audit entry.
pub(super) async fn insert_user(
    tx: &mut Tx,
    at: Timestamp,
    actor: &Actor,
    new: &NewUser,
    password_hash: &str,
) -> Result<User> {
    let user = User {
        id: Id::generate(),
        username: new.username.clone(),
        email: new.email.clone(),
        display_name: new.display_name.clone(),
        role: new.role,
        is_active: true,
        created_at: at,
        customer_id: new.customer_id,
    };
    store::insert(tx, at, &user, password_hash, &search_of(&user)).await.map_err(|error| match user.customer_id {
        Some(customer_id) if is_foreign_key_violation(&error) => Error::not_found("customer", customer_id),
        None if is_unique_violation(&error) => Error::already_exists(
            "name.taken",
            format!("the user name `{}` or its e-mail address is taken", user.username),
        ),
        _ => error,
    })?;
    if let Some(customer_id) = user.customer_id {
        claim_name(tx, NameKind::UserName, &user.username, user.id, customer_id).await?;
        claim_name(tx, NameKind::UserEmail, &user.email, user.id, customer_id).await?;
    }
    audit::record(
        tx,
        at,
        actor,
        audit::Entry {
            action: "user.create",
            target_type: "user",
            target_id: user.id,
            detail: &json!({ "after": user }),
        },
    )
    .await?;
    Ok(user)
}

/// A page of users of one kind. For administrators.
///
/// # Errors
/// PermissionDenied for others.
pub async fn list_users(
    app: &App,
    actor: &Actor,
    kind: UserKind,
    filter: &UserFilter,
    page: PageRequest,
) -> Result<Page<User>> {
    actor.require(Permission::Admin)?;
    store::list(&app.database, kind, filter, page).await
}

/// One user; without a kind both are tried. For administrators.
///
/// # Errors
/// NotFound; PermissionDenied for others.
pub async fn get_user(app: &App, actor: &Actor, kind: Option<UserKind>, id: Id) -> Result<User> {
    actor.require(Permission::Admin)?;
    Ok(find_stored(app, kind, id).await?.user)
}

/// The user with this login name; without a kind both are tried. For administrators.
///
/// # Errors
/// NotFound; `user.ambiguous` when there is one of each kind; PermissionDenied for others.
pub async fn get_user_by_name(app: &App, actor: &Actor, kind: Option<UserKind>, username: &str) -> Result<User> {
    actor.require(Permission::Admin)?;
    let username = text::required("username", username, USERNAME_MAX)?.to_lowercase();
    let mut found = Vec::new();
    for &candidate in UserKind::ALL {
        if kind.is_none_or(|kind| kind == candidate) {
            found.extend(store::find_by_name(&app.database, candidate, &username).await?);
        }
    }
    if found.len() > 1 {
        return Err(Error::invalid(
            "user.ambiguous",
            format!("`{username}` is the name of an administrator and of a customer's user"),
        )
        .hint("say which kind is meant, or give the identifier"));
    }
    found.pop().map(|stored| stored.user).ok_or_else(|| Error::not_found("user", username))
}

pub(super) async fn find_stored(app: &App, kind: Option<UserKind>, id: Id) -> Result<Stored> {
    for &candidate in UserKind::ALL {
        if kind.is_none_or(|kind| kind == candidate)
            && let Some(stored) = store::find(&app.database, candidate, id).await?
        {
            return Ok(stored);
        }
    }
    Err(Error::not_found("user", id))
}

/// A user that is about to change, locked, and whether the shop could do without it: some other administrator with
/// the role `admin` is active.
async fn lock_for_change(tx: &mut Tx, kind: UserKind, id: Id) -> Result<(User, bool)> {
    let is_dispensable = kind == UserKind::Customer || store::lock_admins(tx, id).await? > 0;
    let stored = store::lock(tx, kind, id).await?.ok_or_else(|| Error::not_found("user", id))?;
    Ok((stored.user, is_dispensable))
}

fn rules_the_shop(user: &User) -> bool {
    user.role == Some(AdminRole::Admin) && user.is_active
}

fn last_admin(user: &User) -> Error {
    Error::invalid(
        "user.last_admin",
        format!("`{}` is the last active administrator with the role `admin`", user.username),
    )
    .hint("give somebody else the role `admin` first")
}

/// Changes a user. A user who is disabled, or gets another customer, is logged out everywhere. For administrators; the
/// role of administrators, and whether they may log in, is admin-only: else an operator could promote itself.
///
/// # Errors
/// NotFound for an unknown user or customer; `user.last_admin`; `name.taken` for an address that another user has;
/// InvalidArgument for fields that break their rules; PermissionDenied for others.
pub async fn update_user(
    app: &App,
    actor: &Actor,
    kind: Option<UserKind>,
    id: Id,
    change: &UserUpdate,
) -> Result<User> {
    actor.require(Permission::Admin)?;
    let kind = find_stored(app, kind, id).await?.user.kind();
    match (kind, change.role, change.customer_id) {
        (UserKind::Admin, _, Some(_)) => {
            return Err(Error::invalid("user.customer", "`customer_id`: an administrator belongs to no customer"));
        }
        (UserKind::Customer, Some(_), _) => {
            return Err(Error::invalid("user.role", "`role`: a customer's user has no role"));
        }
        (UserKind::Admin, _, None) | (UserKind::Customer, None, _) => {}
    }
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let (before, is_dispensable) = lock_for_change(&mut tx, kind, id).await?;
    let mut after = before.clone();
    if let Some(email) = &change.email {
        after.email = checked_email(kind, email)?;
    }
    if let Some(name) = &change.display_name {
        after.display_name = checked_display_name(&before.username, name)?;
    }
    after.role = change.role.or(before.role);
    after.is_active = change.is_active.unwrap_or(before.is_active);
    after.customer_id = change.customer_id.or(before.customer_id);
    if kind == UserKind::Admin && (after.role, after.is_active) != (before.role, before.is_active) {
        actor.require(Permission::AdminOnly)?;
    }
    if rules_the_shop(&before) && !rules_the_shop(&after) && !is_dispensable {
        return Err(last_admin(&before));
    }
    save(&mut tx, at, &before, &after).await?;
    if !after.is_active || after.customer_id != before.customer_id {
        end_all(app, &mut tx, at, &after, None).await?;
    }
    let detail = audit::change(&before, &after);
    let entry = audit::Entry { action: "user.update", target_type: "user", target_id: id, detail: &detail };
    audit::record(&mut tx, at, actor, entry).await?;
    tx.commit().await?;
    forget(app, &[id]).await;
    Ok(after)
}

/// Writes a change, with the unique names that follow it.
async fn save(tx: &mut Tx, at: Timestamp, before: &User, after: &User) -> Result<()> {
    if let (Some(from), Some(to)) = (before.customer_id, after.customer_id) {
        if from != to {
            store::move_to(tx, after.id, from, to).await.map_err(|error| match error {
                error if is_foreign_key_violation(&error) => Error::not_found("customer", to),
                error => error,
            })?;
        }
        if before.email != after.email {
            store::release_email(tx, after.id).await?;
            claim_name(tx, NameKind::UserEmail, &after.email, after.id, to).await?;
        }
    }
    store::save(tx, at, after, &search_of(after)).await.map_err(|error| match error {
        error if is_unique_violation(&error) => Error::already_exists(
            "name.taken",
            format!("an administrator with the e-mail address `{}` exists", after.email),
        ),
        error => error,
    })
}

/// Deletes a user and what it is logged in with. Admin-only.
///
/// # Errors
/// NotFound; `user.last_admin`; `user.in_use` while tickets are assigned to it; PermissionDenied for others.
pub async fn delete_user(app: &App, actor: &Actor, kind: Option<UserKind>, id: Id) -> Result<()> {
    actor.require(Permission::AdminOnly)?;
    let kind = find_stored(app, kind, id).await?.user.kind();
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let (user, is_dispensable) = lock_for_change(&mut tx, kind, id).await?;
    if rules_the_shop(&user) && !is_dispensable {
        return Err(last_admin(&user));
    }
    if kind == UserKind::Customer {
        session_store::delete_refresh_tokens(&mut tx, id).await?;
    }
    store::delete(&mut tx, &user).await.map_err(|error| match error {
        error if is_foreign_key_violation(&error) => {
            Error::invalid("user.in_use", format!("tickets are assigned to `{}`", user.username))
                .hint("assign them to somebody else, or disable the user instead")
        }
        error => error,
    })?;
    let detail = json!({ "before": user });
    let entry = audit::Entry { action: "user.delete", target_type: "user", target_id: id, detail: &detail };
    audit::record(&mut tx, at, actor, entry).await?;
    tx.commit().await?;
    forget(app, &[id]).await;
    Ok(())
}
