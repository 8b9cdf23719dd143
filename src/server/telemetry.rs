//! Logs, to stderr: `RUST_LOG` says which, `RUST_LOG_FORMAT=json` how, `NO_COLOR` takes the colours away.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// What a server logs when `RUST_LOG` says nothing.
pub const SERVER_FILTER: &str = "info,sqlx=warn";

/// Starts logging, with `default` where `RUST_LOG` is unset or malformed. A second call does nothing.
pub fn start(default: &str) {
    let wanted = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let (filter, malformed) = match wanted.as_deref().map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(default), Some(error)),
        None => (EnvFilter::new(default), None),
    };
    let is_json = std::env::var("RUST_LOG_FORMAT").is_ok_and(|format| format == "json");
    let has_color =
        std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(has_color);
    let registry = tracing_subscriber::registry().with(filter);
    // It fails only when somebody else set one up, a test for instance.
    let _ = if is_json { registry.with(lines.json()).try_init() } else { registry.with(lines).try_init() };
    if let Some(error) = malformed {
        tracing::warn!("RUST_LOG is malformed, `{default}` is used: {error}");
    }
}
