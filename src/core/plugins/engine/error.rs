//! What can go wrong with a script, in words for its author, and what a call gives back.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lexer::lex;
use super::prepass::place;

/// A fault in a script's source. Line and column count from 1; `0:0` means the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Line of the author's text.
    pub line: u32,
    /// Column of the author's text, in characters.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What would be right; empty where there is nothing to say beyond the message.
    #[serde(default)]
    pub advice: String,
    /// The line as the author wrote it; empty for the file as a whole.
    #[serde(default)]
    pub code: String,
}

/// Longest line that is quoted, in characters.
const CODE_MAX: usize = 200;

impl Issue {
    /// An issue of the file as a whole.
    pub fn whole_file(message: impl Into<String>) -> Self {
        Self::at((0, 0), message)
    }

    /// An issue at a line and column.
    pub fn at((line, column): (u32, u32), message: impl Into<String>) -> Self {
        Self { line, column, message: message.into(), advice: String::new(), code: String::new() }
    }

    /// The same, with advice.
    #[must_use]
    pub fn advised(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }

    /// The same, with its line of `source`.
    #[must_use]
    pub fn quoting(self, source: &str) -> Self {
        let index = usize::try_from(self.line).ok().and_then(|line| line.checked_sub(1));
        let line = index.and_then(|index| source.lines().nth(index)).unwrap_or_default();
        Self { code: line.chars().take(CODE_MAX).collect(), ..self }
    }

    /// The line with a caret under the column, as two lines; nothing for the file as a whole.
    #[must_use]
    pub fn excerpt(&self) -> Option<String> {
        if self.code.is_empty() || self.column == 0 {
            return None;
        }
        let before = usize::try_from(self.column).unwrap_or(1).saturating_sub(1);
        // Tabs stay tabs, and what a terminal draws in double width takes two spaces.
        let blank = |letter: char| match letter {
            '\t' => "\t",
            '\u{1100}'..='\u{ffdc}' => "  ",
            _ => " ",
        };
        let indent: String = self.code.chars().take(before).map(blank).collect();
        let margin = self.line.to_string();
        Some(format!("{margin} | {}\n{:width$} | {indent}^", self.code, "", width = margin.len()))
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{} ", self.line, self.column)?;
        }
        f.write_str(&self.message)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "; {}", self.advice) }
    }
}

/// Where in the author's text a call stopped; line 0 means that nobody knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => Ok(()),
            line => write!(f, " at {line}:{}", self.column),
        }
    }
}

/// Why a call of a plugin function gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum CallError {
    /// The script defines no such function with two parameters.
    #[error("the plugin defines no function `{0}` with two parameters; add it to the script")]
    NotFound(String),
    /// The script does not compile or breaks the contract.
    #[error("the plugin does not compile: {}", join(.0))]
    Compile(Vec<Issue>),
    /// The script stopped with an error of its own or of a host function.
    #[error("the plugin failed{}: {message}", Place { line: *.line, column: *.column })]
    Script {
        /// What failed.
        message: String,
        /// Line of the author's text, 0 if unknown.
        line: u32,
        /// Column of the author's text, 0 if unknown.
        column: u32,
        /// The host function that ended the call, empty if none did.
        #[serde(default)]
        host_function: String,
    },
    /// The call lasted longer than [`Limits::wall`](super::Limits).
    #[error("the plugin did not finish within {0:?} and was stopped; look for an endless loop or a slow remote host")]
    Timeout(Duration),
    /// No worker became free for as long as a call may last, or too many calls wait already; this one never began.
    #[error("{0}")]
    Busy(String),
    /// The script needed more memory than [`Limits::memory_bytes`](super::Limits).
    #[error(
        "the plugin stopped{place}: it needs more than the {} of memory that a call may use; look for a function that calls itself without end, and keep less in variables", size(*.bytes)
    )]
    Memory {
        /// The limit.
        bytes: usize,
        /// Where it was reached.
        place: Place,
    },
    /// The script ran more instructions than [`Limits::instructions`](super::Limits).
    #[error(
        "the plugin stopped{place}: it ran more than the {count} instructions that a call may; look for an endless loop"
    )]
    Instructions {
        /// The limit.
        count: usize,
        /// Where it was reached.
        place: Place,
    },
    /// The script called the host more often than [`Limits::host_calls`](super::Limits).
    #[error(
        "the plugin stopped{place}: it called host functions more than the {count} times that a call may; look for a loop around a request"
    )]
    HostCalls {
        /// The limit.
        count: u32,
        /// Where it was reached.
        place: Place,
    },
    /// The worker process ended in the middle of the call.
    #[error(
        "the plugin brought its worker process down ({0}); look for a value that contains itself, and for deep recursion"
    )]
    Crashed(String),
    /// No worker could be had; the script is not at fault and did not begin.
    #[error("no plugin worker can be started: {0}")]
    Unavailable(String),
    /// The function's return value cannot be used.
    #[error("the plugin returned a value that cannot be used: {0}")]
    BadReturn(String),
}

