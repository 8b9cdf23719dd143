//! `rustbill order`: what customers buy.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    Context, Format,
    arguments::{Paging, Sure, optional_id, optional_word, pairs},
    payment,
    show::{self, Show as _, fields, page},
};
use crate::core::{
    error::Result,
    id::Id,
    orders::{self, NewOrder, Order, OrderFilter, OrderStatus},
    payments::Payment,
    products::BillingCycle,
    settlement::{self, OrderUpdate},
    text,
};

/// Look at orders, place, pay and end them
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill order list --status pending
  rustbill order pay 0190a5b0-7c1e-7000-8000-000000000001")]
pub(super) enum OrderCommand {
    List(List),
    /// Show one order
    #[command(after_help = "Examples:\n  rustbill order show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The order
        id: String,
    },
    Create(Create),
    Pay(Pay),
    Update(Update),
    /// Cancel an order that does not run yet; what was paid goes to the balance
    #[command(
        after_help = "Examples:\n  rustbill order cancel 0190a5b0-7c1e-7000-8000-000000000001\n  rustbill order cancel 0190a5b0-7c1e-7000-8000-000000000001 --yes"
    )]
    Cancel {
        /// The order
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Stop the server of an order for now
    #[command(after_help = "Examples:\n  rustbill order suspend 0190a5b0-7c1e-7000-8000-000000000001")]
    Suspend {
        /// The order
        id: String,
    },
    /// Let a suspended order go on, and start its server
    #[command(after_help = "Examples:\n  rustbill order resume 0190a5b0-7c1e-7000-8000-000000000001")]
    Resume {
        /// The order
        id: String,
    },
    /// End an order as agreed, and give its server back
    #[command(
        after_help = "Examples:\n  rustbill order complete 0190a5b0-7c1e-7000-8000-000000000001\n  rustbill order complete 0190a5b0-7c1e-7000-8000-000000000001 --yes"
    )]
    Complete {
        /// The order
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// End an order, and give its server back
    #[command(
        after_help = "Examples:\n  rustbill order terminate 0190a5b0-7c1e-7000-8000-000000000001\n  rustbill order terminate 0190a5b0-7c1e-7000-8000-000000000001 --yes"
    )]
    Terminate {
        /// The order
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Delete an order without payments, invoices and server
    #[command(
        after_help = "Examples:\n  rustbill order delete 0190a5b0-7c1e-7000-8000-000000000001\n  rustbill order delete 0190a5b0-7c1e-7000-8000-000000000001 --yes"
    )]
    Delete {
        /// The order
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
}

/// List orders, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill order list --status active
  rustbill order list --customer 0190a5b0-7c1e-7000-8000-000000000001 --output csv")]
