//! What a table holds, as one hash that is the same on both databases.

use futures::{TryStreamExt as _, stream::BoxStream};
use sha2::{Digest as _, Sha256};

use super::{
    session::{Session, TextRow},
    table::{Kind, Table, quoted},
};
use crate::core::error::Result;

mod json;

/// What a table holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Content {
    /// How many rows.
    pub rows: u64,
    /// SHA-256 over the names of the columns and over all rows, in the order of the primary key.
    pub sha256: String,
}

/// Computes [`Content`], row by row.
pub struct Digest {
    hash: Sha256,
    rows: u64,
    kinds: Vec<Kind>,
}

impl Digest {
    /// Of nothing yet.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        let mut digest = Self { hash: Sha256::new(), rows: 0, kinds: table.columns.iter().map(|c| c.kind).collect() };
        for column in &table.columns {
            digest.field(Some(column.name.as_bytes()));
        }
        digest
    }

    /// One row more.
    pub fn add(&mut self, row: &TextRow) {
        self.rows += 1;
        for index in 0..self.kinds.len() {
            let value = row.get(index).and_then(Option::as_deref);
            if self.kinds.get(index) == Some(&Kind::Json) {
                // What can't be read as JSON is taken as it is: it differs from everything else.
                let canonical = value.map(|text| json::canonical(text).unwrap_or_else(|| text.to_owned()));
                self.field(canonical.as_deref().map(str::as_bytes));
            } else {
                self.field(value.map(str::as_bytes));
            }
        }
    }

    /// With its length before it, so that no two rows look alike, and NULL is no text.
    fn field(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.hash.update([0]),
            Some(bytes) => {
                self.hash.update([1]);
                self.hash.update((bytes.len() as u64).to_le_bytes());
                self.hash.update(bytes);
            }
        }
    }

    /// Of all rows.
    #[must_use]
    pub fn finish(self) -> Content {
        Content { rows: self.rows, sha256: hex::encode(self.hash.finalize()) }
    }
}

impl Session {
    /// The rows of a table, in the order of its primary key, one after the other.
    pub fn rows_of(&mut self, table: &Table) -> BoxStream<'_, Result<TextRow>> {
        self.stream(table.select())
    }

    /// Reads a whole table, row by row.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn content(&mut self, table: &Table) -> Result<Content> {
        let mut digest = Digest::of(table);
        let mut rows = self.rows_of(table);
        while let Some(row) = rows.try_next().await? {
            digest.add(&row);
        }
        Ok(digest.finish())
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn count(&mut self, table: &Table) -> Result<u64> {
        let sql = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {}", quoted(&table.name));
        Ok(self.number(sql).await?.unsigned_abs())
    }

    /// Removes all rows of a table.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn clear(&mut self, table: &Table) -> Result<()> {
        self.run(format!("DELETE FROM {}", quoted(&table.name))).await
    }
}
