//! For authors of scripts: a file to begin with, what there is to say about one, and a trial in a sandbox. None of these
//! needs a database or a configuration.

use std::{path::Path, sync::Arc};

use clap::{Args, Subcommand};
use ipnet::IpNet;
use tokio::sync::mpsc;

use super::{
    super::{Context, Format, arguments::file},
    begin::New,
    steps,
};
use crate::core::{
    app,
    error::{Error, Result},
    id::Id,
    plugins::{self, Check, Conformance, Examination, Heard, Kind, Outcome, Sandbox, Script, engine::Issue},
};

/// Widths of the first two columns of `plugin test`, and how many of its rows wait to be printed.
const CHECK_WIDTH: usize = 40;
const RESULT_WIDTH: usize = 7;
const CHECKS_WAITING: usize = 1_000;

/// What an author does with a file.
#[derive(Debug, Subcommand)]
pub(in crate::cmd) enum AuthorCommand {
    New(New),
    Check(CheckFile),
    Test(Test),
}

/// Say what is in a script, and what is wrong with it
#[derive(Debug, Args)]
#[command(after_help = "\
The script is compiled and its form is asked for; nothing else of it runs, and no database is needed. With problems \
the exit code is 2. `plugin test` also calls its functions.

Examples:
  rustbill plugin check gateway-my-bank.rn
  rustbill plugin check --type notifier - < draft.rn")]
pub(in crate::cmd) struct CheckFile {
    #[command(flatten)]
    input: Input,
}

/// Call every function of a script in a sandbox, and judge what comes back
#[derive(Debug, Args)]
#[command(after_help = "\
The sandbox keeps the script's state in memory. Requests are refused unless --allow-network is given; then they are \
real ones, and what they change elsewhere is changed. Settings are made up from the form unless --config-file gives \
some. What can't be judged is skipped; when a check fails the exit code is 2.

Examples:
  rustbill plugin test gateway-my-bank.rn
  rustbill plugin test gateway-my-bank.rn --config-file settings.json --allow-network --trace
  rustbill plugin test provider-rack.rn --config-file rack.json --allow-private 10.0.0.0/8")]
pub(in crate::cmd) struct Test {
    #[command(flatten)]
    input: Input,
    /// A file with settings as JSON; `-` is stdin
    #[arg(long, value_name = "FILE")]
    config_file: Option<String>,
    /// Let the script reach public addresses
    #[arg(long)]
    allow_network: bool,
    /// Let the script reach this network too, such as 127.0.0.1/32; includes --allow-network
    #[arg(long, value_name = "NETWORK")]
    allow_private: Vec<IpNet>,
    /// Show on stderr what the script asked of the host
    #[arg(long)]
    trace: bool,
}

/// The script
#[derive(Debug, Args)]
struct Input {
    /// The file with the script; `-` is stdin
    file: String,
    /// The type: gateway, notifier, provider or upstream [default: what the file's name says]
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
}

impl AuthorCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::New(new) => new.run(context),
            Self::Check(check) => check.run(context).await,
            Self::Test(test) => test.run(context).await,
        }
    }
}

impl Input {
    fn read(&self) -> Result<Script> {
        let named = Path::new(&self.file).file_name().map(|name| name.to_string_lossy().into_owned());
        let name = if self.file == "-" { "stdin".to_owned() } else { named.unwrap_or_default() };
        let is_id = || self.kind.is_none() && Id::parse("id", &self.file).is_ok();
        // A file that can't be read is no matter of its name; stdin has none that could be right.
        let source = match self.file.as_str() {
            "-" => None,
            path if is_id() && !Path::new(path).exists() => None,
            path => Some(file("FILE", path)?),
        };
        let kind = match &self.kind {
            Some(word) => plugins::parse_type(word)?,
            // A file called otherwise could not be scanned either.
            None => match Kind::from_file_name(&name) {
                Some((kind, _)) => kind,
                None if is_id() => {
                    return Err(Error::invalid(
                        "cli.file",
                        "this is an interface, and a file with a script is expected",
                    )
                    .hint("`rustbill plugin health ID` asks an interface whether it is well"));
                }
                None => {
                    return Err(Error::invalid(
                        "plugin.type",
                        format!("the name `{name}` does not say what it is for"),
                    )
                    .hint("call it gateway-ID.rn, notifier-ID.rn or provider-ID.rn, or add --type"));
                }
            },
        };
        let source = source.map_or_else(|| file("FILE", &self.file), Ok)?;
        Ok(Script { kind, name, source })
    }
}

impl CheckFile {
    async fn run(self, context: &Context) -> Result<()> {
        let script = self.input.read()?;
        let found = plugins::examine(&context.actor, app::program()?, &script).await?;
        match context.printer.format() {
            Format::Table => print(context, &script.name, &found)?,
            Format::Json => context.printer.item(Vec::new(), &found)?,
            Format::Csv => {
                let row = |severity: &str, issue: &Issue| {
                    let Issue { line, column, message, advice, .. } = issue;
                    vec![severity.to_owned(), line.to_string(), column.to_string(), message.clone(), advice.clone()]
                };
                let problems = found.issues.iter().map(|issue| row("error", issue));
                let rows = problems.chain(found.warnings.iter().map(|issue| row("warning", issue))).collect();
                context.printer.list(&["severity", "line", "column", "message", "advice"], rows, &found)?;
            }
        }
        match found.issues.len() {
            0 => Ok(()),
            1 => Err(Error::invalid("plugin.source", "the script has 1 problem")),
            count => Err(Error::invalid("plugin.source", format!("the script has {count} problems"))),
        }
    }
}