impl CallError {
    /// Whether the script is not at fault: there was no worker for it, and later there may be one. All else, such as a
    /// worker that was brought down, is the script's doing.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        match self {
            Self::Busy(_) | Self::Unavailable(_) => true,
            Self::NotFound(_)
            | Self::Compile(_)
            | Self::Script { .. }
            | Self::Timeout(_)
            | Self::Memory { .. }
            | Self::Instructions { .. }
            | Self::HostCalls { .. }
            | Self::Crashed(_)
            | Self::BadReturn(_) => false,
        }
    }
}

/// Why a script could not be inspected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// The script is at fault.
    #[error("the plugin does not compile: {}", join(.0))]
    Issues(Vec<Issue>),
    /// The engine could not inspect it.
    #[error(transparent)]
    Engine(#[from] CallError),
}

impl InspectError {
    /// What is wrong with the script.
    ///
    /// # Errors
    /// Why nobody knows, when that [is ours](CallError::is_ours).
    pub fn issues(self) -> Result<Vec<Issue>, CallError> {
        match self {
            Self::Issues(issues) => Ok(issues),
            Self::Engine(cause) if cause.is_ours() => Err(cause),
            Self::Engine(cause) => Ok(vec![Issue::whole_file(cause.to_string())]),
        }
    }
}

/// Whole MiB as such, as the documentation has them.
fn size(bytes: usize) -> String {
    if bytes > 0 && bytes.is_multiple_of(1 << 20) { format!("{} MiB", bytes >> 20) } else { format!("{bytes} bytes") }
}

impl CallError {
    /// The error with the place of the function that was called, where the error has no place of its own.
    #[must_use]
    pub fn in_function(&self, function: &str, source: &str) -> String {
        let is_placed = match self {
            Self::Script { line, .. } => *line > 0,
            Self::Memory { place, .. } | Self::Instructions { place, .. } | Self::HostCalls { place, .. } => {
                place.line > 0
            }
            Self::Timeout(_) | Self::BadReturn(_) | Self::Crashed(_) => false,
            Self::NotFound(_) | Self::Compile(_) | Self::Busy(_) | Self::Unavailable(_) => true,
        };
        match line_of(function, source).filter(|_| !is_placed) {
            Some(line) => format!("{self}; `{function}` begins on line {line}"),
            None => self.to_string(),
        }
    }
}

/// The line on which a function of a script begins.
#[must_use]
pub fn line_of(function: &str, source: &str) -> Option<u32> {
    let tokens = lex(source);
    tokens.windows(2).find_map(|pair| match pair {
        [word, name] if word.is_word(source, "fn") && name.is_word(source, function) => {
            Some(place(source, name.start).0)
        }
        _ => None,
    })
}

fn join(issues: &[Issue]) -> String {
    let lines: Vec<String> = issues.iter().map(Issue::to_string).collect();
    lines.join("; ")
}

/// Marks a plain string as an error, as provider scripts report theirs.
pub const ERROR_PREFIX: &str = "ERROR:";

