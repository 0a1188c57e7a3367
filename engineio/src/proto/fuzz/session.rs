//! A session and its client, stepped through any sequence of operations.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::proto::{
    Frame, Message, Outbox, Packet, Session, TransportKind,
    frame::BinaryForm,
    outbox::{EnqueueError, Enqueued, OutboxLimits, Sink},
    pace::PaceLimits,
    session::{Admission, CloseMode, Event, Loss, Settings, Via},
};

const SOFT_BYTES: usize = 200;
const HARD_BYTES: usize = 400;
/// So slow that a few packets are ahead of it.
const PACE: PaceLimits = PaceLimits {
    packets_per_second: 50,
    packet_burst: 8,
    bytes_per_second: 1_000,
    byte_burst: 100,
};
/// The largest frame that an operation queues.
const MAX_FRAME: usize = 16;

/// Target `eio_session`: each byte is an operation of the client, of the application or of the
/// network, the upper bits its parameter. Each message arrives once and in order whatever carries
/// it, a control frame stands between messages, no time-out stays due, the session is closed once,
/// and nothing waits for it then; and left alone it comes to its end by itself.
pub fn eio_session(data: &[u8], now: Instant) {
    let transport = match data.first() {
        Some(0xff) => TransportKind::Websocket,
        _ => TransportKind::Polling,
    };
    let mut client = Client::on(transport, now);
    for &byte in data {
        client.apply(byte & 0x1f, byte >> 5);
        client.drain();
        client.check();
    }
    client.vanish();
}

/// Both ends of a session: the driver's half, and what its client has seen.
pub(in crate::proto) struct Client {
    pub(in crate::proto) session: Session,
    outbox: Outbox,
    start: Instant,
    now: Instant,
    /// Bytes that the stream takes.
    room: usize,
    /// What the stream took and is not yet a whole frame.
    wire: Vec<u8>,
    /// Control frames that were queued and have not been seen.
    controls: VecDeque<u8>,
    pub(in crate::proto) sent: u32,
    pub(in crate::proto) received: u32,
    pub(in crate::proto) closed: bool,
    /// What waits for the stream under probe, and what it has taken.
    probe: Outbox,
    probe_wire: Vec<u8>,
    /// A stream was handed over, or has carried the session from the start.
    streaming: bool,
}

impl Client {
    /// A polling session that was opened `now`.
    #[cfg(test)]
    pub(in crate::proto) fn new(now: Instant) -> Self {
        Self::on(TransportKind::Polling, now)
    }

    fn on(transport: TransportKind, now: Instant) -> Self {
        let ms = Duration::from_millis;
        let settings = Settings {
            ping_interval: ms(300),
            ping_timeout: ms(200),
            upgrade_timeout: ms(100),
            close_timeout: ms(30_000),
            stall_timeout: ms(1_000),
            congestion_timeout: ms(500),
            write_timeout: ms(150),
            pace: Some(PACE),
            ignored_per_minute: 20,
        };
        let limits = OutboxLimits {
            soft_bytes: SOFT_BYTES,
            hard_bytes: HARD_BYTES,
            ..OutboxLimits::default()
        };
        Self {
            session: Session::new(Arc::new(settings), transport, now),
            outbox: Outbox::new(limits, BinaryForm::Frames),
            start: now,
            now,
            room: usize::MAX,
            wire: Vec::new(),
            controls: VecDeque::new(),
            sent: 0,
            received: 0,
            closed: false,
            probe: Outbox::new(limits, BinaryForm::Frames),
            probe_wire: Vec::new(),
            streaming: transport == TransportKind::Websocket,
        }
    }

