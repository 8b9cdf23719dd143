//! The integration tests: one binary. What concerns data runs on SQLite and on a real PostgreSQL, with the same body.

mod architecture;
mod database;
mod demo;
mod identity;
mod input;
mod invoices;
mod migrations;
mod outbox;
mod payments;
mod plugins;
mod plugins_engine;
mod provisioning;
mod start;
mod support;
mod wire;
