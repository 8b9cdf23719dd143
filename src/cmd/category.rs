//! `rustbill category`: categories, each holding groups of products.

use clap::{Args, Subcommand};

use super::{
    Context,
    arguments::{Paging, Sure},
    show::{self, fields, page},
};
use crate::core::{
    catalogue::{
        Category,
        categories::{self, CategoryUpdate, NewCategory},
    },
    error::Result,
    id::Id,
};

/// Categories of product groups: look at them, make, change and delete them
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill category list
  rustbill category create --name Servers --sort-order 10")]
pub(super) enum CategoryCommand {
    List(List),
    /// Show one category
    #[command(after_help = "Examples:\n  rustbill category show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The category
        id: String,
    },
    Create(Create),
    Update(Update),
    /// Delete a category that holds no group
    #[command(after_help = "\
Examples:
  rustbill category delete 0190a5b0-7c1e-7000-8000-000000000001
  rustbill category delete 0190a5b0-7c1e-7000-8000-000000000001 --yes")]
    Delete {
        /// The category
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
}

/// List categories, by position and name
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rustbill category list\n  rustbill category list --output json")]
pub(super) struct List {
    #[command(flatten)]
    paging: Paging,
}

/// Make a category
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rustbill category create --name Servers --sort-order 10")]
pub(super) struct Create {
    /// What it is called
    #[arg(long)]
    name: String,
    /// What the customer reads
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// The position; the smallest comes first
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    sort_order: i32,
}

/// Change what is given of a category
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill category update 0190a5b0-7c1e-7000-8000-000000000001 --name 'Root servers' --sort-order 5")]
pub(super) struct Update {
    /// The category
    id: String,
    /// What it is called
    #[arg(long)]
    name: Option<String>,
    /// What the customer reads
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The position; the smallest comes first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    sort_order: Option<i32>,
}

impl CategoryCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => {
                let found = categories::list(context.app().await?, list.paging.request()).await?;
                page!(context, found; id, name, sort_order, group_count, created_at)
            }
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &categories::get(context.app().await?, id).await?)
            }
            Self::Create(create) => {
                let new =
                    NewCategory { name: create.name, description: create.description, sort_order: create.sort_order };
                print(context, &categories::create(context.app().await?, &context.actor, &new).await?)
            }
            Self::Update(update) => {
                let id = Id::parse("id", &update.id)?;
                let change = CategoryUpdate {
                    name: update.name,
                    description: update.description,
                    sort_order: update.sort_order,
                };
                print(context, &categories::update(context.app().await?, &context.actor, id, &change).await?)
            }
            Self::Delete { id, sure } => {
                let id = Id::parse("id", &id)?;
                sure.ask(&format!("Delete the category `{id}`?"))?;
                categories::delete(context.app().await?, &context.actor, id).await?;
                show::deleted(context, id)
            }
        }
    }
}

fn print(context: &Context, category: &Category) -> Result<()> {
    let fields = fields!(category; id, name, description, sort_order, group_count, created_at, updated_at);
    show::item(context, fields, category)
}
