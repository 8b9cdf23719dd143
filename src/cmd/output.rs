//! The only place that prints. stdout carries results, stderr everything else.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::core::error::{Error, Result};

/// Characters of a step's sentence: with the mark and the time a line fits into 80 columns.
const STEP_WIDTH: usize = 65;
/// How fast a spinner turns.
const SPINNER_TICK: Duration = Duration::from_millis(80);

/// How long something may take before it shows how far it got.
const PATIENCE: Duration = Duration::from_secs(1);
/// A bar: what is done, how much of it, and how long the rest may take.
const BAR: &str = "{msg} {wide_bar} {percent}% {eta}";

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
}

/// Prints results in the wanted format.
#[derive(Debug)]
pub struct Printer {
    format: Format,
    has_color: bool,
    is_terminal: bool,
    /// Whether the reader of stdout went away: the rest is for nobody, and that is no failure.
    is_closed: AtomicBool,
    /// What was printed on stdout, where somebody keeps it.
    kept: Option<Mutex<String>>,
}

impl Printer {
    /// Colours are used on a terminal, unless `no_color` or `NO_COLOR` say otherwise.
    #[must_use]
    pub fn new(format: Format, no_color: bool) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let is_refused = no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            format,
            has_color: is_terminal && !is_refused,
            is_terminal,
            is_closed: AtomicBool::new(false),
            kept: None,
        }
    }

    /// From now on keeps what is printed on stdout, for [`Printer::take_kept`].
    pub fn keep(&mut self) {
        self.kept = Some(Mutex::default());
    }

    /// What was printed since [`Printer::keep`].
    #[must_use]
    pub fn take_kept(&self) -> String {
        let kept = self.kept.as_ref().and_then(|kept| kept.lock().ok());
        kept.map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default()
    }

    /// What was printed before, once more.
    ///
    /// # Errors
    /// `cli.output` when stdout can't be written.
    pub fn again(&self, text: &str) -> Result<()> {
        self.write(text)
    }

    /// The wanted format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Several things of a kind: a table, CSV with a header, or `json` as it is.
    ///
    /// # Errors
    /// `cli.output` when stdout can't be written.
    pub fn list(&self, columns: &[&str], rows: Vec<Vec<String>>, json: &impl Serialize) -> Result<()> {
        let text = match self.format {
            Format::Table => self.table(columns, rows),
            Format::Json => to_json(json)?,
            Format::Csv => to_csv(columns, &rows)?,
        };
        self.write(&text)
    }

    /// One thing: a line per field, CSV with one row, or `json` as it is.
    ///
    /// # Errors
    /// `cli.output` when stdout can't be written.
    pub fn item(&self, fields: Vec<(&str, String)>, json: &impl Serialize) -> Result<()> {
        let text = match self.format {
            Format::Table => {
                let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
                let line = |(name, value): (&str, String)| {
                    let value = printable(&value).replace('\n', &format!("\n{:width$}  ", ""));
                    format!("{}{:pad$}  {value}", self.bold(name), "", pad = width - name.chars().count())
                };
                fields.into_iter().map(line).collect::<Vec<_>>().join("\n")
            }
            Format::Json => to_json(json)?,
            Format::Csv => {
                let (columns, row): (Vec<&str>, Vec<String>) = fields.into_iter().unzip();
                to_csv(&columns, &[row])?
            }
        };
        self.write(&text)
    }

    /// A sentence for people: on stdout, unless programs read that; then on stderr.
    ///
    /// # Errors
    /// `cli.output` when stdout can't be written.
    pub fn line(&self, text: &str) -> Result<()> {
        self.say(&printable(text))
    }

    /// What comes next, above its steps or its table.
    ///
    /// # Errors
    /// `cli.output` when stdout can't be written.
    pub fn heading(&self, text: &str) -> Result<()> {
        self.say(&format!("\n{}", self.bold(&printable(text))))
    }

    /// A step of something longer: how it went, a sentence, and how long it took, in columns.
    ///
    /// # Errors
    /// `cli.output` when stdout can't be written.
    pub fn step(&self, is_done: bool, sentence: &str, took: &str) -> Result<()> {
        let mark = match (self.has_color, is_done) {
            (true, true) => "\u{1b}[32m✓\u{1b}[0m",
            (true, false) => "\u{1b}[31m✗\u{1b}[0m",
            (false, true) => "ok  ",
            (false, false) => "FAIL",
        };
        let sentence = printable(sentence);
        self.say(&format!("{mark} {sentence:STEP_WIDTH$} {took:>8}"))
    }

    /// Turns on stderr until it is dropped, where somebody watches; else it shows nothing.
    #[must_use]
    pub fn spinner(&self, text: &str) -> Spinner {
        if !self.has_color || !io::stderr().is_terminal() {
            return Spinner(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner().with_message(printable(text));
        bar.enable_steady_tick(SPINNER_TICK);
        Spinner(bar)
    }

    /// Shows on stderr how far something got that takes longer than a second, where somebody watches; else it shows
    /// nothing.
    #[must_use]
    pub fn progress(&self, text: &str) -> Progress {
        let bar = ProgressBar::hidden().with_message(printable(text));
        Progress { bar, begun: Instant::now(), is_watched: io::stderr().is_terminal() }
    }

    /// A remark on stderr: a warning, progress, what failed.
    pub fn note(&self, text: &str) {
        // Without stderr there is nobody left to tell.
        let _ = writeln!(io::stderr().lock(), "{}", printable(text));
    }

    fn table(&self, columns: &[&str], rows: Vec<Vec<String>>) -> String {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        if self.has_color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        // Programs that read a table through a pipe want whole values, people want them to fit.
        table.set_content_arrangement(if self.is_terminal {
            ContentArrangement::Dynamic
        } else {
            ContentArrangement::Disabled
        });
        let header = |name: &&str| Cell::new(name.to_uppercase()).add_attribute(Attribute::Bold);
        table.set_header(columns.iter().map(header).collect::<Vec<_>>());
        table.add_rows(rows.into_iter().map(|row| row.iter().map(|cell| printable(cell)).collect::<Vec<_>>()));
        // Without borders the first column's padding would indent the whole table.
        if let Some(first) = table.column_mut(0) {
            first.set_padding((0, 1));
        }
        table.trim_fmt()
    }

    /// For people, who read stdout unless programs do.
    fn say(&self, text: &str) -> Result<()> {
        if self.format == Format::Table {
            return self.write(text);
        }
        let _ = writeln!(io::stderr().lock(), "{text}");
        Ok(())
    }

    fn bold(&self, text: &str) -> String {
        if self.has_color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn write(&self, text: &str) -> Result<()> {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        if let Some(mut kept) = self.kept.as_ref().and_then(|kept| kept.lock().ok()) {
            kept.push_str(text);
            kept.push_str(end);
        }
        if self.is_closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        match write!(stdout, "{text}{end}").and_then(|()| stdout.flush()) {
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            written => written.map_err(|cause| Error::internal("cli.output", "can't print").caused_by(cause)),
        }
    }
}

/// What [`Printer::spinner`] gives: drop it before the next line is printed.
#[derive(Debug)]
pub struct Spinner(ProgressBar);

impl Spinner {
    /// What is being done now.
    pub fn say(&self, text: &str) {
        self.0.set_message(printable(text));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// What [`Printer::progress`] gives: drop it before the next line is printed.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    is_watched: bool,
}

impl Progress {
    /// This much of all is done.
    pub fn at(&self, done: u64, total: u64) {
        if self.bar.is_hidden() && self.is_watched && self.begun.elapsed() >= PATIENCE {
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                self.bar.set_style(style);
            }
            self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
        self.bar.set_length(total.max(done));
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn to_json(json: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(json)
        .map_err(|cause| Error::internal("cli.output", "can't print this as JSON").caused_by(cause))
}

fn to_csv(columns: &[&str], rows: &[Vec<String>]) -> Result<String> {
    let failed = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::internal("cli.output", "can't print this as CSV").caused_by(cause)
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns).map_err(|cause| failed(cause.into()))?;
    for row in rows {
        writer.write_record(row).map_err(|cause| failed(cause.into()))?;
    }
    let bytes = writer.into_inner().map_err(|cause| failed(cause.to_string().into()))?;
    String::from_utf8(bytes).map_err(|cause| failed(cause.into()))
}

/// Without what could drive the reader's terminal: names and notes come from strangers.
fn printable(text: &str) -> String {
    let is_plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars().map(|c| if is_plain(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printer(has_color: bool) -> Printer {
        Printer { format: Format::Table, has_color, is_terminal: false, is_closed: AtomicBool::new(false), kept: None }
    }

    fn rows() -> Vec<Vec<String>> {
        vec![vec!["1".to_owned(), "plain".to_owned()], vec!["20".to_owned(), "evil\u{1b}[2J".to_owned()]]
    }

    #[test]
    fn a_table_is_plain_without_a_terminal_and_never_passes_escapes_on() {
        assert_eq!(printer(false).table(&["id", "name"], rows()), "ID  NAME\n1   plain\n20  evil\u{fffd}[2J");
        let colored = printer(true).table(&["id", "name"], rows());
        assert!(colored.contains("\u{1b}[1m") && !colored.contains("\u{1b}[2J"), "{colored:?}");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let rows = [vec!["a,b".to_owned(), "say \"x\"".to_owned()]];
        assert_eq!(to_csv(&["one", "two"], &rows).unwrap(), "one,two\n\"a,b\",\"say \"\"x\"\"\"\n");
    }
}
