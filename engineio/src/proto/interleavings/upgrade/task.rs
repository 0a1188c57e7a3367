//! The session's task: its steps are those of the driver, with everything that is done while the lock
//! is held as one.

use std::task::Poll;

use super::{Upgrade, client::Line};
use crate::proto::{
    Message, Outbox, Packet, TransportKind,
    frame::BinaryForm,
    outbox::{OutboxLimits, Sink},
    session::{Admission, CloseMode, Event, Loss, Via},
};

/// Where the task is in its turn. Each is one step; those that hold the lock do so once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Asleep,
    /// Takes the commands.
    Begun,
    /// Reads the streams.
    Reading,
    /// Answers the poll. After a packet of the probe, there may be another to read.
    Replying {
        probing: bool,
    },
    /// Writes to the streams.
    Writing {
        probing: bool,
    },
    /// Hands the probe's stream over.
    Promoting {
        probing: bool,
    },
    /// Takes the session out of use.
    Retiring,
    /// Looks whether it may sleep.
    Parking,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Get,
    GetAborted,
    Post(&'static str),
    Attach,
    AttachAgain,
    Close,
}

impl Upgrade {
    pub(super) fn take_turn(&mut self) {
        self.steps += 1;
        assert!(self.steps < 60, "it spins");
        self.turn = match self.turn {
            Turn::Asleep | Turn::Begun => self.begin(),
            Turn::Reading => self.read(),
            // The lock is not even taken.
            Turn::Replying { probing } if self.streaming && !self.session.has_poll() => {
                self.write(probing)
            }
            Turn::Replying { probing } => {
                self.reply();
                Turn::Writing { probing }
            }
            Turn::Writing { probing } => self.write(probing),
            Turn::Promoting { probing } => {
                self.promote();
                Turn::Replying { probing }
            }
            Turn::Retiring => self.retire(),
            Turn::Parking if self.commands.is_empty() && self.outbox.park() => Turn::Asleep,
            Turn::Parking => Turn::Begun,
            Turn::Over => panic!("a task that is over"),
        };
    }

