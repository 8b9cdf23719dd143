//! The configuration of an interface on the command line.

use clap::Args;
use serde_json::{Map, Value};

use super::super::arguments::{file, pairs};
use crate::core::error::{Error, Result};

/// The configuration of an interface
#[derive(Debug, Args)]
pub(super) struct SettingsArguments {
    /// The configuration as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "config_file")]
    config_json: Option<String>,
    /// A file with the configuration as JSON; `-` is stdin
    #[arg(long, value_name = "FILE")]
    config_file: Option<String>,
    /// One key of the configuration; lists and objects as JSON
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Enable it as well
    #[arg(long)]
    pub(super) enable: bool,
}

impl SettingsArguments {
    /// Whether nothing is to be done.
    pub(super) const fn is_empty(&self) -> bool {
        self.config_json.is_none() && self.config_file.is_none() && self.set.is_empty() && !self.enable
    }

    /// The configuration as JSON text; single keys are laid over what is given whole, else over `current`. None when
    /// the options say nothing about it.
    pub(super) fn config(&self, current: Option<Value>) -> Result<Option<String>> {
        let whole = match (&self.config_json, &self.config_file) {
            (Some(json), _) => Some(json.clone()),
            (None, Some(path)) => Some(read(path)?.0),
            (None, None) => None,
        };
        if self.set.is_empty() {
            return Ok(whole);
        }
        let mut object: Map<String, Value> = match (whole, current) {
            (Some(text), _) => serde_json::from_str(&text).map_err(|cause| {
                Error::invalid(
                    "plugin.config",
                    format!("the configuration is no JSON object: line {}, column {}", cause.line(), cause.column()),
                )
            })?,
            (None, Some(Value::Object(current))) => current,
            (None, _) => Map::new(),
        };
        let set = pairs("--set", self.set.clone())?;
        object.extend(set.into_iter().map(|(key, value)| (key, Value::String(value))));
        Ok(Some(Value::Object(object).to_string()))
    }
}

/// A file with settings: its text, and what is in it. An empty file holds none.
///
/// # Errors
/// `cli.file` for a file that can't be read; `plugin.config` with the file's name for what is no JSON object.
pub(super) fn read(path: &str) -> Result<(String, Value)> {
    let text = file("--config-file", path)?;
    let named = if path == "-" { "what came on stdin".to_owned() } else { format!("`{path}`") };
    let value = match text.trim() {
        "" => Value::Object(Map::new()),
        some => serde_json::from_str(some).map_err(|_| {
            // Asked for again with the white space before it, for the right line.
            let cause = serde_json::from_str::<Value>(&text).err();
            let (line, column) = cause.map_or((1, 1), |cause| (cause.line(), cause.column()));
            Error::invalid("plugin.config", format!("{named} is no JSON: line {line}, column {column}"))
        })?,
    };
    if value.is_object() {
        return Ok((text, value));
    }
    Err(Error::invalid("plugin.config", format!("{named} holds no JSON object"))
        .hint("expected something like `{\"key\": \"value\"}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: Option<&str>, set: &[&str], current: Option<Value>) -> Option<Value> {
        let set = set.iter().map(|text| (*text).to_owned()).collect();
        let arguments =
            SettingsArguments { config_json: json.map(str::to_owned), config_file: None, set, enable: false };
        arguments.config(current).unwrap().map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn single_keys_are_laid_over_the_whole() {
        let current = || Some(json!({ "a": "1", "key": "********" }));
        assert_eq!(read(None, &[], current()), None);
        assert_eq!(read(None, &["a=2"], current()), Some(json!({ "a": "2", "key": "********" })));
        assert_eq!(read(Some(r#"{"b": 1}"#), &["a=2"], current()), Some(json!({ "a": "2", "b": 1 })));
        assert_eq!(read(None, &["a=2"], None), Some(json!({ "a": "2" })));
    }
}
