//! What a script remembers between calls: a few keys of its interface.

use super::{super::store, HostApi};
use crate::core::{error::Error, id::Id};

/// Characters of a key.
const KEY_MAX: usize = 200;
/// Bytes of a value.
const VALUE_MAX: usize = 64 * 1024;

impl HostApi {
    pub(super) async fn state_get(&self, interface: Id, key: &str) -> Result<String, String> {
        check(key, "")?;
        let value = store::state_get(&self.database, interface, key).await.map_err(|error| unavailable(&error))?;
        Ok(value.unwrap_or_default())
    }

    pub(super) async fn state_set(&self, interface: Id, key: &str, value: &str) -> Result<String, String> {
        check(key, value)?;
        let mut tx = self.database.begin().await.map_err(|error| unavailable(&error))?;
        store::state_set(&mut tx, self.clock.now(), interface, key, value)
            .await
            .map_err(|error| unavailable(&error))?;
        tx.commit().await.map_err(|error| unavailable(&error))?;
        Ok(String::new())
    }

    pub(super) async fn state_claim(&self, interface: Id, key: &str, value: &str) -> Result<String, String> {
        check(key, value)?;
        let mut tx = self.database.begin().await.map_err(|error| unavailable(&error))?;
        let held = store::state_claim(&mut tx, self.clock.now(), interface, key, value)
            .await
            .map_err(|error| unavailable(&error))?;
        tx.commit().await.map_err(|error| unavailable(&error))?;
        Ok(held)
    }

    pub(super) async fn state_delete(&self, interface: Id, key: &str) -> Result<String, String> {
        check(key, "")?;
        let mut tx = self.database.begin().await.map_err(|error| unavailable(&error))?;
        store::state_delete(&mut tx, interface, key).await.map_err(|error| unavailable(&error))?;
        tx.commit().await.map_err(|error| unavailable(&error))?;
        Ok(String::new())
    }
}

fn check(key: &str, value: &str) -> Result<(), String> {
    if key.is_empty() || key.chars().count() > KEY_MAX || key.contains('\0') {
        return Err(format!("a state key has 1 to {KEY_MAX} characters, none of them NUL"));
    }
    if value.len() > VALUE_MAX || value.contains('\0') {
        return Err(format!(
            "the value of state key `{key}` has {} bytes, at most {VALUE_MAX} are allowed, none of them NUL",
            value.len()
        ));
    }
    Ok(())
}

/// The script and its author learn that it did not work, not how our database is doing.
fn unavailable(error: &Error) -> String {
    tracing::error!(%error, "a plugin's state could not be used");
    "the plugin's state can't be used now".to_owned()
}
