//! The interpreter with the packages of `tests/python/requirements.txt`.

use std::path::{Path, PathBuf};

/// The folder of the sources.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The interpreter that `make setup` prepares. Without it these tests fail: a skipped test proves nothing.
pub(crate) fn python() -> PathBuf {
    let python = root().join("target/python/bin/python");
    assert!(python.exists(), "{} is missing, run `make setup`", python.display());
    python
}
