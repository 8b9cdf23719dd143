//! `rustbill payment`: what was paid, what an administrator confirms, and what is given back.

use clap::{Args, Subcommand};

use super::{
    Context,
    arguments::{Paging, Sure, optional_id, optional_word},
    show::{self, fields, page},
};
use crate::core::{
    error::Result,
    id::Id,
    money::{Money, Sign},
    payments::{self, Payment, PaymentFilter, PaymentStatus},
    settlement,
};

/// Look at payments, confirm those that no gateway reports, give money back
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill payment list --status pending
  rustbill payment confirm 0190a5b0-7c1e-7000-8000-000000000001 --transaction 2026-01-31/17
  rustbill payment refund 0190a5b0-7c1e-7000-8000-000000000001 --amount 10.00")]
pub(super) enum PaymentCommand {
    List(List),
    /// Show one payment
    #[command(after_help = "Examples:\n  rustbill payment show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The payment
        id: String,
    },
    Confirm(Confirm),
    /// Ask the gateway of a payment how it stands, and book what it says
    #[command(after_help = "Examples:\n  rustbill payment query 0190a5b0-7c1e-7000-8000-000000000001")]
    Query {
        /// The payment
        id: String,
    },
    Refund(Refund),
}

/// Give the money of a payment back: to the balance, or through the gateway that it came by
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill payment refund 0190a5b0-7c1e-7000-8000-000000000001
  rustbill payment refund 0190a5b0-7c1e-7000-8000-000000000001 --amount 10.00 --yes")]
pub(super) struct Refund {
    /// The payment
    id: String,
    /// How much; all that is left unless given, which also ends the order and its server
    #[arg(long, value_name = "AMOUNT")]
    amount: Option<String>,
    #[command(flatten)]
    sure: Sure,
}

/// List payments, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill payment list --status pending
  rustbill payment list --order 0190a5b0-7c1e-7000-8000-000000000001 --output json")]
pub(super) struct List {
    /// Of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// For this order
    #[arg(long, value_name = "ID")]
    order: Option<String>,
    /// For this invoice
    #[arg(long, value_name = "ID")]
    invoice: Option<String>,
    /// Through this gateway
    #[arg(long, value_name = "ID")]
    gateway: Option<String>,
    /// In this state: pending, success, failed or refunded
    #[arg(long)]
    status: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

/// Confirm that the money of a pending payment has come, such as a bank transfer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill payment confirm 0190a5b0-7c1e-7000-8000-000000000001
  rustbill payment confirm 0190a5b0-7c1e-7000-8000-000000000001 --transaction 2026-01-31/17 \\
    --note 'Seen on the account'")]
pub(super) struct Confirm {
    /// The payment
    id: String,
    /// The bank's number of the transaction
    #[arg(long, value_name = "TX", default_value = "", hide_default_value = true)]
    transaction: String,
    /// Why it counts as paid
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
}

impl PaymentCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &payments::get(context.app().await?, &context.actor, id).await?)
            }
            Self::Confirm(Confirm { id, transaction, note }) => {
                let id = Id::parse("id", &id)?;
                let app = context.app().await?;
                print(context, &settlement::confirm(app, &context.actor, id, &transaction, &note).await?)
            }
            Self::Query { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &settlement::query(context.app().await?, &context.actor, id).await?)
            }
            Self::Refund(refund) => refund.run(context).await,
        }
    }
}

impl Refund {
    async fn run(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let amount = self.amount.as_deref().map(|text| Money::parse("amount", text, Sign::Positive)).transpose()?;
        let app = context.app().await?;
        if !self.sure.is_given() {
            let payment = payments::get(app, &context.actor, id).await?;
            let what = match amount {
                Some(amount) => amount.to_string(),
                None => format!("what is left of {}", payment.amount),
            };
            self.sure.ask(&format!("Refund {what} {} of payment {id}?", payment.currency))?;
        }
        print(context, &settlement::refund(app, &context.actor, id, amount).await?)
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = PaymentFilter {
            customer_id: optional_id("customer", self.customer.as_deref())?,
            order_id: optional_id("order", self.order.as_deref())?,
            invoice_id: optional_id("invoice", self.invoice.as_deref())?,
            gateway_interface_id: optional_id("gateway", self.gateway.as_deref())?,
            status: optional_word(self.status.as_deref(), PaymentStatus::parse)?,
        };
        let found = payments::list(context.app().await?, &context.actor, filter, self.paging.request()).await?;
        page!(context, found; id, status, purpose, customer_id, order_id, invoice_id, amount, refunded_amount,
            currency, created_at)
    }
}

/// Also for the commands that begin a payment.
pub(super) fn print(context: &Context, payment: &Payment) -> Result<()> {
    let fields = fields!(payment; id, status, purpose, customer_id, order_id, invoice_id, amount, refunded_amount,
        currency, gateway_interface_id, gateway_payment_id, gateway_tx_id, payment_url, qr_code, instructions, note,
        paid_at, created_at, updated_at);
    show::item(context, fields, payment)
}
