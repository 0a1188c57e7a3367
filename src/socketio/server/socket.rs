//! A client in a namespace, as handlers and everybody else see it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use engineio::{Frame, Handshake, SendError, SessionHandle, Sid, TransportKind};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;

use super::ack::{AckError, Waiter};
use super::client::{Client, Command};
use super::connecting::random_sid;
use super::emit::{Emit, WithTimeout};
use super::handler::{ConnectRequest, SocketData, find_data, parse_auth, put_data};
use super::io::{Io, WeakIo};
use super::namespace::Namespace;
use super::namespaces::Stay;
use super::operators::{Broadcast, DEFAULT_ACK_TIMEOUT};
use super::outgoing::{Packet, Recipients};
use crate::socketio::adapter::local::Membership;
use crate::socketio::adapter::rooms::SocketKey;
use crate::socketio::adapter::{Delivery, JoinError, Session, Target};
use crate::socketio::proto::acks::{PendingAcks, TooManyAcks};
use crate::socketio::proto::args::Args;
use crate::socketio::proto::encode::{self, EncodeError};
use crate::socketio::proto::packet::AckId;
use crate::socketio::proto::parser::Envelope;

/// Answers that one socket may owe at once. A client that never answers must not make the server
/// remember without end.
const MAX_PENDING_ACKS: usize = 1000;

/// Why something was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// It cannot be encoded. The caller is to blame.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The socket is no longer connected.
    #[error("the socket is not connected")]
    NotConnected,
    /// The client takes less than it is sent, and is being disconnected for it.
    #[error("the client is too slow")]
    SlowConsumer,
}

/// A client in a namespace. Cheap to clone, usable from anywhere; what is done with one that is no
/// longer connected has no effect.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    id: Sid,
    key: SocketKey,
    connected: AtomicBool,
    namespace: Namespace,
    client: Arc<Client>,
    auth: Box<str>,
    data: Mutex<SocketData>,
    membership: Mutex<Membership>,
    acks: Mutex<PendingAcks<Waiter>>,
    /// The secret by which the client may recover it.
    pid: Option<Sid>,
    recovered: bool,
    /// Neither side has ended it on purpose.
    may_be_recovered: AtomicBool,
    /// Keeps a namespace that was made for its sockets.
    stay: Mutex<Option<Stay>>,
}

static KEYS: AtomicU64 = AtomicU64::new(0);

impl Socket {
    /// A socket that `request` was granted, or that comes back with the `session` that it had.
    pub(crate) fn new(request: &ConnectRequest, stay: Stay, session: Option<&Session>) -> Self {
        let namespace = stay.namespace().clone();
        let fresh = || namespace.0.adapter.recovers().then(random_sid);
        Self(Arc::new(Inner {
            id: request.sid(),
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            connected: AtomicBool::new(false),
            pid: session.map(|session| session.pid).or_else(fresh),
            client: Arc::clone(request.client()),
            auth: request.raw_auth().into(),
            data: Mutex::new(request.take_data()),
            membership: Mutex::default(),
            acks: Mutex::default(),
            recovered: session.is_some(),
            may_be_recovered: AtomicBool::new(true),
            stay: Mutex::new(Some(stay)),
            namespace,
        }))
    }

    /// Its id: 20 characters, public, and not that of the connection.
    pub fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// Whether it is connected to its namespace.
    pub fn connected(&self) -> bool {
        self.0.connected.load(Ordering::Acquire)
    }

    /// Whether it has come back after a lost connection, with its id, rooms and data; what it missed
    /// was sent. See [`IoBuilder::connection_state_recovery`](super::io::IoBuilder::connection_state_recovery).
    pub fn recovered(&self) -> bool {
        self.0.recovered
    }

    /// The request that opened the connection.
    pub fn handshake(&self) -> &Handshake {
        self.0.client.handshake()
    }

    /// What the client gave as `auth`; `{}` when it gave nothing.
    pub fn auth(&self) -> Value {
        parse_auth(&self.0.auth)
    }

