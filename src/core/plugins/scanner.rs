//! Finds scripts: those inside this program, and those in the plugin directory, which win over them by name.

use std::{collections::BTreeMap, path::Path};

use rust_embed::Embed;
use semver::Version;
use serde_json::json;

use super::{
    Kind,
    engine::{CallError, InspectError, Inspected, ScriptKey},
    model::Definition,
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    error::{Error, Result},
    id::Id,
    time::Timestamp,
};

/// The scripts that come with the program.
#[derive(Embed)]
#[folder = "plugins"]
#[include = "*.rn"]
struct Shipped;

/// Most files that one scan looks at.
const FILES_MAX: usize = 500;
/// Bytes of a script.
const SOURCE_MAX: u64 = 256 * 1024;

/// What a scan found.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct ScanReport {
    /// Scripts that were not known.
    pub added: Vec<String>,
    /// Scripts with a newer version than before.
    pub updated: Vec<String>,
    /// Scripts that are as they were, or whose text changed without a newer version.
    pub unchanged: Vec<String>,
    /// Files that can't be used, and why.
    pub broken: Vec<Broken>,
}

/// A file that can't be used.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Broken {
    /// The file.
    pub file: String,
    /// Why: one line per problem, with its place in the file.
    pub problem: String,
}

enum Outcome {
    Added,
    Updated,
    Unchanged,
    Broken(String),
}

/// Looks at every script and brings the definitions up to date. For administrators.
///
/// # Errors
/// PermissionDenied; when the database or the engine can't be used. A broken script is no error but part of the report.
pub async fn scan(app: &App, actor: &Actor) -> Result<ScanReport> {
    actor.require(Permission::Admin)?;
    let mut report = ScanReport::default();
    for (file, source) in collect(&app.settings.plugins.plugins_dir)? {
        let outcome = match (Kind::from_file_name(&file), source) {
            (None, _) => Outcome::Broken(
                "the name says no kind, expected gateway-ID.rn, notifier-ID.rn or provider-ID.rn".to_owned(),
            ),
            (Some(_), Err(problem)) => Outcome::Broken(problem),
            (Some((kind, plugin_id)), Ok(source)) => examine(app, actor, kind, &plugin_id, &file, &source).await?,
        };
        match outcome {
            Outcome::Added => report.added.push(file),
            Outcome::Updated => report.updated.push(file),
            Outcome::Unchanged => report.unchanged.push(file),
            Outcome::Broken(problem) => report.broken.push(Broken { file, problem }),
        }
    }
    Ok(report)
}

/// All files by name, each with its text or why it can't be read.
fn collect(directory: &Path) -> Result<BTreeMap<String, Result<String, String>>> {
    let mut files: BTreeMap<String, Result<String, String>> = Shipped::iter()
        .filter_map(|name| {
            Some((name.to_string(), Ok(String::from_utf8_lossy(&Shipped::get(&name)?.data).into_owned())))
        })
        .collect();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(cause) => {
            return Err(Error::unavailable(
                "plugin.directory",
                format!("can't read the plugin directory {}", directory.display()),
            )
            .caused_by(cause));
        }
    };
    for entry in entries.take(FILES_MAX).flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|extension| extension == "rn") {
            files.insert(name, read(&entry.path()));
        }
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|cause| format!("can't be read: {cause}"))?.len();
    if size > SOURCE_MAX {
        return Err(format!("has {size} bytes, at most {SOURCE_MAX} are allowed"));
    }
    std::fs::read_to_string(path).map_err(|cause| format!("can't be read: {cause}"))
}

