//! Senders, a flusher, the session's task and its stream at one outbox. Whatever the order, what was
//! queued leaves, in order and once, and nobody sleeps over it.

use std::{fmt::Debug, task::Poll};

use super::{Scene, contents, play};
use crate::proto::{
    Frame, Outbox,
    frame::BinaryForm,
    outbox::{Enqueued, OutboxLimits, Sink},
};

/// Bytes of a frame here: two of the header, the type, and a digit.
const FRAME: usize = 4;

/// Who comes to the lock next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    /// Sends one frame, and wakes the task where it must.
    Sender,
    /// Queues one frame for the flusher.
    Caster,
    /// Writes in the place of the task.
    Flusher,
    /// The session's task.
    Owner,
    /// The peer reads everything that the stream holds.
    Peer,
}

/// Where the task is in its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Asleep,
    Begun,
    Written,
}

#[derive(Clone)]
struct Writers {
    outbox: Outbox,
    turn: Turn,
    /// The task was woken, or its stream has room again.
    woken: bool,
    /// The flusher was asked to come so many times.
    listed: usize,
    to_send: usize,
    to_cast: usize,
    queued: String,
    written: String,
    /// Bytes that the stream takes until the peer reads.
    room: usize,
    /// The task waits for room.
    waits_for_room: bool,
}

impl Writers {
    fn new(to_send: usize, to_cast: usize) -> Self {
        let mut outbox = Outbox::new(OutboxLimits::default(), BinaryForm::Frames);
        outbox.set_sink(Sink::Ready);
        Self {
            outbox,
            turn: Turn::Begun,
            woken: false,
            listed: 0,
            to_send,
            to_cast,
            queued: String::new(),
            written: String::new(),
            room: FRAME,
            waits_for_room: false,
        }
    }

    fn next_frame(&mut self) -> Frame {
        let text = self.queued.len().to_string();
        self.queued.push_str(&text);
        Frame::text(&text)
    }

    fn flush(&mut self) {
        if !self.outbox.begin_flush() {
            return;
        }
        if self.outbox.sink() == Sink::Ready {
            let _ = self.write();
        }
        if self.outbox.needs_owner() {
            self.woken |= self.outbox.call_owner() == Enqueued::WakeNeeded;
        }
    }

    /// A step of the task's turn: it wakes, writes, and looks whether it may sleep.
    fn go_on(&mut self) {
        self.turn = match self.turn {
            Turn::Asleep => {
                self.woken = false;
                self.outbox.unpark();
                Turn::Begun
            }
            Turn::Begun => {
                let blocked = self.write().is_pending();
                self.waits_for_room |= blocked;
                self.outbox.set_sink(match blocked {
                    true => Sink::Blocked,
                    false => Sink::Ready,
                });
                Turn::Written
            }
            Turn::Written if self.outbox.park() => Turn::Asleep,
            Turn::Written => Turn::Begun,
        };
    }

    /// Writes what waits as far as the stream takes it.
    fn write(&mut self) -> Poll<()> {
        while self.outbox.has_pending() {
            let (room, written) = (&mut self.room, &mut self.written);
            let wrote = self.outbox.write_to(|slices| {
                if *room == 0 {
                    return Poll::Pending;
                }
                let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
                let taken = bytes.len().min(*room);
                *room -= taken;
                written.extend(bytes[..taken].iter().map(|byte| char::from(*byte)));
                Poll::Ready(Ok(taken))
            });
            if wrote.is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

impl Scene for Writers {
    type Actor = Actor;
    const ACTORS: &'static [Actor] = &[
        Actor::Sender,
        Actor::Caster,
        Actor::Flusher,
        Actor::Owner,
        Actor::Peer,
    ];

    fn can_act(&self, actor: Actor) -> bool {
        match actor {
            Actor::Sender => self.to_send > 0,
            Actor::Caster => self.to_cast > 0,
            Actor::Flusher => self.listed > 0,
            Actor::Owner => self.turn != Turn::Asleep || self.woken,
            Actor::Peer => self.room < FRAME,
        }
    }

    fn act(&mut self, actor: Actor) {
        match actor {
            Actor::Sender => {
                self.to_send -= 1;
                let frame = self.next_frame();
                let enqueued = self.outbox.enqueue(frame).expect("there is room");
                self.woken |= enqueued == Enqueued::WakeNeeded;
            }
            Actor::Caster => {
                self.to_cast -= 1;
                let frame = self.next_frame();
                let enqueued = self.outbox.enqueue_listed(frame).expect("there is room");
                self.listed += usize::from(enqueued == Enqueued::WakeNeeded);
            }
            Actor::Flusher => {
                self.listed -= 1;
                self.flush();
            }
            Actor::Owner => self.go_on(),
            Actor::Peer => {
                self.room = FRAME;
                self.woken |= std::mem::take(&mut self.waits_for_room);
            }
        }
    }

    fn state(&self) -> impl Debug {
        let waits = (self.to_send, self.to_cast, self.listed, self.woken);
        let stream = (self.room, self.waits_for_room);
        (
            &self.outbox,
            contents(&self.outbox),
            self.turn,
            waits,
            stream,
            &self.queued,
            &self.written,
        )
    }

    fn check_end(&self) {
        let texts = self.written.chars().filter(char::is_ascii_digit);
        // The type of each message is a digit, too.
        let heard: String = texts.skip(1).step_by(2).collect();
        assert_eq!(heard, self.queued, "all of it, and in order");
        assert_eq!(self.turn, Turn::Asleep);
    }
}

#[test]
fn in_no_order_of_senders_flusher_and_task_is_a_frame_left_asleep() {
    for (to_send, to_cast) in [(1, 1), (0, 4), (3, 3), (4, 1)] {
        let met = play(&Writers::new(to_send, to_cast));
        assert!(met > 50, "{met} states");
    }
}
