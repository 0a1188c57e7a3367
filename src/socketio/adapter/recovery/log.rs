//! The packets that were emitted, in the order in which they went out.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use engineio::{Frame, Sid};

use super::super::Target;
use super::{Offset, RecoveryOptions, Session};
use crate::socketio::server::socket::Socket;

/// Who a packet was for.
pub(in super::super) struct Addressees {
    /// Everybody when empty.
    pub(in super::super) rooms: Box<[Box<str>]>,
    pub(in super::super) except: Box<[Box<str>]>,
    /// Sockets that do not get it, whatever they are in.
    pub(in super::super) left_out: Box<[Sid]>,
}

impl Addressees {
    pub(in super::super) fn of(target: &Target<'_>) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
        Self {
            rooms: owned(&target.rooms),
            except: owned(&target.except),
            left_out: target.skip.map(Socket::sid).into_iter().collect(),
        }
    }

    fn cost(&self) -> usize {
        let names = self.rooms.iter().chain(&self.except);
        let names: usize = names.map(|name| name.len() + 16).sum();
        names + size_of_val(&*self.left_out)
    }

    /// Whether a packet at `place` was for the session's socket.
    fn include(&self, session: &Session, place: u64) -> bool {
        let is_own = |name: &str| name == session.sid.as_str();
        let joined = |name: &str| {
            let mut rooms = session.rooms.iter();
            rooms.any(|room| *room.name == *name && room.since <= place)
        };
        let is_in = |name: &str| is_own(name) || session.rooms.iter().any(|r| *r.name == *name);
        let meant =
            self.rooms.is_empty() || self.rooms.iter().any(|name| is_own(name) || joined(name));
        meant
            && place >= session.since
            && !self.left_out.contains(&session.sid)
            && !self.except.iter().any(|name| is_in(name))
    }
}

struct Stored {
    number: u64,
    at: Instant,
    /// `None` for what is never sent again, and only marks a place.
    packet: Option<(Frame, Addressees)>,
}

impl Stored {
    fn cost(&self) -> usize {
        let packet = self.packet.as_ref();
        96 + packet.map_or(0, |(frame, to)| frame.wire_len() + to.cost())
    }
}

/// The packets that clients may have missed.
pub(in super::super) struct Log {
    packets: VecDeque<Stored>,
    /// The place of the first of them.
    base: u64,
    places: HashMap<u64, u64>,
    bytes: usize,
    /// When the newest packet that is forgotten was emitted.
    forgotten: Option<Instant>,
    next_number: u64,
    max_packets: usize,
    max_bytes: usize,
    retention: Duration,
    silence: Duration,
}

impl Log {
    /// `silence` is how long a client may have received nothing before that is noticed. Packets are
    /// numbered from behind `number`, which no earlier process may have reached: a client keeps its
    /// last offset when it begins anew, also at a server that was started anew.
    pub(in super::super) fn new(options: &RecoveryOptions, silence: Duration, number: u64) -> Self {
        Self {
            packets: VecDeque::new(),
            base: 0,
            places: HashMap::new(),
            bytes: 0,
            forgotten: None,
            next_number: number,
            max_packets: options.max_packets,
            max_bytes: options.max_bytes,
            retention: options.max_disconnection_duration + silence,
            silence,
        }
    }

    /// The place that the next packet will have.
    pub(in super::super) fn head(&self) -> u64 {
        self.base + self.packets.len() as u64
    }

    /// An offset that no packet had before.
    pub(in super::super) fn next_offset(&mut self) -> Offset {
        self.next_number += 1;
        Offset::new(self.next_number)
    }

    /// Remembers a packet that goes out `now`, or the place alone of one that is never sent again.
    pub(in super::super) fn push(
        &mut self,
        offset: Offset,
        packet: Option<(Frame, Addressees)>,
        now: Instant,
    ) {
        let stored = Stored {
            number: offset.number,
            at: now,
            packet,
        };
        self.bytes += stored.cost();
        self.places.insert(offset.number, self.head());
        self.packets.push_back(stored);
        self.forget(now);
    }

    /// Lets go of what nobody can ask for any more, and of what is too much.
    pub(in super::super) fn forget(&mut self, now: Instant) {
        while let Some(first) = self.packets.front() {
            let expired = now.saturating_duration_since(first.at) > self.retention;
            let full = self.packets.len() > self.max_packets || self.bytes > self.max_bytes;
            if !expired && !full {
                break;
            }
            self.bytes -= first.cost();
            self.places.remove(&first.number);
            self.forgotten = Some(first.at);
            self.packets.pop_front();
            self.base += 1;
        }
        if self.packets.capacity() > 64 + 4 * self.packets.len() {
            self.packets.shrink_to(2 * self.packets.len());
            self.places.shrink_to(2 * self.packets.len());
        }
    }

    /// From where the client of `session` goes on, which was connected until `lost` and says that
    /// it has received everything up to `offset`. `None` when something may be missing for good.
    pub(in super::super) fn resume_at(
        &self,
        session: &Session,
        offset: Option<&str>,
        lost: Instant,
    ) -> Option<u64> {
        let cursor = match offset {
            None => session.since,
            Some(text) => {
                let number = Offset::parse(text)?.number;
                if number == 0 || number > self.next_number {
                    return None;
                }
                // A number that is no longer known was forgotten, or is of an earlier process: all that
                // is known came later.
                self.places.get(&number).map_or(0, |place| place + 1)
            }
        };
        if cursor < self.base {
            // What came before the last sign of life was received, remembered or not.
            let heard = lost.checked_sub(self.silence);
            let gap = self
                .forgotten
                .filter(|at| heard.is_none_or(|heard| *at > heard));
            if gap.is_some() {
                return None;
            }
        }
        Some(cursor.max(self.base))
    }

    /// What the session's socket has missed since its cursor, in order.
    pub(in super::super) fn missed<'a>(
        &'a self,
        session: &'a Session,
    ) -> impl Iterator<Item = &'a Frame> {
        let skip = session.cursor.saturating_sub(self.base) as usize;
        let places = self.base + skip as u64..;
        let rest = self.packets.iter().skip(skip).zip(places);
        rest.filter_map(move |(stored, place)| {
            let (frame, to) = stored.packet.as_ref()?;
            to.include(session, place).then_some(frame)
        })
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
