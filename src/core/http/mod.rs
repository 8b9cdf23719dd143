//! The one client for everything outbound, and where it may go.
//!
//! Scripts choose the addresses, so an address is checked before it is connected to, and the checked address is the
//! one that is used: a name that resolves to something else a moment later gains nothing. Loopback, link-local,
//! private and other special ranges are refused unless the configuration lists them.

mod policy;
mod tls;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use reqwest::{Url, dns};

pub use self::tls::Identity;
pub(crate) use self::tls::Untrusted;

use self::policy::Policy;
use crate::core::error::{Error, Result};

/// The longest a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest a request may take in all.
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
}

/// What all clients have in common, whoever they are towards a server.
fn builder(policy: &Arc<Policy>) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("rustbill/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        // A redirect would lead past the check; none is followed.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Resolver(Arc::clone(policy))))
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    policy: Arc<Policy>,
}

impl HttpClient {
    /// A client that also reaches these networks.
    ///
    /// # Errors
    /// When the TLS set-up fails.
    pub fn new(allow_private: Vec<IpNet>) -> Result<Self> {
        let policy = Arc::new(Policy::new(allow_private));
        let client = builder(&policy)
            .build()
            .map_err(|cause| Error::internal("http.client", "can't set up the outbound client").caused_by(cause))?;
        Ok(Self { client, policy })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// `http.address` for an address that may not be reached; `http.request` for a malformed request;
    /// `http.failed` when no complete answer came.
    pub async fn send(&self, request: Request<'_>) -> Result<Response> {
        let url = self.checked_url(request.url)?;
        let shown = format!("{} {}", request.method, url.host_str().unwrap_or_default());
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Error::invalid("http.request", format!("`{}` is no HTTP method", request.method)))?;
        let mut builder = self.client.request(method, url).body(request.body);
        for (name, value) in request.headers {
            if RESERVED.contains(&name.to_lowercase().as_str()) {
                return Err(Error::invalid("http.request", format!("the header `{name}` can't be set")));
            }
            let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
            let Some((name, value)) = header else {
                return Err(Error::invalid("http.request", format!("the header `{name}` is malformed")));
            };
            builder = builder.header(name, value);
        }
        let failed = |cause: reqwest::Error| {
            Error::unavailable("http.failed", format!("{shown} failed")).caused_by(cause.without_url())
        };
        let mut response = builder.send().await.map_err(&failed)?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(&failed)? {
            if body.len() + chunk.len() > RESPONSE_MAX {
                return Err(Error::unavailable(
                    "http.failed",
                    format!("{shown} answered with more than {RESPONSE_MAX} bytes"),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body: body.into() })
    }

    /// Reads a URL and checks its address where it is one already; names are checked when they are resolved.
    fn checked_url(&self, text: &str) -> Result<Url> {
        let url =
            Url::parse(text).map_err(|cause| Error::invalid("http.request", format!("a URL is malformed: {cause}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::invalid(
                "http.request",
                format!("`{}` is not allowed, only http and https are", url.scheme()),
            ));
        }
        let host = url.host_str().unwrap_or_default();
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            self.policy.check(address)?;
        }
        Ok(url)
    }
}

/// Resolves names and drops the addresses that may not be reached.
struct Resolver(Arc<Policy>);

impl dns::Resolve for Resolver {
    fn resolve(&self, name: dns::Name) -> dns::Resolving {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut refused = None;
            let mut allowed = Vec::new();
            for address in found {
                match policy.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match (allowed.is_empty(), refused) {
                (true, Some(error)) => Err(error.into()),
                _ => Ok(Box::new(allowed.into_iter()) as dns::Addrs),
            }
        })
    }
}
