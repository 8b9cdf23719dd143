//! The two schemas are one schema.

use std::{collections::BTreeMap, path::Path};

use rustbill::core::database::{Database, Location, Options};

use crate::support::{
    database::TestDatabase,
    world::{PROGRAM, at_once, settings_file},
};

/// The nine documented migrations come first, with these names.
const DOCUMENTED: [&str; 9] = [
    "001_initial.sql",
    "002_operation_logs.sql",
    "003_config_schema.sql",
    "004_citus_prepare.sql",
    "005_api_keys.sql",
    "006_customer_api_key_flag.sql",
    "007_instance_detail_sections.sql",
    "008_scriptable_plugins.sql",
    "009_plugins_table.sql",
];

fn files(folder: &str) -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn both_folders_hold_the_same_steps() {
    let postgres = files("postgres");
    assert_eq!(postgres, files("sqlite"));
    assert_eq!(postgres[..DOCUMENTED.len()], DOCUMENTED);
}

#[derive(sqlx::FromRow)]
#[expect(clippy::struct_field_names, reason = "the catalogue's own names")]
struct Column {
    table_name: String,
    column_name: String,
    is_nullable: String,
    data_type: String,
}

/// Columns by table and name: whether they may be empty, and what they hold.
async fn columns(database: &Database, sql: &'static str, kinds: &[(&str, &str)]) -> BTreeMap<String, (bool, String)> {
    let rows: Vec<Column> = database.q(sql).all().await.unwrap();
    rows.into_iter()
        .map(|row| {
            let kind = kinds.iter().find(|(name, _)| *name == row.data_type).map_or("other", |(_, kind)| kind);
            (format!("{}.{}", row.table_name, row.column_name), (row.is_nullable == "YES", kind.to_owned()))
        })
        .collect()
}

#[tokio::test]
async fn both_databases_have_the_same_tables_columns_and_nullability() {
    let postgres = TestDatabase::postgres().await.connect().await;
    let sqlite_files = TestDatabase::sqlite();
    let sqlite = sqlite_files.connect().await;
    sqlite.migrate().await.unwrap();
    let in_postgres = columns(
        &postgres,
        "SELECT CAST(table_name AS TEXT) AS table_name, CAST(column_name AS TEXT) AS column_name, \
         CAST(is_nullable AS TEXT) AS is_nullable, CAST(data_type AS TEXT) AS data_type FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
        &[
            ("uuid", "text"),
            ("text", "text"),
            ("timestamp with time zone", "text"),
            ("date", "text"),
            ("jsonb", "text"),
            ("bigint", "integer"),
            ("numeric", "integer"),
            ("boolean", "integer"),
        ],
    )
    .await;
    let in_sqlite = columns(
        &sqlite,
        "SELECT tables.name AS table_name, info.name AS column_name, \
         CASE WHEN info.\"notnull\" = 1 OR info.pk > 0 THEN 'NO' ELSE 'YES' END AS is_nullable, info.type AS data_type \
         FROM sqlite_master AS tables JOIN pragma_table_info(tables.name) AS info \
         WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%' AND tables.name <> '_sqlx_migrations'",
        &[("TEXT", "text"), ("INTEGER", "integer")],
    )
    .await;
    assert!(in_postgres.len() > 200, "{} columns", in_postgres.len());
    assert_eq!(in_postgres, in_sqlite);
}

#[tokio::test]
async fn both_databases_have_the_same_indexes() {
    let postgres = TestDatabase::postgres().await.connect().await;
    let sqlite_files = TestDatabase::sqlite();
    let sqlite = sqlite_files.connect().await;
    sqlite.migrate().await.unwrap();
    // Keys get names of their database's own making; the indexes that we name are compared.
    let named = "SELECT CAST(indexname AS TEXT) FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%\\_pkey' \
                 AND indexname NOT LIKE '%\\_key' AND indexname NOT LIKE '\\_sqlx%' ORDER BY 1";
    let mut in_postgres = postgres.q(named).scalars::<String>().await.unwrap();
    in_postgres.sort();
    let mut in_sqlite = sqlite
        .q("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name <> '_sqlx_migrations'")
        .scalars::<String>()
        .await
        .unwrap();
    in_sqlite.sort();
    assert_eq!(in_postgres, in_sqlite);
}

#[tokio::test]
async fn the_tables_of_the_documents_are_there() {
    let files = TestDatabase::sqlite();
    let database = files.connect().await;
    database.migrate().await.unwrap();
    let tables = database.q("SELECT name FROM sqlite_master WHERE type = 'table'").scalars::<String>().await.unwrap();
    for table in [
        "admin_users",
        "sessions",
        "customers",
        "customer_users",
        "products",
        "product_groups",
        "product_categories",
        "plugins",
        "plugin_interfaces",
        "plugin_state",
        "orders",
        "instances",
        "payments",
        "invoices",
        "invoice_items",
        "balance_transactions",
        "tickets",
        "ticket_replies",
        "api_keys",
        "operation_logs",
        "event_queue",
        "instance_heartbeat",
        "leader_role",
        "verification_codes",
        "refresh_tokens",
    ] {
        assert!(tables.iter().any(|name| name == table), "{table}");
    }
    let status = database.migration_status().await.unwrap();
    assert_eq!((status.pending(), status.migrations.len(), status.unknown.len()), (0, files_count(), 0));
}

fn files_count() -> usize {
    files("sqlite").len()
}

/// Several processes start on a database that is empty: the schema is made once.
async fn many_migrate_at_once(database: TestDatabase) {
    let config = settings_file(&database, database.directory.path());
    let home = database.directory.path().to_owned();
    let outputs = at_once(6, |_| {
        let (config, home) = (config.clone(), home.clone());
        async move {
            tokio::process::Command::new(PROGRAM)
                .args(["db", "migrate", "--config"])
                .arg(config)
                .env_clear()
                .env("RUSTBILL_HOME", home)
                .output()
                .await
                .unwrap()
        }
    })
    .await;
    for output in outputs {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(database.connect().await.migration_status().await.unwrap().pending(), 0);
}

#[tokio::test]
async fn many_at_once_sqlite() {
    many_migrate_at_once(TestDatabase::sqlite()).await;
}

#[tokio::test]
async fn many_at_once_postgres() {
    many_migrate_at_once(TestDatabase::empty_postgres("many_migrate").await).await;
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let files = TestDatabase::sqlite();
    let database = files.connect().await;
    database.migrate().await.unwrap();
    let mut tx = database.begin().await.unwrap();
    tx.q("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'later', TRUE, X'00', 1)")
        .execute()
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let error = database.migrate().await.unwrap_err();
    assert_eq!(error.code(), "database.newer");
    assert_eq!(database.migration_status().await.unwrap().unknown, [999]);
}

#[tokio::test]
async fn a_missing_server_is_named_without_its_password() {
    let location = Location::parse("postgres://shop:hunter2@127.0.0.1:1/shop").unwrap();
    let options = Options { acquire_timeout: std::time::Duration::from_secs(2), ..Options::default() };
    let Err(error) = Database::connect(location, &options).await else { panic!("nobody listens there") };
    assert_eq!(error.code(), "database.unavailable");
    assert!(error.to_string().contains("127.0.0.1:1") && !error.to_string().contains("hunter2"), "{error}");
}
