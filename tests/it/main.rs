//! The integration tests: one binary. What concerns data runs on SQLite and on a real PostgreSQL, with the same body.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod accounts;
mod api_keys;
mod api_reference;
mod architecture;
mod audit;
mod bad_input;
mod callbacks;
mod catalogue;
mod cli;
mod customers;
mod dashboard;
mod database;
mod demo;
mod examples;
mod foreign;
mod idempotency;
mod identity;
mod input;
mod instances;
mod invoice_moves;
mod invoices;
mod layers;
mod migrations;
mod notifications;
mod order_moves;
mod outbox;
mod payments;
mod permissions;
mod plugin_admin;
mod plugins;
mod plugins_engine;
mod products;
mod products_batch;
mod properties;
mod provisioning;
mod refunds;
mod start;
mod supply;
mod support;
mod tickets;
mod timing;
mod tokens;
mod users;
mod wire;
