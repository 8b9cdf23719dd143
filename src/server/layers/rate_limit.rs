//! How often one client may try: logins and registrations a second, by address.
//!
//! With Redis all servers count together, exactly, in windows of a second from the first try on. Without, or while Redis
//! is away, each server counts by itself. The change from one to the other gives everybody a fresh allowance.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};
use tower_http::cors::CorsLayer;

use super::{client, cors};
use crate::{
    core::{actor::Actor, app::App, error::Error, redis::Redis, settings},
    server::status::ClientKind,
};

/// Addresses that are remembered at once for each kind of request: about 1 MB. Those beyond share one allowance.
const ADDRESSES_MAX: usize = 10_000;
/// Stands for all addresses beyond [`ADDRESSES_MAX`], and for connections that have none.
const EVERYBODY_ELSE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// Bits of an IPv6 address that one customer of a provider does not choose.
const IPV6_NETWORK: u128 = u128::MAX << 64;
/// What the limits are per.
const WINDOW: Duration = Duration::from_secs(1);
const IDENTITY: &str = "/rustbill.identity.IdentityService/";

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limited {
    /// Tries to guess a password, a token or a code.
    Login,
    /// What makes accounts and sends mail.
    Register,
}

impl Limited {
    /// Its name in Redis.
    const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Register => "register",
        }
    }

    fn of(request: &Request) -> Option<Self> {
        // A preflight asks for nothing yet, and goes no further than `cors.rs`. Services look at no method, so every
        // other one counts.
        if request.method() == Method::OPTIONS {
            return None;
        }
        match request.uri().path().strip_prefix(IDENTITY)? {
            "Login" | "RefreshToken" | "ResetPassword" | "ChangePassword" => Some(Self::Login),
            "Register" | "SendVerificationCode" => Some(Self::Register),
            _ => None,
        }
    }
}

/// The state of the layer.
#[derive(Clone)]
pub(super) struct RateLimit {
    trusted: Arc<[ipnet::IpNet]>,
    counts: Option<Arc<Counts>>,
    redis: Option<Redis>,
    limits: settings::RateLimit,
    cors: CorsLayer,
}

impl RateLimit {
    /// `cors` lets pages read a refusal as they read any other answer.
    pub(super) fn new(app: &App, cors: CorsLayer) -> Self {
        let limits = app.settings.rate_limit.clone();
        let counts = limits.enabled.then(|| Arc::new(Counts::new(&limits, MonotonicClock)));
        let trusted = app.settings.server.trusted_proxies.clone().into();
        Self { trusted, counts, redis: app.redis.clone(), limits, cors }
    }

    /// Counts one try, or says how long to wait until the next.
    async fn check(&self, what: Limited, address: IpAddr) -> Result<(), Duration> {
        let Some(counts) = &self.counts else { return Ok(()) };
        if let Some(redis) = &self.redis {
            let limit = match what {
                Limited::Login => self.limits.login_per_sec,
                Limited::Register => self.limits.register_per_sec,
            };
            let who = network(address).to_string();
            if let Some(verdict) = redis.count(what.name(), &who, limit, WINDOW).await {
                return verdict;
            }
        }
        counts.check(what, address)
    }
}

