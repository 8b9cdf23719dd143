//! Random secrets, and text that must not be shown.

use std::fmt;

use rand::{RngExt as _, distr::Alphanumeric};
use sha2::{Digest as _, Sha256};

/// A secret text: it can be used, but neither printed nor logged.
#[derive(Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { "(hidden)" })
    }
}

/// A random text of letters and digits from the system's generator; each character is worth almost six bits.
#[must_use]
pub fn random_text(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

/// SHA-256 in hexadecimal: how tokens with enough randomness of their own are stored.
#[must_use]
pub fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// A random number of this many digits, zeros in front included.
#[must_use]
pub fn random_digits(length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(b'0' + random.random_range(0..10_u8))).collect()
}
