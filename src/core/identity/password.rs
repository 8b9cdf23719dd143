//! Password hashing: argon2id for new ones; bcrypt hashes of an import still verify.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};

use crate::core::error::{Error, Result};

/// Characters that a password has at least.
pub const PASSWORD_MIN: usize = 6;
/// Characters that a password has at most, so that hashing one costs a bounded time.
pub const PASSWORD_MAX: usize = 512;

/// A hash in place of the one of a user who does not exist, so that both answers cost the same time. It belongs to no
/// password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$l1k0Z0hmVUxQeFB4VWhqT0x2Y2p5c1pJV2JLWUJxR2M";

/// Checks the rules for a new password.
///
/// # Errors
/// `password.length`.
pub fn check_rules(field: &str, password: &str) -> Result<()> {
    let length = password.chars().count();
    if (PASSWORD_MIN..=PASSWORD_MAX).contains(&length) {
        return Ok(());
    }
    Err(Error::invalid(
        "password.length",
        format!("`{field}` has {length} characters, expected {PASSWORD_MIN} to {PASSWORD_MAX}"),
    ))
}

/// Hashes a password; takes tens of milliseconds on a thread of its own.
///
/// # Errors
/// `password.length` for one that breaks the rules.
pub async fn hash(field: &str, password: &str) -> Result<String> {
    check_rules(field, password)?;
    hash_as_it_is(password).await
}

/// As [`hash`], for a password that is in use already: yesterday's rules were others.
///
/// # Errors
/// When the machine can't.
pub async fn hash_as_it_is(password: &str) -> Result<String> {
    let password = password.to_owned();
    let hashed = tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
    })
    .await;
    match hashed {
        Ok(Ok(hash)) => Ok(hash),
        Ok(Err(cause)) => Err(Error::internal("password.hash", "can't hash a password").caused_by(cause.to_string())),
        Err(cause) => Err(Error::internal("password.hash", "can't hash a password").caused_by(cause)),
    }
}

/// Whether the password is the hash's. Without a hash the same work is done, and the answer is no.
pub async fn verify(password: &str, hash: Option<&str>) -> bool {
    if password.len() > PASSWORD_MAX * 4 {
        return false;
    }
    let password = password.to_owned();
    let known = hash.is_some();
    let hash = hash.unwrap_or(NOBODY).to_owned();
    let verified = tokio::task::spawn_blocking(move || {
        if hash.starts_with("$2") {
            return bcrypt::verify(&password, &hash).unwrap_or(false);
        }
        PasswordHash::new(&hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    })
    .await;
    known && verified.unwrap_or(false)
}

/// Whether a hash that just verified should be replaced by one of today's kind.
#[must_use]
pub fn is_outdated(hash: &str) -> bool {
    hash.starts_with("$2")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let hash = hash("password", "correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify("correct horse", Some(&hash)).await);
        assert!(!verify("wrong", Some(&hash)).await);
        assert!(!verify("correct horse", None).await);
    }

    #[tokio::test]
    async fn an_imported_bcrypt_hash_verifies_and_is_outdated() {
        let imported = bcrypt::hash("hunter22", 4).unwrap();
        assert!(verify("hunter22", Some(&imported)).await);
        assert!(!verify("hunter23", Some(&imported)).await);
        assert!(is_outdated(&imported));
    }

    #[test]
    fn the_stand_in_costs_as_much_as_a_real_hash() {
        assert!(PasswordHash::new(NOBODY).is_ok());
        assert!(NOBODY.contains("m=19456,t=2,p=1"), "argon2's defaults");
    }

    #[test]
    fn rules() {
        assert!(check_rules("password", "12345").is_err());
        assert!(check_rules("password", "123456").is_ok());
        assert!(check_rules("password", &"x".repeat(513)).is_err());
    }
}
