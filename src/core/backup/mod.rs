//! Backups: one file that holds a whole installation, its way back, and the way from one database to the other.
//!
//! - `manifest.rs`: what a backup says about itself. `archive.rs`: the file, an ordinary tar.
//! - `make.rs`: writes one beside a running server. `restore.rs`: brings one back, or changes nothing;
//!   `sqlite.rs` and `postgres.rs` are what differs.
//! - `programs.rs`: finds PostgreSQL's own programs and speaks to them.
//! - `copy.rs`: moves everything between SQLite and PostgreSQL.
//!
//! Nothing here knows a table by name but the ones of the ledger and those that tell of running servers: what there is
//! to save, and in which order, is read from the database's own catalogue.

mod archive;
mod copy;
mod make;
mod manifest;
mod postgres;
mod programs;
mod restore;
mod sqlite;

pub use self::{
    archive::verify,
    copy::{Copied, CopiedTable, copy},
    make::{Made, Wish, make},
    manifest::{Engine, FileEntry, Manifest},
    restore::{Restored, occupied, restore},
};
use crate::core::{
    database::{Session, Table},
    error::Result,
};

/// Hears what is being done, for people who wait.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Tables that money is in, besides those whose name begins with `ledger_`.
const MONEY_TABLES: [&str; 4] = ["customers", "balance_transactions", "payments", "payment_refunds"];

fn holds_money(table: &Table) -> bool {
    MONEY_TABLES.contains(&table.name.as_str()) || table.name.starts_with("ledger_")
}

/// One hash over the content of all tables that money is in: equal in a backup, a restored database and a copy on the
/// other kind of database.
async fn ledger_hash(session: &mut Session, tables: &[Table], progress: Progress<'_>) -> Result<String> {
    let mut money: Vec<&Table> = tables.iter().filter(|table| holds_money(table)).collect();
    money.sort_by(|one, other| one.name.cmp(&other.name));
    let mut lines = String::new();
    for table in money {
        progress(&format!("reading {}", table.name));
        lines.push_str(&ledger_line(&table.name, &session.content(table).await?.sha256));
    }
    Ok(sha256(lines.as_bytes()))
}

fn ledger_line(table: &str, hash: &str) -> String {
    format!("{table} {hash}\n")
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}
