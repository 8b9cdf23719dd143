//! Brings the definitions up to date with the scripts that are there. Several servers may do it at the same time.

mod gone;

use semver::Version;
use serde_json::json;

use super::{
    Kind, config,
    engine::{Inspected, ScriptKey},
    files::{self, Broken, Files},
    model::{Definition, Interface},
    store,
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

pub use self::gone::is_gone;

/// What a scan found.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct ScanReport {
    /// Scripts that were not known.
    pub added: Vec<String>,
    /// Scripts with a newer version than before.
    pub updated: Vec<String>,
    /// Scripts whose text changed without a newer version: see [`CHANGED`].
    pub changed: Vec<String>,
    /// Scripts that are as they were.
    pub unchanged: Vec<String>,
    /// Files that can't be used, and why.
    pub broken: Vec<Broken>,
    /// Files that were there and are gone, while their plugins are still known.
    pub gone: Vec<Broken>,
    /// Files whose plugins are not known any more, since they are gone for long and no interface needs them.
    pub removed: Vec<String>,
}

/// What a change without a newer version means.
pub const CHANGED: &str = "only new interfaces use it until `version` is raised";

enum Outcome {
    Added,
    Updated,
    Changed,
    Unchanged,
    Broken(String),
}

/// Looks at every script and brings the definitions up to date. For administrators.
///
/// # Errors
/// PermissionDenied; when the database or the engine can't be used. A broken script is no error but part of the report.
pub async fn scan(app: &App, actor: &Actor) -> Result<ScanReport> {
    actor.require(Permission::Admin)?;
    let directory = app.settings.plugins.plugins_dir.clone();
    let Files { scripts, names, left_out } =
        tokio::task::spawn_blocking(move || files::collect(&directory)).await.map_err(|cause| {
            Error::internal("plugin.directory", "can't read the plugin directory").caused_by(cause)
        })??;
    let mut report = ScanReport { broken: left_out.into_iter().collect(), ..ScanReport::default() };
    for (file, source) in scripts {
        let outcome = match Kind::from_file_name(&file) {
            None => Outcome::Broken(
                "the name says no kind, expected gateway-ID.rn, notifier-ID.rn or provider-ID.rn".to_owned(),
            ),
            Some((kind, plugin_id)) => {
                let found = Found { kind, plugin_id: &plugin_id, file: &file };
                match source {
                    Ok(source) => examine(app, actor, &found, &source).await?,
                    Err(problem) => mark_broken(app, &found, problem).await?,
                }
            }
        };
        match outcome {
            Outcome::Added => report.added.push(file),
            Outcome::Updated => report.updated.push(file),
            Outcome::Changed => report.changed.push(file),
            Outcome::Unchanged => report.unchanged.push(file),
            Outcome::Broken(problem) => report.broken.push(Broken { file, problem }),
        }
    }
    gone::look(app, actor, &names, &mut report).await?;
    Ok(report)
}

/// A file, by what its name says.
struct Found<'a> {
    kind: Kind,
    plugin_id: &'a str,
    file: &'a str,
}

impl Found<'_> {
    /// A definition without a usable script.
    fn empty(&self, at: Timestamp) -> Definition {
        Definition {
            id: Id::generate(),
            plugin_type: self.kind.as_db().to_owned(),
            plugin_id: self.plugin_id.to_owned(),
            file_name: self.file.to_owned(),
            has_admin_page: false,
            version: "0.0.0".to_owned(),
            config_schema: store::json(json!({ "type": "object", "properties": {} })),
            script_source: String::new(),
            script_hash: String::new(),
            problem: String::new(),
            created_at: at,
            updated_at: at,
        }
    }

    /// The definition as it is now, made if need be, and held until the transaction ends: another server may have
    /// looked at a newer or an older state of the file meanwhile.
    async fn hold(&self, tx: &mut Tx, at: Timestamp) -> Result<Definition> {
        store::lock_definition(tx, &self.empty(at)).await?;
        let known = store::find_definition_by_name(tx, self.kind.as_db(), self.plugin_id).await?;
        known.ok_or_else(|| Error::internal("plugin.scan", format!("the definition of `{}` vanished", self.file)))
    }
}

async fn examine(app: &App, actor: &Actor, found: &Found<'_>, source: &str) -> Result<Outcome> {
    let hash = ScriptKey::new(found.file, source).hash;
    let known = store::find_definition_by_name(&app.database, found.kind.as_db(), found.plugin_id).await?;
    if known.is_some_and(|known| known.script_hash == hash && known.problem.is_empty()) {
        return Ok(Outcome::Unchanged);
    }
    if source.contains('\0') {
        return mark_broken(app, found, "there is a NUL character, which can't be stored".to_owned()).await;
    }
    match app.plugins.engine().inspect(found.kind, found.file, source).await {
        Ok(inspected) => save(app, actor, found, source, hash, inspected).await,
        Err(failure) => {
            let issues = failure
                .issues()
                .map_err(|cause| Error::internal("plugin.engine", "can't look at a plugin").caused_by(cause))?;
            let problem = issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            mark_broken(app, found, problem).await
        }
    }
}

