//! A script to begin with.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;

use super::super::{Context, Format, show};
use crate::core::{
    error::{Error, Result},
    plugins::{self, Kind, Scaffold},
    settings::{Loaded, Settings},
};

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
    pub(super) fn run(self, context: &Context) -> Result<()> {
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
        let is_replacing = is_found && plugins::is_shipped(&file_name);
        if is_replacing && self.dir.is_none() {
            let message = format!("`{file_name}` comes with the program, and one of that name here takes its place");
            return Err(Error::already_exists("plugin.file", message).hint(
                "new interfaces would get it at the next scan; say --dir DIRECTORY to write it, or choose another ID",
            ));
        }
        if is_replacing {
            let what = "comes with the program; from the next scan on new interfaces get this one instead";
            context.printer.note(&format!("warning: `{file_name}` {what}"));
        }
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
        // The longest command is the one with `check`.
        let width = format!("rustbill plugin check {shown}").chars().count();
        let noted = |command: &str, what: &str| format!("{command:<width$}  # {what}");
        let copy = if is_found {
            String::new()
        } else {
            noted(&format!("cp {shown} DIRECTORY"), "the `plugins.plugins_dir` of the server") + "\n  "
        };
        let [check, test, scan] = [
            (format!("rustbill plugin check {shown}"), "what is in it, and what is wrong"),
            (format!("rustbill plugin test {shown}"), "calls every function in a sandbox"),
            ("rustbill plugin scan".to_owned(), "makes it known"),
        ]
        .map(|(command, what)| noted(&command, what));

        context.printer.line(&format!(
            "wrote {shown}\n\n\
             Next:\n  \
             {check}\n  {test}\n  {copy}{scan}\n  \
             rustbill plugin create --plugin {word} --name 'A name' --config-file settings.json --enable"
        ))
    }
}