    fn begin(&mut self) -> Turn {
        if self.turn == Turn::Asleep {
            self.woken = false;
        }
        self.session.handle_timeout(self.now);
        self.outbox.unpark();
        for command in std::mem::take(&mut self.commands) {
            self.handle(command);
        }
        Turn::Reading
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Get => match self.session.handle_poll_opened() {
                Admission::Granted => self.holds_get = true,
                Admission::Overlap => panic!("one poll at a time"),
                Admission::Moved | Admission::Gone => self.refuse_get(),
            },
            Command::GetAborted => {
                if std::mem::take(&mut self.holds_get) {
                    self.session.handle_poll_aborted();
                }
            }
            Command::Post(text) => match self.session.handle_post() {
                Admission::Granted => {
                    self.hear(Via::Polling, text);
                    self.client.posting = false;
                }
                _ => self.client.gone = true,
            },
            Command::Attach => match self.session.handle_stream_attached(self.now) {
                true => self.probe = Some(control_outbox()),
                false => self.end_line(),
            },
            Command::AttachAgain => {
                let taken = self.probe.is_some() || self.streaming;
                assert!(!(taken && self.session.handle_stream_attached(self.now)));
            }
            Command::Close => self.session.close(CloseMode::Flush, self.now),
        }
    }

    fn hear(&mut self, via: Via, text: &'static str) {
        let packet = Packet::decode(text).expect("a packet");
        match self.session.handle_packet(via, packet, self.now) {
            Some(Message::Text(text)) if via != Via::Probe => self.told.push_str(text),
            Some(message) => panic!("{message:?}"),
            None => {}
        }
    }

    /// A packet of the probe, or everything that has come on the stream.
    fn read(&mut self) -> Turn {
        let Some(line) = &mut self.client.line else {
            return Turn::Replying { probing: false };
        };
        let (come, cut) = (!line.up.is_empty(), line.cut);
        if self.probe.is_some() && (come || cut) {
            match come.then(|| line.up.remove(0)) {
                Some(text) => self.hear(Via::Probe, text),
                None => self.session.handle_transport_lost(Via::Probe, Loss::Closed),
            }
            return Turn::Replying { probing: true };
        }
        if self.streaming && !self.session.is_closed() {
            for text in std::mem::take(&mut line.up) {
                self.hear(Via::Stream, text);
            }
            if cut {
                self.session
                    .handle_transport_lost(Via::Stream, Loss::Closed);
            }
        }
        Turn::Replying { probing: false }
    }

    fn reply(&mut self) {
        let moved = self.session.transport() == TransportKind::Websocket;
        if moved && !self.session.has_poll() {
            return;
        }
        let Some(body) = self.session.poll_reply(&mut self.outbox) else {
            return;
        };
        assert!(
            !moved || body == "6" || self.session.is_closed(),
            "one transport"
        );
        assert!(std::mem::take(&mut self.holds_get), "a poll waits");
        match self.client.getting {
            true => self.client.receive_reply(&body),
            false => self
                .session
                .handle_transport_lost(Via::Polling, Loss::Failed),
        }
    }

    fn write(&mut self, probing: bool) -> Turn {
        if let Some(probe) = &mut self.probe {
            if let Some(answer) = self.session.poll_probe() {
                probe.push_control(answer);
            }
            let written = write(probe, &mut self.client.line);
            self.waits_for_room |= written.is_pending();
            if written == Poll::Ready(Err(())) {
                self.session.handle_transport_lost(Via::Probe, Loss::Failed);
            }
        }
        self.session.poll_write(&mut self.outbox, self.now);
        if self.streaming && !self.session.is_closed() {
            let written = write(&mut self.outbox, &mut self.client.line);
            self.waits_for_room |= written.is_pending();
            self.outbox.set_sink(match written {
                Poll::Pending => Sink::Blocked,
                Poll::Ready(_) => Sink::Ready,
            });
            if written == Poll::Ready(Err(())) {
                self.session
                    .handle_transport_lost(Via::Stream, Loss::Closed);
            }
            self.session.poll_write(&mut self.outbox, self.now);
        }
        match self.session.poll_event() {
            Some(Event::Upgraded) => Turn::Promoting { probing },
            Some(Event::DropProbe) => {
                assert!(self.probe.take().is_some(), "dropped once");
                assert!(self.late || self.faulty || self.session.is_closed());
                // The clock was faster than its `5`.
                self.faulty |= self.client.moved;
                self.end_line();
                Turn::Replying { probing }
            }
            Some(Event::Closed(_)) => Turn::Retiring,
            None if probing => Turn::Reading,
            None => Turn::Parking,
        }
    }

    fn promote(&mut self) {
        let mut probe = self.probe.take().expect("a stream to hand over");
        assert!(!self.streaming, "handed over once");
        self.outbox.adopt(&mut probe);
        assert!(!probe.has_pending());
        self.outbox.set_sink(Sink::Ready);
        self.streaming = true;
        self.direct = true;
    }

    fn retire(&mut self) -> Turn {
        self.reply();
        self.direct = false;
        let mut sealed = control_outbox();
        sealed.seal();
        let left = std::mem::replace(&mut self.outbox, sealed);
        assert!(left.queued_bytes() <= 4, "the rest of a frame, and no more");
        self.turn = Turn::Over;
        for command in std::mem::take(&mut self.commands) {
            self.drop_command(command);
        }
        if self.streaming {
            self.end_line();
        }
        Turn::Over
    }
}

pub(super) fn control_outbox() -> Outbox {
    Outbox::new(OutboxLimits::default(), BinaryForm::Frames)
}

/// Writes what waits as far as the stream takes it.
pub(super) fn write(outbox: &mut Outbox, line: &mut Option<Line>) -> Poll<Result<(), ()>> {
    let line = line.as_mut().expect("a stream");
    while outbox.has_pending() {
        if line.cut {
            return Poll::Ready(Err(()));
        }
        let room = line.room - line.down.len();
        let wrote = outbox.write_to(|slices| {
            if room == 0 {
                return Poll::Pending;
            }
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let taken = bytes.len().min(room);
            line.down.extend(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        });
        if wrote.is_pending() {
            return Poll::Pending;
        }
    }
    Poll::Ready(Ok(()))
}
