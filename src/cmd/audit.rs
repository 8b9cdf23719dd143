//! `rustbill audit`: who did what, and whether the record of it is whole.

use clap::{Args, Subcommand};

use super::{
    Context,
    arguments::{Paging, optional_id},
    show::{self, fields, page},
};
use crate::core::{
    audit::{self, LogFilter},
    error::Result,
};

/// Read the operation log, and check that nobody changed it
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill audit list --action order.pay
  rustbill audit verify")]
pub(super) enum AuditCommand {
    List(List),
    /// Check that no sealed entry was changed, moved or removed; changes nothing
    ///
    /// Entries are sealed by the server, about a second after they are written. Of those that are not sealed yet
    /// nothing can be said.
    #[command(after_help = "Examples:\n  rustbill audit verify\n  rustbill audit verify --output json")]
    Verify,
}

/// List operations, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill audit list --actor 0190a5b0-7c1e-7000-8000-000000000001
  rustbill audit list --target-type order --target-id 0190a5b0-7c1e-7000-8000-000000000001 \\
    --output json")]
pub(super) struct List {
    /// Of this user or key
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Of this kind, such as order.pay
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// On this kind of thing, such as order
    #[arg(long, value_name = "NOUN")]
    target_type: Option<String>,
    /// On this thing
    #[arg(long, value_name = "ID")]
    target_id: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

impl AuditCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Verify => verify(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = LogFilter {
            actor_id: optional_id("actor", self.actor.as_deref())?,
            action: self.action,
            target_type: self.target_type,
            target_id: optional_id("target_id", self.target_id.as_deref())?,
        };
        let found = audit::list(context.app().await?, &context.actor, &filter, self.paging.request()).await?;
        page!(context, found; created_at, actor_type, actor_name, action, target_type, target_id, source, position, id)
    }
}

async fn verify(context: &Context) -> Result<()> {
    let found = audit::verify(context.app().await?, &context.actor).await?;
    let mut columns = fields!(found; intact, verified, unsealed, position, hash);
    columns.push(("problem", found.problem.as_ref().map(|problem| problem.message.clone()).unwrap_or_default()));
    show::item(context, columns, &found)?;
    found.problem.as_ref().map_or(Ok(()), |problem| Err(audit::broken(problem)))
}
