//! What knows who is in which room, and carries broadcasts to them.
//!
//! [`Adapter`] is the seam for several nodes: [`LocalAdapter`] serves a single process, and one that
//! talks to other nodes wraps it. Every adapter passes the contract suite in `tests/adapter.rs`.

mod broadcast;
pub(crate) mod local;
mod memory;
mod metrics;
pub(crate) mod recovery;
pub(crate) mod rooms;

use std::time::Duration;

use engineio::Frame;
use futures_util::future::{BoxFuture, FutureExt, ready};

pub use local::LocalAdapter;
pub use metrics::Metrics;
pub use recovery::{Offset, RecoveryOptions, SavedRoom, Session};

use super::proto::args::Args;
use super::server::socket::{EmitError, Socket};

/// Whom a broadcast, or another operation on many sockets, means.
#[derive(Debug, Clone, Default)]
pub struct Target<'a> {
    /// Everybody in one of these rooms, once; everybody in the namespace when empty. The id of a
    /// socket is a room that it alone is in.
    pub rooms: Vec<&'a str>,
    /// Nobody in one of these rooms.
    pub except: Vec<&'a str>,
    /// Not this socket.
    pub skip: Option<&'a Socket>,
    /// On this node only.
    pub local: bool,
}

/// Something that happened to a room. The room of a socket's own id is one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomEvent<'a> {
    /// `create-room`: somebody is about to be the first in it.
    Created {
        /// Its name.
        room: &'a str,
    },
    /// `join-room`: a socket is in it now.
    Joined {
        /// Its name.
        room: &'a str,
        /// The socket's id.
        id: &'a str,
    },
    /// `leave-room`: a socket is no longer in it.
    Left {
        /// Its name.
        room: &'a str,
        /// The socket's id.
        id: &'a str,
    },
    /// `delete-room`: the last one has left it.
    Deleted {
        /// Its name.
        room: &'a str,
    },
}

/// Is told what happens to rooms, with none of the adapter's locks held.
pub type RoomObserver = Box<dyn Fn(RoomEvent<'_>) + Send + Sync>;

/// How much a packet matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// It is queued until it can leave.
    #[default]
    Queued,
    /// It is dropped for a client that cannot take it now.
    Volatile,
}

/// Why a socket cannot join a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// It is in as many rooms as a socket may be in.
    #[error("a socket may be in {limit} rooms")]
    TooManyRooms {
        /// The limit.
        limit: usize,
    },
    /// The room's name is too long.
    #[error(
        "room name of {bytes} bytes, {} allowed",
        super::proto::names::MAX_ROOM_NAME_BYTES
    )]
    NameTooLong {
        /// Bytes of the name.
        bytes: usize,
    },
}

