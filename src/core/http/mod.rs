//! The one client for everything outbound, and where it may go.
//!
//! Scripts choose the addresses, so an address is checked before it is connected to, and the checked address is the
//! one that is used: a name that resolves to something else a moment later gains nothing. Loopback, link-local,
//! private and other special ranges are refused unless the configuration lists them. That holds for every redirect, and
//! what the configuration lists is open to one only where a host inside of it leads there.
//!
//! `policy.rs` says which addresses may be reached, and `resolver.rs` drops the others from what a name resolves to;
//! `attempt.rs` is one request; `retry.rs` says which failures are worth another one, `redirect.rs` which answers lead
//! on, and `circuit.rs` which hosts are left alone for a while. `tls.rs` makes clients with certificates of their own, and
//! `causes.rs` looks behind errors.

mod attempt;
mod causes;
mod circuit;
#[cfg(test)]
mod led;
mod policy;
mod redirect;
mod resolver;
mod retry;
mod tls;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use reqwest::Url;
use rustls::ClientConfig;
use tokio::time::Instant;

pub(crate) use self::{causes::is_tls, tls::Untrusted};
pub use self::{
    circuit::{LeftAlone, Turn},
    tls::Identity,
};

use self::{attempt::Failure, circuit::Hosts, policy::Policy, resolver::Resolver};
use crate::core::{
    error::{Error, Result},
    time::Clock,
};

/// The longest a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest a request may take in all, with its retries and redirects. A script's call has 15 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const RESPONSE_MAX: usize = 2 * 1024 * 1024;
/// Headers that belong to the client.
const RESERVED: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// `http://` or `https://`
    pub url: &'a str,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Bytes,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Who answered, where that is known.
    pub peer: Option<IpAddr>,
}

impl Response {
    /// The first value of a header, by its name in lower case.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// The client. Cheap to clone; clones share what they know of the hosts.
#[derive(Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    /// For the places to which a host outside of the listed networks leads. Made when it is first needed; a client of
    /// its own, since a connection that stands is used without asking the policy again.
    closed: Arc<OnceLock<reqwest::Client>>,
    tls: Option<ClientConfig>,
    policy: Arc<Policy>,
    hosts: Hosts,
    clock: Clock,
    patience: Duration,
    /// Whether what it shows and trusts is meant for one host only.
    is_bound: bool,
}

/// A request that was read and may be sent.
#[derive(Clone)]
struct Checked {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    /// Whether another host led here.
    is_led: bool,
    /// Whether what the configuration lists may be reached: not once a host outside of it led here.
    may_enter: bool,
}

impl HttpClient {
    /// A client that also reaches these networks. The clock says until when a host is left alone.
    ///
    /// # Errors
    /// When the TLS set-up fails.
    pub fn new(allow_private: Vec<IpNet>, clock: Clock) -> Result<Self> {
        Self::of(Policy::new(allow_private), clock)
    }

    fn of(policy: Policy, clock: Clock) -> Result<Self> {
        let policy = Arc::new(policy);
        Ok(Self {
            client: build(&policy, None)?,
            closed: Arc::default(),
            tls: None,
            policy,
            hosts: Hosts::new(clock.clone()),
            clock,
            patience: REQUEST_TIMEOUT,
            is_bound: false,
        })
    }

    /// The hosts that are left alone because they failed again and again.
    #[must_use]
    pub fn left_alone(&self) -> Vec<LeftAlone> {
        self.hosts.left_alone()
    }

