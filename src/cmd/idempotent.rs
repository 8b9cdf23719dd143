//! `--idempotency-key`: the same command with the same key makes its change once.
//!
//! The request is the command as it was parsed, with the format of its output; what it reads from files, from stdin or
//! from variables is no part of it. The answer is what it printed on stdout.

use super::{Command, Context, plugin::PluginCommand};
use crate::core::{
    error::{Error, Result},
    idempotency::{self, Key, Reserved},
};

/// Runs a command under a key, or prints what it printed before. What changes nothing, or fails, may run again.
pub(super) async fn run(command: Command, context: &mut Context, key: &str) -> Result<()> {
    if matches!(
        command,
        Command::Serve(_)
            | Command::Demo(_)
            | Command::Init(_)
            | Command::Db(_)
            // What authors do with their files needs no database, where keys are kept.
            | Command::Plugin(PluginCommand::Author(_))
            | Command::PluginWorker
    ) {
        return Err(Error::invalid("idempotency.command", "`--idempotency-key` means nothing to this command"));
    }
    let key = Key::parse(key)?;
    let request = format!("{:?} {command:?}", context.printer.format());
    let app = context.app().await?.clone();
    let reservation = match idempotency::reserve(&app, &context.actor, &key, request.as_bytes()).await? {
        Reserved::Ignored => return Box::pin(command.run(context)).await,
        Reserved::Replay(kept) => {
            context.printer.note("this command ran before with this key; this is what it printed then");
            return context.printer.again(&String::from_utf8_lossy(&kept));
        }
        Reserved::Run(reservation) => reservation,
    };
    context.actor = reservation.carried_by(&context.actor);
    context.printer.keep();
    let result = idempotency::held(&app, &reservation, Box::pin(command.run(context))).await;
    let printed = context.printer.take_kept();
    let is_kept = result.is_ok()
        && printed.len() <= idempotency::ANSWER_MAX_BYTES
        && idempotency::has_applied(&app, &reservation).await.unwrap_or(true);
    let ended = if is_kept {
        idempotency::answer(&app, &reservation, printed.as_bytes()).await
    } else {
        idempotency::release(&app, &reservation).await
    };
    // The command came to its end all the same.
    if let Err(error) = ended {
        context.printer.note(&format!("warning: what this command printed could not be kept under its key: {error}"));
    }
    result
}