/// Rooms and broadcasts of one namespace.
///
/// What is emitted from one task reaches each recipient in the order in which it was emitted, and
/// concurrent broadcasts to a room reach everybody in it in one order.
pub trait Adapter: Send + Sync + 'static {
    /// A socket was connected: it can be found by its id from now on.
    fn add(&self, socket: &Socket);

    /// A socket is gone: it leaves every room, and can join none any more.
    fn remove(&self, socket: &Socket);

    /// Puts a socket into a room; does nothing when it is in it, or was removed.
    ///
    /// # Errors
    /// A limit is reached.
    fn join(&self, socket: &Socket, room: &str) -> Result<(), JoinError>;

    /// Takes a socket out of a room; does nothing when it is not in it.
    fn leave(&self, socket: &Socket, room: &str);

    /// The rooms of a socket in the order in which it joined them, its own id first. None after
    /// [`Adapter::remove`].
    fn rooms(&self, socket: &Socket) -> Vec<String>;

    /// Sends a packet to everybody who is meant, once.
    fn broadcast(&self, frame: &Frame, target: &Target<'_>, delivery: Delivery);

    /// Sends a packet to everybody who is meant, once, but not to those who are behind with what they
    /// were sent before: they are left out of it, and listed as far as they are connected to this
    /// process. [`NamespaceBuilder::on_drain`](super::NamespaceBuilder::on_drain) tells when each
    /// has caught up. A packet that carries `offset` is remembered for the others, as by
    /// [`Adapter::broadcast_marked`].
    fn broadcast_unless_behind(
        &self,
        frame: &Frame,
        offset: Option<Offset>,
        target: &Target<'_>,
    ) -> Vec<Socket>;

    /// Everybody who is meant, once, as far as they are connected to this process.
    fn sockets(&self, target: &Target<'_>) -> Vec<Socket>;

    /// The socket with this id.
    fn socket(&self, id: &str) -> Option<Socket>;

    /// Number of sockets.
    fn sockets_count(&self) -> usize;

    /// Number of rooms that have somebody in them, not counting those of sockets' own ids.
    fn rooms_count(&self) -> usize;

    /// Puts everybody who is meant into rooms. Those who reached a limit stay out.
    fn join_all(&self, target: &Target<'_>, rooms: &[&str]) {
        for socket in self.sockets(target) {
            for room in rooms {
                _ = self.join(&socket, room);
            }
        }
    }

    /// Takes everybody who is meant out of rooms.
    fn leave_all(&self, target: &Target<'_>, rooms: &[&str]) {
        for socket in self.sockets(target) {
            for room in rooms {
                self.leave(&socket, room);
            }
        }
    }

    /// Disconnects everybody who is meant; with `close`, their connections too.
    fn disconnect_all(&self, target: &Target<'_>, close: bool) {
        for socket in self.sockets(target) {
            socket.disconnect(close);
        }
    }

    /// Tells `observer` from now on what happens to rooms. Called once, before any socket is added.
    fn observe_rooms(&mut self, observer: RoomObserver) {
        _ = observer;
    }

    /// Whether the state of a connection is kept for a client that loses it. Then every socket has
    /// a secret ([`Session::pid`]) that its client is told.
    fn recovers(&self) -> bool {
        false
    }

    /// The offset of the next event, which must be given to [`Adapter::broadcast_marked`],
    /// [`Adapter::broadcast_unless_behind`] or [`Adapter::send_marked`]. `None` when nothing is recovered.
    fn next_offset(&self) -> Option<Offset> {
        None
    }

    /// As [`Adapter::broadcast`], for a packet that carries `offset`. One that is queued is
    /// remembered, so that whoever loses the connection gets it afterwards; of one that is volatile
    /// the place alone.
    fn broadcast_marked(
        &self,
        frame: &Frame,
        offset: Offset,
        target: &Target<'_>,
        delivery: Delivery,
    ) {
        _ = offset;
        self.broadcast(frame, target, delivery);
    }

    /// Sends a packet that carries `offset` to one socket, or remembers it for a socket that lost
    /// its connection and may come back.
    ///
    /// # Errors
    /// The socket is gone for good, or too slow.
    fn send_marked(&self, socket: &Socket, frame: Frame, offset: Offset) -> Result<(), EmitError> {
        _ = offset;
        socket.send(frame)
    }

    /// Keeps what is left of a socket that lost its connection, or of one that was restored and is
    /// not wanted ([`Session::of`], before [`Adapter::remove`]).
    fn persist_session(&self, session: Session) {
        _ = session;
    }

    /// Gives out the session of a `pid`, if what its client has missed since `offset` is known. It
    /// is given out once; a socket that is still connected under this pid is ended in the same
    /// moment.
    fn restore_session<'a>(
        &'a self,
        pid: &'a str,
        offset: Option<&'a str>,
    ) -> BoxFuture<'a, Option<Session>> {
        _ = (pid, offset);
        ready(None).boxed()
    }

    /// Adds a socket that was restored from `session`: sends it what it has missed, then `connect`,
    /// and puts it into its rooms, so that nothing is missing or comes twice.
    fn resume(&self, socket: &Socket, session: &Session, connect: Frame) {
        _ = socket.session().send(connect);
        self.add(socket);
        for room in &session.rooms {
            _ = self.join(socket, &room.name);
        }
    }

    /// Emits an event to the other nodes' servers; see
    /// [`Namespace::server_side_emit`](super::Namespace::server_side_emit). Does nothing where there
    /// are none.
    fn server_side_emit(&self, event: &str, args: &Args) {
        _ = (event, args);
    }

    /// As [`Adapter::server_side_emit`], and gives the answers of the nodes that answered in time.
    fn server_side_emit_with_ack(
        &self,
        event: &str,
        args: &Args,
        timeout: Duration,
    ) -> BoxFuture<'static, ServerReplies> {
        _ = (event, args, timeout);
        ready(ServerReplies::default()).boxed()
    }

    /// The server is closed. Nothing is asked of the adapter afterwards.
    fn close(&self) {}
}

/// The answers of other nodes to an event of this one.
#[derive(Debug, Default)]
pub struct ServerReplies {
    /// One for each node that answered.
    pub replies: Vec<Args>,
    /// How many did not answer in time.
    pub missing: usize,
}
