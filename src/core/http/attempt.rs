//! One request and its answer, in bounded time and size.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::{
    Checked, RESPONSE_MAX, Response,
    causes::{causes, is_tls},
    circuit::Hosts,
};
use crate::core::error::{Error, Kind, Result};

/// How long a host must have kept a request waiting for that to tell of the host: less is left of the time where a
/// redirect, other attempts or the wait for a turn took the rest.
const FAIR_WAIT: Duration = Duration::from_secs(3);

/// Why an attempt was not the last word.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection came to stand, so that the host heard nothing.
    Unreachable(Error),
    /// The connection broke; the host may have heard everything.
    Broken(Error),
    /// The host, or one before it, says that it can't work now.
    Answered(Response),
    /// Another attempt would end alike, or there is no time for one.
    Final(Error),
}

/// Sends a request once, and tells the host's circuit how it went.
pub(super) async fn send(
    client: &reqwest::Client,
    hosts: &Hosts,
    request: &Checked,
    deadline: Instant,
) -> Result<Response, Failure> {
    let port = request.url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown = format!("{} {}{port}", request.method, request.url.host_str().unwrap_or_default());
    let turn = hosts.enter(&super::redirect::peer(&request.url), deadline).await.map_err(Failure::Final)?;
    let begun = Instant::now();
    let outcome = timeout_at(deadline, exchange(client, request, &shown)).await;
    // Whoever leads us to a host may choose what fails there, and when: others must not find it left alone for that.
    let counts = !request.is_led && (outcome.is_ok() || begun.elapsed() >= FAIR_WAIT);
    let outcome = outcome.unwrap_or_else(|_| {
        Err(Failure::Broken(Error::unavailable("http.failed", format!("{shown} failed: it took too long"))))
    });
    match outcome {
        Ok(response) => {
            match is_fault_of_host(response.status) {
                true if counts => turn.failed(),
                true => drop(turn),
                false => turn.succeeded(),
            }
            if is_passing(response.status) { Err(Failure::Answered(response)) } else { Ok(response) }
        }
        Err(failure) => {
            match &failure {
                Failure::Unreachable(_) | Failure::Broken(_) if counts => turn.failed(),
                // What we refuse, or do not trust, says nothing about the host.
                Failure::Unreachable(_) | Failure::Broken(_) | Failure::Answered(_) | Failure::Final(_) => drop(turn),
            }
            Err(failure)
        }
    }
}

/// Whether a status tells of the host and not of one request. 500 and 501 do not: some programs, Proxmox among them,
/// answer so to a request that asks for something impossible.
const fn is_fault_of_host(status: u16) -> bool {
    status > StatusCode::NOT_IMPLEMENTED.as_u16()
}

/// Whether a status says that the host, or the one behind it, is not there for the moment.
fn is_passing(status: u16) -> bool {
    let passing = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    passing.iter().any(|code| code.as_u16() == status)
}

async fn exchange(client: &reqwest::Client, request: &Checked, shown: &str) -> Result<Response, Failure> {
    let failed = |cause: reqwest::Error| sort(cause, shown);
    let sent = client
        .request(request.method.clone(), request.url.clone())
        .headers(request.headers.clone())
        .body(request.body.clone())
        .send();
    let mut response = sent.await.map_err(failed)?;
    let status = response.status().as_u16();
    let peer = response.remote_addr().map(|address| address.ip());
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > RESPONSE_MAX {
            let words = format!("{shown} answered with more than {RESPONSE_MAX} bytes");
            return Err(Failure::Final(Error::unavailable("http.failed", words)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body: body.into(), peer })
}

/// What a failure of the transport means.
fn sort(cause: reqwest::Error, shown: &str) -> Failure {
    let (is_connect, is_request) = (cause.is_connect(), !cause.is_builder());
    if let Some(refused) = refusal(&cause) {
        return Failure::Final(refused);
    }
    let is_tls = is_tls(&cause);
    let error = Error::unavailable("http.failed", format!("{shown} failed")).caused_by(cause.without_url());
    match (is_request, is_tls, is_connect) {
        (false, ..) | (_, true, _) => Failure::Final(error),
        (true, false, true) => Failure::Unreachable(error),
        (true, false, false) => Failure::Broken(error),
    }
}

/// Our own refusal of an address, which comes back from the resolver.
fn refusal(error: &reqwest::Error) -> Option<Error> {
    let ours = causes(error).find_map(|cause| cause.downcast_ref::<Error>())?;
    if ours.kind() != Kind::PermissionDenied {
        return None;
    }
    let copy = Error::denied("http.address", ours.to_string());
    Some(match ours.advice() {
        Some(advice) => copy.hint(advice),
        None => copy,
    })
}
