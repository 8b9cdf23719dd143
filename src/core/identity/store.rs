//! SQL of users, sessions and tokens.

use super::model::{AdminRole, User, UserKind};
use crate::core::{
    database::{Database, Query, Source, Tx},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
    time::Timestamp,
};

/// What a name in the table of unique names names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A customer's user, by login name.
    UserName,
    /// A customer's user, by e-mail address.
    UserEmail,
    /// A customer, by e-mail address.
    CustomerEmail,
}

impl NameKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::UserName => "user_name",
            Self::UserEmail => "user_email",
            Self::CustomerEmail => "customer_email",
        }
    }
}

/// The code of the error that says: somebody logs in with this name.
pub const USERNAME_TAKEN: &str = "username.taken";

/// Takes a name for its owner, or says that somebody has it.
///
/// # Errors
/// `username.taken` or, for addresses, `name.taken`, naming it.
pub async fn claim_name(tx: &mut Tx, kind: NameKind, name: &str, owner: Id, customer: Id) -> Result<()> {
    let taken = tx
        .q("INSERT INTO unique_names (kind, name, owner_id, customer_id) VALUES ($1, $2, $3, $4) ON CONFLICT (kind, name) DO NOTHING")
        .bind(kind.as_str())
        .bind(name.to_owned())
        .bind(owner)
        .bind(customer)
        .execute()
        .await?;
    if taken == 1 {
        return Ok(());
    }
    Err(Error::already_exists(
        match kind {
            NameKind::UserName => USERNAME_TAKEN,
            NameKind::UserEmail | NameKind::CustomerEmail => "name.taken",
        },
        match kind {
            NameKind::UserName => format!("the user name `{name}` is taken"),
            NameKind::UserEmail => format!("a user with the e-mail address `{name}` exists"),
            NameKind::CustomerEmail => format!("a customer with the e-mail address `{name}` exists"),
        },
    ))
}

#[derive(sqlx::FromRow)]
struct UserRow {
    id: Id,
    username: String,
    email: String,
    display_name: String,
    role: Option<AdminRole>,
    is_active: bool,
    created_at: Timestamp,
    customer_id: Option<Id>,
    password_hash: String,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            username: row.username,
            email: row.email,
            display_name: row.display_name,
            role: row.role,
            is_active: row.is_active,
            created_at: row.created_at,
            customer_id: row.customer_id,
        }
    }
}

const ADMIN: &str = "SELECT id, username, email, display_name, role, is_active, created_at, CAST(NULL AS UUID) AS customer_id, password_hash FROM admin_users";
const CUSTOMER: &str = "SELECT id, username, email, display_name, CAST(NULL AS TEXT) AS role, is_active, created_at, customer_id, password_hash FROM customer_users";

/// A user and the hash of its password.
pub(super) struct Stored {
    pub(super) user: User,
    pub(super) password_hash: String,
}

impl From<UserRow> for Stored {
    fn from(row: UserRow) -> Self {
        Self { password_hash: row.password_hash.clone(), user: row.into() }
    }
}

/// The `SELECT` of users of one kind, to be narrowed further.
const fn select(kind: UserKind) -> &'static str {
    match kind {
        UserKind::Admin => ADMIN,
        UserKind::Customer => CUSTOMER,
    }
}

/// The user with this login name.
pub(super) async fn find_by_name(source: impl Source<'_>, kind: UserKind, username: &str) -> Result<Option<Stored>> {
    let row: Option<UserRow> =
        source.q(select(kind)).push_bind(" WHERE username = ", username.to_owned()).opt().await?;
    Ok(row.map(Stored::from))
}

/// The user with this identifier.
pub(super) async fn find(source: impl Source<'_>, kind: UserKind, id: Id) -> Result<Option<Stored>> {
    let row: Option<UserRow> = source.q(select(kind)).push_bind(" WHERE id = ", id).opt().await?;
    Ok(row.map(Stored::from))
}

/// The administrator or operator with this identifier, for slices that name one.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn administrator(source: impl Source<'_>, id: Id) -> Result<Option<User>> {
    Ok(find(source, UserKind::Admin, id).await?.map(|stored| stored.user))
}

