//! Whom to emit to, and how: `socket.to(room).except(other).volatile().emit(…)`.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::ack::{self, AckError, BroadcastReplies};
use super::namespace;
use super::outgoing::{Packet, Recipients};
use super::socket::{EmitError, Socket};
use crate::socketio::adapter::{Delivery, Target};
use crate::socketio::proto::args::Args;
use crate::socketio::proto::encode;

/// How long an answer is waited for when nothing is said.
pub(crate) const DEFAULT_ACK_TIMEOUT: Duration = Duration::from_secs(30);

/// An emit to many sockets, or another operation on them, before it is carried out.
#[derive(Clone)]
#[must_use = "nothing is sent before `emit`"]
pub struct Broadcast<'a> {
    namespace: &'a Arc<namespace::Inner>,
    target: Target<'a>,
    delivery: Delivery,
    compress: bool,
    timeout: Duration,
}

impl<'a> Broadcast<'a> {
    pub(crate) fn new(namespace: &'a Arc<namespace::Inner>, skip: Option<&'a Socket>) -> Self {
        let target = Target {
            skip,
            ..Target::default()
        };
        Self {
            namespace,
            target,
            delivery: Delivery::Queued,
            compress: true,
            timeout: DEFAULT_ACK_TIMEOUT,
        }
    }

    /// Adds a room; who is in several gets one packet. A socket's id is a room of its own.
    pub fn to(mut self, room: &'a str) -> Self {
        self.target.rooms.push(room);
        self
    }

    /// Adds a room; the same as [`to`](Self::to).
    pub fn in_(self, room: &'a str) -> Self {
        self.to(room)
    }

    /// Leaves out who is in a room.
    pub fn except(mut self, room: &'a str) -> Self {
        self.target.except.push(room);
        self
    }

    /// Drops the packet for everybody who cannot take it now.
    pub fn volatile(mut self) -> Self {
        self.delivery = Delivery::Volatile;
        self
    }

    /// Reaches this node only.
    pub fn local(mut self) -> Self {
        self.target.local = true;
        self
    }

    /// Says whether a polling payload with this packet may be compressed. Default yes. WebSockets
    /// compress nothing.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// How long [`emit_with_ack`](Self::emit_with_ack) waits. Default 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Emits. A tuple is several arguments, `()` is none; bytes become attachments. The packet is
    /// encoded once, whoever gets it.
    ///
    /// # Errors
    /// The value cannot be encoded; nothing was sent.
    pub fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        let packet = self.namespace.packet(event, data, self.delivery)?;
        let args = || encode::arguments(data).ok();
        self.send(&packet.compress(self.compress), event, &args);
        Ok(())
    }

    /// Emits to everybody who keeps up, and answers who is behind: the packet was left out for
    /// them. [`on_drain`](super::namespace::NamespaceBuilder::on_drain) tells when one has caught up.
    /// [Volatile](Self::volatile) makes no difference.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_unless_behind<T: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> Result<Vec<Socket>, EmitError> {
        let packet = self.namespace.packet(event, data, Delivery::Queued)?;
        let packet = packet.compress(self.compress);
        let adapter = &self.namespace.adapter;
        let behind = adapter.broadcast_unless_behind(&packet.frame, packet.offset, &self.target);
        if self.namespace.has_outgoing_listeners() {
            let mut sockets = self.fetch_sockets();
            sockets.retain(|socket| !behind.contains(socket));
            self.namespace.tell_outgoing(&sockets, event, &packet);
        }
        let args = || encode::arguments(data).ok();
        let to = Recipients::Meant(&self.target);
        self.namespace.announce(event, to, &args);
        Ok(behind)
    }

    /// Emits arguments as they came.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_raw(&self, event: &str, args: &Args) -> Result<(), EmitError> {
        let packet = self.namespace.raw_packet(event, args, self.delivery)?;
        let args = || Some(args.clone());
        self.send(&packet.compress(self.compress), event, &args);
        Ok(())
    }

    fn send(&self, packet: &Packet<'_>, event: &str, args: &dyn Fn() -> Option<Args>) {
        let adapter = &self.namespace.adapter;
        match packet.offset {
            None => adapter.broadcast(&packet.frame, &self.target, packet.delivery),
            Some(offset) => {
                adapter.broadcast_marked(&packet.frame, offset, &self.target, packet.delivery);
            }
        }
        if self.namespace.has_outgoing_listeners() {
            let sockets = self.fetch_sockets();
            self.namespace.tell_outgoing(&sockets, event, packet);
        }
        let to = Recipients::Meant(&self.target);
        self.namespace.announce(event, to, args);
    }

    /// Emits, and waits until everybody has answered or the time-out has passed. The packet leaves
    /// at once, not when the future is first polled.
    ///
    /// # Errors
    /// The value cannot be encoded. Who did not answer in time is listed in the replies.
    pub fn emit_with_ack<T: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> impl Future<Output = Result<BroadcastReplies, AckError>> + Send + use<T> {
        let id = self.namespace.ack_ids.next();
        let frame = self.namespace.question(event, data, id);
        let sockets = if frame.is_ok() {
            self.fetch_sockets()
        } else {
            Vec::new()
        };
        let args = || encode::arguments(data).ok();
        self.namespace.tell_asked(&sockets, event, &args);
        ack::ask_all(frame, id, sockets, self.timeout)
    }

    /// Those who are meant, as far as they are connected to this node.
    pub fn fetch_sockets(&self) -> Vec<Socket> {
        self.namespace.adapter.sockets(&self.target)
    }

    /// Makes them join a room. Who has reached the limit of rooms stays out.
    pub fn sockets_join(&self, room: &str) {
        self.namespace.adapter.join_all(&self.target, &[room]);
    }

    /// Makes them leave a room.
    pub fn sockets_leave(&self, room: &str) {
        self.namespace.adapter.leave_all(&self.target, &[room]);
    }

    /// Disconnects them; with `close`, their connections too.
    pub fn disconnect_sockets(&self, close: bool) {
        self.namespace.adapter.disconnect_all(&self.target, close);
    }
}
