//! Values that parse, but that no server should run with.

use super::{Redis, Server, Settings, explain::CODE};
use crate::core::{
    error::{Error, Result},
    redis,
};

/// Characters of a JWT secret.
const SECRET_MIN: usize = 32;
/// The secret that examples show.
const SECRET_PLACEHOLDER: &str = "change-me-in-production";
/// Paths that are not the administration's; the empty one is `/`.
const TAKEN_PATHS: [&str; 4] = ["", "/health", "/ready", "/callback"];
/// How to make a better one.
const SECRET_ADVICE: &str = "make one with `openssl rand -base64 48`";

impl Settings {
    /// What is set and has no effect in this version, said aloud so that nobody relies on it.
    pub(super) fn unused(&self) -> Vec<String> {
        let set = [(self.telemetry.enabled, "[telemetry]")];
        let set = set.into_iter().filter(|(is_set, _)| *is_set);
        set.map(|(_, key)| format!("{key} is set and has no effect in this version")).collect()
    }

    /// What `serve` refuses; one error lists everything at once.
    ///
    /// # Errors
    /// `config.invalid`
    pub fn validate(&self) -> Result<()> {
        let problems = self.problems();
        match problems.as_slice() {
            [] => Ok(()),
            [one] => Err(Error::invalid(CODE, one.clone())),
            several => Err(Error::invalid(
                CODE,
                format!("the configuration has {} faults:\n- {}", several.len(), several.join("\n- ")),
            )),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |is_right: bool, problem: String| {
            if !is_right {
                problems.push(problem);
            }
        };
        let secret = self.jwt.secret.reveal();
        match secret {
            "" => check(false, format!("`jwt.secret` is missing; {SECRET_ADVICE}")),
            SECRET_PLACEHOLDER => check(false, format!("`jwt.secret` is the one of the examples; {SECRET_ADVICE}")),
            secret => {
                let length = secret.chars().count();
                check(
                    length >= SECRET_MIN,
                    format!("`jwt.secret` has {length} characters, expected at least {SECRET_MIN}; {SECRET_ADVICE}"),
                );
            }
        }
        let session = &self.session;
        let same_site = session.cookie_same_site.as_str();
        check(
            matches!(same_site, "Strict" | "Lax" | "None"),
            format!("`session.cookie_same_site` is `{same_site}`, expected `Strict`, `Lax` or `None`"),
        );
        check(
            same_site != "None" || session.cookie_secure,
            "`session.cookie_same_site` is `None`, which browsers accept only with `session.cookie_secure = true`"
                .to_owned(),
        );
        check(
            is_token(&session.cookie_name),
            format!("`session.cookie_name` is `{}`, expected letters, digits and `-_.`", session.cookie_name),
        );
        for problem in self.server.problems().into_iter().chain(self.redis.problems()) {
            check(false, problem);
        }
        check(
            !self.server.host.trim().is_empty(),
            "`server.host` is empty, expected an address such as `127.0.0.1`".to_owned(),
        );
        let currency = &self.billing.currency;
        check(
            currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase()),
            format!("`billing.currency` is `{currency}`, expected three capital letters such as `EUR`"),
        );
        let bootstrap = &self.bootstrap.admin_username;
        check(!bootstrap.trim().is_empty(), "`bootstrap.admin_username` is empty".to_owned());
        for (key, value) in [
            ("rate_limit.login_per_sec", u64::from(self.rate_limit.login_per_sec)),
            ("rate_limit.register_per_sec", u64::from(self.rate_limit.register_per_sec)),
            ("server.max_concurrency", u64::try_from(self.server.max_concurrency).unwrap_or(u64::MAX)),
            ("db.max_connections", u64::from(self.db.max_connections)),
            ("db.acquire_timeout_secs", self.db.acquire_timeout_secs),
            ("jwt.expiry_hours", u64::from(self.jwt.expiry_hours)),
            ("session.idle_timeout_minutes", u64::from(session.idle_timeout_minutes)),
            ("session.absolute_timeout_hours", u64::from(session.absolute_timeout_hours)),
        ] {
            check(value >= 1, format!("`{key}` is 0, expected at least 1"));
        }
        problems
    }
}

impl Redis {
    /// Nothing while it is not used: then its keys may say anything.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.enabled {
            return problems;
        }
        problems.extend(redis::check_url(self.url.reveal()).err().map(|error| error.public_message()));
        if self.max_connections == 0 {
            problems.push("`redis.max_connections` is 0, expected at least 1".to_owned());
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if self.prefix.is_empty() || !self.prefix.bytes().all(is_name) {
            problems.push(format!("`redis.prefix` is `{}`, expected letters, digits and `-_.:`", self.prefix));
        }
        problems
    }
}

impl Server {
    /// What concerns the web.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let path = &self.admin_path;
        let is_path =
            path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
        if !is_path {
            problems.push(format!("`server.admin_path` is `{path}`, expected a path such as `/admin`"));
        } else if TAKEN_PATHS.contains(&path.trim_end_matches('/')) {
            problems.push(format!("`server.admin_path` is `{path}`, which has another use; take one such as `/admin`"));
        }
        problems.extend(external_problem(&self.external_url));
        problems.extend(self.allowed_origins.iter().filter_map(|origin| origin_problem(origin)));
        problems.extend(self.trusted_proxies.iter().filter(|network| network.prefix_len() == 0).map(|network| {
            format!(
                "`server.trusted_proxies` has `{network}`, which lets everybody choose the address that counts; \
                 list the proxies' own"
            )
        }));
        problems
    }
}

