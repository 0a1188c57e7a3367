//! The fan-out of a broadcast: the hot path. Nothing else in the server loops over recipients.
//!
//! Cost per recipient: a comparison with the excluded socket, one reference count, one lock and one
//! queue slot of the recipient's outbox. One wake when its task sleeps, made after the room is
//! unlocked.
//!
//! Forbidden per recipient: to await, allocate, format, log, look anything up, or take a lock beside
//! the room's and the outbox's. The number of allocations of a broadcast is the same for ten
//! recipients and for ten thousand; `tests` hold that.
//!
//! The room stays locked for the whole fan-out. That is what gives concurrent broadcasts one order
//! for everybody in the room. Several rooms are locked in the order of their ids.

use std::collections::HashSet;
use std::sync::Arc;

use engineio::{Enqueued, Frame, SessionHandle};

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
    if delivery == Delivery::Volatile {
        visit(audience, |recipient| {
            let taken = recipient.session.send_volatile(frame.clone());
            reach.recipients += u64::from(taken);
            reach.dropped += u64::from(!taken);
        });
        return reach;
    }
    let mut asleep: Vec<SessionHandle> = Vec::with_capacity(most(&audience));
    visit(audience, |recipient| {
        reach.recipients += 1;
        // A refusal means that the session is closing: it needs nothing any more.
        if let Ok(Enqueued::WakeNeeded) = recipient.session.enqueue(frame.clone()) {
            asleep.push(recipient.session.clone());
        }
    });
    asleep.iter().for_each(SessionHandle::wake);
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
    let mut asleep: Vec<SessionHandle> = Vec::with_capacity(most(&audience));
    let mut behind = Vec::new();
    visit(audience, |recipient| {
        let queued = recipient.session.enqueue_unless_congested(frame.clone());
        reach.recipients += u64::from(!matches!(queued, Ok(None)));
        match queued {
            Ok(None) => behind.push(recipient.socket.clone()),
            Ok(Some(Enqueued::WakeNeeded)) => asleep.push(recipient.session.clone()),
            Ok(Some(Enqueued::Queued)) | Err(_) => {}
        }
    });
    asleep.iter().for_each(SessionHandle::wake);
    (reach, behind)
}

/// At most so many are in the rooms of an audience.
fn most(audience: &Audience) -> usize {
    let rooms = audience.rooms.iter();
    rooms.map(|room| room.members.lock().as_slice().len()).sum()
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
