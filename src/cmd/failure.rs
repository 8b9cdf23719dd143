//! The one table from the core's errors to exit codes.

use std::process::ExitCode;

use super::Printer;
use crate::core::error::{Error, Kind};

const KINDS: [(Kind, &str); 9] = [
    (Kind::Internal, "a fault in rustbill or in a part it depends on"),
    (Kind::InvalidArgument, "wrong usage, configuration or input"),
    (Kind::NotFound, "it does not exist"),
    (Kind::AlreadyExists, "it exists already, or was already done"),
    (Kind::PermissionDenied, "not allowed"),
    (Kind::Unauthenticated, "not logged in"),
    (Kind::Unimplemented, "not available in this version"),
    (Kind::Unavailable, "the database or another part can't be reached; trying again may help"),
    (Kind::TooMany, "tried too often; trying again later may help"),
];

const fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Internal => 1,
        // The same as clap's own code for wrong usage.
        Kind::InvalidArgument => 2,
        Kind::NotFound => 3,
        Kind::AlreadyExists => 4,
        Kind::PermissionDenied => 5,
        Kind::Unauthenticated => 6,
        Kind::Unimplemented => 7,
        Kind::Unavailable => 8,
        Kind::TooMany => 9,
    }
}

/// How a server ends that did not fail.
const STOPPED: [(u8, &str); 2] = [
    (75, " the server stopped in order to be started again by its process manager"),
    (130, " a second Ctrl-C ended a server that was still stopping"),
];

/// The table, for the help.
pub(super) fn help() -> String {
    let lines = KINDS.iter().map(|(kind, meaning)| format!("\n  {}  {meaning}", code(*kind)));
    let stopped = STOPPED.iter().map(|(code, meaning)| format!("\n  {code:<3}{meaning}"));
    format!("Exit codes:\n  0  done{}{}", lines.collect::<String>(), stopped.collect::<String>())
}

/// Prints what failed and what to do; gives the exit code.
pub(super) fn report(error: &Error, printer: &Printer) -> ExitCode {
    printer.note(&text(error));
    ExitCode::from(code(error.kind()))
}

fn text(error: &Error) -> String {
    match error.advice() {
        Some(advice) => format!("error: {error}\nhint: {advice}"),
        None => format!("error: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_code_of_its_own() {
        let mut codes = KINDS.map(|(kind, _)| code(kind));
        codes.sort_unstable();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(help().contains("\n  3  it does not exist\n"));
        // Those that README lists, and no others.
        let readme =
            include_str!("../../README.md").lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        let listed: Vec<&str> = readme.map(|(code, _)| code).filter(|code| code.parse::<u8>().is_ok()).collect();
        let help = help();
        let shown: Vec<&str> = help.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(shown, listed);
    }

    #[test]
    fn an_operator_sees_the_cause_and_the_advice() {
        let error = Error::internal("a.b", "can't read").caused_by(std::io::Error::other("no disk")).hint("buy one");
        assert_eq!(text(&error), "error: can't read: no disk\nhint: buy one");
    }
}
