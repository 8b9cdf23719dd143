//! The files that may be scripts: those inside this program, and those in the plugin directory, which win by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{ErrorKind, Read as _},
    path::Path,
};

use rust_embed::Embed;

use super::engine::SOURCE_BYTES_DEFAULT as SOURCE_MAX;
use crate::core::error::{Error, Result};

/// The scripts that come with the program.
#[derive(Embed)]
#[folder = "plugins"]
#[include = "*.rn"]
struct Shipped;

/// Most scripts of the directory that one scan looks at, in the order of their names.
const FILES_MAX: usize = 500;

/// A file that can't be used.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Broken {
    /// The file.
    pub file: String,
    /// Why: one line per problem, with its place in the file.
    pub problem: String,
}

/// What was found.
pub(super) struct Files {
    /// Every script by name, with its text or why it can't be read.
    pub(super) scripts: BTreeMap<String, Result<String, String>>,
    /// Every name that there is, also of what was not looked at.
    pub(super) names: BTreeSet<String>,
    /// What was not looked at.
    pub(super) left_out: Option<Broken>,
}

/// Whether a script of this name comes with the program.
#[must_use]
pub fn is_shipped(name: &str) -> bool {
    Shipped::get(name).is_some()
}

/// Reads all scripts. Blocks.
pub(super) fn collect(directory: &Path) -> Result<Files> {
    let mut scripts: BTreeMap<String, Result<String, String>> = Shipped::iter()
        .filter_map(|name| {
            Some((name.to_string(), Ok(String::from_utf8_lossy(&Shipped::get(&name)?.data).into_owned())))
        })
        .collect();
    let names = match names(directory) {
        Ok(names) => names,
        Err(cause) if cause.kind() == ErrorKind::NotFound => BTreeSet::new(),
        Err(cause) => {
            let what = format!("can't read the plugin directory {}", directory.display());
            return Err(Error::unavailable("plugin.directory", what).caused_by(cause));
        }
    };
    let left_out = names.len().checked_sub(FILES_MAX).filter(|more| *more > 0).map(|more| Broken {
        file: directory.display().to_string(),
        problem: format!(
            "holds {} scripts, at most {FILES_MAX} are looked at; the last {more} by name were left out",
            names.len()
        ),
    });
    let shipped = scripts.keys().cloned();
    let all = names.iter().map(|name| name.to_string_lossy().into_owned()).chain(shipped).collect();
    for name in names.into_iter().take(FILES_MAX) {
        let text = read(&directory.join(&name));
        scripts.insert(name.to_string_lossy().into_owned(), text);
    }
    Ok(Files { scripts, names: all, left_out })
}

/// The names of scripts. Those with a dot in front are what editors leave beside a file that is open.
fn names(directory: &Path) -> std::io::Result<BTreeSet<std::ffi::OsString>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let is_script = Path::new(&name).extension().is_some_and(|extension| extension == "rn");
        if is_script && !name.as_encoded_bytes().starts_with(b".") {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The text of a file; links are followed.
fn read(path: &Path) -> Result<String, String> {
    let unreadable = |cause: std::io::Error| format!("can't be read: {cause}");
    // To open a pipe would wait for somebody to write into it.
    let kind = std::fs::metadata(path).map_err(unreadable)?.file_type();
    if kind.is_dir() {
        return Err("is a directory, expected a file".to_owned());
    }
    if !kind.is_file() {
        return Err("is no ordinary file".to_owned());
    }
    let mut bytes = Vec::new();
    let most = SOURCE_MAX as u64 + 1;
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() > SOURCE_MAX {
        return Err(format!("has more than the {SOURCE_MAX} bytes that a script may have"));
    }
    String::from_utf8(bytes).map_err(|cause| {
        let valid = cause.as_bytes().get(..cause.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.split(|byte| *byte == b'\n').count();
        format!("{line}:0 is no UTF-8 text; save it as UTF-8")
    })
}
