//! Use cases of the operation log: reading it, sealing what is new into the chain, checking the chain.

use super::{
    chain::{self, Walk},
    model::{Head, LogFilter, OperationLog, Problem, Verification},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    error::{Error, Result},
    page::{Page, PageRequest},
    text,
};

/// Entries that one transaction seals. On SQLite writers wait meanwhile: a few milliseconds.
pub const SEAL_BATCH: i64 = 200;
/// Entries that a check holds at once.
const VERIFY_BATCH: i64 = 1_000;

/// A page of entries, newest first. For administrators.
///
/// # Errors
/// PermissionDenied for others; `text.control` and `text.too_long` for words that no entry can have.
pub async fn list(app: &App, actor: &Actor, filter: &LogFilter, page: PageRequest) -> Result<Page<OperationLog>> {
    actor.require(Permission::Admin)?;
    let word = |field, given: &Option<String>| {
        given.as_deref().map(|text| text::optional(field, text, text::NAME_MAX)).transpose()
    };
    let filter = LogFilter {
        action: word("action", &filter.action)?,
        target_type: word("target_type", &filter.target_type)?,
        ..filter.clone()
    };
    let found = store::list(&app.database, &filter, page).await?;
    // Who looks wants to see hashes soon.
    if found.items.iter().any(|log| log.position.is_none()) {
        app.seal.notify_one();
    }
    Ok(found)
}

/// Seals the oldest entries that are not, up to [`SEAL_BATCH`], and says how many. Who writes entries never waits for
/// it. Several servers may do this at once: each batch holds the record of the chain's end. An entry that commits late
/// with an earlier time takes the next place.
///
/// # Errors
/// When the database can't be used; then nothing of the batch happened.
pub async fn seal(app: &App) -> Result<i64> {
    // Looking costs a reader; only finding something costs the one writer of SQLite.
    if !store::has_unsealed(&app.database).await? {
        return Ok(0);
    }
    app.database
        .retry(|| async {
            let mut tx = app.database.begin().await?;
            let mut end = store::lock_head(&mut tx).await?;
            let mut sealed = 0;
            for log in store::unsealed(&mut tx, SEAL_BATCH).await? {
                let position = end.position + 1;
                end = Head { position, hash: chain::hash(&end.hash, position, &log) };
                store::seal(&mut tx, log.id, &end).await?;
                sealed += 1;
            }
            if sealed > 0 {
                store::set_head(&mut tx, &end).await?;
            }
            tx.commit().await?;
            Ok(sealed)
        })
        .await
}

/// Checks the chain from its first entry to its recorded end, and changes nothing. That it is broken is no error but
/// the answer. For administrators.
///
/// # Errors
/// PermissionDenied for others; what the database says.
pub async fn verify(app: &App, actor: &Actor) -> Result<Verification> {
    actor.require(Permission::Admin)?;
    // In this order, since entries are sealed meanwhile: the record read after an entry is never behind it.
    let last = store::last_position(&app.database).await?;
    let recorded = store::head(&app.database).await?;
    let mut walk = Walk::begin();
    let problem = match recorded.clone() {
        None => Some(chain::head(0, "the record of the chain's end is gone")),
        Some(head) => match walk_to(app, &mut walk, &head).await? {
            Some(problem) => Some(problem),
            None if last > head.position => {
                let why =
                    format!("entries up to position {last} are sealed, the chain's recorded end is {}", head.position);
                Some(chain::head(head.position, &why))
            }
            None => None,
        },
    };
    let end = recorded.unwrap_or(Head { position: 0, hash: String::new() });
    Ok(Verification {
        intact: problem.is_none(),
        verified: walk.end.position,
        unsealed: store::count_unsealed(&app.database).await?,
        position: end.position,
        hash: end.hash,
        problem,
    })
}

/// The first problem up to the recorded end.
async fn walk_to(app: &App, walk: &mut Walk, recorded: &Head) -> Result<Option<Problem>> {
    while walk.end.position < recorded.position {
        let logs = store::sealed(&app.database, walk.end.position, recorded.position, VERIFY_BATCH).await?;
        if logs.is_empty() {
            break;
        }
        if let Err(problem) = walk.over(&logs) {
            return Ok(Some(problem));
        }
    }
    Ok(walk.finish(recorded).err())
}

/// The error of a command that found the chain broken.
#[must_use]
pub fn broken(problem: &Problem) -> Error {
    Error::internal("audit.broken", format!("the operation log was changed: {}", problem.message))
        .hint("compare with a backup; everything before that position is as it was written")
}
