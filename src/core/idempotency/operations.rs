//! Reserving a key, running under it, keeping the answer.

use std::time::Instant;

use super::{
    model::{Key, LEASE, LOOK, RENEWAL, Reservation, Reserved, Verdict, WAIT_MAX, scope},
    seal, store,
};
use crate::core::{
    actor::Actor,
    app::App,
    error::{Error, Result},
    id::Id,
};

/// What came of one attempt to reserve.
enum Attempt {
    Reserved(Id),
    Answered(Vec<u8>),
    Busy,
}

/// Reserves a key for a request, or finds the answer to it. Waits up to ten seconds for a call that holds the key.
///
/// # Errors
/// `idempotency.reused` when the key was sent with another request; `idempotency.in_progress` when the call that holds
/// it is not done; `idempotency.answer_lost` when its change was made and its answer is gone.
pub async fn reserve(app: &App, actor: &Actor, key: &Key, request: &[u8]) -> Result<Reserved> {
    let Some(scope) = scope(actor) else { return Ok(Reserved::Ignored) };
    let secret = &app.settings.jwt.secret;
    let key_hash = seal::key_hash(secret, &scope, &key.0)?;
    let request_hash = seal::request_hash(secret, &scope, &key.0, request)?;
    let began = Instant::now();
    loop {
        match app.database.retry(|| attempt(app, &scope, &key_hash, &request_hash)).await? {
            Attempt::Reserved(id) => return Ok(Reserved::Run(Reservation { id, scope, key: key.clone() })),
            Attempt::Answered(kept) => return seal::decrypt(secret, &scope, &key.0, &kept).map(Reserved::Replay),
            Attempt::Busy if began.elapsed() < WAIT_MAX => tokio::time::sleep(LOOK).await,
            Attempt::Busy => {
                let message = "a call with this idempotency key is still running";
                return Err(Error::unavailable("idempotency.in_progress", message)
                    .hint("send it again later, with the same key"));
            }
        }
    }
}

async fn attempt(app: &App, scope: &str, key_hash: &str, request_hash: &str) -> Result<Attempt> {
    // Looking costs a reader; only a key that is free costs the one writer of SQLite.
    let at = app.clock.now();
    if let Some(kept) = store::find(&app.database, scope, key_hash).await?
        && let Some(attempt) = settled(kept.judge(at, request_hash), kept.answer)?
    {
        return Ok(attempt);
    }
    let mut tx = app.database.begin().await?;
    let id = Id::generate();
    if store::insert(&mut tx, at, (scope, key_hash), id, request_hash).await? {
        tx.commit().await?;
        return Ok(Attempt::Reserved(id));
    }
    // Somebody was faster, or it is an old one. When it is gone again, the next look finds nothing.
    let Some(kept) = store::lock(&mut tx, scope, key_hash).await? else { return Ok(Attempt::Busy) };
    let old = kept.id;
    if let Some(attempt) = settled(kept.judge(at, request_hash), kept.answer)? {
        return Ok(attempt);
    }
    store::take_over(&mut tx, at, old, id, request_hash).await?;
    tx.commit().await?;
    Ok(Attempt::Reserved(id))
}

/// What a verdict means, unless the key is free.
fn settled(verdict: Verdict, answer: Option<Vec<u8>>) -> Result<Option<Attempt>> {
    match (verdict, answer) {
        (Verdict::Free, _) => Ok(None),
        (Verdict::Answered, Some(answer)) => Ok(Some(Attempt::Answered(answer))),
        (Verdict::Busy | Verdict::Answered, _) => Ok(Some(Attempt::Busy)),
        (Verdict::Reused, _) => {
            Err(Error::invalid("idempotency.reused", "the idempotency key was sent with another request before")
                .hint("use a new key for each change"))
        }
        (Verdict::Lost, _) => Err(Error::already_exists(
            "idempotency.answer_lost",
            "the change of this idempotency key was made, at least its first part, and its answer is not kept",
        )
        .hint("look at the current state; a new key makes the change again")),
    }
}

/// Runs the operation of a reservation, which is renewed meanwhile.
pub async fn held<T>(app: &App, reservation: &Reservation, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = keep(app, reservation.id) => match never {},
    }
}

/// Renews for ever. Who lost the lease goes on all the same: its transaction finds out.
async fn keep(app: &App, id: Id) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(RENEWAL).await;
        match renew(app, id).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("a call lost its idempotency key to a later one"),
            Err(error) => tracing::warn!(%error, "the reservation of an idempotency key could not be renewed"),
        }
    }
}

async fn renew(app: &App, id: Id) -> Result<bool> {
    let mut tx = app.database.begin().await?;
    let is_held = store::set_lease(&mut tx, id, app.clock.now().plus(LEASE)).await?;
    tx.commit().await?;
    Ok(is_held)
}

/// Keeps the answer to the request of a reservation, for whoever sends the key again.
///
/// # Errors
/// When it can't be kept; then whoever sends the key again hears that the answer is lost, if a change was made.
pub async fn answer(app: &App, reservation: &Reservation, answer: &[u8]) -> Result<()> {
    let kept = seal::encrypt(&app.settings.jwt.secret, reservation, answer)?;
    app.database
        .retry(|| async {
            let mut tx = app.database.begin().await?;
            store::set_answer(&mut tx, app.clock.now(), reservation.id, kept.clone()).await?;
            tx.commit().await
        })
        .await
}

/// Ends a reservation without an answer: a key whose change was not made is free again at once.
///
/// # Errors
/// When the database can't be used; then the lease runs out.
pub async fn release(app: &App, reservation: &Reservation) -> Result<()> {
    app.database
        .retry(|| async {
            let mut tx = app.database.begin().await?;
            store::delete_unapplied(&mut tx, reservation.id).await?;
            store::set_lease(&mut tx, reservation.id, app.clock.now()).await?;
            tx.commit().await
        })
        .await
}

/// Whether the operation of a reservation changed something.
///
/// # Errors
/// When the database can't be used.
pub async fn has_applied(app: &App, reservation: &Reservation) -> Result<bool> {
    store::is_applied(&app.database, reservation.id).await
}

/// Removes expired answers, a bounded number at once, and says how many.
///
/// # Errors
/// When the database can't be used.
pub async fn purge(app: &App) -> Result<u64> {
    app.database.purge(app.clock.now(), store::EXPIRED).await
}
