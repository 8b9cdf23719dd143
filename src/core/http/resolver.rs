//! Names become addresses that may be reached.

use std::{net::SocketAddr, sync::Arc};

use reqwest::dns;
use tokio::time::timeout;

use super::{CONNECT_TIMEOUT, policy::Policy};
use crate::core::error::{Error, Result};

/// Resolves names and drops the addresses that may not be reached.
#[derive(Clone)]
pub(super) struct Resolver(Arc<Policy>);

impl Resolver {
    pub(super) const fn new(policy: Arc<Policy>) -> Self {
        Self(policy)
    }

    /// The addresses of a name or of an address that may be reached.
    ///
    /// # Errors
    /// `http.address` when there are some and none may be; `http.failed` when there are none.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let failed = || Error::unavailable("http.failed", format!("the name `{host}` can't be resolved"));
        let found = timeout(CONNECT_TIMEOUT, tokio::net::lookup_host((host, port)))
            .await
            .map_err(|late| failed().caused_by(late))?
            .map_err(|cause| failed().caused_by(cause))?;
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.0.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if allowed.is_empty() => Err(error),
            _ => Ok(allowed),
        }
    }
}

impl dns::Resolve for Resolver {
    fn resolve(&self, name: dns::Name) -> dns::Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let allowed = Self::resolve(&resolver, name.as_str(), 0).await?;
            Ok(Box::new(allowed.into_iter()) as dns::Addrs)
        })
    }
}