    fn apply(&mut self, op: u8, parameter: u8) {
        let streaming = self.session.transport() == TransportKind::Websocket;
        let choose = |texts: [&'static str; 8]| texts[usize::from(parameter)];
        let packet = choose(["4m", "3", "1", "2", "6", "0{}", "5", "bAQ=="]);
        match op {
            0..=3 => self.send(parameter),
            4..=8 => self.get(),
            9 => self.session.handle_poll_aborted(),
            10 | 11 if streaming => self.hear(Via::Stream, packet),
            10 | 11 => self.hear(Via::Polling, packet),
            12 => drop(self.session.handle_stream_attached(self.now)),
            13..=15 => self.hear(
                Via::Probe,
                choose(["2probe", "5", "2probe", "5", "2probe", "5", "4m", "2"]),
            ),
            16 => self.lose(parameter, streaming),
            17 => self
                .session
                .handle_garbage([Via::Polling, Via::Probe][usize::from(parameter & 1)]),
            18 => self.session.close(CloseMode::Flush, self.now),
            19 => self.session.close(CloseMode::Discard, self.now),
            20..=23 => self.wait(Duration::from_millis(1 + 17 * u64::from(parameter))),
            24 => self.wait(Duration::from_millis(120 * u64::from(parameter))),
            25 => self
                .session
                .handle_back_pressure(parameter & 1 == 0, self.now),
            26 => drop(self.session.handle_post_overlap()),
            27 => assert_eq!(self.session.handle_post(), self.admission()),
            28 | 29 => {
                self.room = if parameter == 0 {
                    usize::MAX
                } else {
                    usize::from(parameter) * 2
                }
            }
            30 => self.send_volatile(),
            _ => self.pong(parameter, streaming),
        }
    }

    fn admission(&self) -> Admission {
        match (self.session.is_closed(), self.session.transport()) {
            (true, _) => Admission::Gone,
            (_, TransportKind::Websocket) => Admission::Moved,
            (_, TransportKind::Polling) => Admission::Granted,
        }
    }

    /// Queues the next number: as a text, or as bytes.
    pub(in crate::proto) fn send(&mut self, parameter: u8) {
        let number = self.sent.to_string();
        let frame = match parameter & 1 {
            0 => Frame::text(&number),
            _ => Frame::binary(Bytes::from(number)),
        };
        assert!(frame.wire_len() <= MAX_FRAME);
        let fits = !self.outbox.is_full_for(frame.wire_len());
        let sealed = self.outbox.is_sealed();
        // The owner sleeps between two operations; it must hear of what can leave now.
        let must_wake = self.outbox.sink() == Sink::Ready;
        let queued = match parameter & 2 {
            0 => self.outbox.enqueue(frame),
            _ => self.outbox.enqueue_listed(frame),
        };
        match queued {
            Ok(enqueued) => {
                assert!(
                    enqueued == Enqueued::WakeNeeded || !must_wake,
                    "nobody is told"
                );
                assert!(
                    parameter & 2 == 0 || enqueued == Enqueued::Queued || self.outbox.begin_flush()
                );
                self.sent += 1;
            }
            Err(EnqueueError::Closed) => assert!(sealed),
            Err(EnqueueError::Full(_)) => assert!(!fits && self.outbox.has_overflowed()),
        }
    }

    fn send_volatile(&mut self) {
        let could = self.outbox.takes_volatile() && !self.outbox.is_sealed();
        let taken = self
            .outbox
            .enqueue_volatile(Frame::text(&self.sent.to_string()));
        assert_eq!(taken.is_some(), could);
        self.sent += u32::from(could);
    }

    pub(in crate::proto) fn get(&mut self) {
        let waited = self.session.has_poll();
        let expected = match self.admission() {
            Admission::Granted if waited => Admission::Overlap,
            other => other,
        };
        assert_eq!(self.session.handle_poll_opened(), expected);
    }

    pub(in crate::proto) fn hear(&mut self, via: Via, text: &'static str) {
        let packet = Packet::decode(text).expect("a packet");
        let trip = self.session.round_trip(self.now);
        assert!(trip.is_none_or(|trip| trip <= self.now - self.start));
        let message = self.session.handle_packet(via, packet, self.now);
        assert!(
            message.is_none() || via != Via::Probe,
            "a probe carries no messages"
        );
    }

    fn lose(&mut self, parameter: u8, streaming: bool) {
        let carrier = if streaming { Via::Stream } else { Via::Polling };
        let via = if parameter & 1 == 0 {
            carrier
        } else {
            Via::Probe
        };
        let loss = if parameter & 2 == 0 {
            Loss::Closed
        } else {
            Loss::Failed
        };
        self.session.handle_transport_lost(via, loss);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    /// What tungstenite answers to a ping of the client.
    fn pong(&mut self, parameter: u8, streaming: bool) {
        if streaming && !self.closed {
            // Many answers that nobody reads are too much.
            let count = if parameter == 7 { 800 } else { 1 };
            self.outbox
                .push_control(&[0x8a, 1, parameter].repeat(count));
            self.controls.extend(std::iter::repeat_n(parameter, count));
        }
    }

    /// Drains all outputs, as the driver does.
    pub(in crate::proto) fn drain(&mut self) {
        self.outbox.unpark();
        loop {
            if let Some(body) = self.session.poll_reply(&mut self.outbox) {
                self.receive_payload(&body);
            }
            if let Some(answer) = self.session.poll_probe() {
                self.probe.push_control(answer);
            }
            take(&mut self.probe, &mut self.probe_wire, &mut self.room);
            self.session.poll_write(&mut self.outbox, self.now);
            if self.streaming {
                self.write();
            }
            self.session.poll_write(&mut self.outbox, self.now);
            match self.session.poll_event() {
                Some(Event::Closed(reason)) => {
                    assert!(!self.closed, "closed once");
                    assert!(!reason.to_string().is_empty());
                    self.closed = true;
                }
                // The stream changes hands, half a frame and all.
                Some(Event::Upgraded) => {
                    self.outbox.adopt(&mut self.probe);
                    self.streaming = true;
                    self.wire = std::mem::take(&mut self.probe_wire);
                }
                Some(Event::DropProbe) => self.forget_probe(),
                None => break,
            }
        }
    }

    fn forget_probe(&mut self) {
        self.probe = Outbox::new(OutboxLimits::default(), BinaryForm::Frames);
        self.probe_wire.clear();
    }

    /// The stream takes what it has room for.
    fn write(&mut self) {
        take(&mut self.outbox, &mut self.wire, &mut self.room);
        let full = self.room == 0;
        if full && self.outbox.has_pending() {
            // A stream that says it took nothing is broken.
            let nothing = self.outbox.write_to(|_| Poll::Ready(Ok(0)));
            assert!(matches!(nothing, Poll::Ready(Err(_))));
            let pending = self.outbox.write_to(|_| Poll::Pending);
            assert!(pending.is_pending());
        }
        self.outbox.set_sink(match full {
            true => Sink::Blocked,
            false => Sink::Ready,
        });
        self.receive_frames();
    }

    fn receive_payload(&mut self, body: &[u8]) {
        for record in body.split(|&byte| byte == crate::proto::payload::SEPARATOR) {
            let text = std::str::from_utf8(record).expect("UTF-8");
            match Packet::decode(text).expect("a packet") {
                Packet::Message(Message::Text(text)) => self.receive(text.as_bytes()),
                Packet::Message(Message::Binary(data)) => self.receive(&data),
                Packet::Close | Packet::Ping("") | Packet::Noop => {}
                other => panic!("{other:?} in a payload"),
            }
        }
    }

    /// Every frame that is whole; all of them are short.
    fn receive_frames(&mut self) {
        let wire = std::mem::take(&mut self.wire);
        let mut left = &wire[..];
        while let [first, length, rest @ ..] = left
            && let Some((payload, rest)) = rest.split_at_checked(usize::from(*length))
        {
            match (first, payload) {
                (0x81, [b'4', text @ ..]) => self.receive(text),
                (0x81, b"2" | b"3probe") => {}
                (0x82, data) => self.receive(data),
                (0x8a, [pong]) => assert_eq!(self.controls.pop_front(), Some(*pong)),
                (first, payload) => panic!("{first:x} {payload:?} on the stream"),
            }
            left = rest;
        }
        self.wire = left.to_vec();
    }

    fn receive(&mut self, number: &[u8]) {
        assert_eq!(
            number,
            self.received.to_string().as_bytes(),
            "once, and in order"
        );
        self.received += 1;
    }

    /// What holds between two operations; the owner sleeps then.
    pub(in crate::proto) fn check(&mut self) {
        assert_eq!(self.session.is_closed(), self.closed);
        assert!(self.outbox.is_compressible());
        let due = self.session.poll_timeout();
        assert_eq!(due.is_none(), self.closed, "a timer, or the end");
        assert!(
            due.is_none_or(|due| due > self.now),
            "what is due was acted on"
        );
        assert!(self.outbox.queued_bytes() <= HARD_BYTES);
        if self.closed {
            assert!(!self.session.has_poll(), "no poll hangs");
            assert!(
                self.outbox.queued_bytes() <= MAX_FRAME,
                "what is half sent, and no more"
            );
            assert_eq!(self.admission(), Admission::Gone);
        }
        assert!(self.received <= self.sent);
        // What could be done was done, so that its owner may sleep.
        self.outbox.take_relieved();
        assert!(self.outbox.park() || self.closed);
    }

    /// Without a client, every session comes to its end by itself.
    fn vanish(&mut self) {
        for _ in 0..12 {
            if let Some(due) = self.session.poll_timeout() {
                self.now = self.now.max(due);
                self.session.handle_timeout(self.now);
                self.drain();
                self.check();
            }
        }
        assert!(self.closed, "it ends");
    }
}

/// A stream takes what it has room for.
fn take(outbox: &mut Outbox, wire: &mut Vec<u8>, room: &mut usize) {
    while outbox.has_pending() && *room > 0 {
        let taken = outbox.write_to(|slices| {
            let before = wire.len();
            wire.extend(slices.iter().flat_map(|slice| slice.iter()).take(*room));
            Poll::Ready(Ok(wire.len() - before))
        });
        let Poll::Ready(Ok(taken)) = taken else {
            panic!("the stream takes what it has room for");
        };
        if *room != usize::MAX {
            *room -= taken;
        }
    }
}
