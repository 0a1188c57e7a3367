//! A planned stop, as those who are connected see it (CONTRACT section 6).
//!
//! Everybody is told when to come back, each another moment, and then the connections are closed
//! in batches: without the packet that disconnects a socket, after which the official client would
//! not come back by itself.

use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout};

use crate::http::{Failure, FailureDetail, Reply};
use crate::socketio::Io;

/// The pause between batches.
const TICK: Duration = Duration::from_millis(100);
/// Connections that are always closed together: what comes back at once is no load.
const LEAST_BATCH: usize = 64;
/// The earliest that a client is asked to come back: time for a restart.
const COME_BACK: Duration = Duration::from_millis(500);
/// How long connections that were closed may take to end, with the handlers under way.
const END_LIMIT: Duration = Duration::from_secs(3);

/// `server-draining`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServerDraining {
    reconnect_after_ms: u64,
}

/// Tells everybody, closes their connections over `spread`, and waits for the last of them.
pub(crate) async fn drain(io: &Io, spread: Duration) {
    announce(io, spread).await;
    let size = batch(io.clients_count(), spread);
    let begun = Instant::now();
    let mut due = begun;
    // One more round than needed finds what was opened meanwhile.
    while io.close_some(size) > size && begun.elapsed() < spread {
        due += TICK;
        sleep_until(due).await;
    }
    let ended = async {
        while io.close_some(usize::MAX) > 0 {
            due += TICK;
            sleep_until(due).await;
        }
    };
    if timeout(END_LIMIT, ended).await.is_err() {
        tracing::warn!(
            connections = io.clients_count(),
            "some clients did not take what waited for them"
        );
    }
}

async fn announce(io: &Io, spread: Duration) {
    for (index, socket) in io.root().sockets().into_iter().enumerate() {
        let event = ServerDraining {
            reconnect_after_ms: come_back(spread),
        };
        if let Err(error) = socket.emit("server-draining", &event) {
            tracing::debug!(%error, "a socket was gone before it was told of the end");
        }
        if index % LEAST_BATCH == LEAST_BATCH - 1 {
            tokio::task::yield_now().await;
        }
    }
}

/// A moment of one's own, so that not all come back in the same one.
fn come_back(spread: Duration) -> u64 {
    let range = spread.as_millis().max(COME_BACK.as_millis()) as u64;
    // Without chance everybody comes at the same time: worse, but no reason not to end.
    let chance = getrandom::u64().unwrap_or_default();
    COME_BACK.as_millis() as u64 + chance % range
}

/// Connections to close at a time, so that all are closed within `spread`.
fn batch(open: usize, spread: Duration) -> usize {
    let ticks = (spread.as_millis() / TICK.as_millis()).max(1) as usize;
    open.div_ceil(ticks).max(LEAST_BATCH)
}

/// The answer to a new connection while the server ends.
pub(crate) fn refusal() -> Reply {
    let failure = Failure {
        status: StatusCode::SERVICE_UNAVAILABLE,
        success: false,
        message: "The server is about to stop".to_owned(),
        error: FailureDetail {
            code: "unavailable",
            field: None,
            retryable: true,
            retry_after_ms: None,
        },
    };
    Reply::failure(&failure).header(RETRY_AFTER, HeaderValue::from_static("1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_are_one_batch_and_many_are_spread() {
        let spread = Duration::from_secs(5);
        assert_eq!(batch(3, spread), LEAST_BATCH);
        assert_eq!(batch(5_000, spread), 100);
        assert_eq!(batch(5_000, Duration::ZERO), 5_000);
    }

    #[test]
    fn nobody_is_asked_back_before_a_restart_can_be_done() {
        for spread in [Duration::ZERO, Duration::from_secs(5)] {
            let range = 500..(500 + 5_000);
            assert!((0..100).all(|_| range.contains(&come_back(spread))));
        }
    }
}
