//! The Socket.IO side of one Engine.IO session: which namespaces it has joined, and what each
//! message means for them.
//!
//! ```text
//!               CONNECT                 accept
//!   (absent) ────────────▶ connecting ─────────▶ connected
//!      ▲                    │                      │    │
//!      │   reject           │    DISCONNECT        │    │ dismiss (by the server)
//!      ├────────────────────┘◀─────────────────────┘    ▼
//!      │                                             dismissed: what the client had sent before
//!      └────────────────────────────────────────────  it knew is ignored, CONNECT joins again
//! ```
//!
//! Whatever fits no arrow is a [`Violation`] and closes the session: an event for a namespace that
//! is absent or connecting, a second CONNECT, a malformed packet.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::args::Args;
use super::attachments::{Assembly, AssemblyError};
use super::codec::{self, DecodeError};
use super::encode::MAX_ATTACHMENTS;
use super::msgpack::{self, Content};
use super::packet::{AckId, Packet, PacketKind};
use super::parser::Parser;
use super::placeholder;

/// Limits of one connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// How long a client may stay without having joined any namespace. Default 45 s.
    pub connect_timeout: Duration,
    /// Attachments that one packet may have. Default 10.
    pub max_attachments: u16,
    /// Bytes that the attachments of one packet may have together. Default 1,000,000.
    pub max_attachment_bytes: usize,
    /// How long the attachments of one packet may take. Default 30 s.
    pub attachments_timeout: Duration,
    /// Namespaces that may be joined at once. Default 16.
    pub max_namespaces: usize,
    /// CONNECT packets per minute. Default 32.
    pub connects_per_minute: u16,
    /// CONNECT packets to unknown namespaces per minute. Default 20.
    pub refusals_per_minute: u16,
    /// Packets per minute that mean nothing, such as answers that nobody waits for. Default 100.
    pub ignored_per_minute: u16,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(45),
            max_attachments: MAX_ATTACHMENTS,
            max_attachment_bytes: 1_000_000,
            attachments_timeout: Duration::from_secs(30),
            max_namespaces: 16,
            connects_per_minute: 32,
            refusals_per_minute: 20,
            ignored_per_minute: 100,
        }
    }
}

/// What a client did that ends its session. It is to blame; over WebSocket it sees a close without
/// a code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A malformed packet.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Attachments beyond a limit.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// A placeholder that names no attachment.
    #[error("illegal attachments")]
    IllegalPlaceholder,
    /// A text while attachments are missing.
    #[error("a packet inside the attachments of another")]
    UnfinishedAttachments,
    /// Binary data that no packet announced.
    #[error("an attachment without a packet")]
    UnexpectedBinary,
    /// A text, though every packet is binary with this parser.
    #[error("a text where every packet is binary")]
    UnexpectedText,
    /// A packet for a namespace that is not joined.
    #[error("a packet for a namespace that is not joined")]
    NotJoined,
    /// CONNECT to a namespace that is joined or about to be.
    #[error("a second CONNECT")]
    SecondConnect,
    /// A packet that only a server sends.
    #[error("a packet that only a server sends")]
    WrongDirection,
    /// No namespace was joined in time.
    #[error("no namespace was joined in time")]
    ConnectTimeout,
    /// The attachments did not come in time.
    #[error("attachments did not come in time")]
    AttachmentsTimeout,
    /// More namespaces than allowed.
    #[error("too many namespaces")]
    TooManyNamespaces,
    /// Too many CONNECT or meaningless packets in a minute.
    #[error("too many packets that lead to nothing")]
    Flood,
}

/// What a message means. `S` is what the owner keeps for a namespace.
#[derive(Debug)]
pub enum Received<'a, S> {
    /// Nothing yet, or nothing at all.
    Nothing,
    /// The client wants to join. To be answered with [`Connection::accept`] or
    /// [`Connection::reject`]; until then every packet for the namespace is a violation.
    Connect {
        /// The namespace.
        namespace: Cow<'a, str>,
        /// The JSON object that came with it, empty when there was none.
        auth: Cow<'a, str>,
    },
    /// The client has left.
    Disconnect {
        /// What was kept for the namespace.
        socket: S,
    },
    /// An event.
    Event {
        /// What is kept for the namespace.
        socket: &'a S,
        /// Its name.
        name: Box<str>,
        /// The id under which the client waits for an answer.
        ack_id: Option<AckId>,
        /// Its arguments.
        args: Args,
    },
    /// An answer.
    Ack {
        /// What is kept for the namespace.
        socket: &'a S,
        /// Which answer.
        id: AckId,
        /// Its arguments.
        args: Args,
    },
}

