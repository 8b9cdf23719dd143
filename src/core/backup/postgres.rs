//! Saving and bringing back a PostgreSQL database, through its own programs.

use std::{
    io::{self, Read as _, Write},
    path::Path,
};

use super::{
    Progress,
    archive::{CHUNK, Writer, extract},
    manifest::{Contents, Engine, FileEntry},
    programs::{Program, Running, Server},
    restore::{self, Given},
};
use crate::core::{
    database::{Location, Session, restore_prelude, tables_aside_hint},
    error::{Error, Result},
};

/// A connection of SQL that ends without this is rolled back.
const COMMIT: &[u8] = b"COMMIT;\n";

/// Takes what `pg_dump` writes into the archive. It reads the same snapshot as the session that counts.
pub(super) async fn save(
    mut session: Session,
    url: &str,
    pg_dump: Option<&Path>,
    mut writer: Writer,
    progress: Progress<'_>,
) -> Result<(Writer, Contents)> {
    session.require_public_schema().await?;
    let program = Program::find("pg_dump", "--pg-dump", pg_dump, major(&mut session).await?)?;
    session.begin_snapshot().await?;
    let snapshot = session.export_snapshot().await?;
    progress("copying the database");
    let server = Server::of(url)?;
    let mut command = program.command(Some(&server));
    command.args(["--format=custom", "--schema=public", "--no-owner", "--no-privileges", "--snapshot"]).arg(snapshot);
    command.stdout(std::process::Stdio::piped());
    let work = tokio::task::spawn_blocking(move || {
        let mut running = program.start(command)?;
        let mut dump = running.child.stdout.take().ok_or_else(lost)?;
        let mut entry = writer.entry(Engine::Postgres.file_name())?;
        entry.copy_from(&mut dump)?;
        let size = entry.size();
        entry.finish()?;
        running.finish()?;
        if size == 0 {
            return Err(Error::internal("backup.program", "pg_dump wrote nothing"));
        }
        Ok(writer)
    });
    let writer = work.await.map_err(stopped)??;
    let contents = Contents::of(&mut session, progress).await?;
    session.close().await?;
    Ok((writer, contents))
}

/// Puts the saved tables in the place of those that are there. Both happens in one transaction, after which the old ones
/// still wait in a schema of their own until the new ones were checked.
pub(super) async fn bring_back(url: &str, pg_restore: Option<&Path>, given: &Given<'_>) -> Result<()> {
    let location = Location::Postgres(url.to_owned());
    let mut session = Session::open(&location).await?;
    session.require_public_schema().await?;
    if session.has_tables_aside().await? {
        return Err(Error::already_exists(
            "restore.left_over",
            "the schema `rustbill_before_restore` is there: an earlier restore was ended at its very end",
        )
        .hint(tables_aside_hint()));
    }
    let program = Program::find("pg_restore", "--pg-restore", pg_restore, major(&mut session).await?)?;
    restore::refuse_servers(&mut session, given.at).await?;

    (given.progress)("restoring the tables");
    let (file, data) = (given.file.to_owned(), given.manifest.data()?.clone());
    let server = Server::of(url)?;
    let fed = tokio::task::spawn_blocking(move || feed(&program, &server, &file, &data));
    let psql = fed.await.map_err(stopped)??;
    // Nothing of it happened yet. Who came meanwhile would find other tables under its feet.
    restore::refuse_servers(&mut session, given.at).await?;
    tokio::task::spawn_blocking(move || commit(psql)).await.map_err(stopped)??;

    if let Err(error) = restore::check_and_migrate(&location, given).await {
        session.put_tables_back().await?;
        return Err(error);
    }
    session.drop_tables_aside().await?;
    session.close().await
}

/// Runs `pg_restore`, which turns the saved file into SQL, and gives that to `psql`, which is left in the middle of its
/// transaction. This program stands between them, so that its death at any moment leaves no COMMIT.
fn feed(program: &Program, server: &Server, file: &Path, data: &FileEntry) -> Result<Running> {
    let psql = program.sibling("psql");
    let mut command = psql.command(Some(server));
    command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]).stdin(std::process::Stdio::piped());
    let mut psql = psql.start(command)?;
    let mut restore = program.command(None);
    restore.args(["--schema=public", "--no-owner", "--no-privileges", "--exit-on-error", "--file=-"]);
    restore.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut restore = program.start(restore)?;

    let mut archive = restore.child.stdin.take().ok_or_else(lost)?;
    let mut sql = restore.child.stdout.take().ok_or_else(lost)?;
    let (file, data) = (file.to_owned(), data.clone());
    let reader = std::thread::spawn(move || {
        let mut is_read = true;
        // A program that ended says itself why; the rest is read all the same, for its hash.
        extract(&file, &data, |bytes| {
            is_read = is_read && archive.write_all(bytes).is_ok();
            Ok(())
        })
    });
    let to_psql = psql.child.stdin.as_mut().ok_or_else(lost)?;
    let mut written = to_psql.write_all(restore_prelude().as_bytes());
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = sql.read(&mut buffer).unwrap_or(0);
        match buffer.get(..count) {
            None | Some([]) => break,
            Some(bytes) => written = written.and_then(|()| to_psql.write_all(bytes)),
        }
    }
    let read = reader.join().map_err(|_| lost())?;
    written = written.and_then(|()| to_psql.flush());
    if written.is_err() {
        // It stopped reading: its own words say why.
        psql.finish()?;
        return Err(lost());
    }
    read?;
    restore.finish()?;
    Ok(psql)
}

fn commit(mut psql: Running) -> Result<()> {
    let written = match psql.child.stdin.as_mut() {
        Some(stdin) => stdin.write_all(COMMIT),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    };
    psql.finish()?;
    written.map_err(|cause| lost().caused_by(cause))
}

/// `15` of `15.18`.
async fn major(session: &mut Session) -> Result<u32> {
    let version = session.engine_version().await?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| Error::internal("backup.program", format!("PostgreSQL has the version `{version}`")))
}

fn lost() -> Error {
    Error::internal("backup.program", "a program of PostgreSQL is lost")
}

fn stopped(cause: tokio::task::JoinError) -> Error {
    Error::internal("backup.program", "the work was cut short").caused_by(cause)
}
