//! `rustbill instance`: the servers that customers have.

use clap::{Args, Subcommand};

use super::{
    Context,
    arguments::{Paging, optional_id, optional_word},
    show::{self, fields, page},
};
use crate::core::{
    error::Result,
    id::Id,
    instances::{self, InstanceFilter, InstanceStatus},
};

/// Look at the servers that customers have
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill instance list --status running
  rustbill instance show 0190a5b0-7c1e-7000-8000-000000000001")]
pub(super) enum InstanceCommand {
    List(List),
    /// Show one server
    #[command(after_help = "Examples:\n  rustbill instance show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The server, by our identifier
        id: String,
    },
}

/// List servers, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill instance list --status running
  rustbill instance list --customer 0190a5b0-7c1e-7000-8000-000000000001 --output csv")]
pub(super) struct List {
    /// Of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// In this state: provisioning, running, stopped, suspended, terminated or error
    #[arg(long)]
    status: Option<String>,
    /// Run by this provider
    #[arg(long, value_name = "ID")]
    interface: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

impl InstanceCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                let found = instances::get(context.app().await?, &context.actor, id).await?;
                let fields = fields!(found; id, status, ip_address, provider_instance_id, order_id, customer_id,
                    product_id, product_name, provider_interface_id, server_spec, created_at, updated_at);
                show::item(context, fields, &found)
            }
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = InstanceFilter {
            customer_id: optional_id("customer", self.customer.as_deref())?,
            status: optional_word(self.status.as_deref(), InstanceStatus::parse)?,
            provider_interface_id: optional_id("interface", self.interface.as_deref())?,
        };
        let found = instances::list(context.app().await?, &context.actor, filter, self.paging.request()).await?;
        page!(context, found; id, status, ip_address, provider_instance_id, product_name, customer_id, order_id, created_at)
    }
}
