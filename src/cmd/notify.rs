//! `rustbill notify`: channels that tell people what happened.

use clap::{Args, Subcommand};

use super::{
    Context,
    arguments::pairs,
    show::{self, Show as _},
};
use crate::core::{
    error::{Error, Result},
    id::Id,
    notifications::{self, NewMessage, Outcome},
};

/// What a channel hears that names no events.
const ALL_EVENTS: &str = "all but verification_code";

/// Look at notification channels and try them out
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill notify list
  rustbill notify send --title 'A test' --body 'Does this arrive?' --recipient ann@example.com")]
pub(super) enum NotifyCommand {
    /// List enabled channels and the events they want; none means all
    #[command(after_help = "Examples:\n  rustbill notify list --output json")]
    List,
    Send(Send),
}

/// Send a message now and show how each channel fared
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill notify send --title 'A test' --body 'Does this arrive?' --recipient ann@example.com
  rustbill notify send --event order_paid --title x --body y \\
    --channel 0190a5b0-7c1e-7000-8000-000000000001")]
pub(super) struct Send {
    /// The event's name; `test` concerns every channel
    #[arg(long, value_name = "NAME", default_value = "test")]
    event: String,
    /// The subject
    #[arg(long, value_name = "TEXT")]
    title: String,
    /// The text
    #[arg(long, value_name = "TEXT")]
    body: String,
    /// Such as an e-mail address [default: the channel's own]
    #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true)]
    recipient: String,
    /// A further value for the channel
    #[arg(long = "data", value_name = "KEY=VALUE")]
    data: Vec<String>,
    /// Only through this channel; may be repeated [default: all that hear the event]
    #[arg(long = "channel", value_name = "ID")]
    channels: Vec<String>,
}

impl NotifyCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List => {
                let channels = notifications::channels(context.app().await?, &context.actor).await?;
                let columns = ["id", "name", "supported_events", "is_healthy"];
                show::print_page(context, &show::whole(channels), &columns, |channel| {
                    let events = match channel.supported_events.as_slice() {
                        [] => ALL_EVENTS.to_owned(),
                        _ => channel.supported_events.show(),
                    };
                    vec![channel.id.show(), channel.name.show(), events, channel.is_healthy.show()]
                })
            }
            Self::Send(send) => send.run(context).await,
        }
    }
}

impl Send {
    async fn run(self, context: &Context) -> Result<()> {
        let new = NewMessage {
            metadata: pairs("--data", self.data)?,
            channels: self.channels.iter().map(|id| Id::parse("channel", id)).collect::<Result<_>>()?,
            event_type: self.event,
            title: self.title,
            body: self.body,
            recipient: self.recipient,
        };
        let outcomes = notifications::send(context.app().await?, &context.actor, &new).await?;
        let row =
            |outcome: &Outcome| vec![outcome.channel_id.show(), outcome.error.is_none().show(), outcome.error.show()];
        context.printer.list(&["channel_id", "success", "error"], outcomes.iter().map(row).collect(), &outcomes)?;
        reached_somebody(&outcomes)
    }
}

/// A message that nobody got is a failure, for whoever asks by the exit code.
fn reached_somebody(outcomes: &[Outcome]) -> Result<()> {
    match outcomes.len() {
        0 => Err(Error::unavailable("notification.no_channel", "no enabled channel hears this event")
            .hint("`rustbill notify list` shows the channels and the events that they want")),
        count if outcomes.iter().all(|outcome| outcome.error.is_some()) => {
            let words = format!("the message was not sent: {count} of {count} channels failed");
            Err(Error::unavailable("notification.failed", words))
        }
        _ => Ok(()),
    }
}
