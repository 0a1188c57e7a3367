//! When to end: what the terminal and the service manager send.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The wish to end, heard from the moment that this is made: made before the
/// server says that it listens, no signal finds it unprepared.
#[derive(Debug)]
pub struct Shutdown {
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    interrupt: Signal,
}

#[cfg(unix)]
impl Shutdown {
    /// Begins to listen for SIGTERM and SIGINT (Ctrl-C).
    ///
    /// # Errors
    /// When the system lets no signal be waited for.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for either; gives the one that came.
    pub async fn requested(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The wish that files be read again, as SIGHUP says it.
#[derive(Debug)]
pub struct Reloads {
    #[cfg(unix)]
    hangup: Signal,
}

#[cfg(unix)]
impl Reloads {
    /// Begins to listen for SIGHUP, which then does not end the program.
    ///
    /// # Errors
    /// When the system lets no signal be waited for.
    pub fn listen() -> io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        Ok(Self { hangup })
    }

    /// Waits for the next.
    pub async fn requested(&mut self) {
        if self.hangup.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
impl Reloads {
    /// There is no such signal here.
    ///
    /// # Errors
    /// Never.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for ever.
    pub async fn requested(&mut self) {
        std::future::pending().await
    }
}

#[cfg(not(unix))]
impl Shutdown {
    /// Begins to listen for Ctrl-C.
    ///
    /// # Errors
    /// Never.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for it.
    pub async fn requested(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            // Nobody can ask it to end any more: it runs on.
            Err(_) => std::future::pending().await,
        }
    }
}
