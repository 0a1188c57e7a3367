//! Namespaces: what is registered on them before the server starts, and what can be done with them
//! afterwards.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde::Serialize;

use super::extract::{self, FailedEvent};
use super::handler::{
    BoxFuture, ConnectError, ConnectHandler, ConnectRequest, DisconnectHandler, DrainHandler,
    ErrorHandler, Event, EventHandler, Middleware, SocketData, find_data,
};
use super::operators::Broadcast;
use super::reason::DisconnectReason;
use super::socket::{EmitError, Socket};
use crate::socketio::adapter::{Adapter, Target};
use crate::socketio::proto::acks::AckIds;
use crate::socketio::proto::parser::{Envelope, Parser};

/// Registers the handlers of a namespace. They are frozen when the server is built.
#[derive(Default)]
pub struct NamespaceBuilder {
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) on_connect: Vec<ConnectHandler>,
    pub(crate) events: HashMap<Box<str>, EventHandler>,
    pub(crate) any: Option<EventHandler>,
    pub(crate) on_error: Option<ErrorHandler>,
    pub(crate) on_disconnecting: Vec<DisconnectHandler>,
    pub(crate) on_disconnect: Vec<DisconnectHandler>,
    pub(crate) on_drain: Vec<DrainHandler>,
}

impl NamespaceBuilder {
    /// Asks `decide` before a client may join; middlewares run one after another in the order in
    /// which they were added, and the first refusal ends it. A client that leaves meanwhile is never
    /// connected.
    #[must_use]
    pub fn use_middleware<F, R>(mut self, decide: F) -> Self
    where
        F: Fn(ConnectRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        self.middlewares
            .push(Box::new(move |request| Box::pin(decide(request))));
        self
    }

    /// Runs when a socket is connected. What it emits arrives after the reply to CONNECT, and no
    /// event's handler starts before it has run up to its first `await`.
    #[must_use]
    pub fn on_connect<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Socket) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.on_connect
            .push(Box::new(move |socket| Box::pin(handler(socket))));
        self
    }

    /// Runs for each event of this name. Handlers of one connection start in the order of their
    /// events; one that waits does not hold up the next. A second handler of a name replaces the
    /// first.
    ///
    /// The handler is an async function of whatever it wants: see
    /// [`EventHandler`](super::extract::EventHandler).
    ///
    /// ```
    /// use parlance::socketio::{Ack, Data, Io, Socket};
    ///
    /// let io = Io::builder().namespace("/", |ns| {
    ///     ns.on("say", async |socket: Socket, Data((room, text)): Data<(String, String)>, ack: Ack| {
    ///         _ = socket.to(&room).emit("said", &text);
    ///         _ = ack.send(&"delivered");
    ///     })
    /// });
    /// # _ = io.build();
    /// ```
    #[must_use]
    pub fn on<P>(mut self, event: &str, handler: impl extract::EventHandler<P>) -> Self {
        let name: Arc<str> = event.into();
        self.events.insert(
            event.into(),
            Box::new(move |socket, event| handler.call(&name, socket, event)),
        );
        self
    }

    /// Runs when the handler of an event could not be called, because what the client sent does not
    /// fit, or has given back an error. Without it that is logged. A client that waits for an answer
    /// can be given one here, and gets none otherwise.
    #[must_use]
    pub fn on_error<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Socket, FailedEvent) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.on_error = Some(Box::new(move |socket, failed| {
            Box::pin(handler(socket, failed))
        }));
        self
    }

    /// Hands on what went wrong with an event.
    pub(crate) fn report(&self, socket: Socket, failed: FailedEvent) -> BoxFuture {
        match &self.on_error {
            Some(handler) => handler(socket, failed),
            None => {
                extract::log(&failed);
                Box::pin(std::future::ready(()))
            }
        }
    }

    /// Runs for each event that has no handler. Without it they are ignored, and never answered.
    #[must_use]
    pub fn on_any<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Socket, Event) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.any = Some(Box::new(move |socket, event| {
            Box::pin(handler(socket, event))
        }));
        self
    }

    /// Runs when a socket is about to be disconnected, up to its first `await` while the socket is
    /// still in its rooms.
    #[must_use]
    pub fn on_disconnecting<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Socket, DisconnectReason) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.on_disconnecting.push(Box::new(move |socket, reason| {
            Box::pin(handler(socket, reason))
        }));
        self
    }

    /// Runs when the client of a socket was behind with what it was sent, so that
    /// [`emit_unless_behind`](Broadcast::emit_unless_behind) left it out, and has caught up. It is
    /// called by the session's task and must not wait.
    #[must_use]
    pub fn on_drain(mut self, handler: impl Fn(&Socket) + Send + Sync + 'static) -> Self {
        self.on_drain.push(Box::new(handler));
        self
    }

    /// Runs when a socket was disconnected and has left its rooms.
    #[must_use]
    pub fn on_disconnect<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Socket, DisconnectReason) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.on_disconnect.push(Box::new(move |socket, reason| {
            Box::pin(handler(socket, reason))
        }));
        self
    }
}

