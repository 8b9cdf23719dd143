//! What stands in the database, as text: all rows of one customer, and how many rows each table has.

use std::collections::{BTreeMap, BTreeSet};

use rustbill::core::id::Id;

use super::world::World;

/// The tables of a database with their columns.
pub(crate) struct Tables(BTreeMap<String, Vec<String>>);

/// The query layer takes constant texts only; these are made of the names in the database's own catalogue.
fn constant(sql: String) -> &'static str {
    Box::leak(sql.into_boxed_str())
}

impl Tables {
    pub(crate) async fn of(world: &World) -> Self {
        let sql = if world.db().is_postgres() {
            "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'"
        } else {
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
             AND m.name NOT LIKE 'sqlite%' AND m.name <> '_sqlx_migrations'"
        };
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (table, column) in world.db().q(sql).all::<(String, String)>().await.unwrap() {
            tables.entry(table).or_default().push(column);
        }
        assert!(tables.len() > 20, "{:?}", tables.keys());
        Self(tables)
    }

    /// The tables that hold rows of customers, and the column that says whose they are.
    fn of_customers(&self) -> impl Iterator<Item = (&String, &Vec<String>, &'static str)> {
        self.0.iter().filter_map(|(table, columns)| match table.as_str() {
            "customers" => Some((table, columns, "id")),
            _ => columns.iter().any(|column| column == "customer_id").then_some((table, columns, "customer_id")),
        })
    }

    /// Everything that belongs to a customer: one line for each row.
    pub(crate) async fn rows_of(&self, world: &World, customer: Id) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (table, columns, owner) in self.of_customers() {
            let texts: Vec<String> =
                columns.iter().map(|column| format!("' {column}=' || COALESCE(CAST({column} AS TEXT), '')")).collect();
            let sql = constant(format!("SELECT '{table}:' || {} FROM {table} WHERE {owner} = $1", texts.join(" || ")));
            found.extend(world.db().q(sql).bind(customer).scalars::<String>().await.unwrap());
        }
        found
    }

    /// The identifiers of everything that belongs to a customer, and its own.
    pub(crate) async fn ids_of(&self, world: &World, customer: Id) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (table, columns, owner) in self.of_customers() {
            if columns.iter().any(|column| column == "id") {
                let sql = constant(format!("SELECT CAST(id AS TEXT) FROM {table} WHERE {owner} = $1"));
                found.extend(world.db().q(sql).bind(customer).scalars::<String>().await.unwrap());
            }
        }
        found
    }

    /// How many rows each table has.
    pub(crate) async fn counts(&self, world: &World) -> BTreeMap<String, i64> {
        let counts: Vec<String> =
            self.0.keys().map(|table| format!("SELECT '{table}', CAST(COUNT(*) AS BIGINT) FROM {table}")).collect();
        let rows = world.db().q(constant(counts.join(" UNION ALL "))).all::<(String, i64)>().await.unwrap();
        rows.into_iter().collect()
    }
}
