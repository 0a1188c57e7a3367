//! When to end: what the terminal and the service manager send.

use std::io;

/// Waits for SIGTERM or SIGINT (Ctrl-C); gives the one that came.
///
/// # Errors
/// When the system lets no signal be waited for.
#[cfg(unix)]
pub async fn requested() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

/// Waits for Ctrl-C.
///
/// # Errors
/// When the system lets it not be waited for.
#[cfg(not(unix))]
pub async fn requested() -> io::Result<&'static str> {
    tokio::signal::ctrl_c().await.map(|()| "Ctrl-C")
}