/// The state machine. The owner feeds it messages and the time, and does what it says.
#[derive(Debug)]
pub struct Connection<S> {
    slots: Vec<Slot<S>>,
    assembly: Option<Box<Assembly>>,
    /// Until when a namespace must be joined; gone for good once one was.
    connect_deadline: Option<Instant>,
    budget: Budget,
    parser: Parser,
}

#[derive(Debug)]
struct Slot<S> {
    namespace: Box<str>,
    state: State<S>,
}

#[derive(Debug)]
enum State<S> {
    Connecting,
    Connected(S),
    Dismissed,
}

impl<S> Connection<S> {
    /// A connection of a session that was opened `now`.
    pub fn new(parser: Parser, limits: &ConnectionLimits, now: Instant) -> Self {
        Self {
            slots: Vec::new(),
            assembly: None,
            connect_deadline: Some(now + limits.connect_timeout),
            budget: Budget {
                since: now,
                connects: 0,
                refusals: 0,
                ignored: 0,
            },
            parser,
        }
    }

    /// A text message.
    ///
    /// # Errors
    /// The session must be closed.
    pub fn handle_text<'a>(
        &'a mut self,
        text: &'a str,
        limits: &ConnectionLimits,
        now: Instant,
    ) -> Result<Received<'a, S>, Violation> {
        if self.parser == Parser::Msgpack {
            return Err(Violation::UnexpectedText);
        }
        if self.assembly.is_some() {
            return Err(Violation::UnfinishedAttachments);
        }
        let packet = codec::decode(text, limits.max_attachments)?;
        match packet.kind {
            PacketKind::Connect => {
                self.connect(packet.namespace.into(), packet.payload, limits, now)
            }
            PacketKind::Disconnect => self.leave(packet.namespace, limits, now),
            PacketKind::ConnectError => Err(Violation::WrongDirection),
            PacketKind::Event | PacketKind::Ack => {
                let array = if packet.payload.is_empty() {
                    "[]"
                } else {
                    &packet.payload
                };
                let args = match &packet.name {
                    Some(_) => Args::named(array.into(), packet.arguments_at, Vec::new()),
                    None => Args::unnamed(array.into(), Vec::new()),
                };
                let name = packet.name.map(|name| name.into_owned().into());
                self.deliver(packet.namespace, name, packet.ack_id, args, limits, now)
            }
            PacketKind::BinaryEvent | PacketKind::BinaryAck => {
                self.begin_assembly(packet, now + limits.attachments_timeout)?;
                Ok(Received::Nothing)
            }
        }
    }

    /// A binary message.
    ///
    /// # Errors
    /// The session must be closed.
    pub fn handle_binary(
        &mut self,
        data: Bytes,
        limits: &ConnectionLimits,
        now: Instant,
    ) -> Result<Received<'_, S>, Violation> {
        if self.parser == Parser::Msgpack {
            return self.handle_packet(msgpack::decode(&data)?, limits, now);
        }
        let mut assembly = self.assembly.take().ok_or(Violation::UnexpectedBinary)?;
        if !assembly.add(data, limits.max_attachment_bytes)? {
            self.assembly = Some(assembly);
            return Ok(Received::Nothing);
        }
        let packet = assembly.finish();
        self.deliver(
            &packet.namespace,
            packet.name,
            packet.ack_id,
            packet.args,
            limits,
            now,
        )
    }

    /// A packet that is whole in itself.
    fn handle_packet(
        &mut self,
        packet: msgpack::Packet,
        limits: &ConnectionLimits,
        now: Instant,
    ) -> Result<Received<'_, S>, Violation> {
        let msgpack::Packet {
            namespace,
            ack_id,
            content,
        } = packet;
        let (name, args) = match content {
            Content::Connect(auth) => {
                return self.connect(namespace.into_string().into(), auth.into(), limits, now);
            }
            Content::Disconnect => return self.leave(&namespace, limits, now),
            Content::ConnectError => return Err(Violation::WrongDirection),
            Content::Event(name, args) => (Some(name), args),
            Content::Ack(args) => (None, args),
        };
        self.deliver(&namespace, name, ack_id, args, limits, now)
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come.
    ///
    /// # Errors
    /// The session must be closed.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Violation> {
        if self
            .connect_deadline
            .is_some_and(|deadline| deadline <= now)
        {
            return Err(Violation::ConnectTimeout);
        }
        if self
            .assembly
            .as_ref()
            .is_some_and(|assembly| assembly.deadline() <= now)
        {
            return Err(Violation::AttachmentsTimeout);
        }
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, if at all.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let assembly = self.assembly.as_ref().map(|assembly| assembly.deadline());
        [self.connect_deadline, assembly]
            .into_iter()
            .flatten()
            .min()
    }

    /// Grants a CONNECT. `false` when nobody waits for it any more.
    pub fn accept(&mut self, namespace: &str, socket: S) -> bool {
        let Some(slot) = self.slot(namespace) else {
            return false;
        };
        if !matches!(slot.state, State::Connecting) {
            return false;
        }
        slot.state = State::Connected(socket);
        self.connect_deadline = None;
        true
    }

    /// Refuses a CONNECT. The client may try again.
    pub fn reject(&mut self, namespace: &str) {
        self.slots.retain(|slot| {
            slot.namespace.as_ref() != namespace || !matches!(slot.state, State::Connecting)
        });
    }

    /// Counts a CONNECT to a namespace that does not exist.
    ///
    /// # Errors
    /// There were too many: the session must be closed.
    pub fn reject_unknown(
        &mut self,
        namespace: &str,
        limits: &ConnectionLimits,
        now: Instant,
    ) -> Result<(), Violation> {
        self.reject(namespace);
        self.budget.begin_minute(now);
        self.budget.refusals += 1;
        if self.budget.refusals > limits.refusals_per_minute {
            Err(Violation::Flood)
        } else {
            Ok(())
        }
    }

    /// The server ends a namespace. What the client had sent before it learned of it is ignored.
    pub fn dismiss(&mut self, namespace: &str) -> Option<S> {
        let slot = self.slot(namespace)?;
        match std::mem::replace(&mut slot.state, State::Dismissed) {
            State::Connected(socket) => Some(socket),
            other => {
                slot.state = other;
                None
            }
        }
    }

    /// What is kept for a joined namespace.
    pub fn get(&self, namespace: &str) -> Option<&S> {
        self.slots
            .iter()
            .find(|slot| slot.namespace.as_ref() == namespace)
            .and_then(|slot| match &slot.state {
                State::Connected(socket) => Some(socket),
                _ => None,
            })
    }

    /// What is kept for the joined namespaces.
    pub fn sockets(&self) -> impl Iterator<Item = &S> {
        self.slots.iter().filter_map(|slot| match &slot.state {
            State::Connected(socket) => Some(socket),
            _ => None,
        })
    }

    /// How many namespaces are joined.
    pub fn joined(&self) -> usize {
        self.sockets().count()
    }

    /// The session is closed: forgets everything, and gives what was kept for each joined namespace.
    pub fn close(&mut self) -> impl Iterator<Item = S> {
        self.assembly = None;
        self.connect_deadline = None;
        std::mem::take(&mut self.slots)
            .into_iter()
            .filter_map(|slot| match slot.state {
                State::Connected(socket) => Some(socket),
                _ => None,
            })
    }

    fn slot(&mut self, namespace: &str) -> Option<&mut Slot<S>> {
        self.slots
            .iter_mut()
            .find(|slot| slot.namespace.as_ref() == namespace)
    }

    fn connect<'a>(
        &mut self,
        namespace: Cow<'a, str>,
        auth: Cow<'a, str>,
        limits: &ConnectionLimits,
        now: Instant,
    ) -> Result<Received<'a, S>, Violation> {
        self.budget.begin_minute(now);
        self.budget.connects += 1;
        if self.budget.connects > limits.connects_per_minute {
            return Err(Violation::Flood);
        }
        let full = self.slots.len() >= limits.max_namespaces;
        match self.slot(&namespace) {
            Some(slot) if matches!(slot.state, State::Dismissed) => slot.state = State::Connecting,
            Some(_) => return Err(Violation::SecondConnect),
            None if full => return Err(Violation::TooManyNamespaces),
            None => {
                // Most clients join one namespace, and stay.
                self.slots.reserve_exact(1);
                self.slots.push(Slot {
                    namespace: (*namespace).into(),
                    state: State::Connecting,
                });
            }
        }
        Ok(Received::Connect { namespace, auth })
    }

    #[expect(clippy::indexing_slicing, reason = "the place was just found")]
    fn leave(
        &mut self,
        namespace: &str,
        limits: &ConnectionLimits,
        now: Instant,
    ) -> Result<Received<'_, S>, Violation> {
        let place = self
            .slots
            .iter()
            .position(|slot| slot.namespace.as_ref() == namespace);
        let place = place.ok_or(Violation::NotJoined)?;
        match self.slots[place].state {
            State::Connecting => Err(Violation::NotJoined),
            State::Dismissed => self.ignore(limits, now),
            State::Connected(_) => match self.slots.remove(place).state {
                State::Connected(socket) => Ok(Received::Disconnect { socket }),
                _ => Ok(Received::Nothing),
            },
        }
    }

    /// An event when it has a name, else an answer.
    #[expect(clippy::indexing_slicing, reason = "the place was just found")]
    fn deliver(
        &mut self,
        namespace: &str,
        name: Option<Box<str>>,
        ack_id: Option<AckId>,
        args: Args,
        limits: &ConnectionLimits,
        now: Instant,
    ) -> Result<Received<'_, S>, Violation> {
        let place = self
            .slots
            .iter()
            .position(|slot| slot.namespace.as_ref() == namespace);
        let place = place.ok_or(Violation::NotJoined)?;
        match self.slots[place].state {
            State::Connecting => return Err(Violation::NotJoined),
            State::Dismissed => return self.ignore(limits, now),
            State::Connected(_) => {}
        }
        if name.is_none() && ack_id.is_none() {
            return self.ignore(limits, now);
        }
        let State::Connected(socket) = &self.slots[place].state else {
            return Ok(Received::Nothing);
        };
        Ok(match (name, ack_id) {
            (Some(name), ack_id) => Received::Event {
                socket,
                name,
                ack_id,
                args,
            },
            (None, Some(id)) => Received::Ack { socket, id, args },
            (None, None) => Received::Nothing,
        })
    }

    fn begin_assembly(&mut self, packet: Packet<'_>, deadline: Instant) -> Result<(), Violation> {
        // Nothing is kept for a namespace that is not joined.
        match self.slot(packet.namespace).map(|slot| &slot.state) {
            None | Some(State::Connecting) => return Err(Violation::NotJoined),
            Some(State::Connected(_) | State::Dismissed) => {}
        }
        placeholder::check_placeholders(&packet.payload, packet.attachments)
            .map_err(|_| Violation::IllegalPlaceholder)?;
        self.assembly = Some(Box::new(Assembly::begin(packet, deadline)));
        Ok(())
    }

    /// Counts a packet that means nothing; some are honest (an answer after its time-out).
    ///
    /// # Errors
    /// There were too many: the session must be closed.
    pub fn ignore(
        &mut self,
        limits: &ConnectionLimits,
        now: Instant,
    ) -> Result<Received<'_, S>, Violation> {
        self.budget.begin_minute(now);
        self.budget.ignored += 1;
        if self.budget.ignored > limits.ignored_per_minute {
            Err(Violation::Flood)
        } else {
            Ok(Received::Nothing)
        }
    }
}

/// Counters of the current minute.
#[derive(Debug)]
struct Budget {
    since: Instant,
    connects: u16,
    refusals: u16,
    ignored: u16,
}

impl Budget {
    fn begin_minute(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(60) {
            *self = Self {
                since: now,
                connects: 0,
                refusals: 0,
                ignored: 0,
            };
        }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
