//! Whether the money is right: everything that tells of it is computed once more from the entries of the ledger and
//! compared, and each difference is named. Reads only, over the tables of all slices; `docs/ledger.md` lists what is
//! compared.
//!
//! [`check`] sees the database as it was at one moment and holds one page of rows at a time. [`run_if_due`] is the nightly
//! run, which of several servers one does.

mod chain;
mod model;
mod nightly;
mod numbers;
mod operations;
mod rows;
mod store;

pub use self::{
    model::{CheckReport, Checked, Code, DIFFERENCES_MAX, Difference, Progress},
    nightly::run_if_due,
    operations::{check, check_with_progress, found_differences},
};
