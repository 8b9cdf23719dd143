//! Verification codes: six digits that prove that somebody reads an address.
//!
//! One code lives for each address and purpose. It is kept as a hash under the installation's secret: without the
//! secret a copy of the database does not say which of the million codes it is.

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{code_store, model::Purpose};
use crate::core::{
    database::{Source, Tx},
    error::{Error, Result},
    id::Id,
    secret::{Secret, random_digits},
    time::Timestamp,
};

/// Digits of a code.
const CODE_LENGTH: usize = 6;
/// How long a code is good for.
pub(crate) const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// How often a code may be tried.
const TRIES_MAX: i64 = 5;
/// How long to wait before asking for another one.
pub(crate) const RESEND_AFTER: TimeDelta = TimeDelta::seconds(60);

/// A code that was made, to be sent and then forgotten.
pub(crate) struct NewCode {
    /// Its record.
    pub(crate) id: Id,
    /// The digits.
    pub(crate) code: Secret,
}

/// Refuses a request that comes too soon after the last one. [`issue`] does it once more, then for certain.
///
/// # Errors
/// `code.too_soon`.
pub(crate) async fn check_wait(source: impl Source<'_>, at: Timestamp, purpose: Purpose, email: &str) -> Result<()> {
    let sent = code_store::sent_at(source, purpose, email).await?;
    let waited = sent.map_or(RESEND_AFTER, |sent| at.since(sent));
    if waited >= RESEND_AFTER { Ok(()) } else { Err(too_soon(RESEND_AFTER - waited)) }
}

fn too_soon(left: TimeDelta) -> Error {
    // Rounded up: after that many seconds the answer is yes.
    let seconds = (left.num_milliseconds().clamp(1, RESEND_AFTER.num_milliseconds()) + 999) / 1000;
    Error::invalid(
        "code.too_soon",
        format!("a code for this address was asked for a moment ago, try again in {seconds} seconds"),
    )
}

/// Makes a code; the last one for the same address and purpose is void from now on.
///
/// # Errors
/// `code.too_soon`.
pub(crate) async fn issue(tx: &mut Tx, at: Timestamp, key: &Secret, purpose: Purpose, email: &str) -> Result<NewCode> {
    let (id, code) = (Id::generate(), random_digits(CODE_LENGTH));
    let row = code_store::NewRow {
        id,
        purpose,
        email,
        code_hash: hash(key, id, &code)?,
        created_at: at,
        expires_at: at.plus(CODE_LIFETIME),
    };
    // Two who ask at the same moment meet at the row's unique index; the later one finds it too young.
    if code_store::replace(tx, row, at.plus(-RESEND_AFTER)).await? {
        Ok(NewCode { id, code: Secret::new(code) })
    } else {
        Err(too_soon(RESEND_AFTER))
    }
}

/// Takes a code: what follows in the transaction happens together with its end. A wrong try is counted and committed
/// before the refusal, so that nothing gives it back.
///
/// # Errors
/// `code.wrong`, for whatever reason.
pub(crate) async fn redeem(
    mut tx: Tx,
    at: Timestamp,
    key: &Secret,
    (purpose, email): (Purpose, &str),
    shown: &str,
) -> Result<Tx> {
    let Some(row) = code_store::lock(&mut tx, purpose, email).await? else { return Err(wrong()) };
    if row.used_at.is_some() || row.expires_at <= at || row.attempts >= TRIES_MAX {
        return Err(wrong());
    }
    let expected = hash(key, row.id, shown.trim())?;
    if bool::from(expected.as_bytes().ct_eq(row.code_hash.as_bytes())) {
        code_store::mark_used(&mut tx, at, row.id).await?;
        return Ok(tx);
    }
    code_store::count_try(&mut tx, row.id).await?;
    tx.commit().await?;
    Err(wrong())
}

/// The one answer to every code that does not do.
pub(crate) fn wrong() -> Error {
    Error::invalid("code.wrong", "`verification_code` is wrong or has expired").hint("ask for a new one")
}

fn hash(key: &Secret, id: Id, code: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes())
        .map_err(|cause| Error::internal("code.hash", "can't hash a code").caused_by(cause))?;
    // The record's identifier makes equal codes differ, and binds a code to its address and purpose.
    mac.update(b"verification code\0");
    mac.update(id.uuid().as_bytes());
    mac.update(code.as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_belongs_to_its_record_and_secret() {
        let (id, key) = (Id::generate(), Secret::new("k".repeat(32)));
        let first = hash(&key, id, "123456").unwrap();
        assert_eq!(first, hash(&key, id, "123456").unwrap());
        assert_ne!(first, hash(&key, id, "123457").unwrap());
        assert_ne!(first, hash(&key, Id::generate(), "123456").unwrap());
        assert_ne!(first, hash(&Secret::new("x".repeat(32)), id, "123456").unwrap());
    }

    #[test]
    fn the_wait_is_told_in_whole_seconds() {
        assert!(too_soon(TimeDelta::milliseconds(1)).to_string().ends_with("in 1 seconds"));
        assert!(too_soon(TimeDelta::milliseconds(59_001)).to_string().ends_with("in 60 seconds"));
    }
}
