//! The adapter of a single process.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::{Frame, SessionHandle, Sid};
use futures_util::future::{BoxFuture, FutureExt, ready};
use parking_lot::Mutex;

use super::broadcast::{self, Audience, Excluded, Reach};
use super::memory::Memory;
use super::metrics::Metrics;
use super::recovery::{Addressees, Offset, RecoveryOptions, SavedRoom, Session};
use super::rooms::{Room, RoomTable, SocketKey};
use super::{Adapter, Delivery, JoinError, RoomEvent, RoomObserver, Target};
use crate::socketio::proto::names::MAX_ROOM_NAME_BYTES;
use crate::socketio::server::socket::{EmitError, Socket};

/// An entry of a room: what the fan-out touches stands in it, so that it follows one pointer.
#[derive(Clone)]
pub(crate) struct Recipient {
    pub(super) key: SocketKey,
    pub(super) session: SessionHandle,
    pub(super) socket: Socket,
}

/// The rooms that a socket is in, kept with the socket.
#[derive(Default)]
pub(crate) struct Membership {
    rooms: Vec<Joined>,
    /// The socket is connected to the namespace.
    open: bool,
    /// Where in the log of packets that was so first.
    since: u64,
    /// The rooms that were handed on to the socket's successor, for its last handlers to see.
    handed_on: Box<[String]>,
}

struct Joined {
    room: Arc<Room<Recipient>>,
    /// Where in the log of packets it was joined.
    since: u64,
}

/// Rooms that a socket has left, and whether it was the last in them.
type Left = Vec<(Arc<Room<Recipient>>, bool)>;

impl Membership {
    /// What is kept for a client that may come back.
    pub(crate) fn saved(&self) -> (Vec<SavedRoom>, u64) {
        let saved = |joined: &Joined| SavedRoom {
            name: joined.room.name.clone(),
            since: joined.since,
        };
        (self.rooms.iter().map(saved).collect(), self.since)
    }
}

type IdShard = Mutex<HashMap<Sid, Recipient>>;

/// Rooms and sockets of one namespace in this process.
///
/// Locks, outermost first: the memory, when there is one; a socket's membership; then a shard of the
/// table or a room. Sockets' ids have shards of their own, and nothing is locked inside them.
pub struct LocalAdapter {
    everybody: Arc<Room<Recipient>>,
    rooms: RoomTable<Recipient>,
    by_id: [IdShard; 16],
    hasher: RandomState,
    max_rooms: usize,
    /// What clients that lost their connection have missed.
    memory: Option<Memory>,
    observer: Option<RoomObserver>,
    metrics: Arc<Metrics>,
}

impl LocalAdapter {
    /// An empty adapter, in which each socket may be in `max_rooms` rooms beside its own.
    pub fn new(max_rooms: usize) -> Self {
        Self {
            everybody: Arc::new(Room::new(0, "")),
            rooms: RoomTable::new(),
            by_id: std::array::from_fn(|_| Mutex::new(HashMap::new())),
            hasher: RandomState::new(),
            max_rooms,
            memory: None,
            observer: None,
            metrics: Arc::default(),
        }
    }

