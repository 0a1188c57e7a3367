//! What a server counts while it runs: plain atomics, read whenever somebody asks.
//!
//! Everything is counted with relaxed operations and no lock. What can be found by looking at the
//! sessions (how many there are, what waits for them) is not counted at all: see
//! [`Server::sessions`](crate::Server::sessions).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::proto::{CloseReason, Message, TransportKind};

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Counts several.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many bounds a [`Histogram`] has.
const BOUNDS: usize = 12;
/// Microseconds, from a memory access to a time-out.
const TIMES: [u64; BOUNDS] = [
    50, 100, 250, 500, 1_000, 2_500, 10_000, 50_000, 250_000, 1_000_000, 5_000_000, 20_000_000,
];
const SIZES: [u64; BOUNDS] = [1, 2, 5, 10, 20, 50, 100, 250, 500, 1_000, 5_000, 20_000];

/// How values are spread: counted by upper bounds, as Prometheus does.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64; BOUNDS],
    /// One more than bounds, for what is above the last.
    buckets: [Counter; BOUNDS + 1],
    sum: Counter,
}

impl Histogram {
    /// Of durations, kept in microseconds.
    #[must_use]
    pub fn of_times() -> Self {
        Self::new(&TIMES)
    }

    /// Of sizes of something that is counted.
    #[must_use]
    pub fn of_sizes() -> Self {
        Self::new(&SIZES)
    }

    fn new(bounds: &'static [u64; BOUNDS]) -> Self {
        Self {
            bounds,
            buckets: Default::default(),
            sum: Counter::default(),
        }
    }

    /// Notes a value.
    pub fn observe(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[at].count();
        self.sum.add(value);
    }

    /// Notes a duration, in a histogram of times.
    pub fn observe_time(&self, time: Duration) {
        self.observe(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// The upper bounds, each with the number of values up to it, those of smaller bounds included.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut below = 0;
        self.bounds
            .iter()
            .zip(&self.buckets)
            .map(move |(bound, bucket)| {
                below += bucket.get();
                (*bound, below)
            })
    }

    /// The number of all values.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.buckets.iter().map(Counter::get).sum()
    }

    /// The sum of all values.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum.get()
    }
}

/// What an Engine.IO server counts.
#[derive(Debug)]
pub struct Metrics {
    opened: [Counter; TransportKind::ALL.len()],
    closed: [Counter; CloseReason::ALL.len()],
    refused: [Counter; Self::REFUSAL_CODES],
    violations: [Counter; Self::VIOLATION_CODES.len()],
    /// Sessions that have changed from polling to WebSocket.
    pub upgrades: Counter,
    /// From the WebSocket's handshake to the change.
    pub upgrade_time: Histogram,
    /// Messages that clients have sent.
    pub messages: Counter,
    /// Bytes of those messages, decoded: without headers, masks and base64.
    pub message_bytes: Counter,
    /// How often a client was not read for a while, because it was ahead of its pace.
    pub held_back: Counter,
    /// From a ping to its pong.
    pub ping_round_trip: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            opened: Default::default(),
            closed: Default::default(),
            refused: Default::default(),
            violations: Default::default(),
            upgrades: Counter::default(),
            upgrade_time: Histogram::of_times(),
            messages: Counter::default(),
            message_bytes: Counter::default(),
            held_back: Counter::default(),
            ping_round_trip: Histogram::of_times(),
        }
    }
}

impl Metrics {
    /// The codes of the protocol's refusals are 0 to 5.
    pub const REFUSAL_CODES: usize = 6;
    /// What WebSockets are closed with over frames that their clients have sent (RFC 6455
    /// section 7.4.1): against the protocol, not UTF-8, too many or too slow, too long.
    pub const VIOLATION_CODES: [u16; 4] = [1002, 1007, 1008, 1009];

    /// Sessions opened by a handshake over this transport.
    #[must_use]
    pub fn opened(&self, transport: TransportKind) -> &Counter {
        &self.opened[transport as usize]
    }

    /// Counts a message of a client.
    pub(crate) fn note_message(&self, message: &Message<'_>) {
        self.messages.count();
        let bytes = match message {
            Message::Text(text) => text.len(),
            Message::Binary(data) => data.len(),
        };
        self.message_bytes.add(bytes as u64);
    }

    /// Sessions closed for this reason.
    #[must_use]
    pub fn closed(&self, reason: CloseReason) -> &Counter {
        &self.closed[reason as usize]
    }

    /// WebSockets closed with one of the [`Metrics::VIOLATION_CODES`]; another counts as the first.
    #[must_use]
    pub fn violations(&self, code: u16) -> &Counter {
        let place = Self::VIOLATION_CODES
            .iter()
            .position(|&known| known == code);
        &self.violations[place.unwrap_or_default()]
    }

    /// Requests refused with this code of the protocol; codes beyond the last count as the last.
    #[must_use]
    pub fn refused(&self, code: u8) -> &Counter {
        &self.refused[usize::from(code).min(Self::REFUSAL_CODES - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_bound_counts_for_that_bound() {
        let sizes = Histogram::of_sizes();
        for value in [1, 2, 3, 30_000] {
            sizes.observe(value);
        }
        let counts: Vec<_> = sizes.cumulative().take(3).collect();
        assert_eq!(counts, [(1, 1), (2, 2), (5, 3)]);
        assert_eq!(sizes.cumulative().last(), Some((20_000, 3)));
        assert_eq!((sizes.total(), sizes.sum()), (4, 30_006));
    }

    #[test]
    fn every_reason_and_transport_has_a_counter_of_its_own() {
        let metrics = Metrics::default();
        for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
            metrics.closed(reason).add(index as u64 + 1);
        }
        for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(metrics.closed(reason).get(), index as u64 + 1);
        }
        for transport in TransportKind::ALL {
            metrics.opened(transport).count();
            assert_eq!(metrics.opened(transport).get(), 1);
        }
        metrics.refused(200).count();
        assert_eq!(metrics.refused(5).get(), 1);
        for code in Metrics::VIOLATION_CODES {
            metrics.violations(code).count();
            assert_eq!(metrics.violations(code).get(), 1);
        }
    }
}
