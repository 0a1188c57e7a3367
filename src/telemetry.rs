//! The log, on standard error. Standard output is for what scripts read.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts the log; `filter` was checked with the settings. A second call, as
/// tests make it, changes nothing.
pub fn start(filter: &str, format: LogFormat) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr);
    let started = match format {
        LogFormat::Human => log.with_ansi(io::stderr().is_terminal()).try_init(),
        // Flat, so that a collector finds the fields of a line without knowing this program.
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
}
