//! A session and its client, stepped through any sequence of operations.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::proto::{
    Frame, Message, Outbox, Packet, Session, TransportKind,
    frame::BinaryForm,
    outbox::{EnqueueError, Enqueued, OutboxLimits, Sink},
    session::{Admission, CloseMode, Event, Loss, Settings, Via},
};

const SOFT_BYTES: usize = 60;
const HARD_BYTES: usize = 120;
/// The largest frame that an operation queues.
const MAX_FRAME: usize = 16;

/// Target `eio_session`: each byte is an operation of the client, of the application or of the
/// network, the upper bits its parameter. Each message arrives once and in order whatever carries
/// it, a control frame stands between messages, no time-out stays due, the session is closed once,
/// and nothing waits for it then; and left alone it comes to its end by itself.
pub fn eio_session(data: &[u8], now: Instant) {
    let mut client = Client::new(now);
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
    /// The probe was asked and has been answered.
    answered: bool,
}

impl Client {
    /// A polling session that was opened `now`.
    pub(in crate::proto) fn new(now: Instant) -> Self {
        let ms = Duration::from_millis;
        let settings = Settings {
            ping_interval: ms(300),
            ping_timeout: ms(200),
            upgrade_timeout: ms(100),
            close_timeout: ms(30_000),
            stall_timeout: ms(1_000),
            congestion_timeout: ms(500),
            write_timeout: ms(150),
        };
        let limits = OutboxLimits {
            soft_bytes: SOFT_BYTES,
            hard_bytes: HARD_BYTES,
            ..OutboxLimits::default()
        };
        Self {
            session: Session::new(Arc::new(settings), TransportKind::Polling, now),
            outbox: Outbox::new(limits, BinaryForm::Frames),
            now,
            room: usize::MAX,
            wire: Vec::new(),
            controls: VecDeque::new(),
            sent: 0,
            received: 0,
            closed: false,
            answered: false,
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
            self.outbox.push_control(&[0x8a, 1, parameter]);
            self.controls.push_back(parameter);
        }
    }

    /// Drains all outputs, as the driver does.
    pub(in crate::proto) fn drain(&mut self) {
        self.outbox.unpark();
        loop {
            if let Some(body) = self.session.poll_reply(&mut self.outbox) {
                self.receive_payload(&body);
            }
            self.answered |= self.session.poll_probe().is_some();
            self.session.poll_write(&mut self.outbox, self.now);
            if self.session.transport() == TransportKind::Websocket {
                self.write();
            }
            self.session.poll_write(&mut self.outbox, self.now);
            match self.session.poll_event() {
                Some(Event::Closed(reason)) => {
                    assert!(!self.closed, "closed once");
                    assert!(!reason.to_string().is_empty());
                    self.closed = true;
                }
                Some(Event::Upgraded) => assert!(std::mem::take(&mut self.answered)),
                Some(Event::DropProbe) => self.answered = false,
                None => break,
            }
        }
    }

    /// The stream takes what it has room for.
    fn write(&mut self) {
        while self.outbox.has_pending() && self.room > 0 {
            let (room, wire) = (self.room, &mut self.wire);
            let taken = self.outbox.write_to(|slices| {
                let before = wire.len();
                wire.extend(slices.iter().flat_map(|slice| slice.iter()).take(room));
                std::task::Poll::Ready(Ok(wire.len() - before))
            });
            let std::task::Poll::Ready(Ok(taken)) = taken else {
                panic!("the stream takes what it has room for");
            };
            if self.room != usize::MAX {
                self.room -= taken;
            }
        }
        let full = self.room == 0;
        self.outbox
            .set_sink(if full { Sink::Blocked } else { Sink::Ready });
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
        while let [first, length, rest @ ..] = &self.wire[..]
            && rest.len() >= usize::from(*length)
        {
            let (first, end) = (*first, 2 + usize::from(*length));
            let frame: Vec<u8> = self.wire.drain(..end).collect();
            match (first, &frame[2..]) {
                (0x81, [b'4', text @ ..]) => self.receive(text),
                (0x81, b"2") => {}
                (0x82, data) => self.receive(data),
                (0x8a, [pong]) => assert_eq!(self.controls.pop_front(), Some(*pong)),
                (first, payload) => panic!("{first:x} {payload:?} on the stream"),
            }
        }
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
