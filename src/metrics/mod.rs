//! The page `/metrics`: what every layer counts, in the text format of Prometheus.
//!
//! Layers count with relaxed atomics of their own and know nothing of this page. What can be found
//! by looking (sessions, what waits for them) is looked up when the page is asked for, so that the
//! broadcast's fast path pays nothing for it.

mod count;
mod port;
mod process;
mod text;

use std::sync::Arc;

use engineio::metrics::Metrics as Engine;
use engineio::{CloseReason, TransportKind};

pub use count::{Family, Gauge, Held};
pub use port::Port;
use text::{Kind, Page};

use crate::chat::Chat;
use crate::socketio::Io;
use crate::socketio::adapter::Metrics as Broadcasts;
use crate::socketio::proto::offence::Offence;

/// The content type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The codes of Engine.IO's refusals, in words.
const REFUSALS: [&str; Engine::REFUSAL_CODES] = [
    "unknown-transport",
    "unknown-sid",
    "bad-handshake-method",
    "bad-request",
    "forbidden",
    "unsupported-protocol",
];

/// The counters of all layers but the chat's, which has its own.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Sessions and transports.
    pub engine: Arc<Engine>,
    /// Broadcasts.
    pub broadcasts: Arc<Broadcasts>,
    /// The port.
    pub port: Arc<Port>,
}

impl Metrics {
    /// The page of this moment.
    pub fn page(&self, io: &Io, chat: &Chat, draining: bool) -> String {
        let mut page = Page::default();
        page.each(
            Kind::Gauge,
            "parlance_build_info",
            "The version that runs.",
            "version",
            [(env!("CARGO_PKG_VERSION"), 1)],
        );
        let help = "1 while a planned stop is under way.";
        page.one(Kind::Gauge, "parlance_draining", help, u8::from(draining));
        self.sessions(&mut page, io);
        self.traffic(&mut page, io);
        self.port(&mut page);
        chat_page(&mut page, chat);
        process::write(&mut page);
        page.finish()
    }

    fn sessions(&self, page: &mut Page, io: &Io) {
        let mut open = [0_u64; TransportKind::ALL.len()];
        let (mut waiting, mut congested) = (0, 0_u64);
        for session in io.sessions() {
            open[session.transport() as usize] += 1;
            waiting += session.queued_bytes();
            congested += u64::from(session.is_congested());
        }
        let transports = TransportKind::ALL.map(TransportKind::as_str);
        let by = "transport";
        page.each(
            Kind::Gauge,
            "parlance_sessions",
            "Open Engine.IO sessions.",
            by,
            transports.into_iter().zip(open),
        );
        let opened = TransportKind::ALL.map(|kind| (kind.as_str(), self.engine.opened(kind).get()));
        page.each(
            Kind::Counter,
            "parlance_sessions_opened_total",
            "Sessions opened, by the transport of the handshake.",
            by,
            opened,
        );
        let closed =
            CloseReason::ALL.map(|reason| (slug(reason), self.engine.closed(reason).get()));
        page.each(
            Kind::Counter,
            "parlance_sessions_closed_total",
            "Sessions closed; slow-consumer is a client that took less than it was sent.",
            "reason",
            closed,
        );
        let help = "Bytes that wait for clients.";
        page.one(Kind::Gauge, "parlance_outbox_bytes", help, waiting);
        let help = "Sessions whose client is behind.";
        page.one(
            Kind::Gauge,
            "parlance_outbox_congested_sessions",
            help,
            congested,
        );
    }

