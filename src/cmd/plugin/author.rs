//! For authors of scripts: a file to begin with, what there is to say about one, and a trial in a sandbox. None of these
//! needs a database or a configuration.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde::Serialize;
use serde_json::Value;

use super::{
    super::{Context, Format, arguments::file, show},
    steps,
};
use crate::core::{
    app,
    error::{Error, Result},
    id::Id,
    plugins::{self, Examination, Kind, Outcome, Sandbox, Scaffold, Script, engine::Issue},
    settings::{Loaded, Settings},
};

/// What an author does with a file.
#[derive(Debug, Subcommand)]
pub(in crate::cmd) enum AuthorCommand {
    New(New),
    Check(Check),
    Test(Test),
}

/// Write a script to begin with
#[derive(Debug, Args)]
#[command(after_help = "\
The file is called after its type and ID, as the server expects it; a file that exists stays as it is. The one \
upstream provider is `rustbill`. Without --dir it is written where the server looks for scripts: into \
`plugins.plugins_dir` of the configuration, and without a configuration into this directory.

Examples:
  rustbill plugin new notifier chat
  rustbill plugin new gateway my-bank --dir drafts")]
pub(in crate::cmd) struct New {
    /// The type: gateway, notifier, provider or upstream
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Its name: letters, digits, `-`, `_` and `.`
    id: String,
    /// The directory [default: `plugins.plugins_dir` of the configuration, or this one where there is none]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Say what is in a script, and what is wrong with it
#[derive(Debug, Args)]
#[command(after_help = "\
The script is compiled and its form is asked for; nothing else of it runs, and no database is needed. With problems \
the exit code is 2. `plugin test` also calls its functions.

Examples:
  rustbill plugin check gateway-my-bank.rn
  rustbill plugin check --type notifier - < draft.rn")]
pub(in crate::cmd) struct Check {
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

/// What was written.
#[derive(Serialize)]
struct Written {
    file: String,
    plugin_type: Kind,
    plugin_id: String,
}

/// Where the server looks for scripts, if there is a configuration that could say so.
fn scripts_directory(context: &Context) -> Result<Option<PathBuf>> {
    let Loaded { settings, files, .. } = Settings::load(&context.lookup)?;
    Ok((!files.is_empty()).then_some(settings.plugins.plugins_dir))
}

fn is_same(left: &Path, right: &Path) -> bool {
    match (left.canonicalize(), right.canonicalize()) {
        (Ok(left), Ok(right)) => left == right,
        _ => false,
    }
}

impl New {
    fn run(self, context: &Context) -> Result<()> {
        let kind = plugins::parse_type(&self.kind)?;
        let Scaffold { file_name, source, .. } = plugins::scaffold(kind, &self.id)?;
        // With a directory of one's own a broken configuration is no obstacle.
        let scripts = match &self.dir {
            Some(_) => scripts_directory(context).unwrap_or_default(),
            None => scripts_directory(context)?,
        };
        let dir = match (&self.dir, &scripts) {
            (Some(dir), _) => dir.clone(),
            (None, Some(scripts)) => {
                let refused = |cause| {
                    Error::invalid("plugin.file", format!("can't make the directory `{}`", scripts.display()))
                        .hint("it is `plugins.plugins_dir` of the configuration; --dir names another one")
                        .caused_by(cause)
                };
                std::fs::create_dir_all(scripts).map_err(refused)?;
                scripts.clone()
            }
            (None, None) => PathBuf::from("."),
        };
        let is_found = scripts.is_some_and(|scripts| is_same(&scripts, &dir));
        let path = dir.join(file_name);
        let shown = path.display().to_string();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // A script is no secret, and the server may run as somebody else.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
        let written = options.open(&path).and_then(|mut file| file.write_all(source.as_bytes()));
        written.map_err(|cause| match cause.kind() {
            ErrorKind::AlreadyExists => {
                Error::already_exists("plugin.file", format!("`{shown}` exists, and stays as it is"))
                    .hint("choose another ID or another --dir")
            }
            ErrorKind::NotFound => Error::invalid("plugin.file", format!("there is no directory `{}`", dir.display()))
                .hint("make it first"),
            _ => Error::invalid("plugin.file", format!("can't write `{shown}`")).caused_by(cause),
        })?;
        if context.printer.format() != Format::Table {
            let written = Written { file: shown, plugin_type: kind, plugin_id: self.id };
            let fields = vec![
                ("file", written.file.clone()),
                ("plugin_type", kind.to_string()),
                ("plugin_id", written.plugin_id.clone()),
            ];
            return show::item(context, fields, &written);
        }
        let word = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let copy = if is_found {
            String::new()
        } else {
            format!("cp {shown} DIRECTORY                 # the `plugins.plugins_dir` of the server\n  ")
        };
        context.printer.line(&format!(
            "wrote {shown}\n\n\
             Next:\n  \
             rustbill plugin check {shown}        # what is in it, and what is wrong\n  \
             rustbill plugin test {shown}         # calls every function in a sandbox\n  \
             {copy}rustbill plugin scan                 # makes it known\n  \
             rustbill plugin create --plugin {word} --name 'A name' --config-file settings.json --enable"
        ))
    }
}

impl Check {
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

impl Test {
    async fn run(self, context: &Context) -> Result<()> {
        let script = self.input.read()?;
        let config = match &self.config_file {
            None => None,
            Some(path) => Some(serde_json::from_str::<Value>(&file("--config-file", path)?).map_err(|cause| {
                let (line, column) = (cause.line(), cause.column());
                Error::invalid("plugin.config", format!("`{path}` is no JSON: line {line}, column {column}"))
            })?),
        };
        let network = (self.allow_network || !self.allow_private.is_empty()).then_some(self.allow_private);
        let spinner = context.printer.spinner("calling every function");
        let found = plugins::conform(&context.actor, app::program()?, &script, Sandbox { config, network }).await;
        drop(spinner);
        let found = found?;
        if self.trace {
            steps(context, &found.steps);
        }
        let row =
            |check: &plugins::Check| vec![check.check.clone(), check.outcome.word().to_owned(), check.detail.clone()];
        let rows = found.checks.iter().map(row).collect();
        context.printer.list(&["check", "result", "detail"], rows, &found)?;
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
