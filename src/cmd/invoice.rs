//! `rustbill invoice`: what customers owe.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Context, Format,
    arguments::{Paging, Sure, optional_id, optional_word},
    payment,
    show::{self, Show as _, fields, page},
};
use crate::core::{
    error::{Error, Result},
    id::Id,
    invoices::{self, Invoice, InvoiceFilter, InvoiceStatus, NewInvoice, NewItem},
    money::{Money, Sign},
    settlement::{self, InvoiceUpdate, Target},
    time::parse_date,
};

/// Look at invoices, write, issue, pay and cancel them
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill invoice list --status overdue
  rustbill invoice generate --from 2026-01-01 --to 2026-01-31")]
pub(super) enum InvoiceCommand {
    List(List),
    /// Show one invoice with its lines
    #[command(after_help = "Examples:\n  rustbill invoice show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The invoice
        id: String,
    },
    Create(Create),
    /// Give a draft its number and send it
    #[command(after_help = "Examples:\n  rustbill invoice issue 0190a5b0-7c1e-7000-8000-000000000001")]
    Issue {
        /// The draft
        id: String,
    },
    Generate(Generate),
    Update(Update),
    Pay(Pay),
    /// Mark an issued invoice overdue whose last day to pay is over
    #[command(after_help = "Examples:\n  rustbill invoice overdue 0190a5b0-7c1e-7000-8000-000000000001")]
    Overdue {
        /// The invoice
        id: String,
    },
    /// Take an invoice back; its instalments are not billed again
    #[command(
        after_help = "Examples:\n  rustbill invoice cancel 0190a5b0-7c1e-7000-8000-000000000001\n  rustbill invoice cancel 0190a5b0-7c1e-7000-8000-000000000001 --yes"
    )]
    Cancel {
        /// The invoice
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Delete an invoice that never got a number
    #[command(
        after_help = "Examples:\n  rustbill invoice delete 0190a5b0-7c1e-7000-8000-000000000001\n  rustbill invoice delete 0190a5b0-7c1e-7000-8000-000000000001 --yes"
    )]
    Delete {
        /// The invoice
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
}

/// List invoices, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill invoice list --status issued
  rustbill invoice list --customer 0190a5b0-7c1e-7000-8000-000000000001 --output csv")]
pub(super) struct List {
    /// Of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// In this state: draft, issued, paid, overdue or cancelled
    #[arg(long)]
    status: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

/// Write a draft
#[derive(Debug, Args)]
#[command(after_help = "\
The amounts follow from the lines and the tax. A draft can be changed; `rustbill invoice issue` gives it a number.

Examples:
  rustbill invoice create --customer 0190a5b0-7c1e-7000-8000-000000000001 --from 2026-01-01 \\
    --to 2026-01-31 \\
    --due 2026-02-14 --item 'Setup;1;100.00' --item 'Hours of work;3;40.00' --tax 13.00")]
pub(super) struct Create {
    /// Who owes
    #[arg(long, value_name = "ID")]
    customer: String,
    /// The first day that it is for
    #[arg(long, value_name = "DAY")]
    from: String,
    /// The last day that it is for
    #[arg(long, value_name = "DAY")]
    to: String,
    /// The last day to pay
    #[arg(long, value_name = "DAY")]
    due: String,
    /// A line
    #[arg(long = "item", value_name = "DESCRIPTION;QUANTITY;UNIT_PRICE", required = true)]
    items: Vec<String>,
    /// The tax on the sum of the lines
    #[arg(long, value_name = "AMOUNT", default_value = "0.00", allow_negative_numbers = true)]
    tax: String,
    /// Notes
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    notes: String,
}

/// Make the invoices of a period: one per customer, each instalment once
#[derive(Debug, Args)]
#[command(after_help = "\
Both days belong to the period. What was billed already is not billed again, so that it can be repeated.

Examples:
  rustbill invoice generate --from 2026-01-01 --to 2026-01-31")]
pub(super) struct Generate {
    /// The first day of the period
    #[arg(long, value_name = "DAY")]
    from: String,
    /// The last day of the period
    #[arg(long, value_name = "DAY")]
    to: String,
}

/// Change the state or a draft's notes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill invoice update 0190a5b0-7c1e-7000-8000-000000000001 --notes 'As discussed on Monday'
  rustbill invoice update 0190a5b0-7c1e-7000-8000-000000000001 --notes '' --status issued")]
pub(super) struct Update {
    /// The invoice
    id: String,
    /// The new state: issued, paid, overdue or cancelled
    #[arg(long)]
    status: Option<String>,
    /// Notes; an empty text takes them away
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
}

/// Pay what is left of an invoice: from the balance, through a gateway, or by money that came another way
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill invoice pay 0190a5b0-7c1e-7000-8000-000000000001
  rustbill invoice pay 0190a5b0-7c1e-7000-8000-000000000001 \\
    --gateway 0190a5b0-7c1e-7000-8000-000000000003
  rustbill invoice pay 0190a5b0-7c1e-7000-8000-000000000001 --received")]
pub(super) struct Pay {
    /// The invoice
    id: String,
    /// The gateway [default: the customer's balance]
    #[arg(long, value_name = "ID", conflicts_with = "received")]
    gateway: Option<String>,
    /// The money came by another way: record its payment
    #[arg(long)]
    received: bool,
}

impl InvoiceCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &invoices::get(context.app().await?, &context.actor, id).await?)
            }
            Self::Create(create) => create.run(context).await,
            Self::Issue { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &invoices::issue(context.app().await?, &context.actor, id).await?)
            }
            Self::Generate(Generate { from, to }) => {
                let (from, to) = (parse_date("from", &from)?, parse_date("to", &to)?);
                let count = invoices::generate(context.app().await?, &context.actor, from, to).await?;
                context.printer.item(vec![("invoices", count.to_string())], &json!({ "invoices": count }))
            }
            Self::Update(update) => update.run(context).await,
            Self::Pay(pay) => pay.run(context).await,
            Self::Overdue { id } => move_to(context, &id, InvoiceStatus::Overdue).await,
            Self::Cancel { id, sure } => {
                sure.ask("Cancel the invoice? Its instalments are not billed again")?;
                move_to(context, &id, InvoiceStatus::Cancelled).await
            }
            Self::Delete { id, sure } => {
                sure.ask("Delete the invoice?")?;
                let id = Id::parse("id", &id)?;
                invoices::delete(context.app().await?, &context.actor, id).await?;
                show::deleted(context, id)
            }
        }
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        let status = optional_word(self.status.as_deref(), InvoiceStatus::parse)?;
        change(context, &self.id, &InvoiceUpdate { status, notes: self.notes }).await
    }
}