async fn save(
    app: &App,
    actor: &Actor,
    found: &Found<'_>,
    source: &str,
    hash: String,
    inspected: Inspected,
) -> Result<Outcome> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let known = found.hold(&mut tx, at).await?;
    let is_same = known.script_hash == hash;
    if is_same && known.problem.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    // A definition that never had a usable script counts as new.
    let is_new = known.script_source.is_empty();
    let newer = is_new || is_newer(&inspected.version, &known.version);
    let mut definition = Definition {
        file_name: found.file.to_owned(),
        script_source: source.to_owned(),
        script_hash: hash,
        problem: String::new(),
        updated_at: at,
        ..known.clone()
    };
    // When the text changed without a newer version, the definition takes it, and interfaces keep what they have.
    if newer {
        definition.version = inspected.version;
        definition.config_schema = store::json(inspected.config_schema);
        definition.has_admin_page = inspected.has_admin_page;
    }
    store::save_definition(&mut tx, &definition).await?;
    store::adopt(&mut tx, &definition).await?;
    if newer {
        cascade(&mut tx, at, &definition).await?;
        let before = (!is_new).then_some(&known.version);
        let detail = json!({ "file": definition.file_name, "before": before, "after": definition.version });
        audit::record(
            &mut tx,
            at,
            actor,
            audit::Entry { action: "plugin.scan", target_type: "plugin", target_id: definition.id, detail: &detail },
        )
        .await?;
    }
    tx.commit().await?;
    Ok(match (is_new, newer) {
        (true, _) => Outcome::Added,
        (false, true) => Outcome::Updated,
        (false, false) if is_same => Outcome::Unchanged,
        (false, false) => Outcome::Changed,
    })
}

/// Gives all interfaces of a definition its form, in which what was a secret stays one, and, unless somebody edited
/// theirs, its script.
async fn cascade(tx: &mut Tx, at: Timestamp, definition: &Definition) -> Result<()> {
    for interface in store::of_definition(&mut *tx, definition.id).await? {
        store::lock(tx, interface.id).await?;
        let Some(interface) = store::find(&mut *tx, interface.id).await? else { continue };
        let form = config::keep_secrecy(&interface.config_schema.0, &definition.config_schema.0, &interface.config.0);
        let interface = Interface { config_schema: store::json(form), ..interface };
        store::save_form(tx, at, &interface, definition).await?;
    }
    Ok(())
}

/// Notes why a file can't be used, beside the last version that could.
async fn mark_broken(app: &App, found: &Found<'_>, problem: String) -> Result<Outcome> {
    let at = app.clock.now();
    // The problem may quote the file, which may hold anything.
    let problem = text::printable(&problem);
    let mut tx = app.database.begin().await?;
    let known = found.hold(&mut tx, at).await?;
    if known.problem != problem {
        let definition = Definition { problem: problem.clone(), updated_at: at, ..known };
        store::save_definition(&mut tx, &definition).await?;
        tx.commit().await?;
    }
    Ok(Outcome::Broken(problem))
}

/// By the precedence of semver, for which what stands behind a `+` does not count.
fn is_newer(found: &str, known: &str) -> bool {
    let version = |text: &str| Version::parse(text).unwrap_or(Version::new(0, 0, 0));
    version(found).cmp_precedence(&version(known)).is_gt()
}

#[cfg(test)]
mod tests {
    use super::is_newer;

    #[test]
    fn versions_are_compared_by_semver() {
        for (newer, older) in [
            ("1.10.0", "1.9.9"),
            ("1.0.0", "1.0.0-rc.1"),
            ("1.0.0-rc.2", "1.0.0-rc.1"),
            ("1.0.0-rc.11", "1.0.0-rc.2"),
            ("1.0.0-rc.1", "1.0.0-beta.9"),
            ("1.0.0-alpha.beta", "1.0.0-alpha.1"),
            ("0.0.1", "0.0.0"),
            ("0.0.1", "nonsense"),
        ] {
            assert!(is_newer(newer, older), "{newer} {older}");
            assert!(!is_newer(older, newer), "{older} {newer}");
            assert!(!is_newer(newer, newer), "{newer}");
        }
        assert!(!is_newer("1.0.0+two", "1.0.0+one"), "build metadata has no precedence");
    }
}
