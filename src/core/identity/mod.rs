//! Users, passwords, sessions, tokens, codes and API keys: who somebody is. What they may do is `core::actor`.
//!
//! Administrators and operators log in with a session (a random token, stored as a hash); customers get a signed
//! access token and a refresh token, their programs an API key.

mod api_key_store;
mod api_keys;
mod bootstrap;
mod code_store;
pub(crate) mod codes;
mod customer_store;
mod model;
pub mod password;
mod passwords;
mod purge;
mod recognise;
mod session_store;
mod sessions;
mod store;
mod token;
mod users;

pub(crate) use self::recognise::forget;
pub(crate) use self::store::administrator;
pub(crate) use self::users::{insert_prepared, is_user_email, prepare};
pub use self::{
    api_keys::{ApiKey, CreatedApiKey, NewApiKey, create_api_key, list_api_keys, revoke_api_key},
    bootstrap::{Bootstrapped, bootstrap},
    customer_store::{release_name, remove_customer, revoke_customer},
    model::{AdminRole, Purpose, User, UserKind},
    passwords::{change_password, reset_forgotten_password, reset_password_of},
    purge::purge,
    recognise::authenticate,
    sessions::{Credential, Grant, Login, Tokens, login, logout, me, refresh},
    store::{NameKind, USERNAME_TAKEN, claim_name},
    users::{
        NewUser, UserFilter, UserUpdate, create_user, delete_user, get_user, get_user_by_name, list_users, update_user,
    },
};
