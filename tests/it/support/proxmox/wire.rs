//! The simulator's socket: TLS with a certificate of its own, HTTP/1.1, and reasons in the status line.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    ext::ReasonPhrase,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use super::{Answer, Call, Cluster, Fault, TOKEN_ID, TOKEN_SECRET};

/// Listens on a free port. The address, and the fingerprint of the certificate.
pub(super) async fn listen(cluster: Arc<Mutex<Cluster>>) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["pve1.example.com".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let fingerprint =
        Sha256::digest(&certificate).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (acceptor, cluster) = (acceptor.clone(), Arc::clone(&cluster));
            tokio::spawn(async move {
                // Who does not trust the certificate goes away.
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let service = service_fn(move |request| serve(Arc::clone(&cluster), request));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (url, fingerprint)
}

/// An error ends the connection without an answer.
async fn serve(cluster: Arc<Mutex<Cluster>>, request: Request<Incoming>) -> std::io::Result<Response<Full<Bytes>>> {
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given != format!("PVEAPIToken={TOKEN_ID}={TOKEN_SECRET}") {
        let reason = if given.is_empty() { "No ticket" } else { "invalid token value!" };
        return Ok(response(401, reason, String::new()));
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let mut fields: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    fields.extend(form_urlencoded::parse(&body).into_owned());
    let Some(call) = route(&parts.method, parts.uri.path(), fields) else {
        let reason = format!("Method '{} {}' not implemented", parts.method, parts.uri.path());
        return Ok(written(&Answer::error(501, &reason)));
    };
    let fault = cluster.lock().unwrap().fault(call.operation);
    match fault {
        Some(Fault::Refuse(status, message)) => return Ok(written(&Answer::error(status, message))),
        Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
        Some(Fault::Overtake) => cluster.lock().unwrap().overtake(&call),
        Some(Fault::Drop) | None => {}
    }
    let answer = cluster.lock().unwrap().answer(&call);
    if matches!(fault, Some(Fault::Drop)) {
        return Err(std::io::Error::other("the connection is dropped"));
    }
    Ok(written(&answer))
}

fn route(method: &Method, path: &str, mut fields: BTreeMap<String, String>) -> Option<Call> {
    let path = path.strip_prefix("/api2/json/")?;
    let parts: Vec<&str> = path.split('/').collect();
    let (operation, node, vmid) = match (method.as_str(), parts.as_slice()) {
        ("GET", ["version"]) => ("version", "", ""),
        ("GET", ["access", "permissions"]) => ("permissions", "", ""),
        ("GET", ["cluster", "resources"]) => ("resources", "", ""),
        ("GET", ["cluster", "nextid"]) => ("nextid", "", ""),
        ("GET", ["nodes", node, "tasks", upid, "status"]) => {
            let upid = form_urlencoded::parse(format!("upid={upid}").as_bytes()).next()?.1.into_owned();
            fields.insert("upid".to_owned(), upid);
            ("task", *node, "")
        }
        ("GET", ["nodes", node, "qemu", id, "config"]) => ("look", *node, *id),
        ("PUT", ["nodes", node, "qemu", id, "config"]) => ("configure", *node, *id),
        ("PUT", ["nodes", node, "qemu", id, "resize"]) => ("resize", *node, *id),
        ("POST", ["nodes", node, "qemu", id, "clone"]) => ("clone", *node, *id),
        ("DELETE", ["nodes", node, "qemu", id]) => ("delete", *node, *id),
        ("GET", ["nodes", node, "qemu", id, "agent", "network-get-interfaces"]) => ("agent", *node, *id),
        ("GET", ["nodes", node, "qemu", id, "status", "current"]) => ("current", *node, *id),
        ("POST", ["nodes", node, "qemu", id, "status", word]) => {
            let known = ["start", "stop", "shutdown", "reboot", "reset"];
            (*known.iter().find(|known| *known == word)?, *node, *id)
        }
        _ => return None,
    };
    Some(Call { operation, node: node.to_owned(), vmid: vmid.parse().unwrap_or_default(), fields })
}

fn written(answer: &Answer) -> Response<Full<Bytes>> {
    response(answer.status, &answer.reason, answer.body.to_string())
}

fn response(status: u16, reason: &str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status.try_into().unwrap();
    response.headers_mut().insert("content-type", "application/json;charset=UTF-8".parse().unwrap());
    response.headers_mut().insert("server", "pve-api-daemon/3.0".parse().unwrap());
    response.extensions_mut().insert(ReasonPhrase::try_from(reason.as_bytes()).unwrap());
    response
}