async fn examine(app: &App, actor: &Actor, kind: Kind, plugin_id: &str, file: &str, source: &str) -> Result<Outcome> {
    let hash = ScriptKey::new(file, source).hash;
    let known = store::find_definition_by_name(&app.database, kind.as_db(), plugin_id).await?;
    if let Some(known) = &known
        && known.script_hash == hash
        && known.problem.is_empty()
    {
        return Ok(Outcome::Unchanged);
    }
    let at = app.clock.now();
    match app.plugins.engine().inspect(kind, file, source).await {
        Ok(inspected) => save(app, actor, at, known, &Found { kind, plugin_id, file, source, hash }, inspected).await,
        Err(InspectError::Issues(issues)) => {
            let problem = issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            mark_broken(app, at, known, &Found { kind, plugin_id, file, source, hash }, &problem).await?;
            Ok(Outcome::Broken(problem))
        }
        // A script that brings its worker down is broken; a worker that can't be started is our fault.
        Err(InspectError::Engine(
            cause @ (CallError::Timeout(_) | CallError::Memory | CallError::Instructions | CallError::Crashed(_)),
        )) => {
            let problem = cause.to_string();
            mark_broken(app, at, known, &Found { kind, plugin_id, file, source, hash }, &problem).await?;
            Ok(Outcome::Broken(problem))
        }
        Err(InspectError::Engine(cause)) => {
            Err(Error::internal("plugin.engine", "can't look at a plugin").caused_by(cause))
        }
    }
}

struct Found<'a> {
    kind: Kind,
    plugin_id: &'a str,
    file: &'a str,
    source: &'a str,
    hash: String,
}

async fn save(
    app: &App,
    actor: &Actor,
    at: Timestamp,
    known: Option<Definition>,
    found: &Found<'_>,
    inspected: Inspected,
) -> Result<Outcome> {
    // A definition that never had a usable script counts as new.
    let known = known.filter(|known| !known.script_source.is_empty());
    let newer = known.as_ref().is_none_or(|known| version(&inspected.version) > version(&known.version));
    let mut definition = Definition {
        id: known.as_ref().map_or_else(Id::generate, |known| known.id),
        plugin_type: found.kind.as_db().to_owned(),
        plugin_id: found.plugin_id.to_owned(),
        file_name: found.file.to_owned(),
        has_admin_page: inspected.has_admin_page,
        version: inspected.version,
        config_schema: store::json(inspected.config_schema),
        script_source: found.source.to_owned(),
        script_hash: found.hash.clone(),
        problem: String::new(),
        created_at: known.as_ref().map_or(at, |known| known.created_at),
        updated_at: at,
    };
    let mut tx = app.database.begin().await?;
    if let Some(known) = &known
        && !newer
    {
        // The text changed without a newer version: the definition takes it, interfaces keep what they have.
        definition.version.clone_from(&known.version);
        definition.config_schema = known.config_schema.clone();
        definition.has_admin_page = known.has_admin_page;
    }
    store::save_definition(&mut tx, &definition).await?;
    // Another server may have made the row first: its identifier counts.
    if let Some(stored) =
        store::find_definition_by_name(&mut tx, &definition.plugin_type, &definition.plugin_id).await?
    {
        definition.id = stored.id;
    }
    store::adopt(&mut tx, &definition).await?;
    if newer {
        store::cascade(&mut tx, at, &definition).await?;
        let detail = json!({ "file": definition.file_name, "before": known.as_ref().map(|known| &known.version), "after": definition.version });
        audit::record(
            &mut tx,
            at,
            actor,
            audit::Entry { action: "plugin.scan", target_type: "plugin", target_id: definition.id, detail: &detail },
        )
        .await?;
    }
    tx.commit().await?;
    Ok(match (known.is_some(), newer) {
        (false, _) => Outcome::Added,
        (true, true) => Outcome::Updated,
        (true, false) => Outcome::Unchanged,
    })
}

/// Notes why a file can't be used, beside the last version that could.
async fn mark_broken(
    app: &App,
    at: Timestamp,
    known: Option<Definition>,
    found: &Found<'_>,
    problem: &str,
) -> Result<()> {
    let definition = match known {
        Some(known) => Definition { problem: problem.to_owned(), updated_at: at, ..known },
        None => Definition {
            id: Id::generate(),
            plugin_type: found.kind.as_db().to_owned(),
            plugin_id: found.plugin_id.to_owned(),
            file_name: found.file.to_owned(),
            has_admin_page: false,
            version: "0.0.0".to_owned(),
            config_schema: store::json(json!({ "type": "object", "properties": {} })),
            script_source: String::new(),
            script_hash: String::new(),
            problem: problem.to_owned(),
            created_at: at,
            updated_at: at,
        },
    };
    let mut tx = app.database.begin().await?;
    store::save_definition(&mut tx, &definition).await?;
    tx.commit().await
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap_or(Version::new(0, 0, 0))
}
