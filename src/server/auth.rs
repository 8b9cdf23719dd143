//! Who calls: what the layers `session.rs`, `jwt.rs` and `api_key.rs` share.
//!
//! Nobody is turned away here. A request without a credential, or with a bad one, is anonymous, and the operation that
//! it calls decides by [`Actor::require`].

use axum::{
    extract::Request,
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use super::status::ClientKind;
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

/// Lets the request go on as who shows a credential of the kind that `is_mine` knows, else as it is.
pub(super) async fn recognise(
    app: &App,
    mut request: Request,
    next: Next,
    is_mine: impl Fn(&Credential<'_>) -> bool,
) -> Response {
    let shown = credential(request.headers(), &app.settings.session.cookie_name).filter(is_mine);
    let Some(shown) = shown else { return next.run(request).await };
    let source = request.extensions().get::<Actor>().map_or("unknown", Actor::source);
    match identity::authenticate(app, shown, source).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
        }
        Err(error) if !matches!(error.kind(), Kind::Internal | Kind::Unavailable) => {
            tracing::warn!(source, code = error.code(), "a credential was refused: {error}");
        }
        // Taking the caller for a stranger because the database is away would log everybody out.
        Err(cause) => {
            let error = Error::unavailable("auth.unavailable", "can't check who calls, try again").caused_by(cause);
            return ClientKind::of(request.headers()).refuse(error.into());
        }
    }
    next.run(request).await
}

/// What the caller proves itself with. A bearer token was put there on purpose, while browsers send cookies with
/// everything: so it comes first, and a bad one does not fall back to the cookie.
pub(super) fn credential<'a>(headers: &'a HeaderMap, cookie_name: &str) -> Option<Credential<'a>> {
    bearer(headers).map(Credential::of_bearer).or_else(|| cookie(headers, cookie_name).map(Credential::Session))
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
            Credential::AccessToken(token) => Some(format!("access token {token}")),
            Credential::ApiKey(token) => Some(format!("API key {token}")),
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
        assert_eq!(found(&[(COOKIE, "sid=x"), (AUTHORIZATION, "bearer  t ")]).unwrap(), "session t");
        assert_eq!(found(&[(COOKIE, "sid=x"), (AUTHORIZATION, "Bearer a.b.c")]).unwrap(), "access token a.b.c");
        assert_eq!(found(&[(COOKIE, "sid=x"), (AUTHORIZATION, "Basic dTpw")]).unwrap(), "session x");
        assert_eq!(found(&[(AUTHORIZATION, "Bearer ")]), None);
    }

    #[test]
    fn services_see_the_actor_of_the_request() {
        assert_eq!(actor(&with_actor((), Actor::local())).kind(), "local");
        assert_eq!(actor(&tonic::Request::new(())).kind(), "anonymous");
    }
}
