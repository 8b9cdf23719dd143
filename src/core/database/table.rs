//! The tables of a database, as its own catalogue has them, and the one form of their rows that both databases share.
//!
//! Every value is a text: amounts are minor units, booleans `0` or `1`, times the 27 characters that SQLite holds,
//! bytes hexadecimal. What neither knows of the other (that an `INTEGER` of SQLite is money, for one) is not needed:
//! PostgreSQL's own columns say what becomes of them there.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Session;
use crate::core::error::{Error, Result};

/// sqlx's own list of migrations, which each database keeps for itself.
pub(super) const MIGRATIONS: &str = "_sqlx_migrations";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text; on SQLite identifiers, times and days too.
    Text,
    /// A whole number; on SQLite booleans and amounts in minor units too.
    Integer,
    /// A JSON document, whose texts may differ and mean the same.
    Json,
    /// Bytes.
    Bytes,
    /// PostgreSQL's `NUMERIC` with two decimals.
    Money,
    /// PostgreSQL's `BOOLEAN`.
    Boolean,
    /// PostgreSQL's `UUID`.
    Uuid,
    /// PostgreSQL's `TIMESTAMPTZ`.
    Time,
    /// PostgreSQL's `DATE`.
    Date,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of their names: the databases may have them in different orders.
    pub columns: Vec<Column>,
    /// The columns of its primary key, in their order there.
    pub key: Vec<String>,
    is_postgres: bool,
}

const POSTGRES_COLUMNS: &str = "\
    SELECT CAST(c.relname AS TEXT), CAST(a.attname AS TEXT), format_type(a.atttypid, a.atttypmod), \
    CAST(array_position(CAST(i.indkey AS SMALLINT[]), a.attnum) AS TEXT) \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped \
    AND a.attgenerated = '' ORDER BY 1, 2";
const POSTGRES_REFERENCES: &str = "\
    SELECT CAST(c.relname AS TEXT), CAST(r.relname AS TEXT) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
    JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE k.contype = 'f' AND n.nspname = current_schema()";
const SQLITE_COLUMNS: &str = "\
    SELECT t.name, c.name, CASE WHEN t.sql LIKE '%json_valid(' || c.name || ')%' THEN 'json' ELSE lower(c.type) END, \
    CASE WHEN c.pk > 0 THEN CAST(c.pk AS TEXT) END FROM sqlite_master t JOIN pragma_table_info(t.name) c \
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2";
const SQLITE_REFERENCES: &str = "\
    SELECT t.name, r.\"table\" FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) r WHERE t.type = 'table'";

impl Session {
    /// All tables but sqlx's own, each behind those that its foreign keys refer to.
    ///
    /// # Errors
    /// `database.catalogue` for a schema that can't be understood: another program's, or with references in a circle.
    pub async fn tables(&mut self) -> Result<Vec<Table>> {
        let is_postgres = self.is_postgres();
        let (columns, references) =
            if is_postgres { (POSTGRES_COLUMNS, POSTGRES_REFERENCES) } else { (SQLITE_COLUMNS, SQLITE_REFERENCES) };
        let mut found: BTreeMap<String, (Table, BTreeMap<i64, String>)> = BTreeMap::new();
        for row in self.rows(columns).await? {
            let mut texts = row.into_iter();
            let mut next = || texts.next().flatten();
            let (Some(table), Some(name), Some(kind)) = (next(), next(), next()) else { continue };
            if table == MIGRATIONS {
                continue;
            }
            let position = next().and_then(|text| text.parse().ok());
            let kind = kind_of(&kind).ok_or_else(|| {
                catalogue(format!("`{table}.{name}` is of the type `{kind}`, which this program does not know"))
            })?;
            let (entry, key) = found.entry(table.clone()).or_insert_with(|| {
                (Table { name: table, columns: Vec::new(), key: Vec::new(), is_postgres }, BTreeMap::new())
            });
            if let Some(position) = position {
                key.insert(position, name.clone());
            }
            entry.columns.push(Column { name, kind });
        }
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in self.rows(references).await? {
            if let [Some(table), Some(referred)] = row.as_slice()
                && table != referred
            {
                needs.entry(table.clone()).or_default().insert(referred.clone());
            }
        }
        let mut tables = BTreeMap::new();
        for (name, (mut table, key)) in found {
            table.key = key.into_values().collect();
            // The order of a list of names is the same everywhere, that of a database's own sorting is not.
            table.columns.sort_by(|one, other| one.name.cmp(&other.name));
            if table.key.is_empty() {
                return Err(catalogue(format!("the table `{name}` has no primary key")));
            }
            tables.insert(name, table);
        }
        in_order(tables, &needs)
    }

    /// The migrations that ran here, in order; none in a database that was never used.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn versions(&mut self) -> Result<Vec<i64>> {
        let count = if self.is_postgres() {
            "SELECT CAST(COUNT(*) AS TEXT) FROM information_schema.tables \
             WHERE table_name = '_sqlx_migrations' AND table_schema = current_schema()"
        } else {
            "SELECT CAST(COUNT(*) AS TEXT) FROM sqlite_master WHERE name = '_sqlx_migrations'"
        };
        if self.number(count).await? == 0 {
            return Ok(Vec::new());
        }
        let rows = self
            .rows("SELECT CAST(version AS TEXT) FROM _sqlx_migrations WHERE success ORDER BY _sqlx_migrations.version")
            .await?;
        Ok(rows.into_iter().flatten().flatten().filter_map(|text| text.parse().ok()).collect())
    }
}

fn catalogue(message: String) -> Error {
    Error::internal("database.catalogue", message)
}

