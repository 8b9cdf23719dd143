//! Which answers lead on, where to, and what comes along.

use http::{HeaderMap, Method, StatusCode, header};
use reqwest::Url;

use super::{Checked, Response, check_url, policy::Policy};
use crate::core::error::{Error, Result};

/// Redirects that one request follows.
const REDIRECTS_MAX: usize = 3;
/// Headers that another host gets too. Any other name may be one that carries a key.
const HARMLESS: [header::HeaderName; 5] =
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE, header::RANGE, header::USER_AGENT];

/// Where an answer leads, if it leads on. Only for GET and HEAD: other methods change something, and whether the new
/// place shall change it too is not ours to say.
pub(super) fn target(request: &Checked, response: &Response) -> Result<Option<Url>> {
    let leads_on = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ]
    .iter()
    .any(|status| status.as_u16() == response.status);
    if !leads_on || !matches!(request.method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let Some(location) = response.header("location") else { return Ok(None) };
    request
        .url
        .join(location)
        .map(Some)
        .map_err(|cause| refused(&request.url, "redirects to something that is no URL").caused_by(cause))
}

/// The request that follows a redirect. `may_leave` says whether another host may be asked at all.
pub(super) fn next(
    policy: &Policy,
    request: Checked,
    target: Url,
    redirects: usize,
    may_leave: bool,
) -> Result<Checked> {
    if redirects > REDIRECTS_MAX {
        return Err(refused(&request.url, &format!("redirects more than {REDIRECTS_MAX} times")));
    }
    if request.url.scheme() == "https" && target.scheme() == "http" {
        return Err(refused(&request.url, "redirects from https to http, which anybody can read"));
    }
    let closed;
    let policy = if request.may_enter {
        policy
    } else {
        closed = policy.closed();
        &closed
    };
    check_url(policy, &target)?;
    let stays = peer(&request.url) == peer(&target);
    if !stays && !may_leave {
        return Err(refused(&request.url, "redirects to another host, which is not shown our certificate"));
    }
    let headers = if stays { request.headers } else { harmless(&request.headers) };
    Ok(Checked { url: target, headers, is_led: request.is_led || !stays, ..request })
}

fn harmless(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| HARMLESS.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What a URL connects to, and how.
pub(super) fn peer(url: &Url) -> String {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    format!("{}://{host}:{port}", url.scheme())
}

fn refused(url: &Url, what: &str) -> Error {
    Error::unavailable("http.redirect", format!("`{}` {what}", url.host_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> Checked {
        let mut headers = HeaderMap::new();
        for name in ["accept", "authorization", "cookie", "x-api-key", "private-token"] {
            headers.insert(name, "v".parse().unwrap());
        }
        let url = url.parse().unwrap();
        Checked { method: Method::GET, url, headers, body: bytes::Bytes::default(), is_led: false, may_enter: true }
    }

    fn led(from: &str, to: &str, may_leave: bool) -> Result<Checked> {
        next(&Policy::new(Vec::new()), request(from), to.parse().unwrap(), 1, may_leave)
    }

    #[test]
    fn secrets_stay_with_their_host() {
        let names = |checked: &Checked| checked.headers.len();
        assert_eq!(names(&led("https://a.example/x", "https://a.example/y", true).unwrap()), 5);
        for other in ["https://b.example/", "https://a.example:8443/", "https://a.example.b.example/"] {
            let next = led("https://a.example/x", other, true).unwrap();
            assert_eq!((names(&next), next.headers.contains_key("accept")), (1, true), "{other}");
            assert_eq!(led("https://a.example/x", other, false).err().unwrap().code(), "http.redirect");
        }
        assert_eq!(names(&led("http://a.example/x", "https://a.example/", true).unwrap()), 1);
        assert!(led("https://a.example/x", "https://a.example/y", false).is_ok());
    }

    #[test]
    fn nothing_leads_out_of_encryption_or_to_refused_places() {
        for (to, code) in [
            ("http://a.example/", "http.redirect"),
            ("https://169.254.169.254/latest", "http.address"),
            ("https://127.0.0.1/", "http.address"),
            ("https://[::1]/", "http.address"),
            ("https://0x7f.1/", "http.address"),
            ("file:///etc/passwd", "http.request"),
        ] {
            assert_eq!(led("https://a.example/", to, true).err().unwrap().code(), code, "{to}");
        }
    }
}
