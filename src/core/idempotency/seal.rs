//! What the table holds in place of keys, requests and answers.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::model::Reservation;
use crate::core::{
    error::{Error, Result},
    secret::Secret,
};

/// A key for one purpose, from the configuration's secret, the scope and the client's key.
fn derive(secret: &Secret, purpose: &str, scope: &str, key: &Secret) -> Result<[u8; 32]> {
    // Without a secret whoever reads the table could try keys.
    if secret.reveal().is_empty() {
        return Err(Error::invalid("idempotency.no_secret", "idempotency keys need `jwt.secret` in the configuration")
            .hint("run `rustbill init`, or set RUSTBILL_JWT__SECRET"));
    }
    mac(secret.reveal().as_bytes(), ["idempotency", purpose, scope, key.reveal()].join("\0"))
}

fn mac(key: &[u8], text: impl AsRef<[u8]>) -> Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|cause| Error::internal("idempotency.hash", "can't hash a key").caused_by(cause))?;
    mac.update(text.as_ref());
    Ok(mac.finalize().into_bytes().into())
}

/// How a key is found again.
pub(super) fn key_hash(secret: &Secret, scope: &str, key: &Secret) -> Result<String> {
    derive(secret, "key", scope, key).map(hex::encode)
}

/// How a request is recognised. Keyed, since requests may hold passwords.
pub(super) fn request_hash(secret: &Secret, scope: &str, key: &Secret, request: &[u8]) -> Result<String> {
    mac(&derive(secret, "request", scope, key)?, request).map(hex::encode)
}

fn cipher(secret: &Secret, scope: &str, key: &Secret) -> Result<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, &derive(secret, "answer", scope, key)?).map_err(|_| failed())
}

fn failed() -> Error {
    Error::internal("idempotency.answer", "a kept answer can't be encrypted or read")
}

/// An answer, encrypted: the nonce and then the text with its tag.
pub(super) fn encrypt(secret: &Secret, held: &Reservation, answer: &[u8]) -> Result<Vec<u8>> {
    let mut text = answer.to_vec();
    let cipher = cipher(secret, &held.scope, &held.key.0)?;
    let nonce = cipher.seal_in_place_append_tag(Aad::from(held.scope.as_bytes()), &mut text).map_err(|_| failed())?;
    Ok([nonce.as_ref().as_slice(), &text].concat())
}

/// The answer again.
pub(super) fn decrypt(secret: &Secret, scope: &str, key: &Secret, kept: &[u8]) -> Result<Vec<u8>> {
    let (nonce, text) = kept.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
    let mut text = text.to_vec();
    let cipher = cipher(secret, scope, key)?;
    cipher
        .open_in_place(nonce, Aad::from(scope.as_bytes()), &mut text)
        .map(|plain| plain.to_vec())
        .map_err(|_| failed())
}

#[cfg(test)]
mod tests {
    use super::{super::model::Key, *};
    use crate::core::id::Id;

    #[test]
    fn an_answer_is_read_only_with_its_key_secret_and_scope() {
        let secret = Secret::new("s".repeat(32));
        let key = Key::parse("k1").unwrap();
        let held = Reservation { id: Id::generate(), scope: "local".to_owned(), key: key.clone() };
        let kept = encrypt(&secret, &held, b"the answer").unwrap();
        assert!(!kept.windows(6).any(|part| part == b"answer"));
        assert_ne!(kept, encrypt(&secret, &held, b"the answer").unwrap());
        assert_eq!(decrypt(&secret, "local", &key.0, &kept).unwrap(), b"the answer");
        assert!(decrypt(&secret, "user:1", &key.0, &kept).is_err());
        assert!(decrypt(&secret, "local", &Secret::new("k2"), &kept).is_err());
        assert!(decrypt(&Secret::new("t".repeat(32)), "local", &key.0, &kept).is_err());
        assert!(decrypt(&secret, "local", &key.0, &kept[..5]).is_err());
        assert_eq!(encrypt(&Secret::default(), &held, b"").unwrap_err().code(), "idempotency.no_secret");
    }

    #[test]
    fn hashes_belong_to_their_purpose_and_scope() {
        let (secret, key) = (Secret::new("s".repeat(32)), Secret::new("k1"));
        let first = key_hash(&secret, "local", &key).unwrap();
        assert_eq!(first, key_hash(&secret, "local", &key).unwrap());
        assert_ne!(first, key_hash(&secret, "user:1", &key).unwrap());
        assert_ne!(
            request_hash(&secret, "local", &key, b"a").unwrap(),
            request_hash(&secret, "local", &key, b"b").unwrap()
        );
    }
}
