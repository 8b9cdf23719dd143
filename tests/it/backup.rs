//! Backups, restores and moves: what comes back is what was saved, or nothing is touched.

mod killed;
mod shop;

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use rustbill::core::{
    actor::Actor,
    audit,
    backup::{self, Manifest, Wish},
    database::{Kind, Location, Session},
    identity::{self, UserKind},
    orders::{self, OrderStatus},
    settlement,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;

use self::shop::{NASTY, Shop, contents, elsewhere, location, other_kind, reopen, restore, save, without};
use crate::{
    on_both,
    support::{
        cli::text,
        database::TestDatabase,
        world::{PASSWORD, PROGRAM, World, new_order, settings_file},
    },
};

/// What restoring writes itself: that it was done.
const NOTED: [&str; 1] = ["operation_logs"];
/// What tells of running servers.
const RUNTIME: [&str; 2] = ["instance_heartbeat", "leader_role"];

on_both! {
    async fn a_backup_under_load_is_restored_elsewhere_and_the_shop_goes_on(world: World) {
        let shop = Shop::open(&world).await;
        // Somebody moves money all the time; each movement changes two tables that must agree.
        let (is_over, moved) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let load = {
            let (app, admin, is_over, moved, customer) =
                (world.app.clone(), world.admin.clone(), Arc::clone(&is_over), Arc::clone(&moved), shop.customer.id);
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    rustbill::core::balance::adjust(&app, &admin, customer, crate::support::world::money("1.00"), "load").await.unwrap();
                    moved.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        crate::support::wait::until("money moves", async || moved.load(Ordering::Relaxed) > 3).await;
        let file = world.database.directory.path().join("shop.tar");
        let before = moved.load(Ordering::Relaxed);
        let made = save(&world, &file).await.unwrap();
        crate::support::wait::until("money still moves", async || moved.load(Ordering::Relaxed) > before + 3).await;
        is_over.store(true, Ordering::Relaxed);
        load.await.unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(made.size, fs::metadata(&file).unwrap().len());
        assert_eq!(beside(&file), Vec::<String>::new(), "nothing else is left");

        let target = elsewhere(&world, "restored").await;
        let restored = restore(&file, &target, false).await.unwrap();
        assert_eq!((restored.migrated, &restored.manifest), (0, &made.manifest));
        let app = reopen(&target).await;
        let uneven = "SELECT CAST(COUNT(*) AS BIGINT) FROM customers WHERE balance <> \
                   COALESCE((SELECT SUM(amount) FROM balance_transactions WHERE customer_id = customers.id), 0)";
        assert_eq!(app.database.q(uneven).scalar::<i64>().await.unwrap(), 0, "the backup is of one moment");
        let notes: String = app.database.q("SELECT notes FROM customers").scalar().await.unwrap();
        assert_eq!(notes, NASTY);
        identity::login(&app, "127.0.0.1", UserKind::Customer, &shop.user.username, PASSWORD).await.unwrap();
        let order = orders::place(&app, &Actor::local(), &new_order(&shop.customer, &shop.product)).await.unwrap();
        settlement::pay_order(&app, &Actor::local(), order.id, None).await.unwrap();
        assert_eq!(orders::get(&app, &Actor::local(), order.id).await.unwrap().status, OrderStatus::Paid);
        let entries = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'database.restore' AND actor_type = 'local'";
        assert_eq!(app.database.q(entries).scalar::<i64>().await.unwrap(), 1);
        audit::seal(&app).await.unwrap();
        app.database.close().await;
        app.plugins.shutdown().await;
    }

    async fn what_is_restored_is_what_was_there(world: World) {
        Shop::open(&world).await;
        let file = world.database.directory.path().join("shop.tar");
        save(&world, &file).await.unwrap();
        let target = elsewhere(&world, "same").await;
        restore(&file, &target, false).await.unwrap();
        assert_eq!(without(contents(&target).await, &NOTED), without(contents(&world.database).await, &NOTED));
        // Ordinary programs read it too.
        let home = world.database.directory.path().join("by-hand");
        fs::create_dir(&home).unwrap();
        let untar = std::process::Command::new("tar").arg("xf").arg(&file).current_dir(&home).status().unwrap();
        let sums = std::process::Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&home).status().unwrap();
        assert!(untar.success() && sums.success());
    }

    async fn a_file_that_is_there_and_a_database_with_data_are_left_alone(world: World) {
        Shop::open(&world).await;
        let file = world.database.directory.path().join("shop.tar");
        fs::write(&file, "precious").unwrap();
        assert_eq!(save(&world, &file).await.unwrap_err().code(), "backup.exists");
        assert_eq!(fs::read(&file).unwrap(), b"precious");
        fs::remove_file(&file).unwrap();
        save(&world, &file).await.unwrap();

        let target = elsewhere(&world, "occupied").await;
        restore(&file, &target, false).await.unwrap();
        let held = contents(&target).await;
        assert_eq!(restore(&file, &target, false).await.unwrap_err().code(), "restore.occupied");
        assert_eq!(contents(&target).await, held);
        // A migrated database without data is no obstacle, and one with data is replaced when that is wanted.
        let fresh = elsewhere(&world, "fresh").await;
        let database = fresh.connect().await;
        database.migrate().await.unwrap();
        database.close().await;
        restore(&file, &fresh, false).await.unwrap();
        restore(&file, &target, true).await.unwrap();
        assert_eq!(without(contents(&target).await, &NOTED), without(held, &NOTED));
        assert_no_remains(&target).await;
    }

    async fn nothing_is_restored_while_somebody_works_on_the_database(world: World) {
        Shop::open(&world).await;
        let file = world.database.directory.path().join("shop.tar");
        save(&world, &file).await.unwrap();
        let target = elsewhere(&world, "working").await;
        restore(&file, &target, false).await.unwrap();
        let held = contents(&target).await;
        // Any open connection counts, a server's lock or not.
        let database = target.connect().await;
        database.ping().await.unwrap();
        assert_eq!(restore(&file, &target, true).await.unwrap_err().code(), "database.in_use");
        database.lock_for_serving().unwrap();
        assert_eq!(restore(&file, &target, true).await.unwrap_err().code(), "database.in_use");
        database.close().await;
        drop(database);
        assert_eq!(contents(&target).await, held);
        if world.db().is_postgres() {
            // A server behind a pool of connections shows itself by its heartbeat.
            let database = target.connect().await;
            let mut tx = database.begin().await.unwrap();
            // Whatever else the table has or will have.
            tx.q("INSERT INTO instance_heartbeat SELECT * FROM jsonb_populate_record(NULL::instance_heartbeat, jsonb_build_object(\
                  'instance_id', $1::uuid, 'registered_at', $2::timestamptz, 'heartbeat_at', $2::timestamptz, \
                  'started_at', $2::timestamptz, 'pool_idle', 0, 'pool_active', 0, 'pool_max', 1, \
                  'host', 'h', 'version', 'v', 'address', 'a', 'breakers', '[]'::jsonb))")
                .bind(rustbill::core::id::Id::generate())
                .bind(world.app.clock.now())
                .execute_one()
                .await
                .unwrap();
            tx.commit().await.unwrap();
            database.close().await;
            assert_eq!(restore(&file, &target, true).await.unwrap_err().code(), "database.in_use");
        }
    }

    async fn a_damaged_backup_changes_nothing(world: World) {
        Shop::open(&world).await;
        let file = world.database.directory.path().join("shop.tar");
        save(&world, &file).await.unwrap();
        let whole = fs::read(&file).unwrap();
        let target = elsewhere(&world, "damaged").await;
        restore(&file, &target, false).await.unwrap();
        let held = contents(&target).await;
        let bad = world.database.directory.path().join("bad.tar");
        let position = |needle: &[u8]| whole.windows(needle.len()).rposition(|window| window == needle).unwrap();
        // A byte of the database, of a header, of the manifest and of the hashes; the end cut off in several places.
        let flipped = [600, whole.len() / 2, 20, position(b"\"ledger_sha256\"") + 20, position(b"manifest.json\n") - 10];
        let cut = [0, 100, 512, whole.len() / 3, position(b"\"format\""), position(b"manifest.json\n")];
        let mut codes = std::collections::BTreeSet::new();
        for at in flipped {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&bad, bytes).unwrap();
            codes.insert(restore(&bad, &target, true).await.unwrap_err().code());
            assert!(backup::verify(&Actor::local(), &bad, &|_| ()).is_err(), "{at}");
        }
        for at in cut {
            fs::write(&bad, &whole[..at]).unwrap();
            codes.insert(restore(&bad, &target, true).await.unwrap_err().code());
        }
        assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["backup.damaged"]);
        // Whole, but of another program.
        for (key, value, code) in [
            ("format", json!(2), "backup.format"),
            ("schema", json!(998), "backup.newer"),
            ("database", json!(if world.db().is_postgres() { "sqlite" } else { "postgres" }), "backup.damaged"),
        ] {
            forge(&file, &bad, |manifest| manifest[key] = value.clone());
            assert_eq!(restore(&bad, &target, true).await.unwrap_err().code(), code);
        }
        // Whole, but not what it says: this is found when it is restored already, and then undone.
        forge(&file, &bad, |manifest| manifest["ledger_sha256"] = json!("0".repeat(64)));
        backup::verify(&Actor::local(), &bad, &|_| ()).unwrap();
        assert_eq!(restore(&bad, &target, true).await.unwrap_err().code(), "restore.differs");
        forge(&file, &bad, |manifest| manifest["tables"]["customers"] = json!(77));
        assert_eq!(restore(&bad, &target, true).await.unwrap_err().code(), "restore.differs");
        assert_eq!(contents(&target).await, held);
        assert_no_remains(&target).await;
        assert_eq!(backup::verify(&Actor::local(), Path::new("/nowhere.tar"), &|_| ()).unwrap_err().code(), "backup.missing");
    }

    async fn an_older_backup_is_migrated(world: World) {
        let old = elsewhere(&world, "older_source").await;
        migrate_to(&old, 22).await;
        let database = old.connect().await;
        let mut tx = database.begin().await.unwrap();
        tx.q("INSERT INTO invoice_counters (year, last_number) VALUES (2025, 7)").execute_one().await.unwrap();
        tx.commit().await.unwrap();
        database.close().await;
        let file = world.database.directory.path().join("shop.tar");
        let wish = Wish { path: Some(file.clone()), ..Wish::default() };
        let made = backup::make(&Actor::local(), &location(&old), world.app.clock.now(), &wish, &|_| ()).await.unwrap();
        assert_eq!(made.manifest.schema, 22);
        let target = elsewhere(&world, "older").await;
        let restored = restore(&file, &target, false).await.unwrap();
        assert!(restored.migrated >= 1);
        let database = target.connect().await;
        assert_eq!(database.migration_status().await.unwrap().pending(), 0);
        assert_eq!(database.q("SELECT last_number FROM invoice_counters").scalar::<i64>().await.unwrap(), 7);
        database.close().await;
        // A database of another schema is not copied into one of this program's.
        let there = other_kind(&world, "older_moved").await;
        let copied = backup::copy(&Actor::local(), &location(&old), &location(&there), &|_| ()).await;
        assert_eq!(copied.unwrap_err().code(), "copy.schema");
    }

    async fn an_installation_moves_to_the_other_database_and_back(world: World) {
        let shop = Shop::open(&world).await;
        let (there, back) = (other_kind(&world, "moved").await, elsewhere(&world, "back").await);
        let moved = backup::copy(&Actor::local(), &location(&world.database), &location(&there), &|_| ()).await.unwrap();
        assert!(moved.tables.len() > 20 && moved.left_out == RUNTIME, "{moved:?}");
        assert!(moved.tables.iter().any(|table| table.table == "idempotency_keys" && table.content.rows == 4));
        let returned = backup::copy(&Actor::local(), &location(&there), &location(&back), &|_| ()).await.unwrap();
        assert_eq!(returned.ledger_sha256, moved.ledger_sha256);
        let first = without(contents(&world.database).await, &RUNTIME);
        assert_eq!(without(contents(&there).await, &RUNTIME), first);
        assert_eq!(without(contents(&back).await, &RUNTIME), first);
        // The hash of a backup says the same as that of a move.
        let file = world.database.directory.path().join("shop.tar");
        assert_eq!(save(&world, &file).await.unwrap().manifest.ledger_sha256, moved.ledger_sha256);

        let again = backup::copy(&Actor::local(), &location(&world.database), &location(&there), &|_| ()).await;
        assert_eq!(again.unwrap_err().code(), "copy.occupied");
        let same = backup::copy(&Actor::local(), &location(&there), &location(&there), &|_| ()).await;
        assert_eq!(same.unwrap_err().code(), "copy.same");

        let app = reopen(&there).await;
        identity::login(&app, "127.0.0.1", UserKind::Customer, &shop.user.username, PASSWORD).await.unwrap();
        let verified = audit::verify(&app, &Actor::local()).await.unwrap();
        assert!(verified.intact, "{verified:?}");
        let order = orders::place(&app, &Actor::local(), &new_order(&shop.customer, &shop.product)).await.unwrap();
        settlement::pay_order(&app, &Actor::local(), order.id, None).await.unwrap();
        app.database.close().await;
        app.plugins.shutdown().await;
    }

    async fn the_program_says_what_it_did(world: World) {
        Shop::open(&world).await;
        let home = world.database.directory.path();
        let config = settings_file(&world.database, home);
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
        let made = run(home, &config, &["db", "backup", "--with-config", "--verify", "--output", "json"], 0);
        let made: Value = serde_json::from_str(&made).unwrap();
        let file = made["file"].as_str().unwrap();
        assert_eq!(made["files"].as_array().unwrap().len(), 2, "{made}");
        let kind = if world.db().is_postgres() { "postgres" } else { "sqlite" };
        assert_eq!((&made["database"], &made["format"]), (&json!(kind), &json!(1)));
        assert!(run(home, &config, &["db", "verify", file], 0).contains("ledger_sha256"));
        assert!(run(home, &config, &["db", "backup", file], 4).contains("--force"));

        let target = elsewhere(&world, "program").await;
        let other = settings_file(&target, target.directory.path());
        run(target.directory.path(), &other, &["db", "restore", file], 0);
        let refused = run(target.directory.path(), &other, &["db", "restore", file], 4);
        assert!(refused.contains("restore.occupied") || refused.contains("there is data"), "{refused}");
        let unsure = run(target.directory.path(), &other, &["db", "restore", file, "--force"], 2);
        assert!(unsure.contains("--yes"), "{unsure}");
        run(target.directory.path(), &other, &["db", "restore", file, "--force", "--yes"], 0);

        let there = other_kind(&world, "program_moved").await;
        let copied = run(home, &config, &["db", "copy", "--to", &there.url, "--output", "json"], 0);
        let copied: Value = serde_json::from_str(&copied).unwrap();
        assert_eq!(copied["ledger_sha256"], made["ledger_sha256"]);
        assert_eq!(copied["left_out"], json!(RUNTIME));
        let again = run(home, &config, &["db", "copy", "--to", &there.url], 4);
        assert!(again.contains("there is data"), "{again}");
    }
}

