//! What the parent process does for a script: the host functions that need network, mail, state or the log.

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// For whom a call runs. The host takes namespaces and permissions from here, never from the script.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The interface whose configuration and state the call uses.
    pub interface_id: Uuid,
    /// The plugin's id, for logs.
    pub plugin: String,
    /// The request that led to the call, for logs.
    pub request_id: Uuid,
}

/// A host function that leaves the worker. All arguments are strings, in the order of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostFunction {
    /// `http_get(url)`, returns the body.
    HttpGet,
    /// `http_post(url, body, content_type)`, returns the body.
    HttpPost,
    /// `http_post_bytes(url, body)`, base64 both ways.
    HttpPostBytes,
    /// `http_post_with_headers(url, body, content_type, headers_json)`, returns the body.
    HttpPostWithHeaders,
    /// `http_request_with_cert(method, url, body, content_type, cert_json)`, returns status, headers and body as JSON.
    HttpRequestWithCert,
    /// `http_request(method, url, body, headers_json)`, returns status, headers and body as JSON.
    HttpRequest,
    /// `grpc_call(base_url, method, request_json, headers_json)`, returns code, message and body as JSON.
    GrpcCall,
    /// `smtp_send(config_json, email_json)`, returns nothing.
    SmtpSend,
    /// `smtp_try(config_json, email_json)` and `smtp_check(config_json)`, returns the empty string or the problem.
    SmtpTry,
    /// `state_get(key)`, returns the value or the empty string.
    StateGet,
    /// `state_set(key, value)`, returns nothing.
    StateSet,
    /// `state_claim(key, value)`: sets the value if the key is absent, and returns the value now held.
    StateClaim,
    /// `state_delete(key)`, returns nothing.
    StateDelete,
    /// A log line: the arguments are the level (`info`, `warn` or `error`) and the text. The result is ignored.
    Log,
}

/// What a host function gives back: its text, or why it failed.
pub type HostFuture<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;

/// The parent's side of the host functions.
pub trait Host: Send + Sync + 'static {
    /// Runs one host function. An error ends the script's call with this text.
    fn call<'a>(&'a self, scope: &'a Scope, function: HostFunction, arguments: Vec<String>) -> HostFuture<'a>;
}
