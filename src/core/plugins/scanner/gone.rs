//! Files that were there and are not any more.
//!
//! Servers of one database may look into different directories, and the command line into yet another one. So a
//! definition is marked first, and whoever finds the file takes the mark away again. Only a mark that stood for longer than
//! every server takes to look ends the definition, and only where no interface refers to it.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::json;

use super::{ScanReport, store};
use crate::core::{
    actor::Actor,
    app::App,
    audit,
    database::is_foreign_key_violation,
    error::Result,
    id::Id,
    plugins::{Broken, Definition},
};

/// How long a file must be gone before its definition goes: servers look every 5 minutes.
const GONE_FOR: TimeDelta = TimeDelta::minutes(15);
/// How the problem of a definition begins whose file is gone.
const GONE: &str = "the file is gone";

/// Whether the problem of a definition is that its file is gone, and not what is in it.
#[must_use]
pub fn is_gone(problem: &str) -> bool {
    problem.starts_with(GONE)
}

/// Marks the definitions without a file, and ends those that are marked for long and that nobody needs.
pub(super) async fn look(app: &App, actor: &Actor, names: &BTreeSet<String>, report: &mut ScanReport) -> Result<()> {
    for definition in store::definitions(&app.database, None).await? {
        if names.contains(&definition.file_name) {
            continue;
        }
        match mark(app, actor, definition.id).await? {
            Some(Definition { file_name, problem, .. }) => report.gone.push(Broken { file: file_name, problem }),
            None => report.removed.push(definition.file_name),
        }
    }
    Ok(())
}

/// The definition with its mark, or nothing when there is none any more.
async fn mark(app: &App, actor: &Actor, id: Id) -> Result<Option<Definition>> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let Some(known) = store::lock_known(&mut tx, id).await? else { return Ok(None) };
    let is_used = !store::of_definition(&mut tx, id).await?.is_empty();
    let problem = if is_used {
        format!("{GONE}; interfaces keep their script")
    } else {
        format!("{GONE}; no interface uses the plugin, so that it is removed soon")
    };
    if known.problem != problem {
        let definition = Definition { problem, updated_at: at, ..known };
        store::save_definition(&mut tx, &definition).await?;
        tx.commit().await?;
        return Ok(Some(definition));
    }
    if is_used || at < known.updated_at.plus(GONE_FOR) {
        return Ok(Some(known));
    }
    // An interface that somebody made in between is seen by the foreign key.
    match store::delete_definition(&mut tx, id).await {
        Err(error) if is_foreign_key_violation(&error) => return Ok(Some(known)),
        other => other?,
    }
    let detail = json!({ "file": known.file_name, "before": known.version, "after": null });
    let entry = audit::Entry { action: "plugin.scan", target_type: "plugin", target_id: id, detail: &detail };
    audit::record(&mut tx, at, actor, entry).await?;
    tx.commit().await?;
    Ok(None)
}
