//! What is counted on the way out: a few relaxed additions for each emit, however many it reaches;
//! and over what connections were closed.

use engineio::metrics::{Counter, Histogram};

use crate::socketio::proto::offence::Offence;

/// What a server has sent.
#[derive(Debug)]
pub struct Metrics {
    /// Events that were emitted, whoever to: a broadcast is one.
    pub emitted: Counter,
    /// Answers to clients' events.
    pub answers_sent: Counter,
    /// Answers of clients that somebody waited for.
    pub answers_received: Counter,
    /// Packets to one socket: events, questions, answers.
    pub sent_to_one: Counter,
    /// Bytes that were queued for clients, WebSocket headers included: those of a broadcast once for
    /// each recipient.
    pub bytes_queued: Counter,
    /// How many sockets a broadcast was sent to. Its sum is the number of deliveries.
    pub broadcast_recipients: Histogram,
    /// From the search for the recipients until all have it in their outbox.
    pub broadcast_time: Histogram,
    /// Volatile packets that their recipient could not take.
    pub volatile_dropped: Counter,
    violations: [Counter; Offence::ALL.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            emitted: Counter::default(),
            answers_sent: Counter::default(),
            answers_received: Counter::default(),
            sent_to_one: Counter::default(),
            bytes_queued: Counter::default(),
            broadcast_recipients: Histogram::of_sizes(),
            broadcast_time: Histogram::of_times(),
            volatile_dropped: Counter::default(),
            violations: Default::default(),
        }
    }
}

impl Metrics {
    /// Packets that were queued for clients: those of a broadcast once for each recipient.
    pub fn packets_queued(&self) -> u64 {
        self.sent_to_one.get() + self.broadcast_recipients.sum()
    }

    /// Connections that were closed because their client broke this rule.
    pub fn violations(&self, offence: Offence) -> &Counter {
        &self.violations[offence as usize]
    }

    /// A packet was queued for one socket.
    pub(crate) fn note_sent(&self, bytes: usize) {
        self.sent_to_one.count();
        self.bytes_queued.add(bytes as u64);
    }
}