fn yes(is_so: bool) -> String {
    if is_so { "yes".to_owned() } else { String::new() }
}

fn print(context: &Context, name: &str, found: &Examination) -> Result<()> {
    let printer = &context.printer;
    let version = found.version.as_ref().map(|version| format!(", version {version}")).unwrap_or_default();
    printer.line(&format!("{name}: {}{version}, {} bytes", found.kind, found.bytes))?;
    printer.heading("Functions")?;
    let rows = found.functions.iter().map(|function| {
        let place = match (function.line, function.role) {
            (Some(line), _) => format!("line {line}"),
            (None, "required") => "missing".to_owned(),
            (None, _) => "none".to_owned(),
        };
        vec![function.name.clone(), function.role.to_owned(), place]
    });
    printer.list(&["function", "role", "place"], rows.collect(), &())?;
    if !found.settings.is_empty() {
        printer.heading("Settings")?;
        let rows = found.settings.iter().map(|setting| {
            vec![
                setting.name.clone(),
                setting.kind.clone(),
                yes(setting.required),
                yes(setting.secret),
                setting.default.clone().unwrap_or_default(),
                setting.description.clone(),
            ]
        });
        printer.list(&["setting", "type", "required", "secret", "default", "description"], rows.collect(), &())?;
    }
    for (title, issues) in [("Warnings", &found.warnings), ("Problems", &found.issues)] {
        if issues.is_empty() {
            continue;
        }
        printer.heading(title)?;
        for issue in issues {
            printer.line(&in_full(name, issue))?;
        }
    }
    if found.issues.is_empty() {
        printer.line("\nno problems; `rustbill plugin test` calls its functions")?;
    }
    Ok(())
}

/// An issue with its place, its line, a caret and the advice.
fn in_full(name: &str, issue: &Issue) -> String {
    let place = if issue.line == 0 { name.to_owned() } else { format!("{name}:{}:{}", issue.line, issue.column) };
    let mut text = format!("{place}: {}", issue.message);
    for line in issue.excerpt().iter().flat_map(|excerpt| excerpt.lines()) {
        text.push_str("\n  ");
        text.push_str(line);
    }
    if !issue.advice.is_empty() {
        text.push_str("\n  advice: ");
        text.push_str(&issue.advice);
    }
    text
}

/// A row of a table that grows while its reader looks on, so that its columns can't wait for the longest value.
fn row(check: &str, result: &str, detail: &str) -> String {
    format!("{check:<CHECK_WIDTH$}  {result:<RESULT_WIDTH$}  {detail}").trim_end().to_owned()
}

impl Test {
    /// Tries the script. A table shows each check as it ends: a function that hangs takes its 15 s.
    async fn watched(&self, context: &Context, script: &Script, sandbox: Sandbox) -> Result<Conformance> {
        let (tell, mut told) = mpsc::channel::<(String, Outcome, String)>(CHECKS_WAITING);
        let heard: Heard = Arc::new(move |check: &Check| {
            // The rows are all in the answer; one that finds no room is only shown by those who print the whole.
            let _ = tell.try_send((check.check.clone(), check.outcome, check.detail.clone()));
        });
        let is_table = context.printer.format() == Format::Table;
        let run = plugins::conform_telling(&context.actor, app::program()?, script, sandbox, heard);
        let show = async {
            if is_table {
                context.printer.line(&row("CHECK", "RESULT", "DETAIL"))?;
            }
            while let Some((check, outcome, detail)) = told.recv().await {
                if is_table {
                    context.printer.line(&row(&check, outcome.word(), &detail))?;
                }
            }
            Ok::<(), Error>(())
        };
        let (found, shown) = tokio::join!(run, show);
        shown?;
        found
    }

    async fn run(self, context: &Context) -> Result<()> {
        let script = self.input.read()?;
        let config = match &self.config_file {
            None => None,
            Some(path) => Some(super::settings::read(path)?.1),
        };
        let network = (self.allow_network || !self.allow_private.is_empty()).then(|| self.allow_private.clone());
        let found = self.watched(context, &script, Sandbox { config, network }).await?;
        if self.trace {
            steps(context, &found.steps);
        }
        let is_table = context.printer.format() == Format::Table;
        if !is_table {
            let row = |check: &Check| vec![check.check.clone(), check.outcome.word().to_owned(), check.detail.clone()];
            let rows = found.checks.iter().map(row).collect();
            context.printer.list(&["check", "result", "detail"], rows, &found)?;
        }
        for issue in found.issues.iter().filter(|_| is_table) {
            context.printer.line(&in_full(&script.name, issue))?;
        }
        let [ok, failed, skipped] =
            [Outcome::Ok, Outcome::Failed, Outcome::Skipped].map(|outcome| found.count(outcome));
        context.printer.note(&format!("{ok} ok, {failed} failed, {skipped} skipped"));
        match failed {
            0 => Ok(()),
            1 => Err(Error::invalid("plugin.conformance", "1 check failed")),
            _ => Err(Error::invalid("plugin.conformance", format!("{failed} checks failed"))),
        }
    }
}
