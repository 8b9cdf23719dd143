//! Use cases of accounts.

use serde_json::json;

use crate::core::{
    actor::Actor,
    app::App,
    audit,
    customers::{self, NewCustomer},
    error::{Error, Kind, Result},
    event::EventType,
    id::Id,
    identity::{self, NewUser, Purpose, User, UserKind, codes},
    notifications,
    outbox::{self, NewEvent},
    secret::Secret,
    text,
};

/// An account to be made: a customer and its first user.
#[derive(Debug)]
pub struct NewAccount {
    /// The name to log in with.
    pub username: String,
    /// The address that received the code.
    pub email: String,
    /// The name to show, also on invoices; empty for the login name.
    pub display_name: String,
    /// The password.
    pub password: Secret,
    /// The code.
    pub verification_code: String,
}

/// A code is on its way, or would be if the address belonged to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeSent {
    /// Seconds until another one may be asked for.
    pub retry_after_secs: i64,
}

/// Sends a code to an address. For everybody. A password reset for an address that nobody has is answered like any
/// other, so that addresses can't be probed.
///
/// # Errors
/// `email.malformed`; `code.too_soon`; `code.no_notifier`.
pub async fn send_code(app: &App, actor: &Actor, email: &str, purpose: Purpose) -> Result<CodeSent> {
    let email = text::email("email", email)?;
    let at = app.clock.now();
    codes::check_wait(&app.database, at, purpose, &email).await?;
    // Asked outside of the transaction, since it calls scripts, and whoever the address belongs to.
    if !notifications::has_listener(app, EventType::VerificationCode).await? {
        return Err(Error::internal("code.no_notifier", "no e-mail notifier is set up")
            .hint("an administrator has to enable one that sends codes, such as notifier-email"));
    }
    let mut tx = app.database.begin().await?;
    let new = codes::issue(&mut tx, at, &app.settings.jwt.secret, purpose, &email).await?;
    let is_wanted = match purpose {
        Purpose::Registration => true,
        Purpose::PasswordReset => identity::is_user_email(&mut tx, &email).await?,
    };
    if is_wanted {
        let payload = json!({
            "recipient": email,
            "code": new.code.reveal(),
            "purpose": purpose,
            "minutes": codes::CODE_LIFETIME.num_minutes(),
            "good_until": at.plus(codes::CODE_LIFETIME).unix_seconds(),
        });
        let event = NewEvent { event_type: EventType::VerificationCode, subject_id: new.id, order_id: None, payload };
        outbox::enqueue(&mut tx, at, event).await?;
    }
    let detail = json!({ "email": email, "purpose": purpose });
    let entry =
        audit::Entry { action: "code.send", target_type: "verification_code", target_id: new.id, detail: &detail };
    audit::record(&mut tx, at, actor, entry).await?;
    tx.commit().await?;
    app.wake.notify_one();
    Ok(CodeSent { retry_after_secs: codes::RESEND_AFTER.num_seconds() })
}

/// Makes a customer and its first user, whose address is proved by a code. For everybody.
///
/// # Errors
/// `code.wrong`; `username.taken` (InvalidArgument); `name.taken` (AlreadyExists) for an address that exists;
/// InvalidArgument for fields that break their rules.
pub async fn register(app: &App, actor: &Actor, new: NewAccount) -> Result<User> {
    let customer_id = Id::generate();
    let email = text::email("email", &new.email)?;
    let name = if new.display_name.trim().is_empty() { &new.username } else { &new.display_name };
    let customer = NewCustomer { name: name.clone(), email: email.clone(), ..NewCustomer::default() };
    let user = NewUser {
        username: new.username,
        email: email.clone(),
        display_name: new.display_name,
        password: new.password,
        kind: UserKind::Customer,
        role: None,
        customer_id: Some(customer_id),
    };
    let user = identity::prepare(user).await?;
    let at = app.clock.now();
    let tx = app.database.begin().await?;
    let key = &app.settings.jwt.secret;
    // First of all: who can't read the address does not learn which names are taken.
    let mut tx = codes::redeem(tx, at, key, (Purpose::Registration, &email), &new.verification_code).await?;
    customers::insert(&mut tx, at, actor, customer_id, &customer).await?;
    let user = identity::insert_prepared(&mut tx, at, actor, &user).await.map_err(|error| match error {
        // Documented as one of the things wrong with the request; only a registered address "exists already".
        error if error.kind() == Kind::AlreadyExists && error.code() == identity::USERNAME_TAKEN => {
            Error::invalid(identity::USERNAME_TAKEN, error.public_message()).hint("choose another one")
        }
        error => error,
    })?;
    tx.commit().await?;
    Ok(user)
}
