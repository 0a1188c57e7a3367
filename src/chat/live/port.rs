//! What the connected side asks of the socket server.

use serde_json::value::RawValue;

use super::SocketKey;
use crate::chat::domain::{ChatId, SessionId, UserId};

/// A room: sockets that hear something together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room<'a> {
    /// Who looks at a chat.
    Chat(&'a ChatId),
    /// Every socket of a person.
    User(&'a UserId),
    /// Every socket of a session.
    Session(&'a SessionId),
    /// Who watches whether a person is online.
    Presence(&'a UserId),
    /// One socket.
    Socket(&'a SocketKey),
}

/// How the names of rooms begin that hold the id of a login.
const SESSION: &str = "session:";

impl Room<'_> {
    /// Whether a room of this name is of no use to those who run the server, and not theirs to see.
    pub(crate) fn is_private(name: &str) -> bool {
        name.starts_with(SESSION)
    }

    /// Its name in the socket server.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Chat(id) => format!("chat:{id}"),
            Self::User(id) => format!("user:{id}"),
            Self::Session(id) => format!("{SESSION}{id}"),
            Self::Presence(id) => format!("presence:{id}"),
            Self::Socket(id) => id.to_string(),
        }
    }
}

/// Whom something is said to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum To<'a> {
    /// Everybody in a room.
    Room(Room<'a>),
    /// Everybody in a chat's room, except one person's sockets.
    Others(&'a ChatId, &'a UserId),
    /// Every socket of some people, wherever they are.
    People(&'a [UserId]),
}

/// Whether a socket that cannot take something now gets it later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It does.
    Durable,
    /// It does not.
    Volatile,
}

/// The socket server. Its methods do not wait.
pub(crate) trait Port: Send + Sync {
    /// Sends an event.
    fn emit(&self, to: To<'_>, delivery: Delivery, event: &str, payload: &RawValue);
    /// Sends an event to everybody in a room who keeps up, except to some
    /// sockets. Those who are behind did not get it and are the answer.
    fn emit_unless_behind(
        &self,
        room: Room<'_>,
        except: &[SocketKey],
        event: &str,
        payload: &RawValue,
    ) -> Vec<SocketKey>;
    /// Whether a socket is behind with what it was sent.
    fn is_behind(&self, socket: &SocketKey) -> bool;
    /// Makes the sockets of one room leave another.
    fn leave(&self, sockets_of: Room<'_>, room: Room<'_>);
    /// Disconnects the sockets of a room, after what was sent to them.
    fn disconnect(&self, room: Room<'_>);
}