    fn traffic(&self, page: &mut Page, io: &Io) {
        let (engine, broadcasts) = (&self.engine, &self.broadcasts);
        let help = "Sessions that changed from polling to WebSocket.";
        page.one(
            Kind::Counter,
            "parlance_upgrades_total",
            help,
            engine.upgrades.get(),
        );
        let help = "From the WebSocket's handshake to the change.";
        page.times(
            "parlance_upgrade_duration_seconds",
            help,
            &engine.upgrade_time,
        );
        let help = "From a ping to its pong.";
        page.times(
            "parlance_ping_round_trip_seconds",
            help,
            &engine.ping_round_trip,
        );
        let help = "Messages of clients.";
        page.one(
            Kind::Counter,
            "parlance_messages_received_total",
            help,
            engine.messages.get(),
        );
        for (name, help, number) in [
            (
                "parlance_sessions_held_back_total",
                "How often a client was not read for a while, because it was ahead of its pace.",
                engine.held_back.get(),
            ),
            (
                "parlance_received_bytes_total",
                "Bytes of those messages, without headers.",
                engine.message_bytes.get(),
            ),
            (
                "parlance_events_emitted_total",
                "Events that were emitted; a broadcast is one.",
                broadcasts.emitted.get(),
            ),
            (
                "parlance_acks_sent_total",
                "Answers to events of clients.",
                broadcasts.answers_sent.get(),
            ),
            (
                "parlance_acks_received_total",
                "Answers of clients that somebody waited for.",
                broadcasts.answers_received.get(),
            ),
            (
                "parlance_packets_sent_total",
                "Packets that were queued for clients; a broadcast counts for each recipient.",
                broadcasts.packets_queued(),
            ),
            (
                "parlance_sent_bytes_total",
                "Bytes of those packets, WebSocket headers included.",
                broadcasts.bytes_queued.get(),
            ),
        ] {
            page.one(Kind::Counter, name, help, number);
        }
        let refused = REFUSALS.into_iter().zip(0..);
        page.each(
            Kind::Counter,
            "parlance_handshakes_refused_total",
            "Requests that Engine.IO refused.",
            "reason",
            refused.map(|(reason, code)| (reason, engine.refused(code).get())),
        );
        let broken = ["1002", "1007", "1008", "1009"].into_iter();
        let counts = Engine::VIOLATION_CODES.map(|code| engine.violations(code).get());
        page.each(
            Kind::Counter,
            "parlance_websocket_violations_total",
            "WebSockets closed over their frames: 1002 against the protocol, 1007 not UTF-8, 1008 too many or too slow, 1009 too long.",
            "code",
            broken.zip(counts),
        );
        let violations = Offence::ALL.map(|offence| {
            let closed = broadcasts.violations(offence).get();
            (offence.as_str(), closed)
        });
        page.each(
            Kind::Counter,
            "parlance_violations_total",
            "Connections closed over a packet that breaks the rules of Socket.IO, or never came.",
            "reason",
            violations,
        );
        page.sizes(
            "parlance_broadcast_recipients",
            "How many sockets a broadcast was sent to; the sum is the number of deliveries.",
            &broadcasts.broadcast_recipients,
        );
        page.times(
            "parlance_broadcast_duration_seconds",
            "From the search for the recipients until all have it queued.",
            &broadcasts.broadcast_time,
        );
        page.one(
            Kind::Counter,
            "parlance_volatile_dropped_total",
            "Volatile packets that their recipient could not take.",
            broadcasts.volatile_dropped.get(),
        );
        let root = io.root();
        let help = "Connected sockets.";
        page.one(Kind::Gauge, "parlance_sockets", help, root.sockets_count());
        let help = "Rooms with somebody in them.";
        page.one(Kind::Gauge, "parlance_rooms", help, root.rooms_count());
        let help = "Answers that the server waits for.";
        page.one(
            Kind::Gauge,
            "parlance_acks_pending",
            help,
            root.acks_pending(),
        );
    }

    fn port(&self, page: &mut Page) {
        let port = &self.port;
        let help = "Connections that are served with HTTP, WebSockets not included.";
        page.one(
            Kind::Gauge,
            "parlance_http_connections",
            help,
            port.connections.get(),
        );
        let help = "Connections that waited for their turn, because many of their address came.";
        page.one(
            Kind::Counter,
            "parlance_connections_delayed_total",
            help,
            port.delayed.get(),
        );
        for (name, help, label, family) in [
            (
                "parlance_http_responses_total",
                "Answers of the port.",
                "status",
                &port.responses,
            ),
            (
                "parlance_refused_total",
                "Connections and handshakes refused for a limit, or because the server ends.",
                "reason",
                &port.refused,
            ),
            (
                "parlance_logins_total",
                "Attempts to log in.",
                "outcome",
                &port.logins,
            ),
        ] {
            page.each(Kind::Counter, name, help, label, family.read());
        }
    }
}

fn chat_page(page: &mut Page, chat: &Chat) {
    let metrics = chat.metrics();
    page.one(
        Kind::Counter,
        "parlance_commits_failed_total",
        "Batches of changes that could not be committed.",
        metrics.commits_failed,
    );
    page.each(
        Kind::Counter,
        "parlance_events_received_total",
        "Events of clients.",
        "event",
        metrics.events.read(),
    );
    page.each(
        Kind::Counter,
        "parlance_events_failed_total",
        "Events that were answered with an error.",
        "code",
        metrics.failures.read(),
    );
    page.each(
        Kind::Counter,
        "parlance_connects_refused_total",
        "Sockets that were not let in: with a token that is not good, or one too many of a person.",
        "code",
        metrics.refused.read(),
    );
    let help = "Changes that wait for the writer.";
    page.one(Kind::Gauge, "parlance_storage_queue", help, metrics.waiting);
    page.sizes(
        "parlance_commit_size",
        "Changes that shared a commit.",
        metrics.commit_size,
    );
    page.times(
        "parlance_commit_duration_seconds",
        "From the beginning of a batch until its changes are durable and answered.",
        metrics.commit_time,
    );
}

/// A reason as a label: `slow consumer` is `slow-consumer`.
fn slug(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::TransportError => "transport-error",
        CloseReason::TransportClose => "transport-close",
        CloseReason::ForcedClose => "forced-close",
        CloseReason::PingTimeout => "ping-timeout",
        CloseReason::ParseError => "parse-error",
        CloseReason::SlowConsumer => "slow-consumer",
        CloseReason::Stalled => "stalled",
        CloseReason::Flood => "flood",
        _ => "other",
    }
}
