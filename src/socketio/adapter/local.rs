//! The adapter of a single process.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use engineio::{Frame, SessionHandle, Sid};
use parking_lot::Mutex;

use super::broadcast::{self, Audience, Excluded, Reach};
use super::metrics::Metrics;
use super::rooms::{Room, RoomTable, SocketKey};
use super::{Adapter, Delivery, JoinError, Target};
use crate::socketio::proto::names::MAX_ROOM_NAME_BYTES;
use crate::socketio::server::socket::Socket;

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
    rooms: Vec<Arc<Room<Recipient>>>,
    /// The socket is connected to the namespace.
    open: bool,
}

type IdShard = Mutex<HashMap<Sid, Recipient>>;

/// Rooms and sockets of one namespace in this process.
///
/// Locks, outermost first: a socket's membership, then a shard of the table or a room. Sockets'
/// ids have shards of their own, and nothing is locked inside them.
pub struct LocalAdapter {
    everybody: Arc<Room<Recipient>>,
    rooms: RoomTable<Recipient>,
    by_id: [IdShard; 16],
    hasher: RandomState,
    max_rooms: usize,
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
            metrics: Arc::default(),
        }
    }

    /// Counts its broadcasts here.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    fn count(&self, reach: &Reach, begun: Instant) {
        self.metrics.volatile_dropped.add(reach.dropped);
        self.metrics.broadcast_recipients.observe(reach.recipients);
        self.metrics.broadcast_time.observe_time(begun.elapsed());
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

impl Adapter for LocalAdapter {
    fn add(&self, socket: &Socket) {
        let recipient = Recipient {
            key: socket.key(),
            session: socket.session().clone(),
            socket: socket.clone(),
        };
        socket.membership().lock().open = true;
        self.ids(socket.sid())
            .lock()
            .insert(socket.sid(), recipient.clone());
        self.everybody.members.lock().insert(recipient);
    }

    fn remove(&self, socket: &Socket) {
        let rooms = {
            let mut membership = socket.membership().lock();
            membership.open = false;
            std::mem::take(&mut membership.rooms)
        };
        for room in rooms {
            self.rooms.leave(&room, socket.key());
        }
        self.everybody.members.lock().remove(socket.key());
        self.ids(socket.sid()).lock().remove(&socket.sid());
    }

    fn join(&self, socket: &Socket, room: &str) -> Result<(), JoinError> {
        if room.len() > MAX_ROOM_NAME_BYTES {
            return Err(JoinError::NameTooLong { bytes: room.len() });
        }
        let mut membership = socket.membership().lock();
        let known = room == socket.id()
            || membership
                .rooms
                .iter()
                .any(|joined| joined.name.as_ref() == room);
        if known || !membership.open {
            return Ok(());
        }
        if membership.rooms.len() >= self.max_rooms {
            return Err(JoinError::TooManyRooms {
                limit: self.max_rooms,
            });
        }
        let recipient = Recipient {
            key: socket.key(),
            session: socket.session().clone(),
            socket: socket.clone(),
        };
        membership.rooms.push(self.rooms.join(room, &recipient));
        Ok(())
    }

    fn leave(&self, socket: &Socket, room: &str) {
        let mut membership = socket.membership().lock();
        let place = membership
            .rooms
            .iter()
            .position(|joined| joined.name.as_ref() == room);
        if let Some(place) = place {
            let room = membership.rooms.remove(place);
            self.rooms.leave(&room, socket.key());
        }
    }

    fn rooms(&self, socket: &Socket) -> Vec<String> {
        let membership = socket.membership().lock();
        if !membership.open {
            return Vec::new();
        }
        let joined = membership.rooms.iter().map(|room| room.name.to_string());
        std::iter::once(socket.id().to_owned())
            .chain(joined)
            .collect()
    }

    fn broadcast(&self, frame: &Frame, target: &Target<'_>, delivery: Delivery) {
        let begun = Instant::now();
        let reach = broadcast::send(frame, self.audience(target), delivery);
        self.count(&reach, begun);
    }

    fn broadcast_unless_behind(&self, frame: &Frame, target: &Target<'_>) -> Vec<Socket> {
        let begun = Instant::now();
        let (reach, behind) = broadcast::send_unless_behind(frame, self.audience(target));
        self.count(&reach, begun);
        behind
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
}
