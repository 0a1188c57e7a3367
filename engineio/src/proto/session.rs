//! The session: one client's connection, whatever carries it.
//!
//! ```text
//!   carrier    Polling ──stream attached──► Probing ──── 5 ────► Streaming
//!                 ▲                            │                     ▲
//!                 └──time-out, wrong packet────┘      WebSocket handshake
//!
//!   life       Open ──close(Flush)──► Closing ──flushed, or time-out──► Closed
//!                └──────── anything that ends a session ────────────────▲
//! ```
//! The two are independent: data flows over polling while Probing, and a session that is Closing
//! can still finish its upgrade and flush over the stream.
//!
//! **Inputs** are `handle_*` and `close`; each may change any output. After every input the driver
//! drains the **outputs**: `poll_reply` (answers the waiting GET), `poll_probe` (bytes for the
//! stream under probe), `poll_write` (fills the outbox's control lane), `poll_event`, and at last
//! `poll_timeout`. Time is an argument throughout.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    handshake::TransportKind,
    heartbeat::{Beat, Heartbeat},
    outbox::{Outbox, Sink},
    pace::{Pace, PaceLimits},
    packet::{Message, Packet},
};

/// A ping as a WebSocket text frame.
const PING_FRAME: &[u8] = b"\x81\x012";
/// The answer to the probe as a WebSocket text frame.
const PROBE_ANSWER: &[u8] = b"\x81\x063probe";

/// The times of a session.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// From the open packet, or a pong, to the next ping.
    pub ping_interval: Duration,
    /// From a ping to its pong, at most.
    pub ping_timeout: Duration,
    /// From the attachment of a stream to its `5`, at most.
    pub upgrade_timeout: Duration,
    /// From an orderly close to its end, at most.
    pub close_timeout: Duration,
    /// How long the application may refuse to take messages.
    pub stall_timeout: Duration,
    /// How long the outbox may stay congested.
    pub congestion_timeout: Duration,
    /// How long the peer may take no byte of a stream while some wait.
    pub write_timeout: Duration,
    /// How fast the peer may send; none: as fast as it can.
    pub pace: Option<PaceLimits>,
    /// Packets a minute that mean nothing.
    pub ignored_per_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            congestion_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(20),
            pace: None,
            ignored_per_minute: 100,
        }
    }
}

/// Why a session ended. The texts of `Display` are those of the official server, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client broke the rules, or its connection broke.
    TransportError,
    /// The client left in order.
    TransportClose,
    /// The application closed the session.
    ForcedClose,
    /// A ping was not answered in time.
    PingTimeout,
    /// The client sent something that is no packet.
    ParseError,
    /// The client takes less than it is sent: the outbox reached its hard limit, or stayed past its
    /// soft one, or its stream took no byte for too long.
    SlowConsumer,
    /// The application did not take messages for too long.
    Stalled,
    /// The client sent too many packets that mean nothing, such as pongs that nobody asked for.
    Flood,
}

impl CloseReason {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::TransportError,
        Self::TransportClose,
        Self::ForcedClose,
        Self::PingTimeout,
        Self::ParseError,
        Self::SlowConsumer,
        Self::Stalled,
        Self::Flood,
    ];

    /// The reason as the applications of the official server know it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransportError => "transport error",
            Self::TransportClose => "transport close",
            Self::ForcedClose => "forced close",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::SlowConsumer => "slow consumer",
            Self::Stalled => "stalled",
            Self::Flood => "flood",
        }
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the application closes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseMode {
    /// What is queued is sent first.
    Flush,
    /// At once; what is queued is lost.
    Discard,
}

/// Where something arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// In a POST.
    Polling,
    /// On the stream that carries the session.
    Stream,
    /// On a stream that has not taken over yet.
    Probe,
}

/// How a transport was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The peer closed it in order.
    Closed,
    /// It broke, or the peer broke its rules.
    Failed,
}

/// The verdict on a request that belongs to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// It may go on.
    Granted,
    /// Another of its kind is under way. The session is closed; the request gets 400.
    Overlap,
    /// The session has upgraded: 400, code 3.
    Moved,
    /// The session is closed: 400, code 1.
    Gone,
}

