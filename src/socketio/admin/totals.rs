//! What happened on the whole server, as the page's charts show it.

use std::time::SystemTime;

use engineio::metrics::Metrics;
use engineio::{CloseReason, TransportKind};

use super::wire::AggregatedEvent;
use crate::socketio::Io;

/// The counters of one moment.
pub(super) struct Totals {
    opened: u64,
    closed: [u64; CloseReason::ALL.len()],
    packets_in: u64,
    packets_out: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Totals {
    pub(super) fn of(io: &Io) -> Self {
        let engine: &Metrics = &io.engine_config().metrics;
        let sent = io.metrics();
        Self {
            opened: TransportKind::ALL
                .map(|kind| engine.opened(kind).get())
                .iter()
                .sum(),
            closed: CloseReason::ALL.map(|reason| engine.closed(reason).get()),
            packets_in: engine.messages.get(),
            packets_out: sent.packets_queued(),
            bytes_in: engine.message_bytes.get(),
            bytes_out: sent.bytes_queued.get(),
        }
    }

    /// What happened since `before`; what did not is left out.
    pub(super) fn since(&self, before: &Self) -> Vec<AggregatedEvent> {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let timestamp = since.as_millis() as u64;
        let closed = CloseReason::ALL.iter().zip(self.closed).zip(before.closed);
        let closed = closed.map(|((reason, now), before)| {
            ("rawDisconnection", Some(reason.as_str()), now, before)
        });
        let counted = [
            ("rawConnection", None, self.opened, before.opened),
            ("packetsIn", None, self.packets_in, before.packets_in),
            ("packetsOut", None, self.packets_out, before.packets_out),
            ("bytesIn", None, self.bytes_in, before.bytes_in),
            ("bytesOut", None, self.bytes_out, before.bytes_out),
        ];
        let counted = counted.into_iter().chain(closed);
        let event = |(kind, sub_type, now, before): (_, _, u64, u64)| AggregatedEvent {
            timestamp,
            kind,
            sub_type,
            count: now.saturating_sub(before),
        };
        counted.map(event).filter(|event| event.count > 0).collect()
    }
}
