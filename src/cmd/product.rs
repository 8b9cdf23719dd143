//! `rustbill product`: what is sold.

mod change;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::{
    Context,
    arguments::{Paging, Sure, optional_id, pairs},
    show::{self, fields, page},
};
use crate::core::{
    error::Result,
    id::Id,
    money::{Money, Sign},
    products::{self, BillingCycle, NewProduct, Product, ProductFilter},
    text,
};

/// Look at products, make, change, price and delete them
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill product list
  rustbill product create --name 'Small server' --interface 0190a5b0-7c1e-7000-8000-000000000001 \\
    --price 29.00")]
pub(super) enum ProductCommand {
    List(List),
    /// Show one product
    #[command(after_help = "Examples:\n  rustbill product show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The product
        id: String,
    },
    Create(Create),
    Update(change::Update),
    /// Delete a product that nobody ordered
    #[command(after_help = "\
Examples:
  rustbill product delete 0190a5b0-7c1e-7000-8000-000000000001
  rustbill product delete 0190a5b0-7c1e-7000-8000-000000000001 --yes")]
    Delete {
        /// The product
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Put products on sale
    #[command(after_help = "Examples:\n  rustbill product activate 0190a5b0-7c1e-7000-8000-000000000001")]
    Activate(change::Several),
    /// Take products off sale
    #[command(after_help = "Examples:\n  rustbill product deactivate 0190a5b0-7c1e-7000-8000-000000000001")]
    Deactivate(change::Several),
    /// Delete several products that nobody ordered, all of them or none
    #[command(after_help = "\
Examples:
  rustbill product delete-several 0190a5b0-7c1e-7000-8000-000000000001 --yes")]
    DeleteSeveral {
        #[command(flatten)]
        several: change::Several,
        #[command(flatten)]
        sure: Sure,
    },
    Regroup(change::Regroup),
    Reprice(change::Reprice),
    Sync(change::Sync),
    Import(change::Import),
}

/// List products, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill product list
  rustbill product list --active true --region frankfurt --output json")]
pub(super) struct List {
    /// Sold through this interface
    #[arg(long, value_name = "ID")]
    interface: Option<String>,
    /// Shown in this group
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// With this region among its specs
    #[arg(long)]
    region: Option<String>,
    /// Part of the name or the description
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Enabled or disabled ones
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    #[command(flatten)]
    paging: Paging,
}

/// Make a product
#[derive(Debug, Args)]
#[command(after_help = "\
Without --cycle every cycle is offered, at 1, 3 or 12 times the price of a month.

Examples:
  rustbill product create --name 'Small server' --interface 0190a5b0-7c1e-7000-8000-000000000001 \\
    --price 29.00
  rustbill product create --name 'Small server' --interface 0190a5b0-7c1e-7000-8000-000000000001 \\
    --price 29.00 \\
    --cost-price 17.50 --cycle monthly=29.00 --cycle yearly=290.00 --spec cpu_cores=2 \\
    --spec memory_gb=4")]
pub(super) struct Create {
    /// What it is called
    #[arg(long)]
    name: String,
    /// The provider's interface, see `rustbill plugin interfaces`
    #[arg(long, value_name = "ID")]
    interface: String,
    /// The price of a month
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    price: String,
    /// What a month costs the shop; customers do not see it
    #[arg(long, value_name = "AMOUNT", default_value = "0.00", allow_negative_numbers = true)]
    cost_price: String,
    /// What the customer reads
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// The price of a cycle: monthly, quarterly or yearly; only those given are offered
    #[arg(long = "cycle", value_name = "CYCLE=AMOUNT")]
    cycles: Vec<String>,
    /// What the server has, as the provider calls it
    #[arg(long = "spec", value_name = "KEY=VALUE")]
    specs: Vec<String>,
    /// The group that it is shown in
    #[arg(long, value_name = "ID")]
    group: Option<String>,
}

impl ProductCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &products::get(context.app().await?, &context.actor, id).await?)
            }
            Self::Create(create) => create.run(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Delete { id, sure } => {
                let id = Id::parse("id", &id)?;
                sure.ask(&format!("Delete the product `{id}`?"))?;
                products::delete(context.app().await?, &context.actor, id).await?;
                show::deleted(context, id)
            }
            Self::Activate(several) => several.set_active(context, true).await,
            Self::Deactivate(several) => several.set_active(context, false).await,
            Self::DeleteSeveral { several, sure } => {
                sure.ask("Delete these products?")?;
                several.delete(context).await
            }
            Self::Regroup(regroup) => regroup.run(context).await,
            Self::Reprice(reprice) => reprice.run(context).await,
            Self::Sync(sync) => sync.run(context).await,
            Self::Import(import) => import.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = ProductFilter {
            interface_id: optional_id("interface", self.interface.as_deref())?,
            region: self.region,
            is_active: self.active,
            search: text::search_filter(self.search.as_deref())?,
            group_id: optional_id("group", self.group.as_deref())?,
            category_id: None,
        };
        let found = products::list(context.app().await?, &context.actor, &filter, self.paging.request()).await?;
        page!(context, found; id, name, price, cost_price, billing_cycles, interface_id, is_active, created_at)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let new = NewProduct {
            name: self.name,
            description: self.description,
            price: Money::parse("price", &self.price, Sign::NotNegative)?,
            cost_price: Money::parse("cost_price", &self.cost_price, Sign::NotNegative)?,
            billing_cycles: cycles(self.cycles)?,
            specs: pairs("--spec", self.specs)?,
            interface_id: Id::parse("interface", &self.interface)?,
            group_id: optional_id("group", self.group.as_deref())?,
        };
        print(context, &products::create(context.app().await?, &context.actor, &new).await?)
    }
}

/// The prices of `--cycle`.
fn cycles(given: Vec<String>) -> Result<BTreeMap<BillingCycle, Money>> {
    let price_of = |(cycle, amount): (&String, &String)| {
        Ok((BillingCycle::parse(cycle)?, Money::parse(&format!("cycle.{cycle}"), amount, Sign::NotNegative)?))
    };
    pairs("--cycle", given)?.iter().map(price_of).collect()
}

fn print(context: &Context, product: &Product) -> Result<()> {
    let fields = fields!(product; id, name, description, price, cost_price, billing_cycles, specs, interface_id,
        group_id, is_active, created_at, updated_at);
    show::item(context, fields, product)
}
