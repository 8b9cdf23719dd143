//! The rules of the business. Adapters (`server`, `cmd`) decode, call an operation here, and encode.

pub mod actor;
pub mod app;
pub mod database;
pub mod error;
pub mod event;
pub mod id;
pub mod identity;
pub mod money;
pub mod page;
pub mod private_file;
pub mod secret;
pub mod settings;
pub mod text;
pub mod time;
