//! The schema can be spread over a Citus cluster. There is no Citus to ask in a test; its published rules are applied to
//! PostgreSQL's own catalogue: <https://docs.citusdata.com/en/stable/develop/reference_ddl.html> and
//! `create_distributed_table` in its reference of functions.

use std::{collections::BTreeMap, path::Path};

use rustbill::core::database::{
    Database,
    citus::{self, Place, TABLES, TRIGGERS},
};

use crate::support::database::TestDatabase;

/// The tables that PostgreSQL has, without sqlx's own.
const OURS: &str = "n.nspname = 'public' AND c.relname <> '_sqlx_migrations'";

fn constant(sql: String) -> &'static str {
    Box::leak(sql.into_boxed_str())
}

fn places() -> BTreeMap<&'static str, Place> {
    TABLES.into_iter().collect()
}

fn column_of(place: Place) -> Option<&'static str> {
    match place {
        Place::Distributed(column) => Some(column),
        Place::Reference | Place::Local => None,
    }
}

async fn strings(database: &Database, sql: &'static str) -> Vec<String> {
    database.q(sql).scalars::<String>().await.unwrap()
}

#[tokio::test]
async fn each_table_has_one_place() {
    let database = TestDatabase::postgres().await.connect().await;
    let sql = format!(
        "SELECT CAST(c.relname AS TEXT) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE {OURS} AND c.relkind IN ('r', 'p') ORDER BY 1"
    );
    let mut found = strings(&database, constant(sql)).await;
    found.sort();
    let mut named: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    named.sort_unstable();
    assert_eq!(found, named, "core/database/citus.rs names each table once");
}

/// Citus can't distribute a table whose keys it would have to look for on other workers.
#[tokio::test]
async fn unique_promises_hold_the_distribution_column() {
    let database = TestDatabase::postgres().await.connect().await;
    let sql = format!(
        "SELECT CAST(c.relname AS TEXT), CAST(i.relname AS TEXT), CAST(x.indisprimary AS TEXT), \
         COALESCE((SELECT string_agg(a.attname, ' ') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (x.indkey[0:x.indnkeyatts - 1])), '') \
         FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} AND (x.indisunique OR x.indisexclusion)"
    );
    let rows: Vec<(String, String, String, String)> = database.q(constant(sql)).all().await.unwrap();
    let mut keys = 0;
    for (table, index, is_primary, columns) in rows {
        if let Some(column) = column_of(places()[table.as_str()]) {
            assert!(columns.split(' ').any(|name| name == column), "{index} of {table} is over {columns}");
            keys += u32::from(is_primary == "true");
        }
    }
    let distributed = TABLES.iter().filter(|(_, place)| column_of(*place).is_some()).count();
    assert_eq!(usize::try_from(keys).unwrap(), distributed, "each distributed table has a primary key");
}

#[tokio::test]
async fn distribution_columns_are_never_empty_and_of_one_type() {
    let database = TestDatabase::postgres().await.connect().await;
    for (table, place) in TABLES {
        let Some(column) = column_of(place) else { continue };
        let sql = format!(
            "SELECT format_type(a.atttypid, a.atttypmod), CAST(a.attnotnull AS TEXT), CAST(a.attgenerated AS TEXT) || CAST(a.attidentity AS TEXT) \
             FROM pg_attribute a WHERE a.attrelid = 'public.{table}'::regclass AND a.attname = '{column}'"
        );
        let row: (String, String, String) = database.q(constant(sql)).one().await.unwrap();
        assert_eq!(row, ("uuid".to_owned(), "true".to_owned(), String::new()), "{table}");
    }
}

