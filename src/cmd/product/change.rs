//! What changes products that are there.

use std::collections::BTreeMap;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{cycles, print};
use crate::{
    cmd::{
        Context,
        arguments::{file, optional_amount, optional_id, pairs},
        show::{self, fields, page},
    },
    core::{
        catalogue::Placement,
        error::{Error, Result},
        id::Id,
        money::Money,
        products::{self, Markup, ProductUpdate, UpstreamItem},
    },
};

/// Change what is given of a product
#[derive(Debug, Args)]
#[command(after_help = "\
Orders that were placed keep their price. --cycle and --spec replace all that there are.

Examples:
  rustbill product update 0190a5b0-7c1e-7000-8000-000000000001 --price 31.00
  rustbill product update 0190a5b0-7c1e-7000-8000-000000000001 --cycle monthly=31.00 \\
    --cycle yearly=310.00 --group ''")]
pub(in crate::cmd) struct Update {
    /// The product
    id: String,
    /// What it is called
    #[arg(long)]
    name: Option<String>,
    /// What the customer reads
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The price of a month
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    price: Option<String>,
    /// What a month costs the shop; customers do not see it
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    cost_price: Option<String>,
    /// The price of a cycle: monthly, quarterly or yearly; only those given are offered from now on
    #[arg(long = "cycle", value_name = "CYCLE=AMOUNT")]
    cycles: Vec<String>,
    /// What the server has, as the provider calls it
    #[arg(long = "spec", value_name = "KEY=VALUE")]
    specs: Vec<String>,
    /// The group that it is shown in; empty for none
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// On sale or not
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
}

/// Products by their identifiers, all of them or none.
#[derive(Debug, Args)]
pub(in crate::cmd) struct Several {
    /// The products, at most 500
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

/// Show products in another group
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill product regroup --group 0190a5b0-7c1e-7000-8000-000000000003 \\
    0190a5b0-7c1e-7000-8000-000000000001
  rustbill product regroup --group '' 0190a5b0-7c1e-7000-8000-000000000001")]
pub(in crate::cmd) struct Regroup {
    /// The group; empty for none
    #[arg(long, value_name = "ID")]
    group: String,
    #[command(flatten)]
    several: Several,
}

/// Make products of a list, not yet on sale
#[derive(Debug, Args)]
#[command(after_help = "\
The file holds a JSON list of objects with `name` and perhaps `description`, `specs` (an object of texts) and \
`cost_price`. `rustbill product sync` makes the provider's own list.

Examples:
  rustbill product import --interface 0190a5b0-7c1e-7000-8000-000000000001 --file products.json
  echo '[{\"name\": \"Small\", \"cost_price\": \"3.00\"}]' | rustbill product import --file - \\
    --interface 0190a5b0-7c1e-7000-8000-000000000001")]
pub(in crate::cmd) struct Import {
    /// The provider's interface, see `rustbill plugin interfaces`
    #[arg(long, value_name = "ID")]
    interface: String,
    /// The file with the list; `-` is stdin
    #[arg(long, value_name = "FILE")]
    file: String,
    /// The group for the new products
    #[arg(long, value_name = "ID")]
    group: Option<String>,
}

/// A product of such a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    specs: BTreeMap<String, String>,
    cost_price: Option<String>,
}

/// Set prices to the cost price times a ratio
#[derive(Debug, Args)]
#[command(after_help = "\
Prices are rounded to two decimals, half away from zero. Prices by cycle that are exactly 1, 3 or 12 times the price \
of a month follow it; a product with other ones, such as a discount for a year, keeps all of them.

Examples:
  rustbill product reprice --ratio 1.3 0190a5b0-7c1e-7000-8000-000000000001 \\
    0190a5b0-7c1e-7000-8000-000000000002")]
pub(in crate::cmd) struct Reprice {
    /// How many times the cost the price shall be; 1.3 adds 30 per cent
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true)]
    ratio: String,
    #[command(flatten)]
    several: Several,
}

/// Ask a provider's plugin for its products
#[derive(Debug, Args)]
#[command(after_help = "\
Products with the same name and specs get the provider's description and cost; others are made, not yet on sale.

Examples:
  rustbill product sync --interface 0190a5b0-7c1e-7000-8000-000000000001")]
pub(in crate::cmd) struct Sync {
    /// The provider's interface, see `rustbill plugin interfaces`
    #[arg(long, value_name = "ID")]
    interface: String,
    /// The group for the new products
    #[arg(long, value_name = "ID")]
    group: Option<String>,
}

impl Update {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let change = ProductUpdate {
            price: optional_amount("price", self.price.as_deref())?,
            cost_price: optional_amount("cost_price", self.cost_price.as_deref())?,
            billing_cycles: cycles(self.cycles)?,
            specs: pairs("--spec", self.specs)?,
            group: Placement::parse("group", self.group.as_deref())?,
            is_active: self.active,
            name: self.name,
            description: self.description,
        };
        print(context, &products::update(context.app().await?, &context.actor, id, &change).await?)
    }
}

impl Several {
    fn read(&self) -> Result<Vec<Id>> {
        self.ids.iter().map(|id| Id::parse("id", id)).collect()
    }

    pub(super) async fn set_active(self, context: &Context, is_active: bool) -> Result<()> {
        let ids = self.read()?;
        print_count(context, products::set_active(context.app().await?, &context.actor, &ids, is_active).await?)
    }

    pub(super) async fn delete(self, context: &Context) -> Result<()> {
        let ids = self.read()?;
        print_count(context, products::delete_all(context.app().await?, &context.actor, &ids).await?)
    }
}

impl Regroup {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let (ids, group) = (self.several.read()?, Id::parse_optional("group", &self.group)?);
        print_count(context, products::set_group(context.app().await?, &context.actor, &ids, group).await?)
    }
}

impl Import {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let interface = Id::parse("interface", &self.interface)?;
        let group = optional_id("group", self.group.as_deref())?;
        let listed: Vec<Listed> = serde_json::from_str(&file("--file", &self.file)?)
            .map_err(|cause| Error::invalid("cli.products", format!("`--file` holds no list of products: {cause}")))?;
        let item = |(listed, number): (Listed, u32)| {
            let field = format!("items[{number}].cost_price");
            Ok(UpstreamItem {
                name: listed.name,
                description: listed.description,
                specs: listed.specs,
                cost_price: optional_amount(&field, listed.cost_price.as_deref())?.unwrap_or(Money::ZERO),
            })
        };
        let items = listed.into_iter().zip(0..).map(item).collect::<Result<Vec<_>>>()?;
        let app = context.app().await?;
        print_count(context, products::import(app, &context.actor, interface, group, &items).await?)
    }
}

impl Reprice {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let (ids, ratio) = (self.several.read()?, Markup::parse("ratio", &self.ratio)?);
        print_count(context, products::reprice(context.app().await?, &context.actor, &ids, ratio).await?)
    }
}

impl Sync {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let interface = Id::parse("interface", &self.interface)?;
        let group = optional_id("group", self.group.as_deref())?;
        let synced = show::whole(products::sync(context.app().await?, &context.actor, interface, group).await?);
        page!(context, synced; id, name, price, cost_price, specs, group_id, is_active)
    }
}

/// How many products changed.
#[derive(Serialize)]
struct Changed {
    changed: u32,
}

fn print_count(context: &Context, changed: u32) -> Result<()> {
    let changed = Changed { changed };
    show::item(context, fields!(changed; changed), &changed)
}