/// JSON of SQLite is found by its checks: these are the columns that PostgreSQL has as `JSONB`.
#[tokio::test]
async fn both_catalogues_name_the_same_tables_keys_and_documents() {
    let postgres = TestDatabase::postgres().await;
    let mut one = Session::open(&location(&postgres)).await.unwrap();
    let mut other = Session::pristine().await.unwrap();
    let (mut left, mut right) = (one.tables().await.unwrap(), other.tables().await.unwrap());
    left.sort_by(|one, other| one.name.cmp(&other.name));
    right.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(left.len() > 25, "{}", left.len());
    let mut documents = 0;
    for (left, right) in left.iter().zip(&right) {
        assert_eq!((&left.name, &left.key), (&right.name, &right.key));
        for (left, right) in left.columns.iter().zip(&right.columns) {
            assert_eq!(left.name, right.name);
            assert_eq!(left.kind == Kind::Json, right.kind == Kind::Json, "{}", left.name);
            assert_eq!(left.kind == Kind::Bytes, right.kind == Kind::Bytes, "{}", left.name);
            documents += u32::from(left.kind == Kind::Json);
        }
    }
    assert!(documents >= 8, "{documents}");
}

#[tokio::test]
async fn an_old_pg_dump_is_a_clear_error() {
    let world = World::on(TestDatabase::postgres().await).await;
    let home = world.database.directory.path();
    let old = home.join("pg_dump");
    fs::write(&old, "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let config = settings_file(&world.database, home);
    let said = run(home, &config, &["db", "backup", "x.tar", "--pg-dump", old.to_str().unwrap()], 8);
    assert!(said.contains("version 9") && said.contains("hint: "), "{said}");
    let said = run(home, &config, &["db", "backup", "x.tar", "--pg-dump", "/nowhere/pg_dump"], 8);
    assert!(said.contains("/nowhere/pg_dump"), "{said}");
    assert!(!home.join("x.tar").exists() && !home.join("x.tar.part").exists());
}

#[tokio::test]
async fn what_is_not_there_is_not_made() {
    let database = TestDatabase::sqlite();
    let home = database.directory.path();
    let config = settings_file(&database, home);
    let said = run(home, &config, &["db", "backup", "x.tar"], 3);
    assert!(said.contains("test.db"), "{said}");
    assert!(!home.join("test.db").exists() && !home.join("x.tar").exists());
    let Location::Sqlite(path) = location(&database) else { panic!("SQLite") };
    assert!(!path.exists());
}

/// A database as a program of that time made it.
async fn migrate_to(database: &TestDatabase, version: i64) {
    let is_postgres = matches!(location(database), Location::Postgres(_));
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(if is_postgres { "postgres" } else { "sqlite" });
    let all = sqlx::migrate::Migrator::new(folder.as_path()).await.unwrap();
    let old: Vec<_> = all.iter().filter(|migration| migration.version <= version).cloned().collect();
    let old = sqlx::migrate::Migrator::with_migrations(old);
    if is_postgres {
        let mut connection = sqlx::PgConnection::connect(&database.url).await.unwrap();
        old.run(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = sqlx::SqliteConnection::connect(&format!("{}?mode=rwc", database.url)).await.unwrap();
        old.run(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// Runs the program with a configuration; gives stdout, or what it said when it must fail.
fn run(home: &Path, config: &Path, args: &[&str], code: i32) -> String {
    let output = program(home, config, args).output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "rustbill {args:?}\n{stdout}\n{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    if code == 0 { stdout } else { stderr }
}

fn program(home: &Path, config: &Path, args: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(PROGRAM);
    command.args(args).arg("--config").arg(config).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("RUSTBILL_HOME", home).current_dir(home);
    command.stdin(std::process::Stdio::null());
    command
}

/// What stands beside a file under a name that begins like its own.
fn beside(file: &Path) -> Vec<String> {
    let name = file.file_name().unwrap().to_str().unwrap();
    let mut found: Vec<String> = fs::read_dir(file.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|other| {
            other.starts_with(name)
                && other != name
                && Path::new(other).extension().is_none_or(|extension| extension != "lock")
        })
        .collect();
    found.sort();
    found
}

/// Nothing of a restore is left beside the database, but what an open SQLite file has.
async fn assert_no_remains(target: &TestDatabase) {
    match location(target) {
        Location::Sqlite(path) => {
            let mut found = beside(&path);
            found.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
            assert_eq!(found, Vec::<String>::new());
        }
        Location::Postgres(_) => {
            let database = target.connect().await;
            let schemas = "SELECT CAST(COUNT(*) AS BIGINT) FROM pg_namespace WHERE nspname LIKE 'rustbill%'";
            assert_eq!(database.q(schemas).scalar::<i64>().await.unwrap(), 0);
            database.close().await;
        }
    }
}

/// Another backup with a changed manifest and with hashes that fit.
fn forge(file: &Path, to: &Path, change: impl FnOnce(&mut Value)) {
    let mut archive = tar::Archive::new(fs::File::open(file).unwrap());
    let mut builder = tar::Builder::new(fs::File::create(to).unwrap());
    let (mut sums, mut change) = (String::new(), Some(change));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        if name == "manifest.json" {
            let _: Manifest = serde_json::from_slice(&content).unwrap();
            let mut manifest = serde_json::from_slice(&content).unwrap();
            change.take().unwrap()(&mut manifest);
            content = manifest.to_string().into_bytes();
        }
        if name == "SHA256SUMS" {
            content = std::mem::take(&mut sums).into_bytes();
        }
        writeln!(sums, "{}  {name}", hex::encode(Sha256::digest(&content))).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        builder.append_data(&mut header, &name, content.as_slice()).unwrap();
    }
    builder.finish().unwrap();
}
