//! `rustbill group`: groups of products, as the storefront shows them.

use clap::{Args, Subcommand};

use super::{
    Context,
    arguments::{Paging, Sure, optional_id},
    show::{self, fields, page},
};
use crate::core::{
    catalogue::{
        Group, Placement,
        groups::{self, GroupUpdate, NewGroup},
    },
    error::Result,
    id::Id,
};

/// Groups of products: look at them, make, change and delete them
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill group list
  rustbill group create --name 'Small servers' --sort-order 10")]
pub(super) enum GroupCommand {
    List(List),
    /// Show one group
    #[command(after_help = "Examples:\n  rustbill group show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The group
        id: String,
    },
    Create(Create),
    Update(Update),
    /// Delete a group that holds no product
    #[command(after_help = "\
Examples:
  rustbill group delete 0190a5b0-7c1e-7000-8000-000000000001
  rustbill group delete 0190a5b0-7c1e-7000-8000-000000000001 --yes")]
    Delete {
        /// The group
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
}

/// List groups, by position and name
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill group list
  rustbill group list --category 0190a5b0-7c1e-7000-8000-000000000001 --output json")]
pub(super) struct List {
    /// Shown in this category
    #[arg(long, value_name = "ID")]
    category: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

/// Make a group
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rustbill group create --name 'Small servers' --sort-order 10")]
pub(super) struct Create {
    /// What it is called
    #[arg(long)]
    name: String,
    /// What the customer reads
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// The position; the smallest comes first
    #[arg(long, value_name = "N", default_value_t = 0)]
    sort_order: u32,
    /// The category that it is shown in
    #[arg(long, value_name = "ID")]
    category: Option<String>,
}

/// Change what is given of a group
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill group update 0190a5b0-7c1e-7000-8000-000000000001 --name 'Tiny servers'
  rustbill group update 0190a5b0-7c1e-7000-8000-000000000001 --category ''")]
pub(super) struct Update {
    /// The group
    id: String,
    /// What it is called
    #[arg(long)]
    name: Option<String>,
    /// What the customer reads
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The position; the smallest comes first
    #[arg(long, value_name = "N")]
    sort_order: Option<u32>,
    /// The category that it is shown in; empty for none
    #[arg(long, value_name = "ID")]
    category: Option<String>,
}

impl GroupCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &groups::get(context.app().await?, &context.actor, id).await?)
            }
            Self::Create(create) => create.run(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Delete { id, sure } => {
                let id = Id::parse("id", &id)?;
                sure.ask(&format!("Delete the group `{id}`?"))?;
                groups::delete(context.app().await?, &context.actor, id).await?;
                show::deleted(context, id)
            }
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let category = optional_id("category", self.category.as_deref())?;
        let found = groups::list(context.app().await?, &context.actor, category, self.paging.request()).await?;
        page!(context, found; id, name, sort_order, product_count, category_id, created_at)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let new = NewGroup {
            category_id: optional_id("category", self.category.as_deref())?,
            name: self.name,
            description: self.description,
            sort_order: self.sort_order,
        };
        print(context, &groups::create(context.app().await?, &context.actor, &new).await?)
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let change = GroupUpdate {
            category: Placement::parse("category", self.category.as_deref())?,
            name: self.name,
            description: self.description,
            sort_order: self.sort_order,
        };
        print(context, &groups::update(context.app().await?, &context.actor, id, &change).await?)
    }
}

fn print(context: &Context, group: &Group) -> Result<()> {
    let fields = fields!(group; id, name, description, sort_order, product_count, category_id, created_at, updated_at);
    show::item(context, fields, group)
}
