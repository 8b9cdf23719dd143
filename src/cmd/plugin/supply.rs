//! What providers are asked directly.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::super::{
    Context,
    arguments::pairs,
    show::{self, fields, page, whole},
};
use crate::core::{error::Result, id::Id, supply};

/// What a provider is asked.
#[derive(Debug, Subcommand)]
pub(in crate::cmd) enum SupplyCommand {
    /// Ask a provider what a server costs
    #[command(after_help = "\
Examples:
  rustbill plugin price 0190a5b0-7c1e-7000-8000-000000000001 --spec cpu_cores=2 --spec region=eu")]
    Price(Wish),
    /// Buy a server from a provider, without an order here
    #[command(after_help = "\
`plugin import-server` takes the server into the records.

Examples:
  rustbill plugin buy-server 0190a5b0-7c1e-7000-8000-000000000001 --spec cpu_cores=2 \\
    --spec region=eu")]
    BuyServer(Wish),
    /// Show what our account at an upstream provider holds
    #[command(after_help = "Examples:\n  rustbill plugin balance 0190a5b0-7c1e-7000-8000-000000000001")]
    Balance {
        /// The provider's interface
        id: String,
    },
    /// List the servers that an upstream provider holds for us
    #[command(after_help = "Examples:\n  rustbill plugin servers 0190a5b0-7c1e-7000-8000-000000000001")]
    Servers {
        /// The provider's interface
        id: String,
    },
    /// Ask a provider how one of its servers is
    #[command(after_help = "Examples:\n  rustbill plugin server-status 0190a5b0-7c1e-7000-8000-000000000001 i-42")]
    ServerStatus(Server),
    /// Take a server that an upstream provider holds for us into the records
    #[command(after_help = "\
It becomes an instance with an order that costs nothing, of the customer \"Unassigned servers\".

Examples:
  rustbill plugin import-server 0190a5b0-7c1e-7000-8000-000000000001 i-42")]
    ImportServer(Server),
}

/// A provider and a specification
#[derive(Debug, Args)]
pub(in crate::cmd) struct Wish {
    /// The provider's interface
    id: String,
    /// A value of the specification, by the key in the provider's template
    #[arg(long = "spec", value_name = "KEY=VALUE")]
    spec: Vec<String>,
}

/// A provider and one of its servers
#[derive(Debug, Args)]
pub(in crate::cmd) struct Server {
    /// The provider's interface
    id: String,
    /// What the provider calls the server
    instance: String,
}

impl Wish {
    fn read(self) -> Result<(Id, BTreeMap<String, String>)> {
        Ok((Id::parse("id", &self.id)?, pairs("--spec", self.spec)?))
    }
}

impl SupplyCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let actor = &context.actor;
        match self {
            Self::Price(wish) => {
                let (id, spec) = wish.read()?;
                let quote = supply::quote(context.app().await?, actor, id, &spec).await?;
                show::item(context, fields!(quote; amount, currency, billing_cycle), &quote)
            }
            Self::BuyServer(wish) => {
                let (id, spec) = wish.read()?;
                let bought = supply::buy(context.app().await?, actor, id, &spec).await?;
                show::item(context, fields!(bought; provider_instance_id, status, ip_address), &bought)
            }
            Self::Balance { id } => {
                let id = Id::parse("id", &id)?;
                let held = supply::balance(context.app().await?, actor, id).await?;
                show::item(context, fields!(held; balance, currency), &held)
            }
            Self::Servers { id } => {
                let id = Id::parse("id", &id)?;
                let found = whole(supply::servers(context.app().await?, actor, id).await?);
                page!(context, found; instance_id, status, ip_address, created_at)
            }
            Self::ServerStatus(Server { id, instance }) => {
                let id = Id::parse("id", &id)?;
                let server = supply::status(context.app().await?, actor, id, &instance).await?;
                show::item(context, fields!(server; instance_id, status, ip_address), &server)
            }
            Self::ImportServer(Server { id, instance }) => {
                let id = Id::parse("id", &id)?;
                let made = supply::import(context.app().await?, actor, id, &instance).await?;
                let fields = fields!(made; id, customer_id, order_id, product_id, product_name, provider_interface_id,
                    provider_instance_id, status, ip_address, created_at);
                show::item(context, fields, &made)
            }
        }
    }
}
