//! The scripts of interfaces, their pages, and the end of an interface.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    super::{
        Context, Format,
        arguments::{Sure, file},
        show::{self, fields, page, whole},
    },
    call::Call,
};
use crate::core::{
    error::{Error, Result},
    id::Id,
    plugins::{self, engine::Issue},
};

/// What is done with a script.
#[derive(Debug, Subcommand)]
pub(in crate::cmd) enum ScriptCommand {
    /// Delete an interface that nothing uses
    #[command(after_help = "\
Examples:
  rustbill plugin delete 0190a5b0-7c1e-7000-8000-000000000001
  rustbill plugin delete 0190a5b0-7c1e-7000-8000-000000000001 --yes")]
    Delete {
        /// The interface
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Print the plugin's own page for the administration, which is HTML
    #[command(after_help = "Examples:\n  rustbill plugin page 0190a5b0-7c1e-7000-8000-000000000001 > page.html")]
    Page {
        /// The interface
        id: String,
    },
    Call(Call),
    /// Print the script that an interface runs
    #[command(after_help = "\
Examples:
  rustbill plugin source 0190a5b0-7c1e-7000-8000-000000000001 > script.rn
  rustbill plugin source 0190a5b0-7c1e-7000-8000-000000000001 --output json")]
    Source {
        /// The interface
        id: String,
    },
    EditSource(EditSource),
}

/// Give an interface another script
#[derive(Debug, Args)]
#[command(after_help = "\
The script is compiled first; one with problems is not taken. Later versions of the plugin leave an edited script \
alone. With --hash, as `plugin source --output json` shows it, a script that somebody else changed meanwhile stays.

Examples:
  rustbill plugin edit-source 0190a5b0-7c1e-7000-8000-000000000001 script.rn
  rustbill plugin edit-source 0190a5b0-7c1e-7000-8000-000000000001 - < script.rn")]
pub(in crate::cmd) struct EditSource {
    /// The interface
    id: String,
    /// The file with the script; `-` is stdin
    file: String,
    /// The hash of the script that was edited; left out: whatever is there now
    #[arg(long)]
    hash: Option<String>,
}

/// A problem of a script.
#[derive(Serialize)]
struct IssueView {
    line: u32,
    column: u32,
    message: String,
    advice: String,
}

impl ScriptCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Delete { id, sure } => {
                let id = Id::parse("id", &id)?;
                sure.ask(&format!("Delete the interface `{id}`?"))?;
                plugins::delete(context.app().await?, &context.actor, id).await?;
                show::deleted(context, id)
            }
            Self::Page { id } => {
                let id = Id::parse("id", &id)?;
                let found = plugins::admin_page(context.app().await?, &context.actor, id).await?;
                text_or_item(context, &found.html, fields!(found; title, html), &found)
            }
            Self::Call(call) => call.run(context).await,
            Self::Source { id } => {
                let id = Id::parse("id", &id)?;
                let found = plugins::source(context.app().await?, &context.actor, id).await?;
                text_or_item(context, &found.source, fields!(found; hash, edited, source), &found)
            }
            Self::EditSource(edit) => edit.run(context).await,
        }
    }
}

impl EditSource {
    async fn run(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let source = file("FILE", &self.file)?;
        let app = context.app().await?;
        let hash = match self.hash {
            Some(hash) => hash,
            None => plugins::source(app, &context.actor, id).await?.hash,
        };
        let checked = plugins::update_source(app, &context.actor, id, &source, &hash).await?;
        if checked.issues.is_empty() {
            return super::print(context, checked.interface);
        }
        report(context, checked.issues)
    }
}

/// Prints the problems of a script; that there are some is an error.
fn report(context: &Context, issues: Vec<Issue>) -> Result<()> {
    let found =
        whole(issues).map(|Issue { line, column, message, advice, .. }| IssueView { line, column, message, advice });
    page!(context, found; line, column, message, advice)?;
    match found.items.len() {
        0 => Ok(()),
        count => {
            let problems = if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
            Err(Error::invalid("plugin.source", format!("the script has {problems}")))
        }
    }
}

/// What is a text of its own goes to stdout as it is, unless a form for programs was asked for.
pub(super) fn text_or_item(
    context: &Context,
    text: &str,
    fields: Vec<(&str, String)>,
    json: &impl Serialize,
) -> Result<()> {
    if context.printer.format() == Format::Table {
        return context.printer.line(text.strip_suffix('\n').unwrap_or(text));
    }
    show::item(context, fields, json)
}
