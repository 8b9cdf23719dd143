//! The first administrator.

use super::{AdminRole, NewUser, UserKind, operations::insert_user, password, store};
use crate::core::{
    actor::Actor,
    app::App,
    error::{Error, Result},
    secret::{Secret, random_text},
};

/// Letters and digits of a generated password: about 119 bits.
const GENERATED_LENGTH: usize = 20;

/// The administrator that was made.
#[derive(Debug)]
pub struct Bootstrapped {
    /// The login name.
    pub username: String,
    /// The password, if it was generated here: to be shown once and never again.
    pub generated_password: Option<Secret>,
}

/// Makes the first administrator, while there is none. On a first run its password is generated.
///
/// # Errors
/// `bootstrap.no_password` when there is no administrator, no configured password, and this is no first run.
pub async fn bootstrap(app: &App, first_run: bool) -> Result<Option<Bootstrapped>> {
    if store::count_admins(&app.database).await? > 0 {
        return Ok(None);
    }
    let configured = &app.settings.bootstrap.admin_password;
    let generated = match (configured.reveal().is_empty(), first_run) {
        (false, _) => None,
        (true, true) => Some(Secret::new(random_text(GENERATED_LENGTH))),
        (true, false) => {
            return Err(Error::invalid(
                "bootstrap.no_password",
                "there is no administrator yet, and `bootstrap.admin_password` is not set",
            )
            .hint("set it in the configuration for the first start, or run `rustbill user create --username NAME --role admin`"));
        }
    };
    let password = generated.as_ref().unwrap_or(configured).reveal();
    let new = NewUser {
        username: app.settings.bootstrap.admin_username.clone(),
        email: String::new(),
        display_name: "Administrator".to_owned(),
        password: Secret::new(password),
        kind: UserKind::Admin,
        role: Some(AdminRole::Admin),
        customer_id: None,
    };
    let hash = password::hash("bootstrap.admin_password", password).await?;
    let mut tx = app.database.begin().await?;
    // Several servers may start at once on an empty database: only one of them makes it.
    store::lock_bootstrap(&mut tx).await?;
    if store::count_admins(&mut tx).await? > 0 {
        return Ok(None);
    }
    let user = insert_user(&mut tx, app.clock.now(), &Actor::system("bootstrap"), &new, &hash).await?;
    tx.commit().await?;
    Ok(Some(Bootstrapped { username: user.username, generated_password: generated }))
}
