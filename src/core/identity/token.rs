//! The access tokens of customers: JWT, signed with the installation's secret (HS256).

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::core::{
    error::{Error, Result},
    id::Id,
    settings::Jwt,
    time::Timestamp,
};

/// What an access token says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The user.
    pub(super) sub: Id,
    /// The customer that it belongs to.
    pub(super) customer_id: Id,
    /// The refresh tokens that it came with; it ends when they are revoked.
    pub(super) family: Id,
    /// Seconds since 1970 when it was made.
    pub(super) iat: i64,
    /// Seconds since 1970 when it ends.
    pub(super) exp: i64,
}

/// How long an access token is good for.
pub(super) fn lifetime(settings: &Jwt) -> TimeDelta {
    TimeDelta::hours(i64::from(settings.expiry_hours))
}

/// Makes an access token.
pub(super) fn issue(settings: &Jwt, at: Timestamp, user_id: Id, customer_id: Id, family: Id) -> Result<String> {
    let (iat, exp) = (at.unix_seconds(), at.plus(lifetime(settings)).unix_seconds());
    let claims = Claims { sub: user_id, customer_id, family, iat, exp };
    let key = EncodingKey::from_secret(settings.secret.reveal().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|cause| Error::internal("token.issue", "can't sign an access token").caused_by(cause))
}

/// Reads an access token; `None` for one that is not ours, was changed or has ended.
pub(super) fn read(settings: &Jwt, at: Timestamp, token: &str) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::HS256);
    // The end is compared below with our own clock, which tests can move.
    validation.validate_exp = false;
    let key = DecodingKey::from_secret(settings.secret.reveal().as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).ok()?.claims;
    (claims.exp > at.unix_seconds()).then_some(claims)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::core::secret::Secret;

    #[test]
    fn a_token_ends_and_only_its_own_secret_reads_it() {
        let settings = Jwt { secret: Secret::new("a".repeat(32)), expiry_hours: 1 };
        let other = Jwt { secret: Secret::new("b".repeat(32)), expiry_hours: 1 };
        let at = Timestamp::new(DateTime::UNIX_EPOCH);
        let user = Id::generate();
        let token = issue(&settings, at, user, user, user).unwrap();
        assert_eq!(read(&settings, at, &token).unwrap().sub, user);
        assert!(read(&other, at, &token).is_none());
        assert!(read(&settings, at.plus(TimeDelta::hours(1)), &token).is_none());
        assert!(read(&settings, at, "a.b.c").is_none());
        // The header's algorithm is not taken on trust.
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
        assert!(read(&settings, at, &unsigned).is_none());
    }
}
