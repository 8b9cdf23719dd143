//! Who calls: a session cookie or a bearer token to an [`Actor`] in the request's extensions.
//!
//! Nobody is turned away here. A request without a credential, or with a bad one, is anonymous, and the operation that
//! it calls decides by [`Actor::require`].

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use tonic::Status;

use crate::core::{
    actor::Actor,
    app::App,
    error::{Error, Kind},
    identity::{self, Credential},
};

/// Who calls, for services.
pub fn actor<T>(request: &tonic::Request<T>) -> Actor {
    request.extensions().get::<Actor>().cloned().unwrap_or_else(|| Actor::anonymous("unknown"))
}

/// The layer.
pub(super) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let source = source(&request);
    let found = match credential(request.headers(), &app.settings.session.cookie_name) {
        None => Ok(Actor::anonymous(source)),
        Some(credential) => match identity::authenticate(&app, credential, &source).await {
            Err(error) if !matches!(error.kind(), Kind::Internal | Kind::Unavailable) => {
                tracing::warn!(source, code = error.code(), "a credential was refused: {error}");
                Ok(Actor::anonymous(source))
            }
            result => result,
        },
    };
    match found {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        // Taking the caller for a stranger because the database is away would log everybody out.
        Err(cause) => {
            let error = Error::unavailable("auth.unavailable", "can't check who calls, try again").caused_by(cause);
            Status::from(error).into_http()
        }
    }
}

/// The address of the peer.
fn source(request: &Request) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    // An IPv4 client of a dual-stack listener is the same client.
    peer.map_or_else(|| "unknown".to_owned(), |ConnectInfo(peer)| peer.ip().to_canonical().to_string())
}

/// What the caller proves itself with. A bearer token was put there on purpose, while browsers send cookies with
/// everything: so it comes first, and a bad one does not fall back to the cookie.
pub(super) fn credential<'a>(headers: &'a HeaderMap, cookie_name: &str) -> Option<Credential<'a>> {
    bearer(headers).map(Credential::Bearer).or_else(|| cookie(headers, cookie_name).map(Credential::Session))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The value of a cookie; HTTP/2 clients may send several `cookie` fields.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value.trim_matches('"'))
}

/// For tests of services that are called without the layer.
#[cfg(test)]
pub(crate) fn with_actor<T>(message: T, actor: Actor) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.extensions_mut().insert(actor);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn found(fields: &[(header::HeaderName, &'static str)]) -> Option<String> {
        match credential(&headers(fields), "sid")? {
            Credential::Session(token) => Some(format!("session {token}")),
            Credential::Bearer(token) => Some(format!("bearer {token}")),
        }
    }

    #[test]
    fn cookies_are_found_in_any_field() {
        use header::COOKIE;
        assert_eq!(found(&[(COOKIE, "a=1; sid=x; b=2")]).unwrap(), "session x");
        assert_eq!(found(&[(COOKIE, "a=1"), (COOKIE, "sid=y")]).unwrap(), "session y");
        assert_eq!(found(&[(COOKIE, "sid=\"q==\"")]).unwrap(), "session q==");
        assert_eq!(found(&[(COOKIE, "xsid=1; sid=; sidx=2; sid")]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn a_bearer_token_comes_before_the_cookie() {
        use header::{AUTHORIZATION, COOKIE};
        assert_eq!(found(&[(COOKIE, "sid=x"), (AUTHORIZATION, "bearer  t ")]).unwrap(), "bearer t");
        assert_eq!(found(&[(COOKIE, "sid=x"), (AUTHORIZATION, "Basic dTpw")]).unwrap(), "session x");
        assert_eq!(found(&[(AUTHORIZATION, "Bearer ")]), None);
    }

    #[test]
    fn services_see_the_actor_of_the_request() {
        assert_eq!(actor(&with_actor((), Actor::local())).kind(), "local");
        assert_eq!(actor(&tonic::Request::new(())).kind(), "anonymous");
    }
}
