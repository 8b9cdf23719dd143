//! Users, passwords, sessions and tokens: who somebody is. What they may do is `core::actor`.
//!
//! Administrators and operators log in with a session (a random token, stored as a hash); customers get a signed
//! access token and a refresh token.

mod bootstrap;
mod customer_store;
mod model;
mod operations;
pub mod password;
mod store;
mod token;

pub(crate) use self::store::administrator;
pub use self::{
    bootstrap::{Bootstrapped, bootstrap},
    customer_store::{release_name, remove_customer, revoke_customer},
    model::{AdminRole, User, UserKind},
    operations::{
        Credential, Grant, Login, NewUser, UserFilter, authenticate, create_user, get_user, list_users, login, logout,
        me,
    },
    store::{NameKind, claim_name},
};
