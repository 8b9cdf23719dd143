//! What every line of the log about a request carries: its identifiers and which kind of caller makes it.
//!
//! The identifiers are given at the door, in `concurrency.rs`, so that lines of every layer have them and so that every
//! answer returns them. Who calls is known only here, behind the layers that recognise somebody.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Span;

use crate::core::{actor::Actor, id::Id};

/// The request's own identifier.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The trace that the request belongs to: W3C Trace Context.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Characters of an identifier that a caller chose.
const REQUEST_ID_MAX: usize = 64;
/// The only version there is; its callers say nothing behind the flags.
const VERSION: &str = "00";
/// Set in the flags of a trace that somebody keeps.
const SAMPLED: u8 = 1;

/// The layer.
pub(super) async fn name_caller(request: Request, next: Next) -> Response {
    if let Some(actor) = request.extensions().get::<Actor>() {
        Span::current().record("actor", actor.kind());
    }
    next.run(request).await
}

/// The identifiers of a request.
pub(super) struct Ids {
    request_id: String,
    trace_id: String,
    span_id: String,
    flags: u8,
}

impl Ids {
    /// Those that the caller gave where they are sound, else new ones. The span is always ours.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let request_id = given(REQUEST_ID).filter(|id| is_sane(id));
        let request_id = request_id.map_or_else(|| Id::generate().to_string(), str::to_owned);
        let (trace_id, flags) = match given(TRACEPARENT).and_then(parent) {
            Some((trace_id, flags)) => (trace_id.to_owned(), flags & SAMPLED),
            None => (Id::generate().uuid().simple().to_string(), SAMPLED),
        };
        // The second half of an identifier is its random part, and never zero.
        let (_, span_id) = Id::generate().uuid().as_u64_pair();
        Self { request_id, trace_id, span_id: format!("{span_id:016x}"), flags }
    }

    /// What the lines of the log about this request stand in.
    pub(super) fn span(&self, path: &str) -> Span {
        let Self { request_id, trace_id, .. } = self;
        tracing::info_span!("request", path, request_id, trace_id, actor = tracing::field::Empty)
    }

    /// Tells the caller.
    pub(super) fn stamp(&self, headers: &mut HeaderMap) {
        let traceparent = format!("{VERSION}-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags);
        for (name, value) in [(REQUEST_ID, self.request_id.as_str()), (TRACEPARENT, &traceparent)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// What a caller may write into our log.
fn is_sane(id: &str) -> bool {
    (1..=REQUEST_ID_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The trace and the flags of `version-trace-span-flags`. Later versions begin alike and may go on.
fn parent(text: &str) -> Option<(&str, u8)> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |part: &str, length| is_hex(part, length) && part.bytes().any(|byte| byte != b'0');
    let is_sound = is_hex(version, 2) && version != "ff" && is_id(trace, 32) && is_id(span, 16) && is_hex(flags, 2);
    let is_whole = version != VERSION || parts.next().is_none();
    (is_sound && is_whole).then_some((trace, u8::from_str_radix(flags, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn stamped(given: &[(HeaderName, &str)]) -> (String, String) {
        let given = given.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let mut headers = HeaderMap::new();
        Ids::of(&given).stamp(&mut headers);
        let text = |name| headers[name].to_str().unwrap().to_owned();
        (text(REQUEST_ID), text(TRACEPARENT))
    }

    #[test]
    fn a_sane_identifier_is_kept_and_another_replaced() {
        let longest = "x".repeat(REQUEST_ID_MAX);
        for id in ["a", "A-1_b.c", &longest] {
            assert_eq!(stamped(&[(REQUEST_ID, id)]).0, id);
        }
        for id in ["", "a b", "a\"b", "a;b", "{}", &"x".repeat(REQUEST_ID_MAX + 1)] {
            let made = stamped(&[(REQUEST_ID, id)]).0;
            assert_ne!(made, id);
            assert!(Id::parse("id", &made).is_ok(), "{made}");
        }
    }

    #[test]
    fn a_sound_trace_goes_on_with_a_span_of_ours() {
        for (given, flags) in [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), "01"),
            (format!("00-{TRACE}-00f067aa0ba902b7-00"), "00"),
            (format!("cc-{TRACE}-00f067aa0ba902b7-03-later"), "01"),
        ] {
            let made = stamped(&[(TRACEPARENT, &given)]).1;
            assert!(made.starts_with(&format!("00-{TRACE}-")) && made.ends_with(flags), "{given}: {made}");
            assert!(!made.contains("00f067aa0ba902b7") && parent(&made).is_some(), "{made}");
        }
    }

    #[test]
    fn an_unsound_trace_is_replaced() {
        for given in [
            "",
            "00",
            &format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            &format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            &format!("00-{TRACE}-0000000000000000-01"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            &format!("00-{TRACE}-00f067aa0ba902b7-1"),
        ] {
            let made = stamped(&[(TRACEPARENT, given)]).1;
            assert!(!made.contains(TRACE), "{given}: {made}");
            assert!(parent(&made).is_some_and(|(_, flags)| flags == SAMPLED), "{made}");
        }
    }
}
