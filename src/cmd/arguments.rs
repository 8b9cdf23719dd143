//! What several nouns read from the command line. Values stay texts until the core reads them, so that its rules and
//! its errors are the same here as over the wire.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, IsTerminal as _, Read as _},
};

use clap::Args;
use dialoguer::Confirm;

use crate::core::{
    error::{Error, Result},
    id::Id,
    money::{Money, Sign},
    page::PageRequest,
};

/// Which page of a list
#[derive(Debug, Args)]
pub(super) struct Paging {
    /// The number of the page, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    page: u32,
    /// Rows of a page, at most 100
    #[arg(long, value_name = "N", default_value_t = 20)]
    page_size: u32,
}

impl Paging {
    pub(super) fn request(&self) -> PageRequest {
        PageRequest::new(self.page, self.page_size)
    }
}

/// What can't be undone, and whether somebody is asked first
#[derive(Debug, Args)]
pub(super) struct Sure {
    /// Do it without asking; required where there is no terminal
    #[arg(long, short = 'y')]
    yes: bool,
}

impl Sure {
    /// Whether nobody has to be asked.
    pub(super) const fn is_given(&self) -> bool {
        self.yes
    }

    /// Asks, where somebody is there to answer.
    ///
    /// # Errors
    /// `cli.declined` for a no, `cli.unconfirmed` where nobody can be asked.
    pub(super) fn ask(&self, question: &str) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Error::invalid("cli.unconfirmed", "nothing was done: there is no terminal to ask at")
                .hint("add `--yes`"));
        }
        match Confirm::new().with_prompt(question).default(false).interact() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::invalid("cli.declined", "nothing was done: the answer was no")),
            Err(cause) => Err(Error::invalid("cli.declined", "nothing was done: there was no answer").caused_by(cause)),
        }
    }
}

/// An identifier that may be left out.
pub(super) fn optional_id(field: &str, text: Option<&str>) -> Result<Option<Id>> {
    text.map(|text| Id::parse(field, text)).transpose()
}

/// An amount of zero or more that may be left out.
pub(super) fn optional_amount(field: &str, text: Option<&str>) -> Result<Option<Money>> {
    text.map(|text| Money::parse(field, text, Sign::NotNegative)).transpose()
}

/// A word that may be left out, by the core's own reader.
pub(super) fn optional_word<T>(text: Option<&str>, parse: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
    text.map(parse).transpose()
}

/// `KEY=VALUE` of an option that may be repeated; the value may hold further `=`.
pub(super) fn pairs(option: &str, given: Vec<String>) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for text in given {
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            // The text itself is not shown: it may be a secret that lost its name.
            return Err(Error::invalid("cli.pair", format!("a value of `{option}` is not of the form KEY=VALUE")));
        };
        if pairs.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Error::invalid("cli.pair", format!("`{option}` gives `{key}` twice")));
        }
    }
    Ok(pairs)
}

/// The text of a file, or of stdin for `-`.
pub(super) fn file(option: &str, path: &str) -> Result<String> {
    let read = if path == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|cause| {
        let what = match cause.kind() {
            ErrorKind::NotFound => format!("there is no file `{path}`"),
            ErrorKind::InvalidData => format!("`{path}` is no UTF-8 text"),
            ErrorKind::IsADirectory => format!("`{path}` is a directory, expected a file"),
            _ => format!("can't read `{path}`"),
        };
        Error::invalid("cli.file", format!("`{option}`: {what}")).caused_by(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_split_at_the_first_sign_and_errors_show_no_value() {
        let read = |texts: &[&str]| pairs("--set", texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(
            read(&["a=b=c", "d="]).unwrap(),
            [("a", "b=c"), ("d", "")].map(|(k, v)| (k.into(), v.into())).into()
        );
        for bad in ["hunter2", "=hunter2"] {
            let error = read(&[bad]).unwrap_err().to_string();
            assert!(error.contains("--set") && !error.contains("hunter2"), "{error}");
        }
        assert!(read(&["a=1", "a=2"]).unwrap_err().to_string().contains("`a` twice"));
    }
}