/// What is wrong with our own address. It may have a path, for servers behind one.
fn external_problem(address: &str) -> Option<String> {
    let is_right = |url: &reqwest::Url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
    };
    if address.is_empty() || reqwest::Url::parse(address).is_ok_and(|url| is_right(&url)) {
        return None;
    }
    Some(format!("`server.external_url` is `{address}`, expected an address such as `https://billing.example`"))
}

/// What is wrong with an origin: browsers send scheme, host and port, in one spelling only.
fn origin_problem(origin: &str) -> Option<String> {
    if origin == "*" {
        return Some(
            "`server.allowed_origins` has `*`, which would let every page act as whoever is logged in; list the \
             origins, such as `https://shop.example`"
                .to_owned(),
        );
    }
    let url = reqwest::Url::parse(origin).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    match url.map(|url| url.origin().ascii_serialization()) {
        Some(expected) if expected == origin => None,
        Some(expected) => Some(format!("`server.allowed_origins` has `{origin}`, expected `{expected}`")),
        None => {
            Some(format!("`server.allowed_origins` has `{origin}`, expected an origin such as `https://shop.example`"))
        }
    }
}

/// Whether a cookie may have this name: a token of RFC 9110.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::secret::Secret;

    fn good() -> Settings {
        let mut settings = Settings::default();
        settings.jwt.secret = Secret::new("x".repeat(SECRET_MIN));
        settings
    }

    #[test]
    fn the_defaults_lack_only_a_secret() {
        assert!(good().validate().is_ok());
        assert_eq!(
            Settings::default().problems(),
            ["`jwt.secret` is missing; make one with `openssl rand -base64 48`"]
        );
    }

    #[test]
    fn each_refusal_names_its_key() {
        type Spoil = fn(&mut Settings);
        let cases: [(&str, Spoil); 28] = [
            ("jwt.secret", |s| s.jwt.secret = Secret::new("short")),
            ("jwt.secret", |s| s.jwt.secret = Secret::new(SECRET_PLACEHOLDER)),
            ("session.cookie_same_site", |s| s.session.cookie_same_site = "lax".to_owned()),
            ("session.cookie_same_site", |s| s.session.cookie_same_site = "None".to_owned()),
            ("session.cookie_name", |s| s.session.cookie_name = "a b".to_owned()),
            ("session.cookie_name", |s| s.session.cookie_name = String::new()),
            ("server.admin_path", |s| s.server.admin_path = "admin".to_owned()),
            ("server.admin_path", |s| s.server.admin_path = "/".to_owned()),
            ("server.admin_path", |s| s.server.admin_path = "/health".to_owned()),
            ("server.allowed_origins", |s| s.server.allowed_origins = vec!["*".to_owned()]),
            ("server.allowed_origins", |s| s.server.allowed_origins = vec!["shop.example".to_owned()]),
            ("server.allowed_origins", |s| s.server.allowed_origins = vec!["ftp://shop.example".to_owned()]),
            ("server.trusted_proxies", |s| s.server.trusted_proxies = vec!["0.0.0.0/0".parse().unwrap()]),
            ("server.external_url", |s| s.server.external_url = "billing.example".to_owned()),
            ("server.external_url", |s| s.server.external_url = "https://billing.example/?a=b".to_owned()),
            ("rate_limit.login_per_sec", |s| s.rate_limit.login_per_sec = 0),
            ("rate_limit.register_per_sec", |s| s.rate_limit.register_per_sec = 0),
            ("server.host", |s| s.server.host = String::new()),
            ("billing.currency", |s| s.billing.currency = "eur".to_owned()),
            ("server.max_concurrency", |s| s.server.max_concurrency = 0),
            ("db.max_connections", |s| s.db.max_connections = 0),
            ("jwt.expiry_hours", |s| s.jwt.expiry_hours = 0),
            ("session.idle_timeout_minutes", |s| s.session.idle_timeout_minutes = 0),
            ("bootstrap.admin_username", |s| s.bootstrap.admin_username = " ".to_owned()),
            ("redis.url", |s| s.redis.url = Secret::new("http://:hunter2@localhost")),
            ("redis.max_connections", |s| s.redis.max_connections = 0),
            ("redis.prefix", |s| s.redis.prefix = String::new()),
            ("redis.prefix", |s| s.redis.prefix = "a b".to_owned()),
        ];
        for (key, spoil) in cases {
            let mut settings = good();
            settings.redis.enabled = true;
            spoil(&mut settings);
            let problems = settings.problems();
            assert!(problems.len() == 1 && problems[0].starts_with(&format!("`{key}`")), "{key}: {problems:?}");
        }
    }

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for origin in ["https://shop.example", "http://localhost:5173", "https://[2001:db8::1]:8443"] {
            assert_eq!(origin_problem(origin), None);
        }
        for (origin, expected) in [
            ("https://shop.example/", "https://shop.example"),
            ("https://shop.example/path", "https://shop.example"),
            ("https://Shop.example:443", "https://shop.example"),
        ] {
            let problem = origin_problem(origin).unwrap();
            assert!(problem.ends_with(&format!("expected `{expected}`")), "{problem}");
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let mut settings = Settings::default();
        settings.server.admin_path = "admin".to_owned();
        settings.billing.currency = "euro".to_owned();
        let message = settings.validate().unwrap_err().public_message();
        for part in ["3 faults", "jwt.secret", "server.admin_path", "billing.currency"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
