//! Administrators: the session cookie, or the same token as a bearer token.
//!
//! Browsers send the cookie with every request to this server, whichever page makes it. A cookie that comes with the
//! `Origin` of a page that is neither ours nor in `[server].allowed_origins` therefore counts as absent.

use axum::{
    extract::{Request, State},
    http::{Uri, header, uri::Authority},
    middleware::Next,
    response::Response,
};

use crate::{
    core::{app::App, identity::Credential, settings::Settings},
    server::auth,
};

/// The layer.
pub(super) async fn recognise(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::COOKIE) && is_foreign(&request, &app.settings) {
        let origin = request.headers().get(header::ORIGIN);
        tracing::warn!(?origin, "a cookie from a page of another origin is ignored");
        request.headers_mut().remove(header::COOKIE);
    }
    auth::recognise(&app, request, next, |credential| matches!(credential, Credential::Session(_))).await
}

/// Whether a page that nobody listed makes this request. Other programs send no origin.
fn is_foreign(request: &Request, settings: &Settings) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return false };
    let Ok(origin) = origin.to_str() else { return true };
    let is_listed = settings.server.allowed_origins.iter().any(|allowed| allowed == origin);
    !is_listed && !is_own(origin, request, settings.session.cookie_secure)
}

/// Whether the page came from the host that it calls. The scheme that the browser used is known only when
/// `cookie_secure` says that it is HTTPS: a proxy may have ended TLS.
fn is_own(origin: &str, request: &Request, is_https: bool) -> bool {
    // `null` and the like have no scheme.
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let (Some(scheme), Some(from)) = (origin.scheme_str(), origin.authority()) else { return false };
    let default_port = match scheme {
        "https" => 443,
        "http" if !is_https => 80,
        _ => return false,
    };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    // HTTP/2 has the host in the address.
    let Some(to) = host.as_ref().or_else(|| request.uri().authority()) else { return false };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    from.host().eq_ignore_ascii_case(to.host()) && port(from) == port(to)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn foreign(origin: Option<&str>, host: Option<&str>, uri: &str, is_https: bool) -> bool {
        let mut settings = Settings::default();
        settings.server.allowed_origins = vec!["https://shop.example".to_owned()];
        settings.session.cookie_secure = is_https;
        let mut request = Request::builder().uri(uri);
        for (name, value) in [(header::ORIGIN, origin), (header::HOST, host)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        is_foreign(&request.body(Body::empty()).unwrap(), &settings)
    }

    #[test]
    fn own_and_listed_pages_and_programs_are_not_foreign() {
        for (origin, host, uri, is_https) in [
            (None, Some("bill.example"), "/x", true),
            (Some("https://shop.example"), Some("bill.example"), "/x", true),
            (Some("https://bill.example"), Some("bill.example"), "/x", true),
            (Some("https://bill.example"), Some("BILL.example:443"), "/x", true),
            (Some("http://bill.example"), Some("bill.example:80"), "/x", false),
            (Some("http://127.0.0.1:50051"), Some("127.0.0.1:50051"), "/x", false),
            (Some("http://[::1]:50051"), Some("[::1]:50051"), "/x", false),
            (Some("https://bill.example"), None, "https://bill.example/x", true),
        ] {
            assert!(!foreign(origin, host, uri, is_https), "{origin:?} {host:?}");
        }
    }

    #[test]
    fn all_other_pages_are() {
        for (origin, host, uri, is_https) in [
            (Some("https://evil.example"), Some("bill.example"), "/x", true),
            (Some("https://bill.example.evil.example"), Some("bill.example"), "/x", true),
            (Some("https://bill.example:8443"), Some("bill.example"), "/x", true),
            (Some("http://shop.example"), Some("bill.example"), "/x", false),
            // Somebody on the way can serve this page, but not the one over HTTPS.
            (Some("http://bill.example"), Some("bill.example"), "/x", true),
            (Some("null"), Some("null"), "/x", false),
            (Some(""), Some(""), "/x", false),
            (Some("https://bill.example"), None, "/x", true),
        ] {
            assert!(foreign(origin, host, uri, is_https), "{origin:?} {host:?}");
        }
    }
}
