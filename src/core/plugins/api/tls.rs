//! `http_request_with_cert`: HTTPS with a client certificate, and to servers with certificates of their own making.
//!
//! Whatever goes wrong before an answer is there, the script reads it as status 0 and an error: whether that ends its
//! call is for the script to say. Keys are in nothing that is written or returned.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    http::{header_list, whole},
    words,
};
use crate::core::{
    error::Error,
    http::{HttpClient, Identity, Request, Untrusted},
};

/// Clients that are kept, each with the connections of one set of certificates. The one that was not used for longest
/// makes room.
const CLIENTS_MAX: usize = 64;
/// Bytes of the fifth argument.
const CERT_JSON_MAX: usize = 256 * 1024;

/// The script's arguments, in their order.
#[derive(Clone, Copy, Default)]
pub(super) struct CertRequest<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) body: &'a str,
    pub(super) content_type: &'a str,
    pub(super) cert_json: &'a str,
}

/// The fifth argument. A key that is not here is refused: a slip in `fingerprint` would otherwise not be noticed.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CertJson {
    cert: String,
    key: String,
    ca: String,
    fingerprint: String,
    headers: Map<String, Value>,
}

impl CertJson {
    fn read(text: &str) -> Result<Self, String> {
        if text.len() > CERT_JSON_MAX {
            return Err(format!("`cert_json` has {} bytes, at most {CERT_JSON_MAX} are allowed", text.len()));
        }
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        // The cause would quote what it could not read, which may be the key. It is told where, and which keys there are.
        serde_json::from_str(text).or_else(|_| serde_json::from_str(&with_escapes(text))).map_err(|cause| {
            format!(
                "`cert_json` is no JSON object of `cert`, `key`, `ca`, `fingerprint` (texts) and `headers` (an object): \
                 line {}, column {}",
                cause.line(),
                cause.column()
            )
        })
    }

    /// What tells one client from another.
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [&self.cert, &self.key, &self.ca, &self.fingerprint] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

/// Escapes control characters inside texts: the authors' documentation puts PEM between the quotes as it is.
fn with_escapes(json: &str) -> String {
    let mut fixed = String::with_capacity(json.len());
    let (mut is_inside, mut is_escaped) = (false, false);
    for character in json.chars() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_inside => is_escaped = true,
            '"' => is_inside = !is_inside,
            _ => {}
        }
        match character {
            '\n' if is_inside => fixed.push_str("\\n"),
            '\r' if is_inside => fixed.push_str("\\r"),
            '\t' if is_inside => fixed.push_str("\\t"),
            other => fixed.push(other),
        }
    }
    fixed
}

/// The clients, made when they are first needed.
pub(super) struct CertClients {
    http: HttpClient,
    kept: Mutex<VecDeque<([u8; 32], HttpClient)>>,
}

impl CertClients {
    pub(super) fn new(http: HttpClient) -> Self {
        Self { http, kept: Mutex::default() }
    }

    pub(super) async fn request(&self, request: CertRequest<'_>) -> String {
        match self.send(request).await {
            Ok(answer) => answer,
            Err(why) => json!({ "status": 0, "headers": {}, "body": "", "error": why }).to_string(),
        }
    }

    async fn send(&self, request: CertRequest<'_>) -> Result<String, String> {
        let CertRequest { method, url, body, content_type, cert_json } = request;
        let cert = CertJson::read(cert_json)?;
        let client = self.client(&cert).map_err(|error| words(&error))?;
        let mut headers = header_list(&Value::Object(cert.headers).to_string())?;
        if !content_type.is_empty() {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        let request = Request { method, url, headers, body: body.to_owned().into() };
        let response = client.send(request).await.map_err(|error| told(&error))?;
        Ok(whole(&response))
    }

    /// The client of these certificates. Two calls at once may both make it, and one of them is kept.
    fn client(&self, cert: &CertJson) -> Result<HttpClient, Error> {
        let digest = cert.digest();
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut kept = lock();
            if let Some(place) = kept.iter().position(|(other, _)| *other == digest)
                && let Some(found) = kept.remove(place)
            {
                let client = found.1.clone();
                kept.push_back(found);
                return Ok(client);
            }
        }
        let identity = Identity::read(&cert.cert, &cert.key, &cert.ca, &cert.fingerprint)?;
        let client = self.http.with_identity(&identity)?;
        let mut kept = lock();
        if kept.len() >= CLIENTS_MAX {
            kept.pop_front();
        }
        kept.push_back((digest, client.clone()));
        Ok(client)
    }
}

/// Why there is no answer. Of a certificate that was not believed only that counts.
fn told(error: &Error) -> String {
    Untrusted::among(error).map_or_else(|| words(error), ToString::to_string)
}

#[cfg(test)]
mod tests;
