//! Against a TLS server on a socket that asks for a client certificate, and says whose it saw.

use std::{fmt::Display, io, net::SocketAddr, sync::Arc};

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::{CLIENTS_MAX, CertClients, CertRequest, with_escapes};
use crate::core::{http::HttpClient, time::Clock};

struct Pair {
    certificate: Certificate,
    key: KeyPair,
}

impl Pair {
    fn of(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    fn named(name: &str) -> Self {
        Self::of(&CertificateParams::new([name.to_owned()]).unwrap())
    }

    fn expired() -> Self {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        Self::of(&params)
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(self.certificate.der()))
    }
}

/// An authority, and what it signs.
struct Authority {
    params: CertificateParams,
    pair: Pair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pair = Pair::of(&params);
        Self { params, pair }
    }

    fn signs(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.pair.key);
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        Pair { certificate, key }
    }

    fn pem(&self) -> String {
        self.pair.certificate.pem()
    }
}

/// Listens with this certificate, and believes clients that this authority signed. What it answers is what it got.
async fn serve(own: &Pair, clients: &Authority) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(clients.pair.certificate.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![own.certificate.der().clone()], own.key_der())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { answer(acceptor.accept(socket).await?).await });
        }
    });
    address
}

async fn answer(mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>) -> io::Result<()> {
    let mut got = Vec::new();
    let mut chunk = [0; 4096];
    // The tests' bodies are one word, so the end of the head and the word are enough.
    while !String::from_utf8_lossy(&got).contains("\r\n\r\n") {
        let count = stream.read(&mut chunk).await?;
        got.extend_from_slice(&chunk[..count]);
    }
    let peer = stream.get_ref().1.peer_certificates().map(|shown| hex::encode(Sha256::digest(&shown[0])));
    let body = json!({ "peer": peer, "request": String::from_utf8_lossy(&got) }).to_string();
    let head =
        format!("HTTP/1.1 403 Forbidden\r\nX-Seen: yes\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await
}

fn clients() -> CertClients {
    CertClients::new(HttpClient::new(vec!["127.0.0.1/32".parse().unwrap()], Clock::system()).unwrap())
}

async fn get(clients: &CertClients, address: impl Display, cert: &Value) -> Value {
    get_as(clients, address, &cert.to_string()).await
}

async fn get_as(clients: &CertClients, address: impl Display, cert_json: &str) -> Value {
    let url = format!("https://{address}/x");
    let answer = clients.request(CertRequest { method: "GET", url: &url, cert_json, ..CertRequest::default() }).await;
    serde_json::from_str(&answer).unwrap()
}

fn error_of(answer: &Value) -> &str {
    assert_eq!(
        (&answer["status"], &answer["headers"], &answer["body"]),
        (&json!(0), &json!({}), &json!("")),
        "{answer}"
    );
    answer["error"].as_str().unwrap()
}

#[tokio::test]
async fn the_server_sees_our_certificate_and_we_see_its_answer() {
    let authority = Authority::new();
    let (server, client) = (authority.signs("127.0.0.1"), authority.signs("us"));
    let address = serve(&server, &authority).await;
    let clients = clients();
    let cert = json!({
        "cert": client.certificate.pem(), "key": client.key.serialize_pem(), "ca": authority.pem(),
        "headers": { "X-Mine": "7" },
    });
    let url = format!("https://{address}/1.0?a=b");
    let cert_json = &cert.to_string();
    let request = CertRequest { method: "PUT", url: &url, body: "word", content_type: "text/plain", cert_json };
    let answer = clients.request(request).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["status"], &answer["headers"]["x-seen"]), (&json!(403), &json!("yes")), "{answer}");
    let seen: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(seen["peer"], client.fingerprint());
    let request = seen["request"].as_str().unwrap();
    assert!(request.starts_with("PUT /1.0?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-mine: 7\r\n") && request.contains("content-type: text/plain\r\n"), "{request}");

    // Without a certificate of ours the server sees nobody.
    let nobody = get(&clients, address, &json!({ "ca": authority.pem() })).await;
    assert_eq!(serde_json::from_str::<Value>(nobody["body"].as_str().unwrap()).unwrap()["peer"], Value::Null);
}