/// The user with this identifier, locked until the transaction ends. Whoever gives it sessions or tokens, or takes them
/// away, holds this lock: none can come up beside an order that ends them all.
pub(super) async fn lock(tx: &mut Tx, kind: UserKind, id: Id) -> Result<Option<Stored>> {
    let locked = tx
        .q_for_update(match kind {
            UserKind::Admin => "SELECT id FROM admin_users WHERE id = $1",
            UserKind::Customer => "SELECT id FROM customer_users WHERE id = $1",
        })
        .bind(id)
        .lock()
        .scalar_opt::<Id>()
        .await?;
    // Read after the lock: what the lock waited for may have changed the row.
    if locked.is_some() { find(tx, kind, id).await } else { Ok(None) }
}

/// Locks the active administrators with the role `admin` and, whatever its role, the one with this identifier; says
/// how many others there are. Two who would each take one away come one after the other.
pub(super) async fn lock_admins(tx: &mut Tx, id: Id) -> Result<usize> {
    let locked: Vec<Id> = tx
        .q_for_update("SELECT id FROM admin_users WHERE (role = 'admin' AND is_active = TRUE) OR id = $1 ORDER BY id")
        .bind(id)
        .lock()
        .scalars()
        .await?;
    Ok(locked.into_iter().filter(|&other| other != id).count())
}

/// The customer's user with this address.
pub(super) async fn find_by_email(source: impl Source<'_>, email: &str) -> Result<Option<Id>> {
    source
        .q("SELECT owner_id FROM unique_names WHERE kind = 'user_email' AND name = $1")
        .bind(email.to_owned())
        .scalar_opt()
        .await
}

/// What a list of users is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Administrators of this role.
    pub role: Option<AdminRole>,
    /// Enabled or disabled ones.
    pub is_active: Option<bool>,
    /// A pattern over names and addresses.
    pub search: Option<String>,
    /// Users of this customer.
    pub customer_id: Option<Id>,
}

fn narrowed<'e>(query: Query<'e>, kind: UserKind, filter: &Filter) -> Query<'e> {
    let query = query.push(" WHERE 1 = 1").filter(" AND is_active = ", filter.is_active);
    let query = match &filter.search {
        Some(pattern) => query.push_bind(" AND search LIKE ", pattern.clone()).push(" ESCAPE '\\'"),
        None => query,
    };
    match kind {
        UserKind::Admin => query.filter(" AND role = ", filter.role),
        UserKind::Customer => query.filter(" AND customer_id = ", filter.customer_id),
    }
}

/// A page of users of one kind.
pub(super) async fn list(
    database: &Database,
    kind: UserKind,
    filter: &Filter,
    page: PageRequest,
) -> Result<Page<User>> {
    let count = match kind {
        UserKind::Admin => "SELECT CAST(COUNT(*) AS BIGINT) FROM admin_users",
        UserKind::Customer => "SELECT CAST(COUNT(*) AS BIGINT) FROM customer_users",
    };
    let rows = narrowed(database.q(select(kind)), kind, filter).push(" ORDER BY created_at DESC, id DESC");
    Ok(page.fetch::<UserRow>(narrowed(database.q(count), kind, filter), rows).await?.map(User::from))
}

/// Writes a new user of either kind.
pub(super) async fn insert(tx: &mut Tx, at: Timestamp, user: &User, password_hash: &str, search: &str) -> Result<()> {
    let query = match (user.role, user.customer_id) {
        (Some(role), _) => tx
            .q("INSERT INTO admin_users (role, id, username, email, display_name, password_hash, is_active, search, created_at, updated_at) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)")
            .bind(role),
        (None, customer) => tx
            .q("INSERT INTO customer_users (customer_id, id, username, email, display_name, password_hash, is_active, search, created_at, updated_at) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)")
            .bind(customer),
    };
    query
        .bind(user.id)
        .bind(user.username.clone())
        .bind(user.email.clone())
        .bind(user.display_name.clone())
        .bind(password_hash.to_owned())
        .bind(user.is_active)
        .bind(search.to_owned())
        .bind(at)
        .execute_one()
        .await
}

