//! Redis, which is optional: a cache of who is logged in, limits that all servers share, locks. A tool, which knows none
//! of the slices.
//!
//! Everything here may be away at any moment. Each method says so with `None`, and its caller then does what it does
//! without Redis: reads the database, counts by itself, takes a lock of the database. Nothing that must be right rests on
//! it; money rests on the database alone.
//!
//! - `link.rs`: connections, time-outs, and the cool-down after a failure, in which nobody asks.
//! - `cache.rs`: what is remembered for a moment, and how it is revoked.
//! - `limit.rs`: counting tries. `lock.rs`: who has taken something; `core::lock` falls back to the database.
//!
//! Every key begins with `[redis].prefix`. Tokens and addresses are in no key: their place is taken by a hash under a key
//! of the installation's. One Redis server is expected, 6.2 or later (also behind a failover address), no Redis Cluster.

mod cache;
mod limit;
mod link;
mod lock;

use std::{sync::Arc, time::Duration};

use ::redis::{Client, ConnectionAddr};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use self::link::Link;
pub use self::{
    cache::{Moment, REVOKED_WITHIN, Recalled},
    lock::RedisLock,
};
use crate::core::{
    error::{Error, Result},
    secret::Secret,
    settings,
};

/// How long a connection may take to be made, its login included.
pub const CONNECT: Duration = Duration::from_millis(200);
/// How long a command may take.
pub const COMMAND: Duration = Duration::from_millis(100);
/// How long nobody asks after a failure; then one probe does, again and again until one succeeds.
pub const COOL_DOWN: Duration = Duration::from_secs(1);
/// What the key is derived for, so that it serves nothing else.
const KEY_PURPOSE: &[u8] = b"rustbill redis 1";

/// How long Redis may take. A request is never held up for longer than `connect` and `command` together, and by one
/// failure only.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For a command.
    pub command: Duration,
    /// Between a failure and the next probe.
    pub cool_down: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: CONNECT, command: COMMAND, cool_down: COOL_DOWN }
    }
}

/// A Redis server that may be away. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    link: Arc<Link>,
    prefix: Arc<str>,
    /// Of what is stored and of the names it is stored under.
    key: Arc<[u8]>,
}

impl Redis {
    /// The configured server, which nobody asks before the first use; none while `[redis].enabled` is false.
    ///
    /// # Errors
    /// `config.redis_url` for an address that can't be one; the message never shows a password.
    pub fn open(settings: &settings::Redis, secret: &Secret) -> Result<Option<Self>> {
        if !settings.enabled {
            return Ok(None);
        }
        Self::open_with(settings, secret, Patience::default()).map(Some)
    }

    /// As [`Redis::open`] with other time-outs, enabled or not.
    ///
    /// # Errors
    /// As [`Redis::open`].
    pub fn open_with(settings: &settings::Redis, secret: &Secret, patience: Patience) -> Result<Self> {
        let client = client(settings.url.reveal())?;
        let places = usize::try_from(settings.max_connections).unwrap_or(usize::MAX);
        Ok(Self {
            link: Arc::new(Link::new(client, places, settings.prefix.as_str(), patience)),
            prefix: settings.prefix.as_str().into(),
            key: mac(secret.reveal().as_bytes(), &[KEY_PURPOSE]).into(),
        })
    }

    /// Asks the server whether it can be used, and tells the log.
    pub async fn greet(&self) {
        self.link.greet().await;
    }

    /// Where the server is, without its password.
    #[must_use]
    pub fn location(&self) -> &str {
        self.link.location()
    }

    /// `prefix:kind:name`
    fn named(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.prefix)
    }

    /// A name for something that must not be read from a key. The kind is part of it.
    fn hidden(&self, kind: &str, name: &str) -> String {
        hex::encode(mac(&self.key, &[kind.as_bytes(), name.as_bytes()]))
    }
}

/// Checks an address without going there.
///
/// # Errors
/// As [`Redis::open`].
pub fn check_url(url: &str) -> Result<()> {
    client(url).map(drop)
}

fn client(url: &str) -> Result<Client> {
    let refused = || {
        let expected = "expected `redis://user:password@host:6379/0`, or `rediss://…` with TLS";
        Error::invalid("config.redis_url", format!("`redis.url` is no Redis URL, {expected}"))
            .hint("characters such as `@`, `/` and `#` in a password must be percent-encoded")
    };
    let known = ["redis://", "rediss://", "redis+unix://", "unix://"];
    if !known.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(refused());
    }
    // The cause could quote the URL.
    let client = Client::open(url).map_err(|_| refused())?;
    let address = client.get_connection_info().addr();
    // A certificate that nobody checks protects from nobody.
    let is_unchecked = matches!(address, ConnectionAddr::TcpTls { insecure: true, .. });
    if address.is_supported() && !is_unchecked { Ok(client) } else { Err(refused()) }
}

/// HMAC-SHA-256 over parts, each with its length in front, so that none can reach into the next.
fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    hasher(key, parts).map(|hasher| hasher.finalize().into_bytes().to_vec()).unwrap_or_default()
}

/// HMAC takes keys of any length, so there always is one.
fn hasher(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut hasher = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        hasher.update(&part.len().to_be_bytes());
        hasher.update(part);
    }
    Some(hasher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for url in [
            "",
            "localhost:6379",
            "http://:hunter2@host",
            "redis://user:hunter2@host:port",
            "redis://:hunter2@host/database",
            "rediss://:hunter2@host/#insecure",
        ] {
            let error = check_url(url).unwrap_err();
            assert_eq!(error.code(), "config.redis_url");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        for url in ["redis://127.0.0.1:6379", "rediss://user:pass@host/3", "unix:///run/redis.sock"] {
            assert!(check_url(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn it_is_named_without_its_password() {
        let settings =
            settings::Redis { url: Secret::new("redis://shop:hunter2@redis.example:6380/2"), ..Default::default() };
        let redis = Redis::open_with(&settings, &Secret::new("s"), Patience::default()).unwrap();
        assert_eq!(redis.location(), "redis.example:6380/2");
    }

    #[test]
    fn without_the_switch_there_is_none() {
        let settings = settings::Redis { url: Secret::new("nonsense"), ..Default::default() };
        assert!(Redis::open(&settings, &Secret::new("s")).unwrap().is_none());
    }

    #[test]
    fn names_depend_on_kind_text_and_key() {
        let redis = |secret: &str| {
            Redis::open_with(&settings::Redis::default(), &Secret::new(secret), Patience::default()).unwrap()
        };
        let one = redis("one");
        assert_eq!(one.hidden("a", "bc"), one.hidden("a", "bc"));
        assert_ne!(one.hidden("a", "bc"), one.hidden("ab", "c"));
        assert_ne!(one.hidden("a", "bc"), redis("two").hidden("a", "bc"));
    }
}
