//! What providers are asked directly: what a server costs, how it is, what our account there holds; and buying from
//! them.
//!
//! A reseller's own RustBill calls some of this with an API key. For it, and for every customer, the shop stands in for
//! its provider: the prices are the shop's, a server that is bought is an order, and what the shop pays stays unknown.

mod answer;
mod assign;
mod buy;
mod import;
mod servers;

pub use self::{
    assign::assign,
    buy::{Bought, Quote, buy, quote, sync_products},
    import::import,
    servers::{ProviderBalance, ProviderServer, balance, servers, status},
};