fn kind_of(name: &str) -> Option<Kind> {
    Some(match name {
        "text" => Kind::Text,
        "integer" | "bigint" | "smallint" => Kind::Integer,
        "json" | "jsonb" => Kind::Json,
        "blob" | "bytea" => Kind::Bytes,
        "boolean" => Kind::Boolean,
        "uuid" => Kind::Uuid,
        "timestamp with time zone" => Kind::Time,
        "date" => Kind::Date,
        _ if name.starts_with("numeric(") && name.ends_with(",2)") => Kind::Money,
        _ => return None,
    })
}

/// Those first that need nothing, then those that need only them, and so on; by name among equals.
fn in_order(mut tables: BTreeMap<String, Table>, needs: &BTreeMap<String, BTreeSet<String>>) -> Result<Vec<Table>> {
    let mut ordered = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let is_free = |name: &&String| {
            needs.get(*name).is_none_or(|needed| needed.iter().all(|needed| !tables.contains_key(needed)))
        };
        let Some(name) = tables.keys().find(is_free).cloned() else {
            let circle: Vec<&str> = tables.keys().map(String::as_str).collect();
            return Err(catalogue(format!("the foreign keys of {} go in a circle", circle.join(", "))));
        };
        ordered.extend(tables.remove(&name));
    }
    Ok(ordered)
}

/// A name as SQL has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Table {
    /// A query for all rows as texts, in the order of the primary key.
    pub(super) fn select(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| self.read(column)).collect();
        let key: Vec<String> = self.key.iter().map(|name| self.ordered(name)).collect();
        format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), quoted(&self.name), key.join(", "))
    }

    fn read(&self, column: &Column) -> String {
        let name = quoted(&column.name);
        match (self.is_postgres, column.kind) {
            (_, Kind::Text) | (false, Kind::Json) => name,
            (true, Kind::Money) => format!("CAST(CAST({name} * 100 AS BIGINT) AS TEXT)"),
            (true, Kind::Boolean) => format!("CAST(CAST({name} AS INTEGER) AS TEXT)"),
            (true, Kind::Time) => {
                format!("to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            }
            (true, Kind::Date) => format!("to_char({name}, 'YYYY-MM-DD')"),
            (true, Kind::Bytes) => format!("encode({name}, 'hex')"),
            // SQLite's hex(NULL) is an empty text.
            (false, Kind::Bytes) => format!("CASE WHEN {name} IS NULL THEN NULL ELSE lower(hex({name})) END"),
            _ => format!("CAST({name} AS TEXT)"),
        }
    }

    /// By bytes, whatever language the database sorts by. With the table's name: a bare one would mean the text of it that
    /// is selected.
    fn ordered(&self, name: &str) -> String {
        let is_text = self.columns.iter().any(|column| column.name == name && column.kind == Kind::Text);
        let collation = if self.is_postgres && is_text { " COLLATE \"C\"" } else { "" };
        format!("{}.{}{collation}", quoted(&self.name), quoted(name))
    }

    fn names(&self) -> String {
        self.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// One statement for any number of rows: an array of texts for each column.
    pub(super) fn insert_into_postgres(&self) -> String {
        let written = |(index, column): (usize, &Column)| {
            let value = format!("v.c{index}");
            match column.kind {
                Kind::Text => value,
                Kind::Money => format!("CAST(CAST({value} AS NUMERIC) * 0.01 AS NUMERIC(38,2))"),
                Kind::Boolean => format!("CAST(CAST({value} AS INTEGER) AS BOOLEAN)"),
                Kind::Integer => format!("CAST({value} AS BIGINT)"),
                Kind::Json => format!("CAST({value} AS JSONB)"),
                Kind::Bytes => format!("decode({value}, 'hex')"),
                Kind::Uuid => format!("CAST({value} AS UUID)"),
                Kind::Time => format!("CAST({value} AS TIMESTAMPTZ)"),
                Kind::Date => format!("CAST({value} AS DATE)"),
            }
        };
        let values: Vec<String> = self.columns.iter().enumerate().map(written).collect();
        let list = |text: &dyn Fn(usize) -> String| (0..self.columns.len()).map(text).collect::<Vec<_>>().join(", ");
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM UNNEST({}) AS v({})",
            quoted(&self.name),
            self.names(),
            values.join(", "),
            list(&|index| format!("CAST(${} AS TEXT[])", index + 1)),
            list(&|index| format!("c{index}")),
        )
    }

    /// A statement for this many rows.
    pub(super) fn insert_into_sqlite(&self, rows: usize) -> String {
        let placeholders: Vec<&str> = self
            .columns
            .iter()
            .map(|column| match column.kind {
                Kind::Integer | Kind::Money | Kind::Boolean => "CAST(? AS INTEGER)",
                Kind::Bytes => "unhex(?)",
                Kind::Text | Kind::Json | Kind::Uuid | Kind::Time | Kind::Date => "?",
            })
            .collect();
        let row = format!("({})", placeholders.join(", "));
        format!("INSERT INTO {} ({}) VALUES {}", quoted(&self.name), self.names(), vec![row; rows].join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> (String, Table) {
        (name.to_owned(), Table { name: name.to_owned(), columns: vec![], key: vec![], is_postgres: false })
    }

    #[test]
    fn tables_come_behind_what_they_refer_to_and_circles_are_named() {
        let tables = || ["a", "b", "c", "d"].map(table).into();
        let needs = |pairs: &[(&str, &str)]| {
            let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (from, to) in pairs {
                needs.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            }
            needs
        };
        let ordered = in_order(tables(), &needs(&[("a", "c"), ("c", "d"), ("b", "a")])).unwrap();
        assert_eq!(ordered.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["d", "c", "a", "b"]);
        let error = in_order(tables(), &needs(&[("a", "b"), ("b", "a")])).unwrap_err();
        assert!(error.to_string().contains("a, b go in a circle"), "{error}");
    }
}
