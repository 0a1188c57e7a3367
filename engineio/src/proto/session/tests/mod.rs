//! Every transition of the session, stepped with explicit time; then random sequences of
//! operations against a small model.

mod closing;
mod heartbeat;
mod limits;
mod polling;
mod random;
mod upgrade;

use std::io::IoSlice;

use super::*;
use crate::proto::{
    frame::{BinaryForm, Frame},
    outbox::OutboxLimits,
    pace::PaceLimits,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn settings() -> Settings {
    Settings {
        ping_interval: ms(300),
        ping_timeout: ms(200),
        upgrade_timeout: ms(100),
        close_timeout: ms(30_000),
        stall_timeout: ms(1_000),
        congestion_timeout: ms(500),
        write_timeout: ms(150),
        ..Settings::default()
    }
}

/// A session with its outbox and a clock that the test sets.
struct Rig {
    session: Session,
    outbox: Outbox,
    start: Instant,
    now: Instant,
}

impl Rig {
    fn new(transport: TransportKind) -> Self {
        Self::with(transport, settings())
    }

    fn with(transport: TransportKind, settings: Settings) -> Self {
        let now = Instant::now();
        let limits = OutboxLimits {
            soft_bytes: 50,
            hard_bytes: 100,
            ..OutboxLimits::default()
        };
        let mut outbox = Outbox::new(limits, BinaryForm::Frames);
        if transport == TransportKind::Websocket {
            outbox.set_sink(Sink::Ready);
        }
        Self {
            session: Session::new(settings.into(), transport, now),
            outbox,
            start: now,
            now,
        }
    }

    fn polling() -> Self {
        Self::new(TransportKind::Polling)
    }

    fn streaming() -> Self {
        Self::new(TransportKind::Websocket)
    }

    /// A polling session whose client has probed a stream and got its answer.
    fn probing() -> Self {
        let mut rig = Self::polling();
        assert!(rig.session.handle_stream_attached(rig.now));
        rig.probe("2probe");
        assert_eq!(rig.session.poll_probe(), Some(PROBE_ANSWER));
        rig
    }

    /// Sets the clock to `at` milliseconds after the start and lets time-outs happen.
    fn at(&mut self, at: u64) -> &mut Self {
        self.now = self.start + ms(at);
        self.session.handle_timeout(self.now);
        self
    }

    fn send(&mut self, text: &str) {
        let _ = self.outbox.enqueue(Frame::text(text));
    }

    fn get(&mut self) -> Admission {
        self.session.handle_poll_opened()
    }

    fn reply(&mut self) -> Option<String> {
        let body = self.session.poll_reply(&mut self.outbox)?;
        Some(String::from_utf8(body.to_vec()).unwrap())
    }

    /// Opens a poll and gives its answer, if there is one at once.
    fn poll(&mut self) -> Option<String> {
        assert_eq!(self.get(), Admission::Granted);
        self.reply()
    }

    fn packet(&mut self, via: Via, text: &str) -> Option<String> {
        match self
            .session
            .handle_packet(via, Packet::decode(text).unwrap(), self.now)?
        {
            Message::Text(text) => Some(text.to_owned()),
            Message::Binary(data) => Some(format!("{data:?}")),
        }
    }

    fn post(&mut self, text: &str) -> Option<String> {
        self.packet(Via::Polling, text)
    }

    fn stream(&mut self, text: &str) -> Option<String> {
        self.packet(Via::Stream, text)
    }

    fn probe(&mut self, text: &str) {
        assert_eq!(self.packet(Via::Probe, text), None);
    }

    /// Everything that goes onto the stream now, without the WebSocket headers of short frames.
    fn written(&mut self) -> Vec<String> {
        self.session.poll_write(&mut self.outbox, self.now);
        let mut wire = Vec::new();
        while self.outbox.has_pending() {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = self.outbox.gather(&mut slices);
            let bytes = slices[..filled]
                .iter()
                .flat_map(|slice| slice.to_vec())
                .collect::<Vec<_>>();
            self.outbox.advance(bytes.len());
            wire.extend(bytes);
        }
        self.session.poll_write(&mut self.outbox, self.now);
        let mut frames = Vec::new();
        let mut rest = &wire[..];
        while let [0x81, len, tail @ ..] = rest {
            let (payload, next) = tail.split_at(usize::from(*len));
            frames.push(String::from_utf8(payload.to_vec()).unwrap());
            rest = next;
        }
        frames
    }

    fn event(&mut self) -> Option<Event> {
        self.session.poll_event()
    }

    #[track_caller]
    fn assert_closed(&mut self, reason: CloseReason) {
        assert_eq!(self.event(), Some(Event::Closed(reason)));
        assert_eq!(self.event(), None, "the last event");
        assert!(self.session.is_closed());
        assert_eq!(self.session.poll_timeout(), None, "no timer is left");
    }

    #[track_caller]
    fn assert_open(&mut self) {
        assert_eq!(self.event(), None);
        assert!(!self.session.is_closed());
    }
}
