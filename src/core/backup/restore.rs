//! Bringing a backup back.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use serde_json::json;

use super::{FileEntry, Manifest, Progress, archive, postgres, sqlite};
use crate::core::{
    actor::{Actor, Permission},
    audit,
    database::{Database, Location, Options, Session},
    error::{Error, Result},
    id::Id,
    time::Timestamp,
};

/// A server that gave a sign of life since is taken for one that runs.
const HEARTBEAT_FRESH: TimeDelta = TimeDelta::seconds(60);

/// A backup that was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What it says about itself.
    pub manifest: Manifest,
    /// How many migrations brought it to this program's schema.
    pub migrated: usize,
}

/// What both databases need to know for it.
pub(super) struct Given<'a> {
    pub(super) actor: &'a Actor,
    pub(super) at: Timestamp,
    pub(super) file: &'a Path,
    pub(super) manifest: &'a Manifest,
    pub(super) force: bool,
    pub(super) progress: Progress<'a>,
}

impl Manifest {
    /// The database's own file.
    pub(super) fn data(&self) -> Result<&FileEntry> {
        let name = self.database.file_name();
        self.files
            .iter()
            .find(|file| file.name == name)
            .ok_or_else(|| Error::invalid("backup.damaged", format!("the manifest names no {name}")))
    }
}

/// What would be replaced: whether there is anything in a database but what its schema begins with. One that can't be
/// read counts as something.
///
/// # Errors
/// When PostgreSQL can't be reached.
pub async fn occupied(actor: &Actor, location: &Location) -> Result<bool> {
    actor.require(Permission::Admin)?;
    if let Location::Sqlite(path) = location {
        let is_empty = std::fs::metadata(path).map_or(true, |metadata| metadata.len() == 0);
        if is_empty {
            return Ok(false);
        }
        return Ok(match Session::open(location).await {
            Ok(mut session) => !session.is_pristine().await.unwrap_or(false),
            Err(_) => true,
        });
    }
    let mut session = Session::open(location).await?;
    let is_pristine = session.is_pristine().await?;
    session.close().await?;
    Ok(!is_pristine)
}

/// Replaces everything in a database by what a backup holds, brings it to this program's schema, and notes that in the
/// operation log. Whatever goes wrong, at whatever moment, the database is as it was before. For administrators.
///
/// # Errors
/// `backup.damaged`, `backup.newer` and `backup.other_database` for a backup that can't be restored here;
/// `database.in_use` while a server runs; `restore.occupied` for a database with data, without `force`;
/// `restore.differs` when what was restored is not what was saved.
pub async fn restore(
    actor: &Actor,
    location: &Location,
    at: Timestamp,
    file: &Path,
    force: bool,
    pg_restore: Option<PathBuf>,
    progress: Progress<'_>,
) -> Result<Restored> {
    actor.require(Permission::Admin)?;
    let manifest = archive::verify(actor, file, progress)?;
    manifest.require_fit(location)?;
    if !force && occupied(actor, location).await? {
        return Err(Error::already_exists("restore.occupied", format!("there is data in the {location}"))
            .hint("make a backup of it, then add `--force`"));
    }
    let given = Given { actor, at, file, manifest: &manifest, force, progress };
    match location {
        Location::Sqlite(path) => sqlite::bring_back(path, &given).await?,
        Location::Postgres(url) => postgres::bring_back(url, pg_restore.as_deref(), &given).await?,
    }
    let newer = |version: &i64| *version > manifest.schema;
    let migrated = crate::core::database::known_versions().filter(newer).count();
    Ok(Restored { manifest, migrated })
}

/// Compares what was restored with what was saved, then brings it to this program's schema.
pub(super) async fn check_and_migrate(location: &Location, given: &Given<'_>) -> Result<()> {
    (given.progress)("comparing what was restored with what was saved");
    let mut session = Session::open(location).await?;
    if !session.is_postgres() {
        session.check_integrity().await?;
    }
    given.manifest.compare(&mut session, given.progress).await?;
    session.close().await?;

    (given.progress)("bringing the schema up to date");
    let database = Database::connect(location.clone(), &Options::default()).await?;
    let noted = note(&database, given).await;
    database.close().await;
    noted
}

async fn note(database: &Database, given: &Given<'_>) -> Result<()> {
    database.migrate().await?;
    let mut tx = database.begin().await?;
    let detail = json!({
        "created_at": given.manifest.created_at,
        "program": given.manifest.program,
        "schema": given.manifest.schema,
    });
    let target_id = Id::generate();
    let entry = audit::Entry { action: "database.restore", target_type: "database", target_id, detail: &detail };
    audit::record(&mut tx, given.at, given.actor, entry).await?;
    tx.commit().await
}

/// Refuses a PostgreSQL database that somebody works on.
pub(super) async fn refuse_servers(session: &mut Session, at: Timestamp) -> Result<()> {
    let others = session.others().await?;
    if others > 0 {
        return Err(Error::unavailable("database.in_use", format!("{others} connections to the database are open"))
            .hint("stop every server, and end other programs that use the database"));
    }
    let servers = session.servers_since(at.plus(-HEARTBEAT_FRESH)).await?;
    if servers > 0 {
        let seconds = HEARTBEAT_FRESH.num_seconds();
        return Err(Error::unavailable(
            "database.in_use",
            format!("{servers} servers gave a sign of life in the last {seconds} seconds"),
        )
        .hint("stop them; one that was killed is forgotten after that time"));
    }
    Ok(())
}
