//! Which failures are worth another attempt, and when it comes.

use std::time::{Duration, SystemTime};

use http::Method;
use tokio::time::Instant;

use super::{Response, attempt::Failure};
use crate::core::time::Timestamp;

/// Attempts after the first one.
pub(super) const RETRIES_MAX: usize = 3;
/// The shortest wait before the second attempt; it doubles, and a random part is added.
pub(super) const DELAY_MIN: Duration = Duration::from_millis(200);
/// The longest wait.
pub(super) const DELAY_MAX: Duration = Duration::from_secs(2);
/// The longest that a host may ask us to wait; one that wants more is not asked again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3);
/// What must be left of the time for another attempt to make sense.
const ATTEMPT_MIN: Duration = Duration::from_millis(500);

/// Whether another attempt can't do anything twice.
pub(super) fn is_harmless(method: &Method, failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable(_) => true,
        Failure::Broken(_) | Failure::Answered(_) => method.is_idempotent(),
        Failure::Final(_) => false,
    }
}

/// When the next attempt comes, if it does: as late as the host asks, and with time left for it.
pub(super) fn delay(
    failure: &Failure,
    planned: Option<Duration>,
    now: Timestamp,
    deadline: Instant,
) -> Option<Duration> {
    let wanted = match failure {
        Failure::Answered(response) => retry_after(response, now),
        _ => None,
    };
    let delay = planned?.max(wanted.unwrap_or_default());
    let left = deadline.saturating_duration_since(Instant::now());
    (wanted.unwrap_or_default() <= RETRY_AFTER_MAX && delay + ATTEMPT_MIN <= left).then_some(delay)
}

/// The header `Retry-After`: seconds, or a date.
fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let now = Duration::from_secs(u64::try_from(now.unix_seconds()).ok()?);
    Some(at.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::core::{error::Error, time::Clock};

    fn answered(retry_after: &str) -> Failure {
        let headers = vec![("retry-after".to_owned(), retry_after.to_owned())];
        Failure::Answered(Response { status: 503, headers, body: bytes::Bytes::default(), peer: None })
    }

    #[test]
    fn a_host_says_when_it_wants_to_be_asked_again() {
        let now = Clock::manual(DateTime::UNIX_EPOCH).now();
        let planned = Some(Duration::from_secs(1));
        let soon = Instant::now() + Duration::from_secs(8);
        for (given, expected) in [
            ("2", Some(2)),
            ("0", Some(1)),
            ("nonsense", Some(1)),
            ("-1", Some(1)),
            ("Thu, 01 Jan 1970 00:00:03 GMT", Some(3)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(1)),
            ("4", None),
            ("99999999999999999999", Some(1)),
            ("18446744073709551615", None),
            ("Fri, 02 Jan 1970 00:00:00 GMT", None),
        ] {
            assert_eq!(delay(&answered(given), planned, now, soon), expected.map(Duration::from_secs), "{given}");
        }
        assert_eq!(delay(&answered("2"), None, now, soon), None, "no attempt is left");
        assert_eq!(
            delay(&answered("2"), planned, now, Instant::now() + Duration::from_secs(2)),
            None,
            "no time is left"
        );
    }

    #[test]
    fn only_what_is_harmless_is_repeated() {
        let error = || Error::unavailable("http.failed", "x");
        for (method, may) in [
            (Method::GET, true),
            (Method::HEAD, true),
            (Method::PUT, true),
            (Method::DELETE, true),
            (Method::POST, false),
            (Method::PATCH, false),
        ] {
            assert!(is_harmless(&method, &Failure::Unreachable(error())));
            assert_eq!(is_harmless(&method, &Failure::Broken(error())), may, "{method}");
            assert_eq!(is_harmless(&method, &answered("")), may, "{method}");
            assert!(!is_harmless(&method, &Failure::Final(error())));
        }
    }
}
