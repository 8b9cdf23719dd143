//! `rustbill balance`: what customers have, and how it came to be.

use clap::{Args, Subcommand};

use super::{
    Context,
    arguments::{Paging, optional_word},
    show::{self, fields, page},
};
use crate::core::{
    balance::{self, TransactionFilter, TransactionType},
    error::Result,
    id::Id,
    money::{Money, Sign},
    settlement::{self, Target},
};

/// Look at customers' balances and their ledgers, correct them, top them up
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill balance show 0190a5b0-7c1e-7000-8000-000000000001
  rustbill balance adjust 0190a5b0-7c1e-7000-8000-000000000001 --amount 100.00 --description 'Cash'")]
pub(super) enum BalanceCommand {
    /// Show what a customer has, and its credit
    #[command(after_help = "Examples:\n  rustbill balance show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The customer
        id: String,
    },
    List(Movements),
    Adjust(Adjust),
    Recharge(Recharge),
}

/// Correct a balance by hand, up or down
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill balance adjust 0190a5b0-7c1e-7000-8000-000000000001 --amount 100.00 --description 'Cash'
  rustbill balance adjust 0190a5b0-7c1e-7000-8000-000000000001 --amount=-5.00")]
pub(super) struct Adjust {
    /// The customer
    id: String,
    /// What to add or, with a minus sign, to take
    #[arg(long, allow_negative_numbers = true)]
    amount: String,
    /// What the customer reads
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
}

/// List the movements of a customer's balance, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill balance list 0190a5b0-7c1e-7000-8000-000000000001
  rustbill balance list 0190a5b0-7c1e-7000-8000-000000000001 --type refund --output csv")]
pub(super) struct Movements {
    /// The customer
    id: String,
    /// Of one type: recharge, payment, refund or adjustment
    #[arg(long = "type", value_name = "TYPE")]
    transaction_type: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

/// Begin a payment through a gateway that tops up a balance once it succeeds
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill balance recharge 0190a5b0-7c1e-7000-8000-000000000001 --amount 100.00 \\
    --gateway 0190a5b0-7c1e-7000-8000-000000000002")]
pub(super) struct Recharge {
    /// The customer
    id: String,
    /// How much
    #[arg(long)]
    amount: String,
    /// The gateway's interface
    #[arg(long, value_name = "ID")]
    gateway: String,
    /// Where the payer's browser goes afterwards
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    return_url: String,
}

impl BalanceCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                let found = balance::get(context.app().await?, &context.actor, Some(id)).await?;
                show::item(context, fields!(found; customer_id, balance, credit_limit), &found)
            }
            Self::List(list) => list.run(context).await,
            Self::Adjust(adjust) => adjust.run(context).await,
            Self::Recharge(recharge) => recharge.run(context).await,
        }
    }
}

impl Adjust {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let amount = Money::parse("amount", &self.amount, Sign::Any)?;
        let row = balance::adjust(context.app().await?, &context.actor, id, amount, &self.description).await?;
        let fields = fields!(row; id, customer_id, transaction_type, amount, balance_before, balance_after,
            reference_id, description, created_at);
        show::item(context, fields, &row)
    }
}

impl Movements {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let transaction_type = optional_word(self.transaction_type.as_deref(), TransactionType::parse)?;
        let app = context.app().await?;
        // A filter finds nothing of a customer that does not exist; who names one wants to know.
        balance::get(app, &context.actor, Some(id)).await?;
        let filter = TransactionFilter { customer_id: Some(id), transaction_type };
        let rows = balance::list(app, &context.actor, filter, self.paging.request()).await?;
        page!(context, rows; id, created_at, transaction_type, amount, balance_before, balance_after,
            reference_id, description)
    }
}

impl Recharge {
    async fn run(self, context: &Context) -> Result<()> {
        let target = Target::Recharge {
            customer_id: Some(Id::parse("id", &self.id)?),
            amount: Money::parse("amount", &self.amount, Sign::Positive)?,
        };
        let gateway = Id::parse("gateway", &self.gateway)?;
        let app = context.app().await?;
        let payment = settlement::start(app, &context.actor, target, gateway, &self.return_url).await?;
        let fields = fields!(payment; id, customer_id, amount, currency, status, gateway_interface_id, gateway_payment_id,
            payment_url, qr_code, instructions, created_at);
        show::item(context, fields, &payment)
    }
}