pub(super) struct List {
    /// Of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// In this state, such as pending, paid or active
    #[arg(long)]
    status: Option<String>,
    /// Made by this provider
    #[arg(long, value_name = "ID")]
    interface: Option<String>,
    /// Part of the identifier, the product or the customer
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

/// Place an order for a customer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill order create --customer 0190a5b0-7c1e-7000-8000-000000000001 \\
    --product 0190a5b0-7c1e-7000-8000-000000000002
  rustbill order create --customer 0190a5b0-7c1e-7000-8000-000000000001 \\
    --product 0190a5b0-7c1e-7000-8000-000000000002 \\
    --cycle yearly --spec region=frankfurt --gateway 0190a5b0-7c1e-7000-8000-000000000003")]
pub(super) struct Create {
    /// Who buys
    #[arg(long, value_name = "ID")]
    customer: String,
    /// What
    #[arg(long, value_name = "ID")]
    product: String,
    /// How often is paid: monthly, quarterly or yearly
    #[arg(long, default_value = "monthly")]
    cycle: String,
    /// What the customer chose of the server
    #[arg(long = "spec", value_name = "KEY=VALUE")]
    specs: Vec<String>,
    /// Begin a payment through this gateway; without one the order waits for `rustbill order pay`
    #[arg(long, value_name = "ID")]
    gateway: Option<String>,
    /// Notes
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    notes: String,
}

/// Pay an order, from the balance or through a gateway
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill order pay 0190a5b0-7c1e-7000-8000-000000000001
  rustbill order pay 0190a5b0-7c1e-7000-8000-000000000001 \\
    --gateway 0190a5b0-7c1e-7000-8000-000000000003")]
pub(super) struct Pay {
    /// The order
    id: String,
    /// The gateway [default: the customer's balance]
    #[arg(long, value_name = "ID")]
    gateway: Option<String>,
}

/// Change the state, the notes, or what the provider calls the server
#[derive(Debug, Args)]
#[command(after_help = "\
An order that is made paid by hand counts as paid by other means, and its server is made. One that is made active by \
hand needs a server: give what the provider calls it.

Examples:
  rustbill order update 0190a5b0-7c1e-7000-8000-000000000001 --notes 'Called, wants more memory'
  rustbill order update 0190a5b0-7c1e-7000-8000-000000000001 --status paid
  rustbill order update 0190a5b0-7c1e-7000-8000-000000000001 --status active \\
    --provider-instance vm-104")]
pub(super) struct Update {
    /// The order
    id: String,
    /// The new state, such as paid, provisioning, active or suspended
    #[arg(long)]
    status: Option<String>,
    /// What the provider calls the server
    #[arg(long, value_name = "NAME")]
    provider_instance: Option<String>,
    /// Notes; an empty text takes them away
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
}

/// An order that was just placed, with the payment that was begun.
#[derive(Serialize)]
struct Placed {
    #[serde(flatten)]
    order: Order,
    payment: Option<Payment>,
}

impl OrderCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                let order = orders::get(context.app().await?, &context.actor, id).await?;
                show::item(context, lines(&order), &order)
            }
            Self::Create(create) => create.run(context).await,
            Self::Pay(Pay { id, gateway }) => {
                let (id, gateway) = (Id::parse("id", &id)?, optional_id("gateway", gateway.as_deref())?);
                let app = context.app().await?;
                payment::print(context, &settlement::pay_order(app, &context.actor, id, gateway).await?)
            }
            Self::Update(update) => update.run(context).await,
            Self::Cancel { id, sure } => {
                sure.ask("Cancel the order? What was paid goes to the balance")?;
                move_to(context, &id, OrderStatus::Cancelled).await
            }
            Self::Suspend { id } => move_to(context, &id, OrderStatus::Suspended).await,
            Self::Resume { id } => {
                let id = Id::parse("id", &id)?;
                let order = settlement::resume_order(context.app().await?, &context.actor, id).await?;
                show::item(context, lines(&order), &order)
            }
            Self::Complete { id, sure } => {
                sure.ask("Complete the order? Its server is given back")?;
                move_to(context, &id, OrderStatus::Completed).await
            }
            Self::Terminate { id, sure } => {
                sure.ask("Terminate the order? Its server is given back")?;
                move_to(context, &id, OrderStatus::Terminated).await
            }
            Self::Delete { id, sure } => {
                sure.ask("Delete the order?")?;
                let id = Id::parse("id", &id)?;
                settlement::delete_order(context.app().await?, &context.actor, id).await?;
                show::deleted(context, id)
            }
        }
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        let change = OrderUpdate {
            status: optional_word(self.status.as_deref(), OrderStatus::parse)?,
            provider_instance_id: self.provider_instance,
            notes: self.notes,
        };
        update(context, &self.id, &change).await
    }
}

async fn move_to(context: &Context, id: &str, status: OrderStatus) -> Result<()> {
    update(context, id, &OrderUpdate { status: Some(status), ..OrderUpdate::default() }).await
}

async fn update(context: &Context, id: &str, change: &OrderUpdate) -> Result<()> {
    let id = Id::parse("id", id)?;
    let order = settlement::update_order(context.app().await?, &context.actor, id, change).await?;
    show::item(context, lines(&order), &order)
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = OrderFilter {
            customer_id: optional_id("customer", self.customer.as_deref())?,
            status: optional_word(self.status.as_deref(), OrderStatus::parse)?,
            provider_interface_id: optional_id("interface", self.interface.as_deref())?,
            search: text::search_filter(self.search.as_deref())?,
        };
        let found = orders::list(context.app().await?, &context.actor, &filter, self.paging.request()).await?;
        page!(context, found; id, status, customer_id, product_name, billing_cycle, total_amount, currency, created_at)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let new = NewOrder {
            customer_id: Some(Id::parse("customer", &self.customer)?),
            product_id: Id::parse("product", &self.product)?,
            provider_interface_id: None,
            wish: pairs("--spec", self.specs)?,
            billing_cycle: BillingCycle::parse(&self.cycle)?,
            currency: String::new(),
            notes: self.notes,
        };
        let gateway = optional_id("gateway", self.gateway.as_deref())?;
        let app = context.app().await?;
        let (order, payment) = settlement::order_and_pay(app, &context.actor, &new, gateway).await?;
        if gateway.is_some() && payment.is_none() {
            context
                .printer
                .note("warning: the payment could not begin; the order is pending and `order pay` tries again");
        }
        print_placed(context, Placed { order, payment })
    }
}

fn print_placed(context: &Context, placed: Placed) -> Result<()> {
    let mut fields = lines(&placed.order);
    fields.push(("payment_id", placed.payment.as_ref().map(|payment| payment.id).show()));
    show::item(context, fields, &placed)?;
    // JSON holds it already, and CSV has one row.
    if let Some(begun) = placed.payment.filter(|_| context.printer.format() == Format::Table) {
        context.printer.line("\nPayment:")?;
        payment::print(context, &begun)?;
    }
    Ok(())
}

fn lines(order: &Order) -> Vec<(&'static str, String)> {
    fields!(order; id, status, status_reason, customer_id, product_id, product_name, provider_interface_id,
        provider_instance_id, server_spec, billing_cycle, total_amount, currency, gateway_interface_id,
        gateway_payment_id, notes, activated_at, ended_at, created_at, updated_at)
}