    /// Counts its broadcasts here.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    fn count(&self, frame: &Frame, reach: &Reach, begun: Instant) {
        let bytes = frame.wire_len() as u64 * reach.recipients;
        self.metrics.bytes_queued.add(bytes);
        self.metrics.volatile_dropped.add(reach.dropped);
        self.metrics.broadcast_recipients.observe(reach.recipients);
        self.metrics.broadcast_time.observe_time(begun.elapsed());
    }

    /// Remembers what clients miss that lose their connection. `silence` is how long one may have
    /// received nothing before the server notices: the ping interval and the time-outs.
    #[must_use]
    pub fn with_recovery(mut self, options: RecoveryOptions, silence: Duration) -> Self {
        self.memory = Some(Memory::new(options, silence));
        self
    }

    /// Sockets that a client could come back to, connected ones among them.
    #[cfg(test)]
    pub(crate) fn remembered_sessions(&self) -> usize {
        self.memory.as_ref().map_or(0, Memory::sessions)
    }

    fn tell(&self, event: RoomEvent<'_>) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }

    fn tell_joined(&self, room: &str, id: &str, first: bool) {
        if first {
            self.tell(RoomEvent::Created { room });
        }
        self.tell(RoomEvent::Joined { room, id });
    }

    fn tell_left(&self, room: &str, id: &str, last: bool) {
        self.tell(RoomEvent::Left { room, id });
        if last {
            self.tell(RoomEvent::Deleted { room });
        }
    }

    /// Lists a socket, with rooms that it was in before; says of which it is the first.
    fn enter(&self, socket: &Socket, rooms: &[SavedRoom], since: u64) -> Vec<bool> {
        let recipient = Recipient::of(socket);
        let mut membership = socket.membership().lock();
        membership.open = true;
        membership.since = since;
        let mut firsts = Vec::with_capacity(rooms.len());
        for saved in rooms {
            let (room, first) = self.rooms.join(&saved.name, &recipient);
            let since = saved.since;
            membership.rooms.push(Joined { room, since });
            firsts.push(first);
        }
        drop(membership);
        self.ids(socket.sid())
            .lock()
            .insert(socket.sid(), recipient.clone());
        self.everybody.members.lock().insert(recipient);
        firsts
    }

    fn tell_entered(&self, socket: &Socket, rooms: &[SavedRoom], firsts: &[bool]) {
        self.tell_joined(socket.id(), socket.id(), true);
        for (saved, first) in rooms.iter().zip(firsts) {
            self.tell_joined(&saved.name, socket.id(), *first);
        }
    }

    /// Takes a socket out of everything; gives the rooms that it was in, and whether it was the last
    /// in each. `None` when it was out already.
    fn detach(&self, socket: &Socket, keep_names: bool) -> Option<Left> {
        let (was_open, rooms) = {
            let mut membership = socket.membership().lock();
            let rooms = std::mem::take(&mut membership.rooms);
            let names = rooms.iter().map(|joined| joined.room.name.to_string());
            membership.handed_on = match keep_names {
                true => std::iter::once(socket.id().to_owned())
                    .chain(names)
                    .collect(),
                false => Box::default(),
            };
            (std::mem::replace(&mut membership.open, false), rooms)
        };
        if !was_open {
            return None;
        }
        let leave = |joined: Joined| {
            let last = self.rooms.leave(&joined.room, socket.key());
            (joined.room, last)
        };
        let left = rooms.into_iter().map(leave).collect();
        self.everybody.members.lock().remove(socket.key());
        let mut ids = self.ids(socket.sid()).lock();
        // A successor has the same id.
        if ids
            .get(&socket.sid())
            .is_some_and(|known| known.key == socket.key())
        {
            ids.remove(&socket.sid());
        }
        Some(left)
    }

    fn tell_detached(&self, id: &str, left: Left) {
        for (room, last) in left {
            self.tell_left(&room.name, id, last);
        }
        self.tell_left(id, id, true);
    }

    fn ids(&self, id: Sid) -> &IdShard {
        &self.by_id[self.hasher.hash_one(id) as usize % self.by_id.len()]
    }

    fn recipient(&self, id: &str) -> Option<Recipient> {
        let id = Sid::parse(id)?;
        self.ids(id).lock().get(&id).cloned()
    }

    fn audience(&self, target: &Target<'_>) -> Audience {
        let excluded = self.excluded(target);
        if target.is_everybody() {
            return Audience {
                rooms: vec![Arc::clone(&self.everybody)],
                direct: Vec::new(),
                excluded,
            };
        }
        Audience {
            rooms: target
                .rooms
                .iter()
                .filter_map(|name| self.rooms.find(name))
                .collect(),
            direct: target
                .rooms
                .iter()
                .filter_map(|name| self.recipient(name))
                .collect(),
            excluded,
        }
    }

    fn excluded(&self, target: &Target<'_>) -> Excluded {
        let mut many = HashSet::new();
        for name in &target.except {
            many.extend(self.recipient(name).map(|recipient| recipient.key));
            if let Some(room) = self.rooms.find(name) {
                many.extend(
                    room.members
                        .lock()
                        .as_slice()
                        .iter()
                        .map(|recipient| recipient.key),
                );
            }
        }
        Excluded {
            one: target.skip.map(Socket::key),
            many,
        }
    }
}

impl fmt::Debug for LocalAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalAdapter")
            .field("rooms", &self.rooms.len())
            .finish_non_exhaustive()
    }
}

impl Recipient {
    fn of(socket: &Socket) -> Self {
        Self {
            key: socket.key(),
            session: socket.session().clone(),
            socket: socket.clone(),
        }
    }
}

impl Adapter for LocalAdapter {
    fn add(&self, socket: &Socket) {
        let since = self
            .memory
            .as_ref()
            .map_or(0, |memory| memory.begin(socket));
        self.enter(socket, &[], since);
        self.tell_entered(socket, &[], &[]);
    }

    fn remove(&self, socket: &Socket) {
        if let Some(memory) = &self.memory {
            memory.end(socket);
        }
        if let Some(left) = self.detach(socket, false) {
            self.tell_detached(socket.id(), left);
        }
    }

