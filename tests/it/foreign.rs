//! Clients that are not ours: Python's grpcio with stubs made of `proto/`, and gRPC-Web over HTTP/1.1 on nothing but
//! Python's own HTTP. Both play the same sale, `tests/python/sale.py`.

use std::process::Command;

use tempfile::TempDir;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        python::{python, root},
        server::InProcess,
        world::{PASSWORD, World},
    },
};

/// Runs Python to its end and returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; if a package is missing, run `make setup`\n{words}");
    String::from_utf8(output.stdout).unwrap()
}

/// Stubs of the protocol, made afresh.
fn stubs() -> TempDir {
    let directory = TempDir::new().unwrap();
    let proto = root().join("proto");
    let files = std::fs::read_dir(&proto).unwrap().map(|entry| entry.unwrap().path());
    let mut command = Command::new(python());
    command.args(["-m", "grpc_tools.protoc", "-I"]).arg(&proto);
    for option in ["--python_out", "--grpc_python_out"] {
        command.arg(format!("{option}={}", directory.path().display()));
    }
    run(command.args(files));
    directory
}

/// Plays the sale with one of the clients against a server with one product.
async fn play(world: &World, script: &str, forms: &[&str]) {
    let provider = world.instant_provider().await;
    let product = world.product(&provider).await;
    let stranger = world.customer().await;
    let customer = world.customer().await;
    let username = world.customer_user(&customer).await.username;
    world.top_up(customer.id, "29.00").await;
    let foreign = world.order(&stranger, &product).await.id.to_string();
    world.start_worker();
    let server = InProcess::start(world).await;
    let stubs = stubs();
    let mut command = Command::new(python());
    command
        .env("PYTHONPATH", stubs.path())
        .arg(root().join("tests/python").join(script))
        .args([server.address.trim_start_matches("http://"), &username, PASSWORD, &foreign])
        .args(forms);
    // The server works on other threads meanwhile.
    let printed = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
    assert_eq!(printed, "ok\n");
    assert_eq!(world.balance(customer.id).await, "0.00");
    world.check_ledgers().await;
    server.stop().await;
}

on_both! {
    async fn a_grpc_client_of_python_buys_a_server(world: World) {
        play(&world, "client.py", &[]).await;
    }

    async fn a_grpc_web_client_buys_a_server(world: World) {
        play(&world, "web.py", &["proto"]).await;
    }

    async fn a_grpc_web_client_that_speaks_text_buys_a_server(world: World) {
        play(&world, "web.py", &["text"]).await;
    }
}
