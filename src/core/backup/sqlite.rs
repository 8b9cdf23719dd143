//! Saving and bringing back a SQLite file.

use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

use super::{
    Progress,
    archive::{Scratch, Writer, beside, extract, sync_directory, unwritable},
    manifest::{Contents, Engine, Manifest},
    restore::{self, Given},
};
use crate::core::{
    database::{Location, Locks, Session},
    error::{Error, Result},
};

/// Takes a consistent copy into the archive. `VACUUM INTO` reads one snapshot and keeps nobody waiting; a copy of the
/// bytes would miss what is in the write-ahead log.
pub(super) async fn save(session: &mut Session, writer: &mut Writer, progress: Progress<'_>) -> Result<Contents> {
    progress("copying the database");
    let mut scratch = writer.scratch()?;
    session.vacuum_into(&scratch.path).await.map_err(|cause| {
        let message = format!("can't copy the database to {}", scratch.path.display());
        Error::unavailable("backup.write", message).hint("is the disk full?").caused_by(cause)
    })?;
    let mut copy = Session::open(&Location::Sqlite(scratch.path.clone())).await?;
    progress("checking the copy");
    copy.check_integrity().await?;
    let contents = Contents::of(&mut copy, progress).await?;
    copy.close().await?;
    progress("writing the archive");
    scratch.file.seek(SeekFrom::Start(0)).map_err(|cause| unwritable(&scratch.path, cause))?;
    writer.add_file(Engine::Sqlite.file_name(), &mut scratch.file)?;
    Ok(contents)
}

/// Puts the saved file in the place of the database. It is checked and brought to this program's schema under another
/// name; the old file keeps its own until the new one takes it, in one step of the file system.
pub(super) async fn bring_back(path: &Path, given: &Given<'_>) -> Result<()> {
    let aside = beside(path, ".before-restore");
    if aside.exists() {
        return Err(Error::already_exists(
            "restore.left_over",
            format!("{} is there: an earlier restore was ended at its very end", aside.display()),
        )
        .hint("that one is the database as it was before; move or remove it"));
    }
    if let Some(parent) = path.parent() {
        crate::core::private_file::create_directory(parent).map_err(|cause| unwritable(parent, cause))?;
    }
    let _locks = Locks::take(&Location::Sqlite(path.to_owned()))?;
    let scratch = unpack(path, given.manifest, given)?;
    restore::check_and_migrate(&Location::Sqlite(scratch.path.clone()), given).await?;
    close_file(&scratch.path).await?;
    scratch.file.sync_all().map_err(|cause| unwritable(&scratch.path, cause))?;

    (given.progress)("putting it in place");
    if path.exists() {
        set_aside(path, &aside, given.force).await?;
    }
    fs::rename(&scratch.path, path).and_then(|()| sync_directory(path)).map_err(|cause| {
        let _ = fs::remove_file(&aside);
        unwritable(path, cause)
    })?;
    scratch.keep();
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(beside(&aside, suffix));
    }
    Ok(())
}

/// The saved file under a name beside the database.
fn unpack(path: &Path, manifest: &Manifest, given: &Given<'_>) -> Result<Scratch> {
    (given.progress)("unpacking the backup");
    let mut scratch = Scratch::create(beside(path, ".restoring"))?;
    let data = manifest.data()?;
    extract(given.file, data, |bytes| scratch.file.write_all(bytes).map_err(|cause| unwritable(&scratch.path, cause)))?;
    Ok(scratch)
}

/// Without a log beside it, a file can be renamed.
async fn close_file(path: &Path) -> Result<()> {
    let mut session = Session::open(&Location::Sqlite(path.to_owned())).await?;
    session.make_one_file().await?;
    session.close().await
}

/// Gives the old file a second name. Its write-ahead log is brought into it before: beside the restored file it would be
/// taken for that one's.
async fn set_aside(path: &Path, aside: &Path, force: bool) -> Result<()> {
    if let Err(error) = close_file(path).await {
        // A damaged database is a reason to restore one; its log goes aside with it.
        if !force || error.code() == "database.in_use" {
            return Err(error);
        }
        for suffix in ["-wal", "-shm"] {
            let _ = fs::rename(beside(path, suffix), beside(aside, suffix));
        }
    }
    // Not every file system has links; a copy does as well, before anything else happens.
    fs::hard_link(path, aside).or_else(|_| fs::copy(path, aside).map(drop)).map_err(|cause| unwritable(aside, cause))
}
