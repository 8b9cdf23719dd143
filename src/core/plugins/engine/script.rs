//! How a script is named in the caches, and what its inspection yields.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::Issue;

/// Names one version of one script.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScriptKey {
    /// The plugin's id or file name, for messages.
    pub name: String,
    /// SHA-256 of the source, in hexadecimal.
    pub hash: String,
}

impl ScriptKey {
    /// The key of `source` under `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, source: &str) -> Self {
        Self { name: name.into(), hash: hex::encode(Sha256::digest(source.as_bytes())) }
    }
}

/// What the registry needs to know of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspected {
    /// All top-level functions in the order of the source.
    pub functions: Vec<String>,
    /// Whether `admin_page` is defined.
    pub has_admin_page: bool,
    /// What `version()` returned if that is a semantic version, else `0.0.0`.
    pub version: String,
    /// What `config_schema()` returned, with an integer `x-order` on every property.
    pub config_schema: serde_json::Value,
}

/// A top-level function as its author sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionSeen {
    /// Its name.
    pub name: String,
    /// The line on which it begins, from 1.
    pub line: u32,
    /// How many parameters it takes.
    pub parameters: usize,
}

/// What a look at a script yields for its author.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examined {
    /// All top-level functions in the order of the source; empty when not even the syntax is right.
    pub functions: Vec<FunctionSeen>,
    /// What the registry would know of it, or everything that is wrong.
    pub result: Result<Inspected, Vec<Issue>>,
    /// What compiles and is probably not meant.
    pub warnings: Vec<Issue>,
}

impl Examined {
    /// What a script yields in which nothing could be looked at.
    #[must_use]
    pub fn broken(issue: Issue) -> Self {
        Self { functions: Vec::new(), result: Err(vec![issue]), warnings: Vec::new() }
    }
}
