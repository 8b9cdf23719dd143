//! The program itself: with a password, with TLS, with what is wrong, and without Redis.

use std::{fs, net::TcpListener, path::Path, process::Command};

use rustbill::server::grpc::protocol::rustbill as proto;

use crate::support::{
    database::TestDatabase,
    redis::{RedisServer, free_port},
    server::{Program, admin_token, channel, with_token},
    wait,
    world::{PROGRAM, settings_file},
};
use proto::identity::{GetMeRequest, identity_service_client::IdentityServiceClient};

const PASSWORD: &str = "hunter2hunter2";

/// The program with `[redis]`, and where it logs.
fn start(config: &Path, url: &str, variables: &[(&str, &Path)]) -> (Program, std::path::PathBuf) {
    let text = fs::read_to_string(config).unwrap();
    let text = text.split("[redis]").next().unwrap().to_owned();
    fs::write(config, format!("{text}[redis]\nenabled = true\nurl = \"{url}\"\n")).unwrap();
    let log = config.with_extension("log");
    let program = Program::start_with(config, |command| {
        command.stderr(fs::File::create(&log).unwrap()).envs(variables.iter().copied());
    });
    (program, log)
}

fn read(log: &Path) -> String {
    fs::read_to_string(log).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_use_a_redis_with_a_password() {
    let database = TestDatabase::postgres().await;
    let redis = RedisServer::start_with(PASSWORD, |_| Vec::new()).await;
    let home = database.directory.path();
    let config = settings_file(&database, home);
    let (one, log) = start(&config, &redis.url(), &[]);
    wait::until("the log says that Redis is used", async || {
        let log = read(&log);
        log.contains("Redis is used") && log.contains(&format!("127.0.0.1:{}/0", redis.port))
    })
    .await;
    let (other, _) = start(&config, &redis.url(), &[]);
    let token = admin_token(&channel(&one.address).await).await;
    let mut client = IdentityServiceClient::new(channel(&other.address).await);
    wait::until("a session is read from Redis", async || {
        client.clone().get_me(with_token(GetMeRequest {}, &token)).await.unwrap();
        redis.stat("keyspace_hits") > 0
    })
    .await;
    // Killed, it is missed once in the log; back, it is told once.
    redis.kill();
    wait::until("the log says that Redis is away", async || {
        client.clone().get_me(with_token(GetMeRequest {}, &token)).await.unwrap();
        read(&log).contains("Redis can't be used")
    })
    .await;
    redis.run().await;
    wait::until("the log says that Redis is back", async || read(&log).contains("Redis is used again")).await;
    client.get_me(with_token(GetMeRequest {}, &token)).await.unwrap();
    assert_eq!((one.terminate(), other.terminate()), (Some(0), Some(0)));
    assert!(!read(&log).contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_nobody_there_are_warnings() {
    let database = TestDatabase::sqlite();
    let redis = RedisServer::start_with(PASSWORD, |_| Vec::new()).await;
    let config = settings_file(&database, database.directory.path());
    let wrong = redis.url().replace(PASSWORD, "a-wrong-one");
    for (url, reason) in [
        (wrong, "authentication failed"),
        (format!("redis://127.0.0.1:{}", redis.port), "NOAUTH"),
        (format!("redis://:a-wrong-one@127.0.0.1:{}", free_port()), "refused"),
    ] {
        let (program, log) = start(&config, &url, &[]);
        // It serves all the same.
        admin_token(&channel(&program.address).await).await;
        let log = read(&log);
        let line = log.lines().find(|line| line.contains("Redis can't be used")).unwrap();
        assert!(line.contains("WARN") && line.to_lowercase().contains(&reason.to_lowercase()), "{log}");
        assert!(!log.contains("a-wrong-one"), "{log}");
        assert_eq!(program.terminate(), Some(0));
    }
}

#[tokio::test]
async fn a_wrong_url_is_refused_at_the_start() {
    let database = TestDatabase::sqlite();
    let config = settings_file(&database, database.directory.path());
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}[redis]\nenabled = true\nurl = \"http://:{PASSWORD}@localhost\"\n")).unwrap();
    let serve = Command::new(PROGRAM).args(["serve", "--config"]).arg(&config).env_clear().output().unwrap();
    let error = String::from_utf8(serve.stderr).unwrap();
    assert_eq!(serve.status.code(), Some(2), "{error}");
    assert!(error.contains("`redis.url`") && error.contains("rediss://") && !error.contains(PASSWORD), "{error}");
}

/// A certificate of an authority that is trusted, and of one that is not.
#[tokio::test(flavor = "multi_thread")]
async fn tls_checks_who_answers() {
    let database = TestDatabase::sqlite();
    let config = settings_file(&database, database.directory.path());
    let redis = RedisServer::start_with(PASSWORD, |directory| {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let port = free_port();
        fs::write(directory.join("port"), port.to_string()).unwrap();
        [
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &certificate,
            "--tls-auth-clients",
            "no",
        ]
        .map(str::to_owned)
        .to_vec()
    })
    .await;
    let port = fs::read_to_string(redis.directory.path().join("port")).unwrap();
    let url = format!("rediss://:{PASSWORD}@localhost:{port}");
    let (program, log) = start(&config, &url, &[]);
    wait::until("a stranger's certificate is refused", async || read(&log).contains("Redis can't be used")).await;
    assert_eq!(program.terminate(), Some(0));
    assert!(!read(&log).contains("Redis is used"), "{}", read(&log));

    let certificate = redis.directory.path().join("cert.pem");
    let (program, log) = start(&config, &url, &[("SSL_CERT_FILE", &certificate)]);
    wait::until("Redis is used over TLS", async || read(&log).contains("Redis is used")).await;
    assert_eq!(program.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_switch_nobody_connects() {
    let database = TestDatabase::sqlite();
    let config = settings_file(&database, database.directory.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let text = fs::read_to_string(&config).unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    fs::write(&config, format!("{text}[redis]\nenabled = false\nurl = \"{url}\"\n")).unwrap();
    let program = Program::start(&config);
    let channel = channel(&program.address).await;
    let token = admin_token(&channel).await;
    IdentityServiceClient::new(channel).get_me(with_token(GetMeRequest {}, &token)).await.unwrap();
    assert_eq!(program.terminate(), Some(0));
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