    fn join(&self, socket: &Socket, room: &str) -> Result<(), JoinError> {
        if room.len() > MAX_ROOM_NAME_BYTES {
            return Err(JoinError::NameTooLong { bytes: room.len() });
        }
        // Read before the socket is listed: what is emitted in between is replayed or received.
        let since = self.memory.as_ref().map_or(0, Memory::head);
        let mut membership = socket.membership().lock();
        let mut joined = membership.rooms.iter();
        let known = room == socket.id() || joined.any(|joined| *joined.room.name == *room);
        if known || !membership.open {
            return Ok(());
        }
        if membership.rooms.len() >= self.max_rooms {
            return Err(JoinError::TooManyRooms {
                limit: self.max_rooms,
            });
        }
        let (entered, first) = self.rooms.join(room, &Recipient::of(socket));
        let joined = Joined {
            room: entered,
            since,
        };
        membership.rooms.push(joined);
        drop(membership);
        self.tell_joined(room, socket.id(), first);
        Ok(())
    }

    fn leave(&self, socket: &Socket, room: &str) {
        let mut membership = socket.membership().lock();
        let mut joined = membership.rooms.iter();
        let Some(place) = joined.position(|joined| *joined.room.name == *room) else {
            return;
        };
        let joined = membership.rooms.remove(place);
        let last = self.rooms.leave(&joined.room, socket.key());
        drop(membership);
        self.tell_left(room, socket.id(), last);
    }

    fn rooms(&self, socket: &Socket) -> Vec<String> {
        let membership = socket.membership().lock();
        if !membership.open {
            return membership.handed_on.to_vec();
        }
        let mut rooms = vec![socket.id().to_owned()];
        let joined = membership.rooms.iter();
        rooms.extend(joined.map(|joined| joined.room.name.to_string()));
        rooms
    }

    fn broadcast(&self, frame: &Frame, target: &Target<'_>, delivery: Delivery) {
        let begun = Instant::now();
        let reach = broadcast::send(frame, self.audience(target), delivery);
        self.count(frame, &reach, begun);
    }

    fn broadcast_unless_behind(
        &self,
        frame: &Frame,
        offset: Option<Offset>,
        target: &Target<'_>,
    ) -> Vec<Socket> {
        let begun = Instant::now();
        let send = || {
            let (reach, behind) = broadcast::send_unless_behind(frame, self.audience(target));
            self.count(frame, &reach, begun);
            behind
        };
        match (&self.memory, offset) {
            (Some(memory), Some(offset)) => {
                let to = Addressees::of(target);
                memory.store_for_those_who_keep_up(offset, frame.clone(), to, send)
            }
            _ => send(),
        }
    }

    fn sockets(&self, target: &Target<'_>) -> Vec<Socket> {
        let mut sockets = Vec::new();
        broadcast::visit(self.audience(target), |recipient| {
            sockets.push(recipient.socket.clone());
        });
        sockets
    }

    fn socket(&self, id: &str) -> Option<Socket> {
        self.recipient(id).map(|recipient| recipient.socket)
    }

    fn sockets_count(&self) -> usize {
        self.everybody.members.lock().as_slice().len()
    }

    fn rooms_count(&self) -> usize {
        self.rooms.len()
    }

    fn observe_rooms(&mut self, observer: RoomObserver) {
        self.observer = Some(observer);
    }

    fn recovers(&self) -> bool {
        self.memory.is_some()
    }

    fn next_offset(&self) -> Option<Offset> {
        self.memory.as_ref().map(Memory::next_offset)
    }

    fn broadcast_marked(
        &self,
        frame: &Frame,
        offset: Offset,
        target: &Target<'_>,
        delivery: Delivery,
    ) {
        let send = || self.broadcast(frame, target, delivery);
        let Some(memory) = &self.memory else {
            return send();
        };
        let packet =
            (delivery == Delivery::Queued).then(|| (frame.clone(), Addressees::of(target)));
        memory.store(offset, packet, send);
    }

    fn send_marked(&self, socket: &Socket, frame: Frame, offset: Offset) -> Result<(), EmitError> {
        match &self.memory {
            Some(memory) => memory.send(socket, frame, offset),
            None => socket.send(frame),
        }
    }

    fn persist_session(&self, session: Session) {
        if let Some(memory) = &self.memory {
            memory.save(session);
        }
    }

    fn restore_session<'a>(
        &'a self,
        pid: &'a str,
        offset: Option<&'a str>,
    ) -> BoxFuture<'a, Option<Session>> {
        let mut ended = None;
        let end = |socket: &Socket| {
            let left = self.detach(socket, true);
            ended = left.map(|left| (socket.clone(), left));
        };
        let memory = self.memory.as_ref();
        let session = memory.and_then(|memory| memory.restore(pid, offset, end));
        if let Some((socket, left)) = ended {
            self.tell_detached(socket.id(), left);
        }
        ready(session).boxed()
    }

    fn resume(&self, socket: &Socket, session: &Session, connect: Frame) {
        let enter = || self.enter(socket, &session.rooms, session.since);
        let firsts = match &self.memory {
            Some(memory) => memory.resume(socket, session, connect, enter),
            None => enter(),
        };
        self.tell_entered(socket, &session.rooms, &firsts);
    }
}
