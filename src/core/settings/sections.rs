//! The sections of `config.toml`, each key with its default. Unknown keys are refused.

use std::path::PathBuf;

use serde::Deserialize;

use crate::core::secret::Secret;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `[db]`
    pub db: Db,
    /// `[jwt]`
    pub jwt: Jwt,
    /// `[session]`
    pub session: Session,
    /// `[bootstrap]`
    pub bootstrap: Bootstrap,
    /// `[rate_limit]`
    pub rate_limit: RateLimit,
    /// `[redis]`
    pub redis: Redis,
    /// `[plugins]`
    pub plugins: Plugins,
    /// `[billing]`
    pub billing: Billing,
    /// `[telemetry]`
    pub telemetry: Telemetry,
}

/// Where the server listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address; behind a proxy on the same machine, loopback.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Requests that are worked on at once; further ones wait in line.
    pub max_concurrency: usize,
    /// Where the operator's own notifications go.
    pub notify_email: String,
    /// The path of the administration.
    pub admin_path: String,
    /// Origins of other pages that may call, such as `https://shop.example`.
    pub allowed_origins: Vec<String>,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Where payment gateways reach this server, such as `https://billing.example`; empty: nobody told.
    pub external_url: String,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 50051,
            max_concurrency: 30,
            notify_email: String::new(),
            admin_path: "/admin".to_owned(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            external_url: String::new(),
        }
    }
}

/// The database.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Db {
    /// `sqlite://PATH` or `postgres://…`; empty: a file in the data directory.
    pub url: Secret,
    /// Most connections (PostgreSQL).
    pub max_connections: u32,
    /// Connections that are kept open.
    pub min_connections: u32,
    /// Seconds that an unused connection lives.
    pub idle_timeout_secs: u64,
    /// Seconds that any connection lives.
    pub max_lifetime_secs: u64,
    /// Seconds that a query waits for a connection.
    pub acquire_timeout_secs: u64,
    /// Whether each connection is tried before it is used.
    pub test_before_acquire: bool,
}

impl Default for Db {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            max_connections: 20,
            min_connections: 2,
            idle_timeout_secs: 300,
            max_lifetime_secs: 1800,
            acquire_timeout_secs: 5,
            test_before_acquire: true,
        }
    }
}

/// The customers' tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jwt {
    /// At least 32 characters, the same on every server of an installation.
    pub secret: Secret,
    /// Hours that an access token is good for.
    pub expiry_hours: u32,
}

impl Default for Jwt {
    fn default() -> Self {
        Self { secret: Secret::default(), expiry_hours: 24 }
    }
}

/// The administrators' sessions.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// The cookie's name.
    pub cookie_name: String,
    /// Minutes without a request after which a session ends.
    pub idle_timeout_minutes: u32,
    /// Hours after which it ends in any case.
    pub absolute_timeout_hours: u32,
    /// Whether browsers send the cookie over HTTPS only.
    pub cookie_secure: bool,
    /// `Strict`, `Lax` or `None`.
    pub cookie_same_site: String,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            cookie_name: "rustbill_session".to_owned(),
            idle_timeout_minutes: 1440,
            absolute_timeout_hours: 168,
            cookie_secure: false,
            cookie_same_site: "Lax".to_owned(),
        }
    }
}

/// The first administrator, made while there is none.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {
    /// The name.
    pub admin_username: String,
    /// The password.
    pub admin_password: Secret,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { admin_username: "admin".to_owned(), admin_password: Secret::default() }
    }
}

/// Limits per client address.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Whether there are any.
    pub enabled: bool,
    /// Logins a second.
    pub login_per_sec: u32,
    /// Registrations a second.
    pub register_per_sec: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { enabled: true, login_per_sec: 5, register_per_sec: 1 }
    }
}

/// Redis, for several servers.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// Whether it is used.
    pub enabled: bool,
    /// `redis://…`
    pub url: Secret,
    /// Most connections.
    pub max_connections: u32,
    /// What every key starts with.
    pub prefix: String,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            enabled: false,
            url: Secret::new("redis://127.0.0.1:6379"),
            max_connections: 10,
            prefix: "rustbill".to_owned(),
        }
    }
}

/// Plugins.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plugins {
    /// Where scripts of the operator's own are found, besides those in the program.
    pub plugins_dir: PathBuf,
    /// Networks that plugins may reach although they are loopback, link-local or private.
    pub allow_private: Vec<ipnet::IpNet>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self { plugins_dir: PathBuf::from("./plugins"), allow_private: Vec::new() }
    }
}

/// Money.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Billing {
    /// The one currency of balances, orders and reports, an ISO 4217 code.
    pub currency: String,
}

impl Default for Billing {
    fn default() -> Self {
        Self { currency: "CNY".to_owned() }
    }
}

/// Traces and metrics.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Whether they are exported.
    pub enabled: bool,
    /// The collector.
    pub otlp_endpoint: String,
    /// The name of this service there.
    pub service_name: String,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { enabled: false, otlp_endpoint: "http://localhost:4317".to_owned(), service_name: "rustbill".to_owned() }
    }
}
