//! What broadcasts count: a few relaxed additions each, however many they reach.

use engineio::metrics::{Counter, Histogram};

/// The broadcasts of a server.
#[derive(Debug)]
pub struct Metrics {
    /// How many sockets a broadcast was sent to. Its sum is the number of deliveries.
    pub broadcast_recipients: Histogram,
    /// From the search for the recipients until all have it in their outbox.
    pub broadcast_time: Histogram,
    /// Volatile packets that their recipient could not take.
    pub volatile_dropped: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            broadcast_recipients: Histogram::of_sizes(),
            broadcast_time: Histogram::of_times(),
            volatile_dropped: Counter::default(),
        }
    }
}
