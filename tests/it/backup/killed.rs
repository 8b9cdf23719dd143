//! A killed program and a full disk: what was there stays, nothing half-made gets its name, and the next try works.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use rustbill::core::{
    actor::Actor,
    backup::{self, Wish},
    database::{Database, Location, Options},
};

use super::{
    NOTED, RUNTIME, assert_no_remains, beside, program, run,
    shop::{Shop, contents, elsewhere, fill, location, other_kind, restore, save, without},
};
use crate::{
    on_both,
    support::{
        cli::text,
        database::TestDatabase,
        wait,
        world::{PROGRAM, World, settings_file},
    },
};

/// Rows of 100 kB: enough for each step to be met while it goes on.
const ROWS: u64 = 150;

on_both! {
    async fn a_backup_that_is_killed_leaves_no_backup(world: World) {
        Shop::open(&world).await;
        fill(&world, ROWS).await;
        let home = world.database.directory.path();
        let config = settings_file(&world.database, home);
        let file = home.join("shop.tar");
        let child = spawn(home, &config, &["db", "backup", "shop.tar"]);
        kill_when(child, "something was written", async || size(&home.join("shop.tar.part")).max(size(&home.join("shop.tar.part.db"))) > 100_000).await;
        assert!(!file.exists());
        assert!(!beside(&file).is_empty(), "it was in the middle");
        // The next one takes the remains away.
        run(home, &config, &["db", "backup", "shop.tar", "--verify"], 0);
        assert_eq!(beside(&file), Vec::<String>::new());
        // One that is killed while it replaces another leaves that one.
        let before = std::fs::read(&file).unwrap();
        let child = spawn(home, &config, &["db", "backup", "shop.tar", "--force"]);
        kill_when(child, "something was written", async || size(&home.join("shop.tar.part")).max(size(&home.join("shop.tar.part.db"))) > 100_000).await;
        assert!(std::fs::read(&file).unwrap() == before, "the old backup is untouched");
    }

    async fn a_restore_that_is_killed_leaves_the_old_database(world: World) {
        Shop::open(&world).await;
        let home = world.database.directory.path();
        let (small, large) = (home.join("small.tar"), home.join("large.tar"));
        save(&world, &small).await.unwrap();
        fill(&world, ROWS).await;
        save(&world, &large).await.unwrap();
        let target = elsewhere(&world, "killed").await;
        restore(&small, &target, false).await.unwrap();
        let held = contents(&target).await;
        let config = settings_file(&target, target.directory.path());
        let args = ["db", "restore", large.to_str().unwrap(), "--force", "--yes"];
        let watch = watching(&target).await;
        // Early, while it is unpacked, and late, where there is much of it already.
        for bytes in [1, 8_000_000] {
            let child = spawn(target.directory.path(), &config, &args);
            kill_when(child, "much was restored", async || restored_bytes(&target, &watch).await > bytes).await;
            until_alone(&watch).await;
            assert_eq!(contents(&target).await, held, "{bytes}");
        }
        watch.close().await;
        run(target.directory.path(), &config, &args, 0);
        assert_eq!(without(contents(&target).await, &NOTED), without(contents(&world.database).await, &NOTED));
        assert_no_remains(&target).await;
    }

    async fn a_move_that_is_killed_leaves_an_empty_target(world: World) {
        Shop::open(&world).await;
        fill(&world, ROWS).await;
        let home = world.database.directory.path();
        let config = settings_file(&world.database, home);
        let there = other_kind(&world, "killed_move").await;
        let watch = watching(&there).await;
        let child = spawn(home, &config, &["db", "copy", "--to", &there.url]);
        kill_when(child, "rows were copied", async || copied_bytes(&there, &watch).await > 2_000_000).await;
        until_alone(&watch).await;
        watch.close().await;
        let database = there.connect().await;
        assert_eq!(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_state").scalar::<i64>().await.unwrap(), 0);
        assert_eq!(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM customers").scalar::<i64>().await.unwrap(), 0);
        database.close().await;
        run(home, &config, &["db", "copy", "--to", &there.url], 0);
        assert_eq!(without(contents(&there).await, &RUNTIME), without(contents(&world.database).await, &RUNTIME));
    }

    async fn a_full_disk_leaves_nothing(world: World) {
        Shop::open(&world).await;
        fill(&world, 30).await;
        let home = world.database.directory.path();
        let config = settings_file(&world.database, home);
        let file = home.join("shop.tar");
        // Blocks of 512 bytes: about 1 MB, a third of what is to be written.
        let limited = |args: &[&str], blocks: u32, place: &Path, config: &Path| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("ulimit -f {blocks}; exec \"$@\""), "sh", PROGRAM]).args(args);
            command.arg("--config").arg(config).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
            let output = command.env("RUSTBILL_HOME", place).current_dir(place).output().unwrap();
            (output.status.code(), text(&output.stderr))
        };
        let (code, said) = limited(&["db", "backup", "shop.tar"], 2000, home, &config);
        assert_eq!(code, Some(8), "{said}");
        assert!(said.contains("can't ") && said.contains("shop.tar.part"), "{said}");
        assert!(!file.exists() && beside(&file).is_empty(), "{:?}", beside(&file));

        if !world.db().is_postgres() {
            save(&world, &file).await.unwrap();
            let target = elsewhere(&world, "full").await;
            let config = settings_file(&target, target.directory.path());
            let (code, said) = limited(&["db", "restore", file.to_str().unwrap()], 2000, target.directory.path(), &config);
            assert_eq!(code, Some(8), "{said}");
            let Location::Sqlite(path) = location(&target) else { panic!("SQLite") };
            assert!(!path.exists() && beside(&path).is_empty(), "{:?}", beside(&path));
        }
    }

    async fn a_second_backup_into_the_same_file_waits_for_nobody(world: World) {
        Shop::open(&world).await;
        let home = world.database.directory.path();
        let part = home.join("shop.tar.part");
        let held = std::fs::File::create(&part).unwrap();
        held.lock().unwrap();
        let wish = Wish { path: Some(home.join("shop.tar")), ..Wish::default() };
        let made = backup::make(&Actor::local(), world.db().location(), world.app.clock.now(), &wish, &|_| ()).await;
        assert_eq!(made.unwrap_err().code(), "backup.running");
        assert!(part.exists(), "it is the other one's");
    }
}