#[tokio::test]
async fn foreign_keys_stay_on_one_worker() {
    let database = TestDatabase::postgres().await.connect().await;
    // The columns on both sides, in the order in which they belong together.
    let sql = format!(
        "SELECT CAST(k.conname AS TEXT), CAST(c.relname AS TEXT), CAST(r.relname AS TEXT), \
         CAST(k.confdeltype AS TEXT) || CAST(k.confupdtype AS TEXT), \
         (SELECT string_agg(f.attname || '=' || t.attname, ' ') FROM unnest(k.conkey, k.confkey) AS u(one, other) \
          JOIN pg_attribute f ON f.attrelid = c.oid AND f.attnum = u.one JOIN pg_attribute t ON t.attrelid = r.oid AND t.attnum = u.other) \
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} AND k.contype = 'f'"
    );
    let rows: Vec<(String, String, String, String, String)> = database.q(constant(sql)).all().await.unwrap();
    assert!(rows.len() > 20, "{rows:?}");
    let places = places();
    let order: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    let position = |table: &str| order.iter().position(|name| *name == table).unwrap();
    for (name, from, to, actions, columns) in rows {
        let what = format!("{name}: {from} -> {to} over {columns}");
        match (places[from.as_str()], places[to.as_str()]) {
            (Place::Distributed(one), Place::Distributed(other)) => {
                assert!(columns.split(' ').any(|pair| pair == format!("{one}={other}")), "{what}");
                // SET NULL, SET DEFAULT, and a cascading update would change the distribution column.
                assert!(!actions.contains(['n', 'd']) && !actions.ends_with('c'), "{what} {actions}");
            }
            (Place::Distributed(_), Place::Reference)
            | (Place::Reference, Place::Reference | Place::Local)
            | (Place::Local, Place::Local) => {}
            // A local table that refers to one of the cluster would be drawn into its metadata.
            (Place::Distributed(_), Place::Local)
            | (Place::Reference, Place::Distributed(_))
            | (Place::Local, Place::Distributed(_) | Place::Reference) => panic!("{what}"),
        }
        assert!(position(&from) >= position(&to), "{what}: the list names `{to}` first");
    }
}

#[tokio::test]
async fn nothing_is_used_that_citus_does_not_take() {
    let database = TestDatabase::postgres().await.connect().await;
    let spread = |table: &String| places()[table.as_str()] != Place::Local;
    let triggers = format!(
        "SELECT CAST(c.relname AS TEXT), CAST(t.tgname AS TEXT) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} AND NOT t.tgisinternal"
    );
    let rows: Vec<(String, String)> = database.q(constant(triggers)).all().await.unwrap();
    let mut found: Vec<_> = rows.into_iter().filter(|(table, _)| spread(table)).collect();
    found.sort();
    let mut named: Vec<_> = TRIGGERS.iter().map(|(table, name)| ((*table).to_owned(), (*name).to_owned())).collect();
    named.sort();
    assert_eq!(found, named, "core/database/citus.rs names the triggers that need `citus.enable_unsafe_triggers`");

    // Numbers of a sequence, rules, inheritance, policies, tables that are lost with a crash.
    for (what, sql) in [
        (
            "a sequence",
            "SELECT CAST(c.relname AS TEXT) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'S'",
        ),
        ("a rule", "SELECT CAST(tablename AS TEXT) FROM pg_rules WHERE schemaname = 'public'"),
        (
            "an exclusion",
            "SELECT CAST(k.conname AS TEXT) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE n.nspname = 'public' AND k.contype = 'x'",
        ),
        (
            "inheritance",
            "SELECT CAST(c.relname AS TEXT) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'",
        ),
        (
            "a policy or no log",
            "SELECT CAST(c.relname AS TEXT) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r' AND (c.relrowsecurity OR c.relpersistence <> 'p')",
        ),
    ] {
        assert_eq!(strings(&database, sql).await, Vec::<String>::new(), "{what}");
    }
}

/// The file that operators run is the one that the program prints. `UPDATE_DOCS=1` writes it.
#[test]
fn the_file_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/citus/001_distribute.sql");
    let sql = citus::distribute();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &sql).unwrap();
    }
    let held = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(held, sql, "run `UPDATE_DOCS=1 cargo test --locked citus`");
    let output = std::process::Command::new(crate::support::world::PROGRAM).args(["db", "citus"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), sql);
}