impl Pay {
    async fn run(self, context: &Context) -> Result<()> {
        if self.received {
            return move_to(context, &self.id, InvoiceStatus::Paid).await;
        }
        let target = Target::Invoice(Id::parse("id", &self.id)?);
        let gateway = optional_id("gateway", self.gateway.as_deref())?;
        let app = context.app().await?;
        payment::print(context, &settlement::pay(app, &context.actor, target, gateway, "").await?)
    }
}

async fn move_to(context: &Context, id: &str, status: InvoiceStatus) -> Result<()> {
    change(context, id, &InvoiceUpdate { status: Some(status), notes: None }).await
}

async fn change(context: &Context, id: &str, change: &InvoiceUpdate) -> Result<()> {
    let id = Id::parse("id", id)?;
    print(context, &settlement::update_invoice(context.app().await?, &context.actor, id, change).await?)
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = InvoiceFilter {
            customer_id: optional_id("customer", self.customer.as_deref())?,
            status: optional_word(self.status.as_deref(), InvoiceStatus::parse)?,
        };
        let found = invoices::list(context.app().await?, &context.actor, filter, self.paging.request()).await?;
        page!(context, found; id, invoice_number, status, customer_id, billing_period_start, billing_period_end,
            total_amount, paid_amount, currency, due_date)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let items = self.items.iter().map(|text| item(text)).collect::<Result<Vec<_>>>()?;
        let amount = Money::sum(items.iter().map(|item| item.amount))?;
        let tax_amount = Money::parse("tax", &self.tax, Sign::NotNegative)?;
        let new = NewInvoice {
            customer_id: Id::parse("customer", &self.customer)?,
            billing_period_start: parse_date("from", &self.from)?,
            billing_period_end: parse_date("to", &self.to)?,
            amount,
            tax_amount,
            total_amount: amount.plus(tax_amount)?,
            due_date: parse_date("due", &self.due)?,
            notes: self.notes,
            items,
        };
        print(context, &invoices::create(context.app().await?, &context.actor, &new).await?)
    }
}

/// Reads `DESCRIPTION;QUANTITY;UNIT_PRICE` from its end: the description may hold further semicolons.
fn item(text: &str) -> Result<NewItem> {
    let malformed = || {
        Error::invalid("cli.item", format!("`--item` is `{text}`, expected DESCRIPTION;QUANTITY;UNIT_PRICE"))
            .hint("for instance 'Setup;1;100.00'")
    };
    let mut parts = text.rsplitn(3, ';').map(str::trim);
    let (Some(price), Some(quantity), Some(description)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed());
    };
    let quantity = quantity.parse().map_err(|_| malformed())?;
    // A discount is a line with a negative price.
    let unit_price = Money::parse("item.unit_price", price, Sign::Any)?;
    Ok(NewItem { description: description.to_owned(), quantity, unit_price, amount: unit_price.times(quantity)? })
}

/// The lines are a table of their own for people, a list in JSON, and one cell in CSV, in the form of `--item`.
fn print(context: &Context, invoice: &Invoice) -> Result<()> {
    let mut fields = fields!(invoice; id, invoice_number, status, customer_id, billing_period_start,
        billing_period_end, amount, tax_amount, total_amount, paid_amount, currency, due_date, notes, issued_at,
        paid_at, created_at, updated_at);
    if context.printer.format() != Format::Table {
        let cell = |item: &invoices::InvoiceItem| format!("{};{};{}", item.description, item.quantity, item.unit_price);
        fields.push(("items", invoice.items.iter().map(cell).collect::<Vec<_>>().join("\n")));
        return show::item(context, fields, invoice);
    }
    show::item(context, fields, invoice)?;
    context.printer.line("\n")?;
    let row = |item: &invoices::InvoiceItem| {
        vec![
            item.position.show(),
            item.description.show(),
            item.quantity.show(),
            item.unit_price.show(),
            item.amount.show(),
        ]
    };
    let columns = ["position", "description", "quantity", "unit_price", "amount"];
    context.printer.list(&columns, invoice.items.iter().map(row).collect(), &invoice.items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_from_its_end() {
        let read = item("Work; at night ; 3 ; 40.5").unwrap();
        assert_eq!((read.description.as_str(), read.quantity), ("Work; at night", 3));
        assert_eq!((read.unit_price.to_string(), read.amount.to_string()), ("40.50".into(), "121.50".into()));
        for bad in ["", "Setup", "Setup;1", "Setup;one;1.00", "Setup;-1;1.00", "Setup;1;1.001", "Setup;1;"] {
            assert_eq!(item(bad).err().unwrap().kind(), crate::core::error::Kind::InvalidArgument, "{bad}");
        }
    }
}
