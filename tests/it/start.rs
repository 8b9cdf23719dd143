//! Starting, refusing to start, stopping: the program itself.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
};

use crate::support::{
    database::TestDatabase,
    server::{Program, admin_token, channel},
    world::{PROGRAM, settings_file},
};

fn serve(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("serve")
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("RUSTBILL_HOME", directory)
        .output()
        .unwrap()
}

fn failure(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

/// One HTTP/1.1 request, and the whole answer.
fn get(address: &str, path: &str) -> String {
    let host = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

async fn starts_answers_and_stops(database: TestDatabase) {
    let config = settings_file(&database, database.directory.path());
    let program = Program::start(&config);
    let health = get(&program.address, "/health");
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("\r\n\r\nOK"), "{health}");
    assert!(get(&program.address, "/ready").starts_with("HTTP/1.1 200"));
    let token = admin_token(&channel(&program.address).await).await;
    assert_eq!(token.len(), 48);
    assert_eq!(program.terminate(), Some(0));
    // Again, on what is there now.
    let program = Program::start(&config);
    admin_token(&channel(&program.address).await).await;
    assert_eq!(program.terminate(), Some(0));
}

#[tokio::test]
async fn starts_sqlite() {
    starts_answers_and_stops(TestDatabase::sqlite()).await;
}

#[tokio::test]
async fn starts_postgres() {
    starts_answers_and_stops(TestDatabase::empty_postgres("starts").await).await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let database = TestDatabase::sqlite();
    let config = settings_file(&database, database.directory.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = std::fs::read_to_string(&config).unwrap().replace("port = 0", &format!("port = {port}"));
    std::fs::write(&config, text).unwrap();
    let (code, error) = failure(&serve(database.directory.path(), &[]));
    assert_eq!(code, Some(8));
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("hint:"), "{error}");
}

#[tokio::test]
async fn an_unreachable_database_is_named_without_its_password() {
    let database = TestDatabase::sqlite();
    let config = settings_file(&database, database.directory.path());
    let text =
        std::fs::read_to_string(&config).unwrap().replace(&database.url, "postgres://shop:hunter2@127.0.0.1:1/shop");
    std::fs::write(&config, text + "\n").unwrap();
    let (code, error) = failure(&serve(database.directory.path(), &[]));
    assert_eq!(code, Some(8));
    assert!(error.contains("127.0.0.1:1") && error.contains("hint:") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_broken_configuration_is_refused_with_file_line_and_key() {
    let database = TestDatabase::sqlite();
    let directory = database.directory.path();
    for (text, expected) in [
        ("[server]\nport = \"many\"\n", &["config.toml", "line 2", "port"][..]),
        ("[server]\nprot = 1\n", &["config.toml", "line 2", "prot", "port"]),
        ("[server\n", &["config.toml", "line 1"]),
        ("[jwt]\nsecret = \"short\"\n", &["jwt.secret", "32"]),
        ("[jwt]\nsecret = \"change-me-in-production\"\n", &["jwt.secret"]),
        ("[server]\nport = 0\n", &["jwt.secret"]),
        (
            "[jwt]\nsecret = \"a secret of the tests, long enough\"\n[db]\nurl = \"mysql://root@host/db\"\n",
            &["db.url", "mysql"],
        ),
        ("[jwt]\nsecret = \"a secret of the tests, long enough\"\n", &["bootstrap.admin_password"]),
    ] {
        std::fs::write(directory.join("config.toml"), text).unwrap();
        let (code, error) = failure(&serve(directory, &[]));
        assert_eq!(code, Some(2), "{text}: {error}");
        for part in expected {
            assert!(error.contains(part), "`{text}` gives `{error}`, which does not say {part}");
        }
    }
}

#[tokio::test]
async fn one_server_per_file() {
    let database = TestDatabase::sqlite();
    let config = settings_file(&database, database.directory.path());
    let first = Program::start(&config);
    let (code, error) = failure(&serve(database.directory.path(), &[]));
    assert_eq!(code, Some(8));
    assert!(error.contains("another server"), "{error}");
    assert_eq!(first.terminate(), Some(0));
}

#[tokio::test]
async fn a_bare_machine_is_set_up_and_the_password_shown_once() {
    let home = tempfile::tempdir().unwrap();
    let run = || {
        let mut child = Command::new(PROGRAM)
            .arg("serve")
            .current_dir(home.path())
            .env_clear()
            .env("RUSTBILL_HOME", home.path().join("data"))
            .env("RUSTBILL_SERVER__PORT", "0")
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = String::new();
        let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
        while !printed.contains("ready at") {
            let read = std::io::BufRead::read_line(&mut reader, &mut printed).unwrap();
            assert_ne!(read, 0, "it did not start: {printed}");
        }
        let terminated = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(terminated.success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        printed
    };
    let first = run();
    let password = first.split("password ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert_eq!(password.len(), 20, "{first}");
    let config = home.path().join("data/config.toml");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&config).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&config).unwrap().contains(password));
    let second = run();
    assert!(!second.contains("password"), "{second}");
}
