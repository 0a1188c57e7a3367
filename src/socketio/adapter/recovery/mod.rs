//! Connection state recovery: what a namespace remembers for clients that lost their connection.
//!
//! Two things are kept, each in a bounded number and a bounded number of bytes, and no longer than
//! anybody can still ask for it: the *packets* that were emitted ([`log`]), and the *sessions* of
//! sockets that are gone ([`sessions`]). Both are stepped with explicit times.
//!
//! # Where this differs from the official server
//!
//! - A client that has received no event yet has no offset to give: it gets everything since its
//!   beginning.
//! - A client that was idle for long is recovered although its last packet is no longer remembered.
//!   What was emitted before its last sign of life, it has: a ping behind the packet was answered.
//! - Every packet that the official client would take an offset from has one. A volatile packet
//!   that ends with a text would poison the offset; it carries one of its own.
//! - A session is given to one connection. One that is still open at that moment is ended.
//! - What was emitted to a room before the socket had joined it is not replayed.

mod log;
mod sessions;

use std::fmt;
use std::time::Duration;

use engineio::Sid;

pub(super) use log::{Addressees, Log};
pub(super) use sessions::{Sessions, Taken};

use crate::socketio::server::handler::SocketData;
use crate::socketio::server::socket::Socket;

/// How connection state recovery works, see
/// [`IoBuilder::connection_state_recovery`](crate::socketio::IoBuilder::connection_state_recovery).
/// The limits are per namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryOptions {
    /// For how long a client may be gone. Default 2 min.
    pub max_disconnection_duration: Duration,
    /// Whether a client that is recovered is let in without asking the middlewares. Default yes.
    pub skip_middlewares: bool,
    /// Packets that are remembered. Default 10,000.
    pub max_packets: usize,
    /// Bytes that the remembered packets may have together, and the sessions again. Default 16 MiB.
    pub max_bytes: usize,
    /// Sockets that are gone and remembered. Default 10,000.
    pub max_sessions: usize,
    /// Bytes that one client may have missed; who has missed more begins anew. Default 1 MiB.
    pub max_missed_bytes: usize,
}

impl Default for RecoveryOptions {
    fn default() -> Self {
        Self {
            max_disconnection_duration: Duration::from_secs(120),
            skip_middlewares: true,
            max_packets: 10_000,
            max_bytes: 16 << 20,
            max_sessions: 10_000,
            max_missed_bytes: 1 << 20,
        }
    }
}

/// Marks a packet that is remembered: the text that the packet carries as its last argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Offset {
    pub(super) number: u64,
    text: [u8; Self::LEN],
}

/// The alphabet of the official server's offsets.
const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

impl Offset {
    const LEN: usize = 11;

    pub(super) fn new(number: u64) -> Self {
        let digit = |place: usize| ALPHABET[(number >> (6 * place)) as usize & 63];
        Self {
            number,
            text: std::array::from_fn(|place| digit(Self::LEN - 1 - place)),
        }
    }

    /// Reads what [`as_str`](Self::as_str) has written.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digit = |byte| ALPHABET.iter().position(|known| *known == byte);
        let number = text.bytes().try_fold(0u64, |number, byte| {
            number.checked_mul(64)?.checked_add(digit(byte)? as u64)
        })?;
        Some(Self::new(number)).filter(|offset| offset.as_str() == text)
    }

    /// As it travels.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

/// What is kept of a socket that lost its connection.
pub struct Session {
    /// The id of the socket, which it keeps.
    pub sid: Sid,
    /// The secret by which the client asks for it.
    pub pid: Sid,
    /// The rooms that it was in, its own not among them, in the order in which it joined them.
    pub rooms: Vec<SavedRoom>,
    /// The values beside it. They stay in this process.
    pub data: SocketData,
    /// Where in the log of packets it began.
    pub(crate) since: u64,
    /// From where in the log it is missing packets.
    pub(super) cursor: u64,
    /// Which socket it was.
    pub(crate) key: u64,
    /// It was given out, and comes back because its client left again.
    pub(super) returned: bool,
}

/// A room of a [`Session`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedRoom {
    /// Its name.
    pub name: Box<str>,
    /// Where in the log of packets it was joined.
    pub(crate) since: u64,
}

impl Session {
    /// What is to be kept of a socket that has lost its connection. `None` for one that has no
    /// `pid`, because nothing was to be recovered when it was connected.
    pub fn of(socket: &Socket) -> Option<Self> {
        let (rooms, since) = socket.membership().lock().saved();
        Some(Self {
            sid: socket.sid(),
            pid: socket.pid()?,
            rooms,
            data: socket.all_data(),
            since,
            cursor: since,
            key: socket.key(),
            returned: false,
        })
    }

    /// Bytes that it occupies, roughly.
    fn cost(&self) -> usize {
        let names: usize = self.rooms.iter().map(|room| room.name.len() + 24).sum();
        256 + names
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("rooms", &self.rooms.len())
            .finish_non_exhaustive()
    }
}

/// For the tests of this module: a frame of so many bytes on the wire, roughly.
#[cfg(test)]
fn frame(bytes: usize) -> engineio::Frame {
    engineio::Frame::binary(bytes::Bytes::from(vec![0; bytes]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_read_back_and_nothing_else_is() {
        for number in [0, 1, 63, 64, 1 << 40, u64::MAX] {
            let offset = Offset::new(number);
            assert_eq!(Offset::parse(offset.as_str()), Some(offset));
        }
        for text in [
            "",
            "0",
            "00000000000 ",
            "a string of a user",
            "ééééé0",
            "zzzzzzzzzzz",
        ] {
            assert_eq!(Offset::parse(text), None, "{text}");
        }
    }
}