/// What the driver has to do, beside writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The stream under probe carries the session now.
    Upgraded,
    /// The stream under probe is to be closed, without a code.
    DropProbe,
    /// The session is over: tell the application, close the stream. The last event.
    Closed(CloseReason),
}

#[derive(Debug, Clone, Copy)]
enum Carrier {
    Polling,
    Probing { deadline: Instant, stage: Probe },
    Streaming,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// `2probe` has not come.
    Silent,
    /// `2probe` came; its answer is not written.
    Asked,
    /// `3probe` is written; polls are answered with `6` so that the client can end polling.
    Answered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    Closing { deadline: Instant },
    Closed,
}

/// The GET that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poll {
    None,
    Waiting,
    /// It arrived while the session was closing, so that it gets `6` before the `1`.
    WaitingSinceClose,
}

/// The state machine of one session.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Session {
    settings: Arc<Settings>,
    carrier: Carrier,
    life: Life,
    heartbeat: Heartbeat,
    pace: Pace,
    poll: Poll,
    ping_due: bool,
    /// Answers the GET that waits when the session is closed.
    last_word: &'static str,
    stalled_by: Option<Instant>,
    congested_by: Option<Instant>,
    /// Where a full stream stands, and until when it must have moved.
    blocked: Option<(u32, Instant)>,
    upgraded: bool,
    drop_probe: bool,
    closed: Option<CloseReason>,
}

impl Session {
    /// Opens a session on the transport of its handshake. `now` is the moment the open packet is
    /// made: the heartbeat counts from it.
    #[must_use]
    pub fn new(settings: Arc<Settings>, transport: TransportKind, now: Instant) -> Self {
        let heartbeat = Heartbeat::new(settings.ping_interval, settings.ping_timeout, now);
        Self {
            settings,
            carrier: match transport {
                TransportKind::Polling => Carrier::Polling,
                TransportKind::Websocket => Carrier::Streaming,
            },
            life: Life::Open,
            heartbeat,
            pace: Pace::new(now),
            poll: Poll::None,
            ping_due: false,
            last_word: "1",
            stalled_by: None,
            congested_by: None,
            blocked: None,
            upgraded: false,
            drop_probe: false,
            closed: None,
        }
    }

    // ---- getters ----

