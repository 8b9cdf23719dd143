//! Moving everything from one database to another, between SQLite and PostgreSQL or not.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;

use super::{Progress, holds_money, ledger_line, sha256};
use crate::core::{
    actor::{Actor, Permission},
    database::{
        Content, Database, Digest, Location, Locks, Options, RUNTIME_TABLES, Session, Table, TextRow, is_serving,
        known_versions,
    },
    error::{Error, Result},
};

/// Rows that one statement writes, and bytes after which it writes fewer.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// A table that was copied; both databases hold this.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CopiedTable {
    /// Its name.
    pub table: String,
    /// What it holds, on both sides.
    #[serde(flatten)]
    pub content: Content,
}

/// An installation that was copied.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Copied {
    /// In the order in which they were written.
    pub tables: Vec<CopiedTable>,
    /// A hash over the tables that money is in, as in the manifest of a backup.
    pub ledger_sha256: String,
    /// Tables that tell of running servers, which mean nothing elsewhere.
    pub left_out: Vec<String>,
    /// Whether somebody worked on the source: what was written meanwhile is not in the copy.
    pub source_in_use: bool,
}

/// Copies all tables of one database into another one that is empty, in one transaction there, and compares both. The
/// source is read as it is at one moment. For administrators.
///
/// # Errors
/// `copy.occupied` for a target with data, `copy.schema` for a source that is not of this program's schema,
/// `copy.differs` when what was read back is not what was written; then the target is as empty as before.
pub async fn copy(actor: &Actor, from: &Location, to: &Location, progress: Progress<'_>) -> Result<Copied> {
    actor.require(Permission::Admin)?;
    if is_same(from, to) {
        return Err(Error::invalid("copy.same", format!("`--to` names the {from} that is copied")));
    }
    let mut source = Session::open(from).await?;
    require_schema(&mut source, from).await?;
    let source_in_use = match from {
        Location::Sqlite(path) => is_serving(path),
        Location::Postgres(_) => source.others().await? > 0,
    };
    source.begin_snapshot().await?;

    progress("making the schema");
    let database = Database::connect(to.clone(), &Options::default()).await?;
    let migrated = database.migrate().await;
    database.close().await;
    migrated?;
    let _locks = Locks::take(to)?;
    let mut target = Session::open(to).await?;
    target.begin_write().await?;
    if !target.is_pristine().await? {
        return Err(Error::already_exists("copy.occupied", format!("there is data in the {to}"))
            .hint("name a database that is empty or not there yet"));
    }
    let tables = pairs(&mut source, &mut target).await?;
    // Rows that migrations wrote give way to those of the source, from the last table on.
    for (_, table) in tables.iter().rev() {
        if target.count(table).await? > 0 {
            target.clear(table).await?;
        }
    }
    let mut copied = Vec::with_capacity(tables.len());
    for (from, to) in &tables {
        let content = copy_table(&mut source, &mut target, from, to, progress).await?;
        copied.push(CopiedTable { table: from.name.clone(), content });
    }
    target.commit().await?;
    target.close().await?;
    source.close().await?;
    let ledger_sha256 = ledger_of(&tables, &copied);
    let left_out = RUNTIME_TABLES.iter().map(ToString::to_string).collect();
    Ok(Copied { tables: copied, ledger_sha256, left_out, source_in_use })
}

fn is_same(from: &Location, to: &Location) -> bool {
    match (from, to) {
        (Location::Sqlite(one), Location::Sqlite(other)) => {
            one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
        }
        _ => from == to,
    }
}

async fn require_schema(source: &mut Session, from: &Location) -> Result<()> {
    if source.versions().await? == known_versions().collect::<Vec<_>>() {
        return Ok(());
    }
    Err(Error::unavailable("copy.schema", format!("the {from} has not the schema of this program"))
        .hint("run `rustbill db status`; make a backup, then run `rustbill db migrate`"))
}

/// The tables to copy as both databases have them, in the order of the target's foreign keys.
async fn pairs(source: &mut Session, target: &mut Session) -> Result<Vec<(Table, Table)>> {
    let mut sources: BTreeMap<String, Table> =
        source.tables().await?.into_iter().map(|table| (table.name.clone(), table)).collect();
    let differs = |what: &str| Error::internal("copy.schema", format!("the databases differ: {what}"));
    let mut pairs = Vec::new();
    for to in target.tables().await? {
        let Some(from) = sources.remove(&to.name) else { return Err(differs(&format!("no `{}`", to.name))) };
        let names = |table: &Table| table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        if names(&from) != names(&to) || from.key != to.key {
            return Err(differs(&format!("the columns of `{}`", to.name)));
        }
        if !RUNTIME_TABLES.contains(&to.name.as_str()) {
            pairs.push((from, to));
        }
    }
    match sources.into_keys().next() {
        Some(table) => Err(differs(&format!("`{table}` is not in the target"))),
        None => Ok(pairs),
    }
}

/// One table, a batch after the other; then both sides are compared.
async fn copy_table(
    source: &mut Session,
    target: &mut Session,
    from: &Table,
    to: &Table,
    progress: Progress<'_>,
) -> Result<Content> {
    let mut digest = Digest::of(from);
    let mut batch: Vec<TextRow> = Vec::new();
    let (mut bytes, mut done) = (0, 0);
    {
        let mut rows = source.rows_of(from);
        while let Some(row) = rows.try_next().await? {
            digest.add(&row);
            bytes += row.iter().flatten().map(String::len).sum::<usize>();
            batch.push(row);
            if batch.len() >= BATCH_ROWS || bytes >= BATCH_BYTES {
                done += batch.len();
                progress(&format!("copying {}: {done} rows", to.name));
                target.insert(to, &std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
    }
    if !batch.is_empty() {
        target.insert(to, &batch).await?;
    }
    progress(&format!("comparing {}", to.name));
    let (read, written) = (digest.finish(), target.content(to).await?);
    if read != written {
        let message = format!(
            "`{}` differs: {} rows with the hash {} were read, {} with {} are in the copy",
            to.name, read.rows, read.sha256, written.rows, written.sha256
        );
        return Err(Error::internal("copy.differs", message));
    }
    Ok(read)
}

fn ledger_of(tables: &[(Table, Table)], copied: &[CopiedTable]) -> String {
    let mut money: Vec<(&str, &str)> = tables
        .iter()
        .zip(copied)
        .filter(|((table, _), _)| holds_money(table))
        .map(|((table, _), copied)| (table.name.as_str(), copied.content.sha256.as_str()))
        .collect();
    money.sort_unstable();
    sha256(money.into_iter().map(|(table, hash)| ledger_line(table, hash)).collect::<String>().as_bytes())
}
