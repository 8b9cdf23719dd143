//! What scripts may ask of us while they run: HTTP, memory, the log. One file per family.
//!
//! The interface whose script asks comes from the call, never from the script, so that no script reads the memory of
//! another interface.

pub(super) mod grpc;
mod http;
mod json_body;
mod mail;
mod state;
mod tls;

use std::{future::Future, pin::Pin};

use self::tls::{CertClients, CertRequest};
use super::engine::{Host, HostFunction, Scope};
use crate::core::{database::Database, error::Error, http::HttpClient, id::Id, time::Clock};

/// Answers the scripts' questions.
pub(super) struct HostApi {
    database: Database,
    clock: Clock,
    http: HttpClient,
    with_cert: CertClients,
}

impl HostApi {
    pub(super) fn new(database: Database, clock: Clock, http: HttpClient) -> Self {
        let with_cert = CertClients::new(http.clone());
        Self { database, clock, http, with_cert }
    }

    async fn answer(&self, scope: &Scope, function: HostFunction, arguments: Vec<String>) -> Result<String, String> {
        let interface = Id::from(scope.interface_id);
        let argument = |index: usize| arguments.get(index).map(String::as_str).unwrap_or_default();
        json_body::warn(scope, function, &arguments);
        match function {
            HostFunction::HttpGet => self.http_get(argument(0)).await,
            HostFunction::HttpPost => self.http_post(argument(0), argument(1), argument(2), "").await,
            HostFunction::HttpPostWithHeaders => {
                self.http_post(argument(0), argument(1), argument(2), argument(3)).await
            }
            HostFunction::HttpPostBytes => self.http_post_bytes(argument(0), argument(1)).await,
            HostFunction::HttpRequest => self.http_request(argument(0), argument(1), argument(2), argument(3)).await,
            HostFunction::SmtpSend => self.smtp_send(argument(0), argument(1)).await,
            HostFunction::SmtpTry => self.smtp_try(argument(0), argument(1)).await,
            HostFunction::GrpcCall => self.grpc_call(argument(0), argument(1), argument(2), argument(3)).await,
            HostFunction::StateGet => self.state_get(interface, argument(0)).await,
            HostFunction::StateSet => self.state_set(interface, argument(0), argument(1)).await,
            HostFunction::StateClaim => self.state_claim(interface, argument(0), argument(1)).await,
            HostFunction::StateDelete => self.state_delete(interface, argument(0)).await,
            HostFunction::Log => {
                log(scope, argument(0), argument(1));
                Ok(String::new())
            }
            HostFunction::HttpRequestWithCert => {
                let [method, url, body, content_type, cert_json] = [0, 1, 2, 3, 4].map(argument);
                Ok(self.with_cert.request(CertRequest { method, url, body, content_type, cert_json }).await)
            }
        }
    }
}

impl Host for HostApi {
    fn call<'a>(
        &'a self,
        scope: &'a Scope,
        function: HostFunction,
        arguments: Vec<String>,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        Box::pin(self.answer(scope, function, arguments))
    }
}

/// What a script is told of a failure: an operator reads it in the script's own error, and there finds what to do.
fn words(error: &Error) -> String {
    match error.advice() {
        Some(advice) => format!("{error}; {advice}"),
        None => error.to_string(),
    }
}

/// A script's own log line. It is the author's text: cut, and on one line.
fn log(scope: &Scope, level: &str, text: &str) {
    const LOG_MAX: usize = 2_000;
    let text: String =
        text.chars().take(LOG_MAX).map(|character| if character.is_control() { ' ' } else { character }).collect();
    let plugin = scope.plugin.as_str();
    match level {
        "error" => tracing::error!(plugin, "{text}"),
        "warn" => tracing::warn!(plugin, "{text}"),
        _ => tracing::info!(plugin, "{text}"),
    }
}
