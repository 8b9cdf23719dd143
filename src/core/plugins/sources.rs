//! The scripts of interfaces, edited by administrators.

use serde_json::json;

use super::{
    Kind, config,
    engine::{Inspected, Issue, ScriptKey},
    model::Interface,
    operations::{find, record},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    error::{Error, Result},
    id::Id,
    text,
};

/// Problems of a script that are told at once.
const ISSUES_MAX: usize = 100;
/// Characters of a problem.
const ISSUE_MAX: usize = 1_000;

/// The script that an interface runs.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Source {
    /// The script.
    pub source: String,
    /// Its SHA-256, which says what an edit began with.
    pub hash: String,
    /// Whether it was edited here, so that no scan replaces it.
    pub edited: bool,
}

/// An interface after an edit, and what is wrong with the script. With problems nothing was written.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The interface as it is now.
    pub interface: Interface,
    /// What is wrong; empty for a sound script.
    pub issues: Vec<Issue>,
}

/// The script that an interface runs. For administrators.
///
/// # Errors
/// NotFound; PermissionDenied for others.
pub async fn source(app: &App, actor: &Actor, id: Id) -> Result<Source> {
    actor.require(Permission::Admin)?;
    let interface = find(&app.database, id).await?;
    Ok(Source { source: interface.script_source, hash: interface.script_hash, edited: interface.script_edited })
}

/// Checks a script without keeping it. For administrators.
///
/// # Errors
/// PermissionDenied for others; when the engine can't be used. A broken script is no error but the answer.
pub async fn check_source(app: &App, actor: &Actor, kind: Kind, source: &str) -> Result<Vec<Issue>> {
    actor.require(Permission::Admin)?;
    Ok(inspect(app, kind, "script.rn", source).await?.err().unwrap_or_default())
}

/// Gives an interface another script, which the next call runs, unless there is something wrong with it. A script that
/// differs from its definition's counts as edited, and newer versions of the definition leave it alone. For
/// administrators.
///
/// # Errors
/// NotFound; `plugin.stale` when the script is not the one with `expected_hash` any more; PermissionDenied for others.
pub async fn update_source(app: &App, actor: &Actor, id: Id, source: &str, expected_hash: &str) -> Result<Checked> {
    actor.require(Permission::Admin)?;
    let interface = find(&app.database, id).await?;
    check_hash(&interface, expected_hash)?;
    let kind = interface.kind().ok_or_else(|| {
        Error::internal("plugin.kind", format!("interface `{id}` has the unknown type `{}`", interface.plugin_type))
    })?;
    let name = format!("{}-{}", interface.plugin_type, interface.plugin_id);
    let inspected = match inspect(app, kind, &name, source).await? {
        Ok(inspected) => inspected,
        Err(issues) => return Ok(Checked { interface, issues }),
    };

    let mut tx = app.database.begin().await?;
    store::lock(&mut tx, id).await?;
    let before = find(&mut tx, id).await?;
    // Somebody else may have been faster meanwhile.
    check_hash(&before, expected_hash)?;
    let definition = match before.plugin_def_id {
        Some(definition) => store::find_definition(&mut tx, definition).await?,
        None => None,
    };
    let hash = ScriptKey::new(name.as_str(), source).hash;
    let form = config::keep_secrecy(&before.config_schema.0, &inspected.config_schema, &before.config.0);
    let interface = Interface {
        script_edited: definition.is_none_or(|definition| definition.script_hash != hash),
        script_hash: hash,
        script_source: source.to_owned(),
        config_schema: store::json(form),
        has_admin_page: inspected.has_admin_page,
        updated_at: app.clock.now(),
        ..before.clone()
    };
    store::save_source(&mut tx, interface.updated_at, &interface).await?;
    // The hashes only: a script may hold anything.
    let detail = json!({
        "before": { "hash": before.script_hash, "edited": before.script_edited },
        "after": { "hash": interface.script_hash, "edited": interface.script_edited },
    });
    record(&mut tx, app, actor, "plugin_interface.edit", &interface, &detail).await?;
    tx.commit().await?;
    app.plugins.engine().evict(&ScriptKey::new(name, &before.script_source));
    Ok(Checked { interface, issues: Vec::new() })
}

fn check_hash(interface: &Interface, expected: &str) -> Result<()> {
    if interface.script_hash == expected {
        return Ok(());
    }
    let shown = text::shown(expected, text::SHOWN_MAX);
    Err(Error::invalid(
        "plugin.stale",
        format!("the script of `{}` is not the one with the hash `{shown}` any more", interface.display_name),
    )
    .hint("read it again and make the change in what is there now"))
}

/// What is in a script, or what is wrong with it.
async fn inspect(app: &App, kind: Kind, name: &str, source: &str) -> Result<Result<Inspected, Vec<Issue>>> {
    if source.contains('\0') {
        let line = source.split('\0').next().unwrap_or_default().lines().count().max(1);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        return Ok(Err(vec![Issue::at((line, 0), "there is a NUL character, which can't be stored")]));
    }
    match app.plugins.engine().inspect(kind, name, source).await {
        Ok(inspected) => Ok(Ok(inspected)),
        Err(failure) => match failure.issues() {
            Ok(issues) => Ok(Err(issues.into_iter().take(ISSUES_MAX).map(shown).collect())),
            Err(cause) => {
                Err(Error::unavailable("plugin.unavailable", "no script can be checked now").caused_by(cause))
            }
        },
    }
}

fn shown(mut issue: Issue) -> Issue {
    issue.message = text::shown(&issue.message, ISSUE_MAX);
    issue
}
