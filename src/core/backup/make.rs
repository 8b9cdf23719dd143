//! Making a backup.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use super::{
    Engine, Manifest, Progress,
    archive::{CONFIG_NAMES, Writer, unwritable},
    manifest::{Contents, FORMAT},
    postgres, sqlite,
};
use crate::core::{
    actor::{Actor, Permission},
    database::{Location, Session},
    error::{Error, Result},
    time::Timestamp,
};

/// What is wanted of a backup.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The file; in a directory it gets a name with the time; none means the working directory.
    pub path: Option<PathBuf>,
    /// Whether a file that is there may be replaced.
    pub force: bool,
    /// The configuration's files, where they shall be in it too. They hold secrets.
    pub config: Vec<PathBuf>,
    /// The `pg_dump` to use; else one is looked for.
    pub pg_dump: Option<PathBuf>,
}

/// A backup that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Where it is.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// What it says about itself.
    pub manifest: Manifest,
}

/// Writes one file with everything that the database holds at one moment, beside running servers. For administrators.
///
/// # Errors
/// `backup.exists` when the file is there, `backup.write` when the disk is full, `backup.program_missing` and
/// `backup.program_old` where PostgreSQL's programs do not fit; then nothing is left behind.
pub async fn make(
    actor: &Actor,
    location: &Location,
    at: Timestamp,
    wish: &Wish,
    progress: Progress<'_>,
) -> Result<Made> {
    actor.require(Permission::Admin)?;
    let path = path_of(wish.path.as_deref(), at);
    let mut session = Session::open(location).await?;
    let seconds = u64::try_from(at.unix_seconds()).unwrap_or(0);
    let mut writer = Writer::create(&path, wish.force, seconds)?;
    let engine_version = session.engine_version().await?;
    let contents = match location {
        Location::Sqlite(_) => sqlite::save(&mut session, &mut writer, progress).await?,
        Location::Postgres(url) => {
            let (returned, contents) = postgres::save(session, url, wish.pg_dump.as_deref(), writer, progress).await?;
            writer = returned;
            contents
        }
    };
    require_something(&contents, location)?;
    for (name, file) in CONFIG_NAMES.iter().zip(&wish.config) {
        let mut source = File::open(file).map_err(|cause| {
            Error::invalid("backup.read", format!("can't read {}", file.display())).caused_by(cause)
        })?;
        writer.add_file(name, &mut source)?;
    }
    let manifest = Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        database: Engine::of(location),
        engine_version,
        schema: contents.schema,
        created_at: at.to_string(),
        files: writer.files(),
        tables: contents.tables,
        ledger_sha256: contents.ledger_sha256,
    };
    progress("bringing it to the disk");
    let size = writer.finish(&manifest)?;
    let path = std::path::absolute(&path).map_err(|cause| unwritable(&path, cause))?;
    Ok(Made { path, size, manifest })
}

fn require_something(contents: &Contents, location: &Location) -> Result<()> {
    if contents.tables.is_empty() || contents.schema == 0 {
        return Err(Error::none_such("backup.empty", format!("there is nothing to save: the {location} is empty"))
            .hint("check [db].url in the configuration"));
    }
    Ok(())
}

/// `rustbill-20260131-080000.tar` in a directory, or the file that was named.
fn path_of(wanted: Option<&Path>, at: Timestamp) -> PathBuf {
    let moment: String = at.to_string().chars().filter(|c| c.is_ascii_digit() || *c == 'T').collect();
    let name = format!("rustbill-{}.tar", moment.replace('T', "-"));
    match wanted {
        None => PathBuf::from(name),
        Some(path) if path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/') => path.join(name),
        Some(path) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_named_after_its_moment() {
        let at = Timestamp::new("2026-01-31T08:05:09.123456Z".parse().unwrap());
        assert_eq!(path_of(None, at), PathBuf::from("rustbill-20260131-080509.tar"));
        assert_eq!(path_of(Some(Path::new("/tmp")), at), PathBuf::from("/tmp/rustbill-20260131-080509.tar"));
        assert_eq!(path_of(Some(Path::new("x.tar")), at), PathBuf::from("x.tar"));
    }
}