/// The layer. It also leaves the anonymous actor that the layers behind it may replace: the one with the address.
pub(super) async fn limit(State(limit): State<RateLimit>, mut request: Request, next: Next) -> Response {
    let address = client::address(&request, &limit.trusted);
    if let Some(what) = Limited::of(&request)
        && let Err(wait) = limit.check(what, address.unwrap_or(EVERYBODY_ELSE)).await
    {
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        let message = format!("too many tries from this address, wait {seconds} s");
        let mut refusal =
            ClientKind::of(request.headers()).refuse(Error::too_many("rate_limit.exceeded", message).into());
        if let Ok(seconds) = HeaderValue::try_from(seconds.to_string()) {
            refusal.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        return cors::readable(&limit.cors, request, refusal).await;
    }
    let source = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
    request.extensions_mut().insert(Actor::anonymous(source));
    next.run(request).await
}

type Limiter<C> = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Who tried how often: in this process, in bounded memory.
struct Counts<C: Clock = MonotonicClock> {
    clock: C,
    login: Limiter<C>,
    register: Limiter<C>,
}

impl<C: Clock + Clone> Counts<C> {
    fn new(limits: &settings::RateLimit, clock: C) -> Self {
        let limiter = |per_second| {
            let quota = Quota::per_second(NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN));
            RateLimiter::new(quota, HashMapStateStore::default(), clock.clone())
        };
        Self { login: limiter(limits.login_per_sec), register: limiter(limits.register_per_sec), clock }
    }

    /// Counts one try, or says how long to wait until the next.
    fn check(&self, what: Limited, address: IpAddr) -> Result<(), Duration> {
        let limiter = match what {
            Limited::Login => &self.login,
            Limited::Register => &self.register,
        };
        if limiter.len() >= ADDRESSES_MAX {
            // Most have their whole allowance back within a second and need no place.
            limiter.retain_recent();
        }
        let key = if limiter.len() < ADDRESSES_MAX { network(address) } else { EVERYBODY_ELSE };
        limiter.check_key(&key).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// One subscriber has a whole IPv6 network to take addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK).into(),
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn counts() -> (Counts<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Counts::new(&settings::RateLimit::default(), clock.clone()), clock)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_sixth_login_in_a_second_waits_and_others_get_in() {
        let (counts, clock) = counts();
        let (one, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        for _ in 0..5 {
            assert!(counts.check(Limited::Login, one).is_ok());
        }
        let wait = counts.check(Limited::Login, one).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(200), "{wait:?}");
        assert!(counts.check(Limited::Login, other).is_ok());
        assert!(counts.check(Limited::Register, one).is_ok());
        assert!(counts.check(Limited::Register, one).is_err());
        clock.advance(wait);
        assert!(counts.check(Limited::Login, one).is_ok());
        assert!(counts.check(Limited::Login, one).is_err());
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let (counts, _) = counts();
        assert!(counts.check(Limited::Register, ip("2001:db8:0:1::1")).is_ok());
        assert!(counts.check(Limited::Register, ip("2001:db8:0:1:ffff::2")).is_err());
        assert!(counts.check(Limited::Register, ip("2001:db8:0:2::1")).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_comes_back() {
        let (counts, clock) = counts();
        let address = |n: usize| IpAddr::from(std::net::Ipv4Addr::from_bits(u32::try_from(n).unwrap()));
        for n in 0..ADDRESSES_MAX {
            assert!(counts.check(Limited::Register, address(n)).is_ok());
        }
        // The next ones share what is left for everybody else.
        assert!(counts.check(Limited::Register, address(ADDRESSES_MAX)).is_ok());
        assert!(counts.check(Limited::Register, address(ADDRESSES_MAX + 1)).is_err());
        assert!(counts.register.len() <= ADDRESSES_MAX + 1);
        clock.advance(Duration::from_secs(2));
        assert!(counts.check(Limited::Register, address(ADDRESSES_MAX + 1)).is_ok());
        assert_eq!(counts.register.len(), 1);
    }

    #[test]
    fn only_calls_that_guess_or_register_are_counted() {
        let of = |method: Method, path: &str| {
            Limited::of(&Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap())
        };
        for rpc in ["Login", "RefreshToken", "ResetPassword", "ChangePassword"] {
            for method in [Method::POST, Method::PUT, Method::GET] {
                assert_eq!(of(method, &format!("{IDENTITY}{rpc}")), Some(Limited::Login));
            }
        }
        for rpc in ["Register", "SendVerificationCode"] {
            assert_eq!(of(Method::POST, &format!("{IDENTITY}{rpc}")), Some(Limited::Register));
        }
        assert_eq!(of(Method::POST, &format!("{IDENTITY}GetMe")), None);
        assert_eq!(of(Method::OPTIONS, &format!("{IDENTITY}Login")), None);
        assert_eq!(of(Method::POST, "/rustbill.order.OrderService/Login"), None);
    }
}