    /// The transport that carries the session.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        match self.carrier {
            Carrier::Streaming => TransportKind::Websocket,
            Carrier::Polling | Carrier::Probing { .. } => TransportKind::Polling,
        }
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.life == Life::Closed
    }

    /// Whether a GET waits.
    #[must_use]
    pub fn has_poll(&self) -> bool {
        self.poll != Poll::None
    }

    /// Whether the client is to be read: not while it is ahead of its pace.
    #[must_use]
    pub fn keeps_pace(&self) -> bool {
        !self.pace.is_held_back()
    }

    // ---- inputs ----

    /// A GET arrived.
    pub fn handle_poll_opened(&mut self) -> Admission {
        match self.admit() {
            Admission::Granted => {}
            refused => return refused,
        }
        if self.has_poll() {
            return self.overlap();
        }
        self.poll = match self.life {
            Life::Closing { .. } => Poll::WaitingSinceClose,
            _ => Poll::Waiting,
        };
        Admission::Granted
    }

    /// The connection of the waiting GET was lost.
    pub fn handle_poll_aborted(&mut self) {
        if std::mem::replace(&mut self.poll, Poll::None) != Poll::None {
            self.finish(CloseReason::TransportError);
        }
    }

    /// A POST arrived whole.
    pub fn handle_post(&mut self) -> Admission {
        self.admit()
    }

    /// A POST arrived while another was under way.
    pub fn handle_post_overlap(&mut self) -> Admission {
        match self.admit() {
            Admission::Granted => self.overlap(),
            refused => refused,
        }
    }

    /// A packet arrived; gives the message, if it is one for the application.
    pub fn handle_packet<'a>(
        &mut self,
        via: Via,
        packet: Packet<'a>,
        now: Instant,
    ) -> Option<Message<'a>> {
        if self.is_closed() {
            return None;
        }
        match via {
            Via::Probe => {
                self.handle_probe_packet(&packet, now);
                None
            }
            Via::Polling | Via::Stream => self.handle_session_packet(via, packet, now),
        }
    }

    /// What arrived is no packet.
    pub fn handle_garbage(&mut self, via: Via) {
        match via {
            Via::Probe => self.fail_probe(),
            Via::Polling | Via::Stream => self.finish(CloseReason::ParseError),
        }
    }

    /// A WebSocket was opened for this session. `false`: it is one too many and is to be closed;
    /// whatever carries the session is unharmed.
    #[must_use]
    pub fn handle_stream_attached(&mut self, now: Instant) -> bool {
        let free = matches!(self.carrier, Carrier::Polling) && !self.is_closed();
        if free {
            let deadline = now + self.settings.upgrade_timeout;
            self.carrier = Carrier::Probing {
                deadline,
                stage: Probe::Silent,
            };
        }
        free
    }

    /// How long the pong that arrives `now` took, if one is awaited; see
    /// [`Heartbeat::round_trip`].
    #[must_use]
    pub fn round_trip(&self, now: Instant) -> Option<Duration> {
        self.heartbeat.round_trip(now)
    }

    /// A transport was lost.
    pub fn handle_transport_lost(&mut self, via: Via, loss: Loss) {
        match (via, loss) {
            (Via::Probe, _) => self.fail_probe(),
            (_, Loss::Closed) => self.finish(CloseReason::TransportClose),
            (_, Loss::Failed) => self.finish(CloseReason::TransportError),
        }
    }

    /// The application takes messages, or stops to. While it does not, the driver must not read,
    /// and no pong is missed; a limit of its own counts instead.
    pub fn handle_back_pressure(&mut self, wants_messages: bool, now: Instant) {
        match (wants_messages, self.stalled_by) {
            (true, Some(_)) => self.stalled_by = None,
            (false, None) => self.stalled_by = Some(now + self.settings.stall_timeout),
            _ => return,
        }
        self.watch_pongs(now);
    }

    /// The time of [`Session::poll_timeout`] has come. Harmless when it has not, so the driver
    /// calls it before every other input: what is late stays late, however busy the process is.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(limits) = &self.settings.pace
            && self.pace.handle_timeout(limits, now)
        {
            self.watch_pongs(now);
        }
        if let Carrier::Probing { deadline, .. } = self.carrier
            && now >= deadline
        {
            self.fail_probe();
        }
        if self.blocked.is_some_and(|(_, deadline)| now >= deadline) {
            self.finish(CloseReason::SlowConsumer);
        }
        match self.life {
            Life::Open => self.handle_open_timeout(now),
            Life::Closing { deadline } if now >= deadline => self.finish(CloseReason::ForcedClose),
            Life::Closing { .. } | Life::Closed => {}
        }
    }

    /// The application closes the session.
    pub fn close(&mut self, mode: CloseMode, now: Instant) {
        match (mode, self.life) {
            (_, Life::Closed) | (CloseMode::Flush, Life::Closing { .. }) => {}
            (CloseMode::Discard, _) => self.finish(CloseReason::ForcedClose),
            (CloseMode::Flush, Life::Open) => {
                self.life = Life::Closing {
                    deadline: now + self.settings.close_timeout,
                };
            }
        }
    }

    // ---- outputs ----

    /// The answer to the waiting GET, once there is one.
    pub fn poll_reply(&mut self, outbox: &mut Outbox) -> Option<Bytes> {
        let body = match self.poll {
            Poll::None => None,
            _ if self.is_closed() => Some(Bytes::from_static(self.last_word.as_bytes())),
            _ if self.transport() == TransportKind::Websocket => Some(Bytes::from_static(b"6")),
            _ => self.compose_reply(outbox),
        };
        if body.is_some() {
            self.poll = Poll::None;
        }
        self.note_sink(outbox);
        body
    }

    /// Bytes for the stream under probe.
    pub fn poll_probe(&mut self) -> Option<&'static [u8]> {
        match &mut self.carrier {
            Carrier::Probing {
                stage: stage @ Probe::Asked,
                ..
            } => {
                *stage = Probe::Answered;
                Some(PROBE_ANSWER)
            }
            _ => None,
        }
    }

    /// Puts what the session itself sends on its stream into the outbox, watches the outbox's
    /// limits, and ends an orderly close once everything is written.
    pub fn poll_write(&mut self, outbox: &mut Outbox, now: Instant) {
        self.watch(outbox, now);
        if self.life != Life::Open {
            outbox.seal();
        }
        if matches!(self.carrier, Carrier::Streaming) && !self.is_closed() {
            if std::mem::take(&mut self.ping_due) {
                outbox.push_control(PING_FRAME);
            }
            if self.life != Life::Open && !outbox.has_pending() {
                self.finish(CloseReason::ForcedClose);
            }
        }
        if self.is_closed() {
            outbox.discard();
        }
    }

    /// What the driver has to do next.
    pub fn poll_event(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.upgraded) {
            return Some(Event::Upgraded);
        }
        if std::mem::take(&mut self.drop_probe) {
            return Some(Event::DropProbe);
        }
        self.closed.take().map(Event::Closed)
    }

    /// When [`Session::handle_timeout`] is to be called, if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let probe = match self.carrier {
            Carrier::Probing { deadline, .. } => Some(deadline),
            _ => None,
        };
        let blocked = self.blocked.map(|(_, deadline)| deadline);
        let life = match self.life {
            Life::Closed => return None,
            // Nothing else ends a session that is closing: what is not acted on must not be due.
            Life::Closing { deadline } => [Some(deadline), None, None],
            Life::Open => [
                self.heartbeat.poll_timeout(),
                self.stalled_by,
                self.congested_by,
            ],
        };
        let limits = self.settings.pace.as_ref();
        let pace = limits.and_then(|limits| self.pace.poll_timeout(limits));
        [probe, blocked, pace]
            .into_iter()
            .chain(life)
            .flatten()
            .min()
    }

    // ---- the rules ----

    fn admit(&self) -> Admission {
        match (self.life, self.carrier) {
            (Life::Closed, _) => Admission::Gone,
            (_, Carrier::Streaming) => Admission::Moved,
            _ => Admission::Granted,
        }
    }

    fn overlap(&mut self) -> Admission {
        self.finish(CloseReason::TransportError);
        Admission::Overlap
    }

    fn handle_session_packet<'a>(
        &mut self,
        via: Via,
        packet: Packet<'a>,
        now: Instant,
    ) -> Option<Message<'a>> {
        self.watch_pace(&packet, now);
        match packet {
            Packet::Close => self.handle_close_packet(via),
            Packet::Ping(_) => self.finish(CloseReason::TransportError),
            Packet::Pong(_) if self.heartbeat.handle_pong(now) => {}
            Packet::Pong(_) => self.ignore(now),
            Packet::Message(message) => {
                self.heartbeat.handle_traffic(now);
                return (self.life == Life::Open).then_some(message);
            }
            // A client has no reason to send these; the official server ignores them too.
            Packet::Open(_) | Packet::Upgrade | Packet::Noop => {
                self.heartbeat.handle_traffic(now);
                self.ignore(now);
            }
        }
        None
    }

    fn watch_pace(&mut self, packet: &Packet<'_>, now: Instant) {
        if let Some(limits) = &self.settings.pace
            && self.pace.handle_packet(packet.data_len(), limits, now)
        {
            self.watch_pongs(now);
        }
    }

    fn ignore(&mut self, now: Instant) {
        if (self.pace).handle_ignored(self.settings.ignored_per_minute, now) {
            self.finish(CloseReason::Flood);
        }
    }

    /// No pong is missed while nothing is read, for whichever reason.
    fn watch_pongs(&mut self, now: Instant) {
        match self.stalled_by.is_none() && self.keeps_pace() {
            true => self.heartbeat.resume(now),
            false => self.heartbeat.suspend(),
        }
    }

    fn handle_close_packet(&mut self, via: Via) {
        if via == Via::Polling {
            self.last_word = "6";
        }
        self.finish(CloseReason::TransportClose);
    }

    fn handle_probe_packet(&mut self, packet: &Packet<'_>, now: Instant) {
        let Carrier::Probing { stage, .. } = &mut self.carrier else {
            return;
        };
        match packet {
            Packet::Ping("probe") => *stage = Probe::Asked,
            Packet::Upgrade if *stage != Probe::Silent => self.upgrade(now),
            _ => self.fail_probe(),
        }
    }

    fn upgrade(&mut self, now: Instant) {
        self.carrier = Carrier::Streaming;
        self.upgraded = true;
        self.heartbeat.handle_upgrade(now);
    }

    fn fail_probe(&mut self) {
        if matches!(self.carrier, Carrier::Probing { .. }) {
            self.carrier = Carrier::Polling;
            self.drop_probe = true;
        }
    }

    fn handle_open_timeout(&mut self, now: Instant) {
        if self.stalled_by.is_some_and(|deadline| now >= deadline) {
            return self.finish(CloseReason::Stalled);
        }
        if self.congested_by.is_some_and(|deadline| now >= deadline) {
            return self.finish(CloseReason::SlowConsumer);
        }
        match self.heartbeat.handle_timeout(now) {
            Some(Beat::Ping) => self.ping_due = true,
            Some(Beat::Lost) => self.finish(CloseReason::PingTimeout),
            None => {}
        }
    }

    fn finish(&mut self, reason: CloseReason) {
        if self.is_closed() {
            return;
        }
        self.fail_probe();
        self.life = Life::Closed;
        self.closed = Some(reason);
    }

    /// The payload for a GET of an open or closing session, if there is something to say.
    fn compose_reply(&mut self, outbox: &mut Outbox) -> Option<Bytes> {
        let ping = std::mem::take(&mut self.ping_due);
        if ping || !outbox.is_empty() {
            return Some(outbox.take_payload(if ping { &["2"] } else { &[] }));
        }
        if self.life != Life::Open {
            let since_close = self.poll == Poll::WaitingSinceClose;
            self.finish(CloseReason::ForcedClose);
            return Some(Bytes::from_static(if since_close {
                b"6\x1e1"
            } else {
                b"1"
            }));
        }
        match self.carrier {
            Carrier::Probing {
                stage: Probe::Answered,
                ..
            } => Some(Bytes::from_static(b"6")),
            _ => None,
        }
    }

    fn watch(&mut self, outbox: &mut Outbox, now: Instant) {
        if outbox.has_overflowed() {
            self.finish(CloseReason::SlowConsumer);
        }
        self.congested_by = match (outbox.is_congested(), self.congested_by) {
            (false, _) => None,
            (true, None) => Some(now + self.settings.congestion_timeout),
            (true, already) => already,
        };
        self.watch_writes(outbox, now);
    }

    /// A peer that takes a little from time to time is slow; one that takes nothing is gone. Over
    /// polling it is the client that asks.
    fn watch_writes(&mut self, outbox: &Outbox, now: Instant) {
        let streaming = self.transport() == TransportKind::Websocket;
        let blocked_at = outbox.blocked_at().filter(|_| streaming);
        self.blocked = match (blocked_at, self.blocked) {
            (None, _) => None,
            (Some(mark), Some(blocked)) if blocked.0 == mark => Some(blocked),
            (Some(mark), _) => Some((mark, now + self.settings.write_timeout)),
        };
    }

    /// Over polling, data can leave exactly while a GET waits. Over a stream the writer knows.
    fn note_sink(&self, outbox: &mut Outbox) {
        if self.transport() == TransportKind::Polling {
            outbox.set_sink(if self.has_poll() {
                Sink::Ready
            } else {
                Sink::Blocked
            });
        }
    }
}

#[cfg(test)]
mod tests;
