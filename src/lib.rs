//! RustBill: billing and provisioning for people who resell cloud servers.
//!
//! | layer | holds | may import |
//! |---|---|---|
//! | `core` | every rule, all SQL, the plugin engine, the worker | nothing of the others |
//! | `server` | gRPC, gRPC-Web, HTTP: decode, call an operation, encode | `core` |
//! | `cmd` | the command line: parse, call an operation, print | `core`; `serve` and `demo` start `server` |
//!
//! Inside `core` each slice (`orders`, `payments`, …) has the same files: `model.rs` (types, states, pure rules),
//! `store.rs` (SQL, takes a `Tx`), `operations.rs` (use cases: permission, load, rule, save, event, commit). Slices
//! call each other in one direction only: outbox, idempotency, audit, identity, customers, plugins, catalogue, products,
//! balance, payments, instances, orders, invoices, settlement, control, supply, tickets, dashboard; `notifications`,
//! `accounts` and `worker` lie above them all.
//! `tests/it/architecture.rs` holds these rules.
//!
//! A new entity is one slice folder, one migration pair, one proto file, and one file each in `server/grpc`, `cmd` and
//! `tests/it`.

pub mod cmd;
pub mod core;
pub mod server;
