//! The program: see `rustbill::cmd` for the command line and `rustbill` for the map.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // It fails only when a provider is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    rustbill::cmd::Cli::parse().run()
}
