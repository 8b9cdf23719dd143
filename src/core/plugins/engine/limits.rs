//! How much one call of a script may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Issue;

/// Longest duration of a call, host functions included.
pub const WALL_DEFAULT: Duration = Duration::from_secs(15);

/// Most virtual machine instructions of a call; about half a second of plain loops.
pub const INSTRUCTIONS_DEFAULT: usize = 20_000_000;

/// Most memory that a script's values, or its compilation, may hold.
pub const MEMORY_BYTES_DEFAULT: usize = 64 << 20;

/// Most host function calls in one call of the script, log lines not counted.
pub const HOST_CALLS_DEFAULT: u32 = 200;

/// Longest source text.
pub const SOURCE_BYTES_DEFAULT: usize = 256 << 10;

/// Longest message between server and worker, which bounds arguments, results and HTTP bodies.
pub const FRAME_BYTES_DEFAULT: usize = 4 << 20;

/// The limits of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// See [`WALL_DEFAULT`].
    pub wall: Duration,
    /// See [`INSTRUCTIONS_DEFAULT`].
    pub instructions: usize,
    /// See [`MEMORY_BYTES_DEFAULT`].
    pub memory_bytes: usize,
    /// See [`HOST_CALLS_DEFAULT`].
    pub host_calls: u32,
    /// See [`SOURCE_BYTES_DEFAULT`].
    pub source_bytes: usize,
    /// See [`FRAME_BYTES_DEFAULT`].
    pub frame_bytes: usize,
}

impl Limits {
    /// That a script is longer than one may be.
    pub(super) fn too_long(&self, source: &str) -> Option<Issue> {
        let (bytes, most) = (source.len(), self.source_bytes);
        let message = || format!("the script has {bytes} bytes, more than the {most} a plugin may have");
        (bytes > most).then(|| Issue::whole_file(message()))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: WALL_DEFAULT,
            instructions: INSTRUCTIONS_DEFAULT,
            memory_bytes: MEMORY_BYTES_DEFAULT,
            host_calls: HOST_CALLS_DEFAULT,
            source_bytes: SOURCE_BYTES_DEFAULT,
            frame_bytes: FRAME_BYTES_DEFAULT,
        }
    }
}