impl fmt::Debug for NamespaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceBuilder")
            .field("events", &self.events.keys())
            .finish_non_exhaustive()
    }
}

/// A namespace of a running server. Cheap to clone.
#[derive(Clone)]
pub struct Namespace(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) name: Box<str>,
    pub(crate) parser: Parser,
    pub(crate) states: Arc<SocketData>,
    pub(crate) handlers: NamespaceBuilder,
    pub(crate) ack_ids: AckIds,
    pub(crate) adapter: Box<dyn Adapter>,
}

impl Inner {
    pub(crate) fn envelope(&self) -> Envelope<'_> {
        Envelope {
            parser: self.parser,
            namespace: &self.name,
        }
    }
}

impl Namespace {
    pub(crate) fn new(
        name: &str,
        parser: Parser,
        states: Arc<SocketData>,
        handlers: NamespaceBuilder,
        adapter: Box<dyn Adapter>,
    ) -> Self {
        Self(Arc::new(Inner {
            name: name.into(),
            parser,
            states,
            handlers,
            ack_ids: AckIds::default(),
            adapter,
        }))
    }

    /// Its name, `/` for the default one.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What was given to [`IoBuilder::state`](super::io::IoBuilder::state) under this type.
    pub fn state<S: Any + Send + Sync>(&self) -> Option<Arc<S>> {
        find_data(&self.0.states)
    }

    /// Everybody in the namespace.
    pub fn everybody(&self) -> Broadcast<'_> {
        Broadcast::new(&self.0, None)
    }

    /// Everybody in a room.
    pub fn to<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        self.everybody().to(room)
    }

    /// Everybody in a room; the same as [`to`](Self::to).
    pub fn in_<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        self.to(room)
    }

    /// Everybody but those in a room.
    pub fn except<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        self.everybody().except(room)
    }

    /// Everybody who can take a packet at this moment.
    pub fn volatile(&self) -> Broadcast<'_> {
        self.everybody().volatile()
    }

    /// Everybody who is connected to this node.
    pub fn local(&self) -> Broadcast<'_> {
        self.everybody().local()
    }

    /// Emits to everybody. A tuple is several arguments; bytes become attachments.
    ///
    /// # Errors
    /// The value cannot be encoded.
    pub fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        self.everybody().emit(event, data)
    }

    /// The sockets in a room on this node, in no order.
    pub fn fetch_sockets(&self, room: &str) -> Vec<Socket> {
        self.to(room).fetch_sockets()
    }

    /// Makes everybody in the room `of` join `room`.
    pub fn sockets_join(&self, room: &str, of: &str) {
        self.to(of).sockets_join(room);
    }

    /// Makes everybody in the room `of` leave `room`. Who has left it receives nothing that is
    /// emitted to it afterwards.
    pub fn sockets_leave(&self, room: &str, of: &str) {
        self.to(of).sockets_leave(room);
    }

    /// Disconnects everybody in a room; with `close`, their connections too.
    pub fn disconnect_sockets(&self, room: &str, close: bool) {
        self.to(room).disconnect_sockets(close);
    }

    /// The socket with this id.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.0.adapter.socket(id)
    }

    /// Number of sockets in the namespace on this node.
    pub fn sockets_count(&self) -> usize {
        self.0.adapter.sockets_count()
    }

    /// Number of rooms with somebody in them on this node.
    pub fn rooms_count(&self) -> usize {
        self.0.adapter.rooms_count()
    }

    /// Number of answers that the server waits for, over all sockets on this node.
    pub fn acks_pending(&self) -> usize {
        let sockets = self.sockets();
        sockets
            .iter()
            .map(|socket| socket.acks().lock().len())
            .sum()
    }

    /// Every socket of the namespace on this node.
    pub fn sockets(&self) -> Vec<Socket> {
        self.0.adapter.sockets(&Target::default())
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Namespace").field(&self.0.name).finish()
    }
}
