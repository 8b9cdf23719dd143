//! Changing passwords: one's own, another's, a forgotten one. Whoever else is logged in as the user is not afterwards.

use serde_json::json;

use super::{
    codes,
    model::{Purpose, User, UserKind},
    password,
    recognise::forget,
    sessions::{end_all, user_of},
    store,
    users::find_stored,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    database::Tx,
    error::{Error, Result},
    id::Id,
    text,
    time::Timestamp,
};

/// Changes the password of the user who acts. Its other sessions and tokens end; the one behind `current` stays.
///
/// # Errors
/// Unauthenticated for actors that are no user; `password.wrong` for a wrong old one; `password.length` for a new one
/// that breaks the rules.
pub async fn change_password(app: &App, actor: &Actor, current: Option<&str>, old: &str, new: &str) -> Result<()> {
    let (kind, id) = user_of(actor)?;
    let wrong = || Error::invalid("password.wrong", "`old_password` is wrong");
    let gone = || Error::unauthenticated("this user does not exist any more");
    password::check_rules("new_password", new)?;
    let before = store::find(&app.database, kind, id).await?.ok_or_else(gone)?;
    if !password::verify(old, Some(&before.password_hash)).await {
        return Err(wrong());
    }
    let hash = password::hash("new_password", new).await?;
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let now = store::lock(&mut tx, kind, id).await?.ok_or_else(gone)?;
    // Somebody was faster: what was checked above is not the old password any more.
    if now.password_hash != before.password_hash {
        return Err(wrong());
    }
    set(app, &mut tx, at, &now.user, &hash, current).await?;
    record(&mut tx, at, actor, "user.change_password", id).await?;
    tx.commit().await?;
    forget(app, &[id]).await;
    Ok(())
}

/// Sets somebody's password and ends all its sessions and tokens. Admin-only.
///
/// # Errors
/// NotFound; PermissionDenied for others; `password.length` for one that breaks the rules.
pub async fn reset_password_of(app: &App, actor: &Actor, kind: Option<UserKind>, id: Id, new: &str) -> Result<User> {
    actor.require(Permission::AdminOnly)?;
    password::check_rules("new_password", new)?;
    let kind = find_stored(app, kind, id).await?.user.kind();
    let hash = password::hash("new_password", new).await?;
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let user = store::lock(&mut tx, kind, id).await?.ok_or_else(|| Error::not_found("user", id))?.user;
    set(app, &mut tx, at, &user, &hash, None).await?;
    record(&mut tx, at, actor, "user.reset_password", id).await?;
    tx.commit().await?;
    forget(app, &[id]).await;
    Ok(user)
}

/// Sets the forgotten password of a customer's user by a code that its address received, and ends all its tokens. For
/// everybody.
///
/// Administrators set each other's, or use the command line: their accounts must not be worth a mailbox.
///
/// # Errors
/// `code.wrong`, also for an unknown address; `password.length`; `email.malformed`.
pub async fn reset_forgotten_password(app: &App, actor: &Actor, email: &str, code: &str, new: &str) -> Result<()> {
    let email = text::email("email", email)?;
    let hash = password::hash("new_password", new).await?;
    let at = app.clock.now();
    let tx = app.database.begin().await?;
    let key = &app.settings.jwt.secret;
    let mut tx = codes::redeem(tx, at, key, (Purpose::PasswordReset, &email), code).await?;
    let id = store::find_by_email(&mut tx, &email).await?.ok_or_else(codes::wrong)?;
    let user = store::lock(&mut tx, UserKind::Customer, id).await?.ok_or_else(codes::wrong)?.user;
    set(app, &mut tx, at, &user, &hash, None).await?;
    record(&mut tx, at, actor, "user.reset_forgotten_password", id).await?;
    tx.commit().await?;
    forget(app, &[id]).await;
    Ok(())
}

async fn set(app: &App, tx: &mut Tx, at: Timestamp, user: &User, hash: &str, kept: Option<&str>) -> Result<()> {
    store::set_password(tx, at, user.kind(), user.id, hash).await?;
    end_all(app, tx, at, user, kept).await
}

async fn record(tx: &mut Tx, at: Timestamp, actor: &Actor, action: &'static str, user: Id) -> Result<()> {
    audit::record(tx, at, actor, audit::Entry { action, target_type: "user", target_id: user, detail: &json!({}) })
        .await
}