/// What a plugin function returned. `Some(x)` counts as `x` and `None` as null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// A value that is no `Result`.
    Plain(Value),
    /// `Ok(value)`.
    Ok(Value),
    /// `Err(value)`.
    Err(Value),
}

impl Returned {
    /// The value as text: strings as they are, null and unit as the empty string, all else as JSON.
    ///
    /// # Errors
    /// The plugin's own error text, if it returned `Err(..)` or a string that starts with `ERROR:`.
    pub fn into_text(self) -> Result<String, String> {
        match self {
            Self::Err(value) => Err(error_text(value)),
            Self::Plain(value) | Self::Ok(value) => {
                let text = text_of(value);
                match text.trim_start().strip_prefix(ERROR_PREFIX) {
                    Some(rest) => Err(rest.trim().to_owned()),
                    None => Ok(text),
                }
            }
        }
    }

    /// The value as JSON: a string that holds JSON is parsed, any other string stays a JSON string. So does one that holds
    /// a number: it may be an amount, which must not go through a float.
    ///
    /// # Errors
    /// As [`into_text`](Self::into_text).
    pub fn into_json(self) -> Result<Value, String> {
        match self {
            Self::Plain(Value::String(_)) | Self::Ok(Value::String(_)) | Self::Err(_) => {
                let text = self.into_text()?;
                match serde_json::from_str(&text) {
                    Ok(Value::Number(_)) => Ok(Value::String(text.trim().to_owned())),
                    Err(_) => Ok(Value::String(text)),
                    Ok(value) => Ok(value),
                }
            }
            Self::Plain(value) | Self::Ok(value) => Ok(value),
        }
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// `Err("ERROR: x")` says it twice; the author means `x`.
fn error_text(value: Value) -> String {
    let text = text_of(value);
    let rest = text.trim_start().strip_prefix(ERROR_PREFIX);
    match rest.unwrap_or(&text).trim() {
        "" => "the plugin gave no reason".to_owned(),
        reason => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_and_error_prefix() {
        assert_eq!(Returned::Plain(json!("a")).into_text(), Ok("a".into()));
        assert_eq!(Returned::Ok(Value::Null).into_text(), Ok(String::new()));
        assert_eq!(Returned::Plain(json!("ERROR:  no stock ")).into_text(), Err("no stock".into()));
        assert_eq!(Returned::Ok(json!("ERROR: x")).into_json(), Err("x".into()));
        assert_eq!(Returned::Err(json!("ERROR: x")).into_text(), Err("x".into()));
        assert_eq!(Returned::Err(json!({"a": 1})).into_json(), Err("{\"a\":1}".into()));
        assert_eq!(Returned::Err(Value::Null).into_text(), Err("the plugin gave no reason".into()));
    }

    #[test]
    fn a_script_is_blamed_for_all_but_a_lack_of_workers() {
        let issue = Issue::at((1, 2), "x");
        assert_eq!(InspectError::Issues(vec![issue.clone()]).issues(), Ok(vec![issue]));
        for ours in [CallError::Busy("b".into()), CallError::Unavailable("u".into())] {
            assert_eq!(InspectError::Engine(ours.clone()).issues(), Err(ours));
        }
        let place = Place::default();
        for fault in [
            CallError::Timeout(Duration::from_secs(1)),
            CallError::Memory { bytes: 1, place },
            CallError::Instructions { count: 1, place },
            CallError::Crashed("c".into()),
            CallError::BadReturn("r".into()),
        ] {
            assert_eq!(InspectError::Engine(fault.clone()).issues(), Ok(vec![Issue::whole_file(fault.to_string())]));
        }
    }

    #[test]
    fn json_in_strings() {
        assert_eq!(Returned::Plain(json!("[1]")).into_json(), Ok(json!([1])));
        for text in ["plain", "3.00", "-1e9"] {
            assert_eq!(Returned::Plain(json!(text)).into_json(), Ok(json!(text)));
        }
        assert_eq!(Returned::Ok(json!({"a": "[1]"})).into_json(), Ok(json!({"a": "[1]"})));
        assert_eq!(Returned::Plain(json!(true)).into_text(), Ok("true".into()));
    }
}
