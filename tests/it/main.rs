//! The integration tests: one binary. What concerns data runs on SQLite and on a real PostgreSQL, with the same body.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod accounts;
mod api_keys;
mod api_reference;
mod architecture;
mod audit;
mod bad_input;
mod catalogue;
mod cli;
mod customers;
mod dashboard;
mod database;
mod demo;
mod errors;
mod examples;
mod foreign;
mod idempotency;
mod identity;
mod input;
mod invoices;
mod layers;
mod migrations;
mod notifications;
mod outbox;
mod payments;
mod permissions;
mod plugins;
mod plugins_engine;
mod products;
mod products_batch;
mod properties;
mod provisioning;
mod start;
mod support;
mod tickets;
mod timing;
mod tokens;
mod users;
mod wire;
