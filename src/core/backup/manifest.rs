//! What a backup says about itself.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Progress, ledger_hash};
use crate::core::{
    database::{Location, Session, known_versions},
    error::{Error, Result},
};

/// The form of the file; a program reads its own and no later one.
pub(super) const FORMAT: u32 = 1;

/// Which database a backup is of. Each is restored into its own kind; `rustbill db copy` goes between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A SQLite file, as it is.
    Sqlite,
    /// What `pg_dump` wrote, in its custom format.
    Postgres,
}

impl Engine {
    /// Of a database.
    #[must_use]
    pub const fn of(location: &Location) -> Self {
        match location {
            Location::Sqlite(_) => Self::Sqlite,
            Location::Postgres(_) => Self::Postgres,
        }
    }

    /// The name of its file in the archive.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Sqlite => "database.sqlite",
            Self::Postgres => "database.dump",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// A file in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name there.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// Of its content, hexadecimal.
    pub sha256: String,
}

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the file, 1.
    pub format: u32,
    /// The version of the program that made it.
    pub program: String,
    /// Which database it is of.
    pub database: Engine,
    /// The version of that database's program.
    pub engine_version: String,
    /// The last migration that ran.
    pub schema: i64,
    /// When, in UTC.
    pub created_at: String,
    /// Everything in the archive but the manifest itself and the list of hashes.
    pub files: Vec<FileEntry>,
    /// How many rows each table has.
    pub tables: BTreeMap<String, u64>,
    /// A hash over the tables that money is in.
    pub ledger_sha256: String,
}

/// What a database holds, in the words of a manifest.
pub(super) struct Contents {
    pub(super) tables: BTreeMap<String, u64>,
    pub(super) ledger_sha256: String,
    pub(super) schema: i64,
}

impl Contents {
    /// Reads all of it.
    pub(super) async fn of(session: &mut Session, progress: Progress<'_>) -> Result<Self> {
        let found = session.tables().await?;
        let mut tables = BTreeMap::new();
        for table in &found {
            progress(&format!("counting {}", table.name));
            tables.insert(table.name.clone(), session.count(table).await?);
        }
        let ledger_sha256 = ledger_hash(session, &found, progress).await?;
        Ok(Self { tables, ledger_sha256, schema: session.versions().await?.last().copied().unwrap_or(0) })
    }
}

impl Manifest {
    /// Refuses what this program can't restore into such a database.
    pub(super) fn require_fit(&self, location: &Location) -> Result<()> {
        if self.database != Engine::of(location) {
            return Err(Error::invalid(
                "backup.other_database",
                format!("the backup is of {}, and [db].url names the {location}", self.database),
            )
            .hint("restore it into a database of its own kind, then use `rustbill db copy --to URL`"));
        }
        self.require_known_schema()
    }

    /// Refuses a backup of a newer program.
    pub(super) fn require_known_schema(&self) -> Result<()> {
        let newest = known_versions().last().unwrap_or(0);
        if self.schema > newest {
            return Err(Error::unavailable(
                "backup.newer",
                format!("the backup has the schema {:03}, and this program knows {newest:03} at most", self.schema),
            )
            .hint(format!("use the rustbill that made it, {}, or a later one", self.program)));
        }
        Ok(())
    }

    /// Compares a restored database with what was saved.
    pub(super) async fn compare(&self, session: &mut Session, progress: Progress<'_>) -> Result<()> {
        let found = Contents::of(session, progress).await?;
        let names = self.tables.keys().chain(found.tables.keys());
        for name in names {
            let (saved, restored) = (self.tables.get(name), found.tables.get(name));
            if saved != restored {
                let shown = |rows: Option<&u64>| rows.map_or("no table".to_owned(), |rows| format!("{rows} rows"));
                let message =
                    format!("`{name}` has {} in the backup and {} when restored", shown(saved), shown(restored));
                return Err(Error::internal("restore.differs", message));
            }
        }
        if self.schema != found.schema || self.ledger_sha256 != found.ledger_sha256 {
            return Err(Error::internal("restore.differs", "the restored ledger is not the one that was saved"));
        }
        Ok(())
    }
}
