//! The rules of the business. Adapters (`server`, `cmd`) decode, call an operation here, and encode.

pub mod actor;
pub mod app;
pub mod backup;
pub mod database;
pub mod error;
pub mod event;
pub mod id;
pub mod lock;
pub mod money;
pub mod page;
pub mod private_file;
pub mod redis;
pub mod restart;
pub mod secret;
pub mod settings;
pub mod text;
pub mod time;

pub mod audit;
pub mod cluster;
pub mod events;
pub mod idempotency;
pub mod outbox;

pub mod catalogue;
pub mod customers;
pub mod identity;
pub mod plugins;
pub mod products;

pub mod balance;
pub mod control;
pub mod instances;
pub mod invoices;
pub mod ledger;
pub mod orders;
pub mod payments;
pub mod settlement;
pub mod supply;
pub mod tickets;

pub mod accounts;
pub mod dashboard;
pub mod http;
pub mod notifications;
pub mod reconciliation;
pub mod worker;
