//! What knows who is in which room, and carries broadcasts to them.
//!
//! [`Adapter`] is the seam for several nodes: [`LocalAdapter`] serves a single process, and one that
//! talks to other nodes wraps it. Every adapter passes the contract suite in `tests/adapter.rs`.

mod broadcast;
pub(crate) mod local;
mod metrics;
pub(crate) mod rooms;

use engineio::Frame;

pub use local::LocalAdapter;
pub use metrics::Metrics;

use super::server::socket::Socket;

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
}

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
    /// has caught up.
    fn broadcast_unless_behind(&self, frame: &Frame, target: &Target<'_>) -> Vec<Socket>;

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
}
