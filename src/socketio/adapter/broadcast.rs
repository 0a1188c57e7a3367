//! The fan-out of a broadcast: the hot path. Nothing else in the server loops over recipients.
//!
//! Cost per recipient: a comparison with the excluded socket, one reference count, one lock and one
//! queue slot of the recipient's outbox, and one entry in the flush list when its task sleeps. No
//! task is woken here: after the room is unlocked a flusher writes, see [`Fanout`].
//!
//! Forbidden per recipient: to await, allocate, format, log, look anything up, wake, or take a lock
//! beside the room's and the outbox's. The kernel is asked only in place of closing a recipient whose
//! outbox is at its hard mark. The number of allocations of a broadcast is the same for ten
//! recipients and for ten thousand; `tests` hold that, and `tests/bench/count` its instructions.
//!
//! The room stays locked for the whole fan-out. That is what gives concurrent broadcasts one order
//! for everybody in the room. Several rooms are locked in the order of their ids.

use std::collections::HashSet;
use std::sync::Arc;

use engineio::{Fanout, Frame};

use super::local::Recipient;
use super::rooms::{Member, Room, SocketKey};
use super::{Delivery, Target};
use crate::socketio::server::socket::Socket;

/// Who gets a broadcast: everybody in the rooms, and the sockets that were named by their own id.
pub(super) struct Audience {
    pub(super) rooms: Vec<Arc<Room<Recipient>>>,
    pub(super) direct: Vec<Recipient>,
    pub(super) excluded: Excluded,
}

/// Who does not.
pub(super) struct Excluded {
    pub(super) one: Option<SocketKey>,
    pub(super) many: HashSet<SocketKey>,
}

impl Excluded {
    fn has(&self, key: SocketKey) -> bool {
        self.one == Some(key) || (!self.many.is_empty() && self.many.contains(&key))
    }
}

/// Queues `frame` for everybody in `audience`.
pub(super) fn send(frame: &Frame, audience: Audience, delivery: Delivery) -> Reach {
    let mut reach = Reach::default();
    let mut fanout = Fanout::with_capacity(most(&audience));
    visit(audience, |recipient| match delivery {
        Delivery::Volatile => {
            let taken = fanout.send_volatile(&recipient.session, frame);
            reach.recipients += u64::from(taken);
            reach.dropped += u64::from(!taken);
        }
        Delivery::Queued => {
            reach.recipients += 1;
            // A refusal means that the session is closing: it needs nothing any more.
            _ = fanout.send(&recipient.session, frame.clone());
        }
    });
    // With no room locked any more.
    fanout.flush();
    reach
}

/// How many were reached: counted along the way, and told to the metrics once.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) recipients: u64,
    /// Who could not take a volatile packet.
    pub(super) dropped: u64,
}

/// Queues `frame` for everybody in `audience` who keeps up; the others are the answer. Their list
/// grows only with those who are behind.
pub(super) fn send_unless_behind(frame: &Frame, audience: Audience) -> (Reach, Vec<Socket>) {
    let mut reach = Reach::default();
    let mut fanout = Fanout::with_capacity(most(&audience));
    let mut behind = Vec::new();
    visit(audience, |recipient| {
        match fanout.send_unless_congested(&recipient.session, frame) {
            Ok(false) => behind.push(recipient.socket.clone()),
            Ok(true) | Err(_) => reach.recipients += 1,
        }
    });
    fanout.flush();
    (reach, behind)
}

/// At most so many are in the rooms of an audience.
fn most(audience: &Audience) -> usize {
    audience.rooms.iter().map(|room| room.len()).sum()
}

/// Calls `each` once for everybody in `audience`, with their rooms locked.
pub(super) fn visit(mut audience: Audience, mut each: impl FnMut(&Recipient)) {
    let excluded = &audience.excluded;
    if let ([room], []) = (&audience.rooms[..], &audience.direct[..]) {
        let members = room.members.lock();
        for recipient in members.as_slice() {
            if !excluded.has(recipient.key) {
                each(recipient);
            }
        }
        return;
    }
    audience.rooms.sort_unstable_by_key(|room| room.id);
    audience.rooms.dedup_by_key(|room| room.id);
    let locked: Vec<_> = audience
        .rooms
        .iter()
        .map(|room| room.members.lock())
        .collect();
    let most = locked
        .iter()
        .map(|members| members.as_slice().len())
        .sum::<usize>();
    let mut seen = HashSet::with_capacity(most + audience.direct.len());
    let everybody = locked
        .iter()
        .flat_map(|members| members.as_slice())
        .chain(&audience.direct);
    for recipient in everybody {
        if !excluded.has(recipient.key) && seen.insert(recipient.key) {
            each(recipient);
        }
    }
}

impl Member for Recipient {
    fn key(&self) -> SocketKey {
        self.key
    }
}

impl Target<'_> {
    /// Whether everybody in the namespace is meant.
    pub(super) fn is_everybody(&self) -> bool {
        self.rooms.is_empty()
    }
}