fn spawn(home: &Path, config: &Path, args: &[&str]) -> Child {
    program(home, config, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// `kill -9` in the middle.
async fn kill_when(mut child: Child, what: &str, condition: impl AsyncFn() -> bool) {
    wait::until(what, condition).await;
    assert!(child.try_wait().unwrap().is_none(), "it came to its end before");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Looks at PostgreSQL from another database of the server, so that it is nobody who works on the target.
async fn watching(target: &TestDatabase) -> Watch {
    if let Location::Postgres(url) = location(target) {
        let (server, name) = url.rsplit_once('/').unwrap();
        let server = Location::Postgres(format!("{server}/postgres"));
        let database = Database::connect(server, &Options::default()).await.unwrap();
        let mut watch = Watch(Some((database, name.to_owned(), 0)));
        let start = watch.bytes().await;
        if let Some((_, _, size)) = &mut watch.0 {
            *size = start;
        }
        return watch;
    }
    Watch(None)
}

/// The connection, the watched database's name, and its size in the beginning.
struct Watch(Option<(Database, String, u64)>);

impl Watch {
    async fn close(self) {
        if let Some((database, ..)) = self.0 {
            database.close().await;
        }
    }

    /// By how many bytes the watched database grew, open transactions included.
    async fn bytes(&self) -> u64 {
        let Some((database, name, start)) = &self.0 else { return 0 };
        let size = "SELECT CAST(pg_database_size(oid) AS BIGINT) FROM pg_database WHERE datname = $1";
        let size = database.q(size).bind(name.clone()).scalar::<i64>().await.unwrap();
        u64::try_from(size).unwrap().saturating_sub(*start)
    }
}

/// Waits until PostgreSQL noticed that the killed program is gone.
async fn until_alone(watch: &Watch) {
    let Some((database, name, _)) = &watch.0 else { return };
    wait::until("nobody is connected", async || {
        let count = "SELECT CAST(COUNT(*) AS BIGINT) FROM pg_stat_activity WHERE datname = $1";
        database.q(count).bind(name.clone()).scalar::<i64>().await.unwrap() == 0
    })
    .await;
}

async fn restored_bytes(target: &TestDatabase, watch: &Watch) -> u64 {
    match location(target) {
        Location::Sqlite(path) => size(&path.with_file_name("test.db.restoring")),
        Location::Postgres(_) => watch.bytes().await,
    }
}

async fn copied_bytes(target: &TestDatabase, watch: &Watch) -> u64 {
    match location(target) {
        Location::Sqlite(path) => size(&path.with_file_name("test.db-wal")),
        Location::Postgres(_) => watch.bytes().await,
    }
}