/// Writes what may change of a user.
pub(super) async fn save(tx: &mut Tx, at: Timestamp, user: &User, search: &str) -> Result<()> {
    let query = match (user.role, user.customer_id) {
        (Some(role), _) => tx
            .q("UPDATE admin_users SET role = $1, email = $3, display_name = $4, is_active = $5, search = $6, updated_at = $7 \
                WHERE id = $2")
            .bind(role),
        (None, customer) => tx
            .q("UPDATE customer_users SET email = $3, display_name = $4, is_active = $5, search = $6, updated_at = $7 \
                WHERE id = $2 AND customer_id = $1")
            .bind(customer),
    };
    query
        .bind(user.id)
        .bind(user.email.clone())
        .bind(user.display_name.clone())
        .bind(user.is_active)
        .bind(search.to_owned())
        .bind(at)
        .execute_one()
        .await
}

/// Gives a customer's user to another customer. The customer is what the table is spread by, so the row is made anew.
pub(super) async fn move_to(tx: &mut Tx, user: Id, from: Id, to: Id) -> Result<()> {
    tx.q(
        "INSERT INTO customer_users (id, customer_id, username, email, display_name, password_hash, is_active, search, \
         last_login_at, created_at, updated_at) \
         SELECT id, $3, username, email, display_name, password_hash, is_active, search, last_login_at, created_at, \
         updated_at FROM customer_users WHERE id = $1 AND customer_id = $2",
    )
    .bind(user)
    .bind(from)
    .bind(to)
    .execute_one()
    .await?;
    tx.q("DELETE FROM customer_users WHERE id = $1 AND customer_id = $2").bind(user).bind(from).execute_one().await?;
    tx.q("UPDATE unique_names SET customer_id = $2 WHERE owner_id = $1").bind(user).bind(to).execute().await?;
    Ok(())
}

/// Frees a user's address.
pub(super) async fn release_email(tx: &mut Tx, user: Id) -> Result<()> {
    tx.q("DELETE FROM unique_names WHERE owner_id = $1 AND kind = 'user_email'").bind(user).execute_one().await
}

/// Deletes a user with its names.
pub(super) async fn delete(tx: &mut Tx, user: &User) -> Result<()> {
    let Some(customer_id) = user.customer_id else {
        return tx.q("DELETE FROM admin_users WHERE id = $1").bind(user.id).execute_one().await;
    };
    tx.q("DELETE FROM unique_names WHERE owner_id = $1").bind(user.id).execute().await?;
    tx.q("DELETE FROM customer_users WHERE id = $1 AND customer_id = $2")
        .bind(user.id)
        .bind(customer_id)
        .execute_one()
        .await
}

/// Replaces a password's hash.
pub(super) async fn set_password(
    tx: &mut Tx,
    at: Timestamp,
    kind: UserKind,
    user: Id,
    password_hash: &str,
) -> Result<()> {
    tx.q(match kind {
        UserKind::Admin => "UPDATE admin_users SET password_hash = $2, updated_at = $3 WHERE id = $1",
        UserKind::Customer => "UPDATE customer_users SET password_hash = $2, updated_at = $3 WHERE id = $1",
    })
    .bind(user)
    .bind(password_hash.to_owned())
    .bind(at)
    .execute_one()
    .await
}

/// Notes a login.
pub(super) async fn touch_login(tx: &mut Tx, at: Timestamp, kind: UserKind, user: Id) -> Result<()> {
    tx.q(match kind {
        UserKind::Admin => "UPDATE admin_users SET last_login_at = $2 WHERE id = $1",
        UserKind::Customer => "UPDATE customer_users SET last_login_at = $2 WHERE id = $1",
    })
    .bind(user)
    .bind(at)
    .execute_one()
    .await
}

/// How many administrators there are, of whatever role.
pub(super) async fn count_admins(source: impl Source<'_>) -> Result<i64> {
    source.q("SELECT CAST(COUNT(*) AS BIGINT) FROM admin_users").scalar().await
}

/// Makes whoever else wants to make the first administrator wait: a row that is always there is locked.
pub(super) async fn lock_bootstrap(tx: &mut Tx) -> Result<()> {
    let select = "SELECT role FROM leader_role WHERE role = 'migration'";
    tx.q_for_update(select).lock().scalar::<String>().await.map(|_| ())
}