#[tokio::test]
async fn the_documented_template_with_raw_newlines_is_read() {
    let authority = Authority::new();
    let client = authority.signs("us");
    let address = serve(&Pair::named("anything"), &authority).await;
    let fingerprint = get(&clients(), address, &json!({})).await;
    let fingerprint = error_of(&fingerprint).split("fingerprint is ").nth(1).unwrap()[..64].to_owned();
    let (cert, key) = (client.certificate.pem(), client.key.serialize_pem());
    let template = format!(r#"{{"cert":"{cert}","key":"{key}","fingerprint":"{fingerprint}"}}"#);
    let answer = get_as(&clients(), address, &template).await.to_string();
    assert!(answer.contains(&client.fingerprint()), "{answer}");
    assert_eq!(with_escapes("{\"a\n\":\"b\\\"\r\n\tc\\\\\"\n}"), "{\"a\\n\":\"b\\\"\\r\\n\\tc\\\\\"\n}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_named_and_can_be_pinned() {
    let authority = Authority::new();
    let server = Pair::named("another.example");
    let address = serve(&server, &authority).await;
    let clients = clients();
    let unknown = get(&clients, address, &json!({})).await;
    let why = error_of(&unknown);
    assert!(why.contains(&server.fingerprint()) && why.contains("set it as `fingerprint`"), "{why}");
    assert!(why.contains("no authority"), "{why}");
    // The certificate as its own authority: the name still counts.
    let misnamed = get(&clients, address, &json!({ "ca": server.certificate.pem() })).await;
    assert!(error_of(&misnamed).contains("another name"), "{misnamed}");
    // Pinned, in any of its forms; not the name.
    let plain = server.fingerprint();
    let pairs: Vec<&str> = (0..64).step_by(2).map(|at| &plain[at..at + 2]).collect();
    for form in [plain.clone(), pairs.join(":").to_uppercase()] {
        assert_eq!(get(&clients, address, &json!({ "fingerprint": form })).await["status"], 403);
    }
    let wrong = format!("{:064x}", 7);
    let changed = get(&clients, address, &json!({ "fingerprint": wrong })).await;
    let why = error_of(&changed);
    assert!(why.contains(&wrong) && why.contains(&server.fingerprint()) && why.contains("set the new one"), "{why}");
    // Another authority's word counts for nothing beside a fingerprint.
    let signed = authority.signs("127.0.0.1");
    let address = serve(&signed, &authority).await;
    let both = get(&clients, address, &json!({ "ca": authority.pem(), "fingerprint": wrong })).await;
    assert!(error_of(&both).contains(&signed.fingerprint()));
}

#[tokio::test]
async fn a_certificate_out_of_date_is_refused_however_it_is_trusted() {
    let server = Pair::expired();
    let address = serve(&server, &Authority::new()).await;
    for cert in [json!({ "ca": server.certificate.pem() }), json!({ "fingerprint": server.fingerprint() })] {
        let answer = get(&clients(), address, &cert).await;
        let why = error_of(&answer);
        assert!(why.contains("expired") && why.contains(&server.fingerprint()), "{why}");
    }
    // One that is its own authority may be pinned.
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let server = Pair::of(&params);
    let address = serve(&server, &Authority::new()).await;
    assert_eq!(get(&clients(), address, &json!({ "fingerprint": server.fingerprint() })).await["status"], 403);
}

#[tokio::test]
async fn a_client_certificate_that_the_server_does_not_believe_is_an_error() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = Pair::named("x");
    let address = serve(&server, &theirs).await;
    let client = ours.signs("us");
    let cert = json!({
        "cert": client.certificate.pem(), "key": client.key.serialize_pem(), "fingerprint": server.fingerprint(),
    });
    let answer = get(&clients(), address, &cert).await;
    assert!(!error_of(&answer).is_empty());
    assert!(!answer.to_string().contains("PRIVATE"), "{answer}");
}

#[tokio::test]
async fn what_can_not_be_used_is_refused_without_quoting_it() {
    let client = Pair::named("us");
    let (cert, key) = (client.certificate.pem(), client.key.serialize_pem());
    let secret = key.lines().nth(1).unwrap();
    let address: SocketAddr = "127.0.0.1:9".parse().unwrap();
    for (cert, wanted) in [
        (json!({ "cert": cert }), "together"),
        (json!({ "cert": key, "key": key }), "`cert` holds no certificate"),
        (json!({ "cert": cert, "key": cert }), "`key` holds no private key"),
        (json!({ "cert": cert, "key": Pair::named("x").key.serialize_pem() }), "can't be used together"),
        (json!({ "ca": key }), "`ca` holds no certificate"),
        (json!({ "fingerprint": "12" }), "`fingerprint` is not"),
        (json!({ "insecure": true }), "is no JSON object of"),
        (json!({ "cert": [key] }), "is no JSON object of"),
        (json!({ "headers": { "Host": "x" } }), "can't be set"),
        (json!({ "headers": { "X": [] } }), "is no text"),
    ] {
        let answer = get(&clients(), address, &cert).await;
        let why = error_of(&answer);
        assert!(why.contains(wanted) && !why.contains(secret), "{why}");
    }
    assert!(error_of(&get(&clients(), address, &json!({})).await).contains("127.0.0.1"));
}

#[tokio::test]
async fn addresses_are_checked_as_for_every_other_request() {
    let authority = Authority::new();
    let address = serve(&authority.signs("localhost"), &authority).await;
    let strict = CertClients::new(HttpClient::new(Vec::new(), Clock::system()).unwrap());
    for host in ["127.0.0.1", "localhost"] {
        let answer = get(&strict, format!("{host}:{}", address.port()), &json!({ "ca": authority.pem() })).await;
        assert!(error_of(&answer).contains("loopback"), "{answer}");
    }
    // The name is resolved, checked and connected to, and the certificate must be for it.
    let reaching = CertClients::new(HttpClient::new(vec!["127.0.0.1/32".parse().unwrap()], Clock::system()).unwrap());
    let answer = get(&reaching, format!("localhost:{}", address.port()), &json!({ "ca": authority.pem() })).await;
    assert_eq!(answer["status"], 403, "{answer}");
}

#[tokio::test]
async fn clients_are_kept_and_not_without_end() {
    let clients = clients();
    let address: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let pinned = |number: usize| json!({ "fingerprint": format!("{number:064x}") });
    for number in 0..CLIENTS_MAX {
        get(&clients, address, &pinned(number)).await;
    }
    let kept = || -> Vec<[u8; 32]> { clients.kept.lock().unwrap().iter().map(|(digest, _)| *digest).collect() };
    let before = kept();
    assert_eq!(before.len(), CLIENTS_MAX);
    // Used again: it goes to the end, and the next one takes the place of the second. Headers make no other client.
    let mut first = pinned(0);
    first["headers"] = json!({ "X-Other": "1" });
    get(&clients, address, &first).await;
    get(&clients, address, &pinned(CLIENTS_MAX)).await;
    let after = kept();
    assert_eq!(after.len(), CLIENTS_MAX);
    assert!(after.contains(&before[0]) && !after.contains(&before[1]));
}