    /// The value of this type that was put beside the socket.
    pub fn data<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        find_data(&self.0.data.lock())
    }

    /// Puts a value beside the socket. A second value of a type replaces the first, for who asks for
    /// it afterwards.
    pub fn set_data<T: Any + Send + Sync>(&self, data: T) {
        put_data(&mut self.0.data.lock(), data);
    }

    /// What was given to [`IoBuilder::state`](super::io::IoBuilder::state) under this type.
    pub fn state<S: Any + Send + Sync>(&self) -> Option<Arc<S>> {
        self.0.namespace.state()
    }

    /// The namespace it is in.
    pub fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// The server, for other namespaces. `None` once it was dropped.
    pub fn io(&self) -> Option<Io> {
        self.state::<WeakIo>()?.upgrade()
    }

    /// Whether the client is behind with what it was sent.
    pub fn is_behind(&self) -> bool {
        self.session().is_congested()
    }

    /// The transport that carries the connection now.
    pub fn transport(&self) -> TransportKind {
        self.session().transport()
    }

    /// Emits to this client. A tuple is several arguments, `()` is none; bytes become attachments.
    ///
    /// # Errors
    /// The value cannot be encoded, or the socket is not connected.
    pub fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        let packet = self.0.namespace.0.packet(event, data, Delivery::Queued)?;
        self.deliver(&packet, event, &|| encode::arguments(data).ok())
    }

    /// Emits arguments as they came.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_raw(&self, event: &str, args: &Args) -> Result<(), EmitError> {
        let packet = self
            .0
            .namespace
            .0
            .raw_packet(event, args, Delivery::Queued)?;
        self.deliver(&packet, event, &|| Some(args.clone()))
    }

    /// Emits, and waits for the client's answer for up to 30 s. The event leaves at once, not when
    /// the future is first polled.
    ///
    /// # Errors
    /// The event could not be sent, or there was no answer.
    pub fn emit_with_ack<T: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> impl Future<Output = Result<Args, AckError>> + Send + use<T> {
        self.timeout(DEFAULT_ACK_TIMEOUT).emit_with_ack(event, data)
    }

    /// As [`emit_with_ack`](Self::emit_with_ack), with arguments as they came.
    ///
    /// # Errors
    /// As [`emit_with_ack`](Self::emit_with_ack).
    pub fn emit_raw_with_ack(
        &self,
        event: &str,
        args: &Args,
    ) -> impl Future<Output = Result<Args, AckError>> + Send + use<> {
        self.timeout(DEFAULT_ACK_TIMEOUT)
            .emit_raw_with_ack(event, args)
    }

    /// Sets how long an answer is waited for.
    pub fn timeout(&self, timeout: Duration) -> WithTimeout<'_> {
        WithTimeout::new(self, timeout)
    }

    /// Emits to this client only if it can take it now: nothing else waits for it, and the transport
    /// is writable. Else the packet is dropped, never delayed.
    pub fn volatile(&self) -> Emit<'_> {
        Emit::new(self).volatile()
    }

    /// Says whether a polling payload with this packet may be compressed. Default yes. WebSockets
    /// compress nothing.
    pub fn compress(&self, compress: bool) -> Emit<'_> {
        Emit::new(self).compress(compress)
    }

    /// Everybody in a room, but not this socket.
    pub fn to<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        self.broadcast().to(room)
    }

    /// Everybody in a room, but not this socket; the same as [`to`](Self::to).
    pub fn in_<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        self.to(room)
    }

    /// Everybody but those in a room and this socket.
    pub fn except<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        self.broadcast().except(room)
    }

    /// Everybody but this socket.
    pub fn broadcast(&self) -> Broadcast<'_> {
        Broadcast::new(&self.0.namespace.0, Some(self))
    }

    /// Everybody on this node but this socket.
    pub fn local(&self) -> Broadcast<'_> {
        self.broadcast().local()
    }

    /// Joins a room; does nothing when it is in it, or is no longer connected.
    ///
    /// # Errors
    /// It is in as many rooms as it may be, or the name is too long.
    pub fn join(&self, room: &str) -> Result<(), JoinError> {
        self.0.namespace.0.adapter.join(self, room)
    }

    /// Leaves a room; does nothing when it is not in it.
    pub fn leave(&self, room: &str) {
        self.0.namespace.0.adapter.leave(self, room);
    }

    /// Its rooms, its own id first. Empty once it is disconnected.
    pub fn rooms(&self) -> Vec<String> {
        self.0.namespace.0.adapter.rooms(self)
    }

    /// Ends this socket, or with `close` the whole connection with all its namespaces. The client
    /// does not reconnect by itself. Nothing that is emitted to it afterwards arrives.
    pub fn disconnect(&self, close: bool) {
        self.forbid_recovery();
        if self.mark_disconnected() {
            // The task knows it before the client does, whose next CONNECT may follow at once.
            self.0.client.post(Command::Dismissed(self.clone()));
            _ = self.session().send(encode::disconnect(self.envelope()));
            // A handler that wants to see the rooms runs first, in the session's task.
            if self.0.namespace.0.handlers.on_disconnecting.is_empty() {
                self.0.namespace.0.adapter.remove(self);
            }
            self.0.client.wake();
        }
        if close {
            self.0.client.command(Command::DisconnectAll);
        }
    }

    /// Closes the connection under this socket, and under every other on it, after what is queued
    /// was sent. The client is not told to stay away: it reconnects by itself.
    ///
    /// What the client has sent meanwhile is not handled.
    pub fn close_connection(&self) {
        self.0.client.command(Command::Close);
    }

    pub(crate) fn key(&self) -> SocketKey {
        self.0.key
    }

    pub(crate) fn sid(&self) -> Sid {
        self.0.id
    }

    pub(crate) fn pid(&self) -> Option<Sid> {
        self.0.pid
    }

    pub(crate) fn all_data(&self) -> SocketData {
        self.0.data.lock().clone()
    }

    pub(crate) fn may_be_recovered(&self) -> bool {
        self.0.may_be_recovered.load(Ordering::Acquire)
    }

    /// One side ends it on purpose: nobody comes back to it.
    pub(crate) fn forbid_recovery(&self) {
        self.0.may_be_recovered.store(false, Ordering::Release);
    }

    /// Its client has come back on another connection: nothing is sent to it any more, and the
    /// connection under it ends.
    pub(crate) fn supersede(&self) {
        self.mark_disconnected();
        self.0.client.command(Command::Abandon);
    }

    /// The namespace may go when nobody else is in it.
    pub(crate) fn end_stay(&self) {
        drop(self.0.stay.lock().take());
    }

    pub(crate) fn session(&self) -> &SessionHandle {
        self.0.client.session()
    }

    pub(crate) fn namespace_name(&self) -> &str {
        &self.0.namespace.0.name
    }

    pub(crate) fn envelope(&self) -> Envelope<'_> {
        self.0.namespace.0.envelope()
    }

    pub(crate) fn membership(&self) -> &Mutex<Membership> {
        &self.0.membership
    }

    pub(crate) fn acks(&self) -> &Mutex<PendingAcks<Waiter>> {
        &self.0.acks
    }

    /// From now on something can be sent to it: the client is about to be told of it.
    pub(crate) fn mark_connected(&self) {
        self.0.connected.store(true, Ordering::Release);
    }

    /// From now on nothing is sent to it. `false` when that was so before.
    pub(crate) fn mark_disconnected(&self) -> bool {
        self.0.connected.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn send(&self, frame: Frame) -> Result<(), EmitError> {
        if !self.connected() {
            return Err(EmitError::NotConnected);
        }
        let bytes = frame.wire_len();
        self.session().send(frame).map_err(|error| match error {
            SendError::SlowConsumer => EmitError::SlowConsumer,
            _ => EmitError::NotConnected,
        })?;
        self.0.namespace.0.metrics.note_sent(bytes);
        Ok(())
    }

    /// Sends an event that was encoded, as its flags say.
    pub(super) fn deliver(
        &self,
        packet: &Packet<'_>,
        event: &str,
        args: &dyn Fn() -> Option<Args>,
    ) -> Result<(), EmitError> {
        let inner = &self.0.namespace.0;
        match (packet.delivery, packet.offset) {
            (Delivery::Volatile, _) if !self.connected() => return Err(EmitError::NotConnected),
            (Delivery::Queued, None) => self.send(packet.frame.clone())?,
            (Delivery::Queued, Some(offset)) => {
                inner
                    .adapter
                    .send_marked(self, packet.frame.clone(), offset)?;
            }
            (Delivery::Volatile, None) => {
                if self.session().send_volatile(packet.frame.clone()) {
                    inner.metrics.note_sent(packet.frame.wire_len());
                } else {
                    inner.metrics.volatile_dropped.count();
                }
            }
            (Delivery::Volatile, Some(offset)) => {
                let target = Target {
                    rooms: vec![self.id()],
                    ..Target::default()
                };
                let adapter = &inner.adapter;
                adapter.broadcast_marked(&packet.frame, offset, &target, Delivery::Volatile);
            }
        }
        let this = std::slice::from_ref(self);
        inner.tell_outgoing(this, event, packet);
        inner.announce(event, Recipients::These(this), args);
        Ok(())
    }

    pub(crate) fn wait_for(&self, id: AckId, waiter: Waiter) -> Result<(), TooManyAcks> {
        self.0.acks.lock().insert(id, waiter, MAX_PENDING_ACKS)
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for Socket {}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("ns", &self.namespace_name())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
