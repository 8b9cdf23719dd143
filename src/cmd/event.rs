//! `rustbill event`: what happened and is, or could not be, acted upon.

use clap::{Args, Subcommand};

use super::{
    Context,
    arguments::{Paging, optional_id, optional_word},
    show::{self, fields, page},
};
use crate::core::{
    error::Result,
    event::EventType,
    events::{self, EventDetail, EventFilter, EventStatus},
    id::Id,
};

/// Look at events, and have one tried again that failed
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill event list --status failed
  rustbill event show 0190a5b0-7c1e-7000-8000-000000000001
  rustbill event retry 0190a5b0-7c1e-7000-8000-000000000001")]
pub(super) enum EventCommand {
    List(List),
    /// Show one event: what it needs, how often it was tried, why it failed
    #[command(after_help = "Examples:\n  rustbill event show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The event
        id: String,
    },
    /// Have an event tried again at once that waits for its next attempt or was put aside
    ///
    /// A running server does so within a second.
    #[command(after_help = "Examples:\n  rustbill event retry 0190a5b0-7c1e-7000-8000-000000000001")]
    Retry {
        /// The event
        id: String,
    },
}

/// List events, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill event list --status failed
  rustbill event list --type order_paid --output json
  rustbill event list --subject 0190a5b0-7c1e-7000-8000-000000000001")]
pub(super) struct List {
    /// In this state: pending, processing, done or failed
    #[arg(long)]
    status: Option<String>,
    /// Of this kind, as the list shows it
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// About this thing, such as an order
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

impl EventCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &events::get(context.app().await?, &context.actor, id).await?)
            }
            Self::Retry { id } => {
                let id = Id::parse("id", &id)?;
                print(context, &events::retry(context.app().await?, &context.actor, id).await?)
            }
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = EventFilter {
            status: optional_word(self.status.as_deref(), EventStatus::parse)?,
            event_type: optional_word(self.event_type.as_deref(), EventType::parse)?,
            subject_id: optional_id("subject", self.subject.as_deref())?,
        };
        let found = events::list(context.app().await?, &context.actor, &filter, self.paging.request()).await?;
        page!(context, found; created_at, event_type, status, subject_id, attempts, failures, available_at, id)
    }
}

fn print(context: &Context, found: &EventDetail) -> Result<()> {
    let event = &found.event;
    let mut columns = fields!(event; id, event_type, status, subject_id, order_id, attempts, failures, last_error);
    columns.push(("next_try_at", show::Show::show(&event.next_try_at())));
    columns.extend(fields!(event; claimed_by, claimed_until, created_at, updated_at));
    columns.push(("payload", found.payload.to_string()));
    show::item(context, columns, found)
}
