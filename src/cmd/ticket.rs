//! `rustbill ticket`: what customers ask.

use clap::{Args, Subcommand};

use super::{
    Context, Format,
    arguments::{Paging, Sure, optional_id, optional_word},
    show::{self, Show as _, fields, page},
};
use crate::core::{
    error::Result,
    id::Id,
    tickets::{self, NewReply, NewTicket, Priority, Reply, Ticket, TicketFilter, TicketStatus, TicketUpdate},
};

/// Look at tickets, open, answer, change and delete them
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill ticket list --status pending
  rustbill ticket reply 0190a5b0-7c1e-7000-8000-000000000001 --content 'Please try again.'")]
pub(super) enum TicketCommand {
    List(List),
    /// Show one ticket with its replies and internal notes
    #[command(after_help = "Examples:\n  rustbill ticket show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The ticket
        id: String,
    },
    Create(Create),
    Update(Update),
    Reply(ReplyArguments),
    /// Delete a ticket with all its replies
    #[command(after_help = "\
Examples:
  rustbill ticket delete 0190a5b0-7c1e-7000-8000-000000000001
  rustbill ticket delete 0190a5b0-7c1e-7000-8000-000000000001 --yes")]
    Delete {
        /// The ticket
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
}

/// List tickets, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill ticket list --status pending --priority urgent
  rustbill ticket list --customer 0190a5b0-7c1e-7000-8000-000000000001 --output csv")]
pub(super) struct List {
    /// Of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// In this state: pending, processing, resolved or closed
    #[arg(long)]
    status: Option<String>,
    /// Of this priority: low, medium, high or urgent
    #[arg(long)]
    priority: Option<String>,
    /// Of this administrator
    #[arg(long, value_name = "ID")]
    assignee: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

/// Open a ticket for a customer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill ticket create --customer 0190a5b0-7c1e-7000-8000-000000000001 --title 'No SSH' \\
    --priority high \\
    --description 'Reported by telephone'")]
pub(super) struct Create {
    /// Whose
    #[arg(long, value_name = "ID")]
    customer: String,
    /// The subject
    #[arg(long, value_name = "TEXT")]
    title: String,
    /// What is wrong
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// low, medium, high or urgent
    #[arg(long, default_value = "medium")]
    priority: String,
}

/// Change state, priority, assignee or description
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill ticket update 0190a5b0-7c1e-7000-8000-000000000001 --status resolved
  rustbill ticket update 0190a5b0-7c1e-7000-8000-000000000001 \\
    --assignee 0190a5b0-7c1e-7000-8000-000000000002
  rustbill ticket update 0190a5b0-7c1e-7000-8000-000000000001 --assignee ''")]
pub(super) struct Update {
    /// The ticket
    id: String,
    /// The new state: processing, resolved or closed
    #[arg(long)]
    status: Option<String>,
    /// The new priority: low, medium, high or urgent
    #[arg(long)]
    priority: Option<String>,
    /// Who takes care of it; the empty text means nobody
    #[arg(long, value_name = "ID")]
    assignee: Option<String>,
    /// The new description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// Answer a ticket
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill ticket reply 0190a5b0-7c1e-7000-8000-000000000001 --content 'Please try again.'
  rustbill ticket reply 0190a5b0-7c1e-7000-8000-000000000001 --content 'A bad cable, I think' \\
    --internal")]
pub(super) struct ReplyArguments {
    /// The ticket
    id: String,
    /// The text
    #[arg(long, value_name = "TEXT")]
    content: String,
    /// A note that the customer does not see
    #[arg(long)]
    internal: bool,
}

impl TicketCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &tickets::get(context.app().await?, &context.actor, id).await?)
            }
            Self::Create(create) => create.run(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Reply(ReplyArguments { id, content, internal }) => {
                let new = NewReply { ticket_id: Id::parse("id", &id)?, content, is_internal: internal };
                let reply = tickets::reply(context.app().await?, &context.actor, &new).await?;
                show::item(context, fields!(reply; id, ticket_id, content, is_internal, created_at), &reply)
            }
            Self::Delete { id, sure } => {
                let id = Id::parse("id", &id)?;
                sure.ask(&format!("Delete the ticket `{id}`?"))?;
                tickets::delete(context.app().await?, &context.actor, id).await?;
                context.printer.line(&format!("ticket `{id}` is deleted"))
            }
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = TicketFilter {
            customer_id: optional_id("customer", self.customer.as_deref())?,
            status: optional_word(self.status.as_deref(), TicketStatus::parse)?,
            priority: optional_word(self.priority.as_deref(), Priority::parse)?,
            assignee_user_id: optional_id("assignee", self.assignee.as_deref())?,
        };
        let found = tickets::list(context.app().await?, &context.actor, filter, self.paging.request()).await?;
        page!(context, found; id, title, status, priority, customer_id, assignee_user_id, created_at, updated_at)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let new = NewTicket {
            customer_id: Some(Id::parse("customer", &self.customer)?),
            priority: Some(Priority::parse(&self.priority)?),
            title: self.title,
            description: self.description,
        };
        print(context, &tickets::create(context.app().await?, &context.actor, &new).await?)
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let assignee = self.assignee.as_deref();
        let change = TicketUpdate {
            status: optional_word(self.status.as_deref(), TicketStatus::parse)?,
            priority: optional_word(self.priority.as_deref(), Priority::parse)?,
            assignee_user_id: assignee.map(|text| Id::parse_optional("assignee", text)).transpose()?,
            description: self.description,
        };
        print(context, &tickets::update(context.app().await?, &context.actor, id, &change).await?)
    }
}

/// The replies are a table of their own for people, a list in JSON, and one cell in CSV.
fn print(context: &Context, ticket: &Ticket) -> Result<()> {
    let mut fields = fields!(ticket; id, title, status, priority, customer_id, assignee_user_id, creator_user_id,
        description, created_at, updated_at);
    let author = |reply: &Reply| match (reply.author_is_customer, reply.is_internal) {
        (true, _) => "customer",
        (false, false) => "administrator",
        (false, true) => "note",
    };
    if context.printer.format() != Format::Table {
        let cell = |reply: &Reply| format!("{} {}: {}", reply.created_at, author(reply), reply.content);
        fields.push(("replies", ticket.replies.iter().map(cell).collect::<Vec<_>>().join("\n")));
        return show::item(context, fields, ticket);
    }
    show::item(context, fields, ticket)?;
    if ticket.replies.is_empty() {
        return Ok(());
    }
    context.printer.line("\n")?;
    let row = |reply: &Reply| vec![reply.created_at.show(), author(reply).to_owned(), reply.content.show()];
    context.printer.list(
        &["created_at", "author", "content"],
        ticket.replies.iter().map(row).collect(),
        &ticket.replies,
    )
}