    /// The same with less time for each request than the usual 10 s.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience.min(REQUEST_TIMEOUT);
        self
    }

    /// Sends a request. It takes 10 s at most, with all that follows, and the wait for a turn at a host counts too.
    ///
    /// What is harmless to repeat is repeated: up to three times, after connections that did not come
    /// to stand, and for methods that may be repeated also after broken ones and after 502, 503 and 504. GET and HEAD
    /// follow up to three redirects, a client with an identity of its own only within the host.
    ///
    /// # Errors
    /// `http.address` for an address that may not be reached; `http.request` for a malformed request; `http.redirect`
    /// for a redirect that is not followed; `http.left_alone` and `http.busy` for a host that is not asked now;
    /// `http.failed` when no complete answer came.
    pub async fn send(&self, request: Request<'_>) -> Result<Response> {
        let mut request = checked(&self.policy, request)?;
        let deadline = Instant::now() + self.patience;
        let mut redirects = 0;
        loop {
            let response = self.repeat(&request, deadline).await?;
            let Some(target) = redirect::target(&request, &response)? else { return Ok(response) };
            redirects += 1;
            request.may_enter &= response.peer.is_some_and(|peer| self.policy.is_inside(peer));
            request = redirect::next(&self.policy, request, target, redirects, !self.is_bound)?;
        }
    }

    /// The client that may send a request.
    fn client_for(&self, request: &Checked) -> Result<&reqwest::Client> {
        if request.may_enter || self.policy.has_no_exceptions() {
            return Ok(&self.client);
        }
        if let Some(client) = self.closed.get() {
            return Ok(client);
        }
        let client = build(&Arc::new(self.policy.closed()), self.tls.clone())?;
        Ok(self.closed.get_or_init(|| client))
    }

    /// The addresses of a host that may be reached, for protocols other than HTTP.
    ///
    /// # Errors
    /// `http.address` when none may be reached; `http.failed` when there are none.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        Resolver::new(Arc::clone(&self.policy)).resolve(host, port).await
    }

    /// Waits for a turn at a host, no longer than until `deadline`, for a protocol other than HTTP, which its scheme
    /// names; the caller then says how it went.
    ///
    /// # Errors
    /// `http.left_alone` and `http.busy` when the host is not asked now.
    pub async fn enter(&self, scheme: &str, host: &str, port: u16, deadline: Instant) -> Result<Turn> {
        self.hosts.enter(&format!("{scheme}://{host}:{port}"), deadline).await
    }

    /// One request with its retries.
    async fn repeat(&self, request: &Checked, deadline: Instant) -> Result<Response> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(retry::DELAY_MIN)
            .with_max_delay(retry::DELAY_MAX)
            .with_max_times(retry::RETRIES_MAX)
            .with_jitter();
        let client = self.client_for(request)?;
        let attempt = || attempt::send(client, &self.hosts, request, deadline);
        attempt
            .retry(backoff)
            .when(|failure| retry::is_harmless(&request.method, failure))
            .adjust(|failure, delay| retry::delay(failure, delay, self.clock.now(), deadline))
            .await
            .or_else(|failure| match failure {
                // The host did answer, and what it said is the caller's to judge.
                Failure::Answered(response) => Ok(response),
                Failure::Unreachable(error) | Failure::Broken(error) | Failure::Final(error) => Err(error),
            })
    }
}

/// What all clients have in common, whoever they are towards a server.
fn build(policy: &Arc<Policy>, tls: Option<ClientConfig>) -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("rustbill/", env!("CARGO_PKG_VERSION")))
        // How long a request may take in all is watched where it is sent, with its retries and redirects.
        .connect_timeout(CONNECT_TIMEOUT)
        // They are followed one by one, each checked.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Resolver::new(Arc::clone(policy))));
    let builder = match tls {
        Some(config) => builder.tls_backend_preconfigured(config),
        None => builder,
    };
    builder.build().map_err(|cause| Error::internal("http.client", "can't set up an outbound client").caused_by(cause))
}

/// Reads a request.
fn checked(policy: &Policy, request: Request<'_>) -> Result<Checked> {
    let url = Url::parse(request.url)
        .map_err(|cause| Error::invalid("http.request", format!("a URL is malformed: {cause}")))?;
    check_url(policy, &url)?;
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| Error::invalid("http.request", format!("`{}` is no HTTP method", request.method)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers {
        if RESERVED.contains(&name.to_lowercase().as_str()) {
            return Err(Error::invalid("http.request", format!("the header `{name}` can't be set")));
        }
        let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
        let Some((name, value)) = header else {
            return Err(Error::invalid("http.request", format!("the header `{name}` is malformed")));
        };
        headers.append(name, value);
    }
    Ok(Checked { method, url, headers, body: request.body, is_led: false, may_enter: true })
}

/// Checks a URL's address where it is one already; names are checked when they are resolved.
fn check_url(policy: &Policy, url: &Url) -> Result<()> {
    if !matches!(url.scheme(), "http" | "https") {
        let words = format!("`{}` is not allowed, only http and https are", url.scheme());
        return Err(Error::invalid("http.request", words));
    }
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => policy.check(address),
        Err(_) => Ok(()),
    }
}
