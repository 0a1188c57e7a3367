//! Emits to one client that are more than a plain one.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;

use super::ack::{self, AckError};
use super::operators::Broadcast;
use super::socket::{EmitError, Socket};
use crate::socketio::adapter::Delivery;
use crate::socketio::proto::args::Args;
use crate::socketio::proto::encode::{self, Mark};

/// An emit with a time-out of its own.
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is sent before `emit_with_ack`"]
pub struct WithTimeout<'a> {
    socket: &'a Socket,
    timeout: Duration,
}

impl<'a> WithTimeout<'a> {
    pub(super) fn new(socket: &'a Socket, timeout: Duration) -> Self {
        Self { socket, timeout }
    }

    /// Emits, and waits for the client's answer.
    ///
    /// # Errors
    /// The event could not be sent, or there was no answer in time.
    pub fn emit_with_ack<T: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> impl Future<Output = Result<Args, AckError>> + Send + use<T> {
        let id = self.socket.namespace().0.ack_ids.next();
        let frame = self.socket.namespace().0.question(event, data, id);
        let asked = ack::ask(frame, id, self.socket, self.timeout);
        self.tell(event, &|| encode::arguments(data).ok());
        asked
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
        let id = self.socket.namespace().0.ack_ids.next();
        let frame = encode::raw_event(self.socket.envelope(), Mark::Ack(id), event, args);
        let asked = ack::ask(frame, id, self.socket, self.timeout);
        self.tell(event, &|| Some(args.clone()));
        asked
    }

    fn tell(&self, event: &str, args: &dyn Fn() -> Option<Args>) {
        let sockets = std::slice::from_ref(self.socket);
        let namespace = &self.socket.namespace().0;
        namespace.tell_asked(sockets, event, args);
    }
}

/// An emit to one client with flags.
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is sent before `emit`"]
pub struct Emit<'a> {
    socket: &'a Socket,
    delivery: Delivery,
    compress: bool,
}

impl<'a> Emit<'a> {
    pub(super) fn new(socket: &'a Socket) -> Self {
        Self {
            socket,
            delivery: Delivery::Queued,
            compress: true,
        }
    }

    /// Drops the packet unless it can leave now; see [`Socket::volatile`].
    pub fn volatile(mut self) -> Self {
        self.delivery = Delivery::Volatile;
        self
    }

    /// See [`Socket::compress`].
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Emits.
    ///
    /// # Errors
    /// The value cannot be encoded, or the socket is not connected. A dropped packet is no error.
    pub fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        let namespace = &self.socket.namespace().0;
        let packet = namespace.packet(event, data, self.delivery)?;
        let args = || encode::arguments(data).ok();
        self.socket
            .deliver(&packet.compress(self.compress), event, &args)
    }

    /// Emits arguments as they came.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_raw(&self, event: &str, args: &Args) -> Result<(), EmitError> {
        let namespace = &self.socket.namespace().0;
        let packet = namespace.raw_packet(event, args, self.delivery)?;
        let args = || Some(args.clone());
        self.socket
            .deliver(&packet.compress(self.compress), event, &args)
    }

    /// The same for everybody in a room but this socket.
    pub fn to(&self, room: &'a str) -> Broadcast<'a> {
        self.broadcast().to(room)
    }

    /// The same for everybody but this socket.
    pub fn broadcast(&self) -> Broadcast<'a> {
        let broadcast = self.socket.broadcast().compress(self.compress);
        match self.delivery {
            Delivery::Volatile => broadcast.volatile(),
            Delivery::Queued => broadcast,
        }
    }
}
