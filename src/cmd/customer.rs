//! `rustbill customer`: who buys, and what they have.

use clap::{Args, Subcommand};

use super::{
    Context,
    arguments::{Paging, Sure, optional_amount},
    balance::{Adjust, Movements},
    show::{self, fields, page},
};
use crate::core::{
    customers::{self, Customer, CustomerFilter, CustomerUpdate, NewCustomer},
    error::Result,
    id::Id,
    money::{Money, Sign},
    text,
};

/// Look at customers, make, change and delete them, correct their balances
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill customer create --name 'Ann Lee' --email ann@example.com
  rustbill customer adjust-balance 0190a5b0-7c1e-7000-8000-000000000001 --amount 100.00 \\
    --description 'Cash'")]
pub(super) enum CustomerCommand {
    List(List),
    /// Show one customer with its balance
    #[command(after_help = "Examples:\n  rustbill customer show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The customer
        id: String,
    },
    Create(Create),
    Update(Update),
    /// Delete a customer that has neither orders nor payments nor movements of its balance
    #[command(after_help = "\
Examples:
  rustbill customer delete 0190a5b0-7c1e-7000-8000-000000000001
  rustbill customer delete 0190a5b0-7c1e-7000-8000-000000000001 --yes")]
    Delete {
        /// The customer
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Correct a balance by hand, up or down: `rustbill balance adjust`
    AdjustBalance(Adjust),
    /// List the movements of a balance: `rustbill balance list`
    Transactions(Movements),
}

/// List customers, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill customer list
  rustbill customer list --search example.com --active true --output csv")]
pub(super) struct List {
    /// Part of a name, an address, a company or a telephone number
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Enabled or disabled ones
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    #[command(flatten)]
    paging: Paging,
}

/// Make a customer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill customer create --name 'Ann Lee' --email ann@example.com
  rustbill customer create --name 'Lee GmbH' --email it@example.com --company 'Lee GmbH' \\
    --credit-limit 500.00")]
pub(super) struct Create {
    /// The name on invoices
    #[arg(long)]
    name: String,
    /// The address for notifications
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// Whom to ask for
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    contact_person: String,
    /// A telephone number
    #[arg(long, value_name = "NUMBER", default_value = "", hide_default_value = true)]
    phone: String,
    /// The company
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    company: String,
    /// Notes that the customer does not see
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    notes: String,
    /// How far the balance may fall below zero
    #[arg(long, value_name = "AMOUNT", default_value = "0.00", allow_negative_numbers = true)]
    credit_limit: String,
}

/// Change what is given of a customer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill customer update 0190a5b0-7c1e-7000-8000-000000000001 --credit-limit 500.00
  rustbill customer update 0190a5b0-7c1e-7000-8000-000000000001 --active false --notes 'Moved away'")]
pub(super) struct Update {
    /// The customer
    id: String,
    /// The name on invoices
    #[arg(long)]
    name: Option<String>,
    /// The address for notifications
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Whom to ask for
    #[arg(long, value_name = "NAME")]
    contact_person: Option<String>,
    /// A telephone number
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// The company
    #[arg(long, value_name = "NAME")]
    company: Option<String>,
    /// Notes that the customer does not see
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    /// How far the balance may fall below zero
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    credit_limit: Option<String>,
    /// Whether it may buy; disabled, its users are logged out
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    /// Whether its users may make API keys
    #[arg(long, value_name = "true|false")]
    can_create_api_keys: Option<bool>,
}

impl CustomerCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &customers::get(context.app().await?, &context.actor, id).await?)
            }
            Self::Create(create) => create.run(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Delete { id, sure } => {
                let id = Id::parse("id", &id)?;
                sure.ask(&format!("Delete the customer `{id}`?"))?;
                customers::delete(context.app().await?, &context.actor, id).await?;
                show::deleted(context, id)
            }
            Self::AdjustBalance(adjust) => adjust.run(context).await,
            Self::Transactions(transactions) => transactions.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = CustomerFilter { is_active: self.active, search: text::search_filter(self.search.as_deref())? };
        let found = customers::list(context.app().await?, &context.actor, &filter, self.paging.request()).await?;
        page!(context, found; id, name, email, company, balance, credit_limit, is_active, created_at)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let new = NewCustomer {
            credit_limit: Money::parse("credit_limit", &self.credit_limit, Sign::NotNegative)?,
            name: self.name,
            contact_person: self.contact_person,
            email: self.email,
            phone: self.phone,
            company: self.company,
            notes: self.notes,
        };
        print(context, &customers::create(context.app().await?, &context.actor, &new).await?)
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let change = CustomerUpdate {
            credit_limit: optional_amount("credit_limit", self.credit_limit.as_deref())?,
            name: self.name,
            contact_person: self.contact_person,
            email: self.email,
            phone: self.phone,
            company: self.company,
            notes: self.notes,
            is_active: self.active,
            can_create_api_keys: self.can_create_api_keys,
        };
        print(context, &customers::update(context.app().await?, &context.actor, id, &change).await?)
    }
}

fn print(context: &Context, customer: &Customer) -> Result<()> {
    let fields = fields!(customer; id, name, contact_person, email, phone, company, notes, balance, credit_limit,
        is_active, can_create_api_keys, created_at, updated_at);
    show::item(context, fields, customer)
}
