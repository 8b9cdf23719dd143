//! Runs the real program as an operator would, with a data directory of its own and nothing else of this environment.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// The program with these arguments, in and with `home`; no terminal, no input.
pub(crate) fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rustbill"));
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("RUSTBILL_HOME", home)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(crate) fn rustbill(home: &Path, args: &[&str]) -> Output {
    command(home, args).output().unwrap()
}
