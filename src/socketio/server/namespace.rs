//! Namespaces: what is registered on them before the server starts, and what can be done with them
//! afterwards.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::extract::{self, BoxError, EventError, FailedEvent};
use super::handler::{
    BoxFuture, ConnectError, ConnectHandler, ConnectRequest, DisconnectHandler, DrainHandler,
    ErrorHandler, Event, EventHandler, Middleware, SocketData, find_data,
};
use super::operators::Broadcast;
use super::outgoing::{EmitListener, Emitted, OutgoingListener};
use super::reason::DisconnectReason;
use super::socket::{EmitError, Socket};
use crate::socketio::adapter::{Adapter, Metrics, RoomEvent, ServerReplies, Target};
use crate::socketio::proto::acks::AckIds;
use crate::socketio::proto::args::Args;
use crate::socketio::proto::encode;
use crate::socketio::proto::parser::{Envelope, Parser};

type AnyListener = Box<dyn Fn(&Socket, &Event) + Send + Sync>;
type PacketMiddleware =
    Box<dyn Fn(Socket, Arc<str>, Args) -> BoxFuture<Result<(), BoxError>> + Send + Sync>;
/// Is given the name of the namespace, too.
type RoomListener = Box<dyn Fn(&str, RoomEvent<'_>) + Send + Sync>;
type ServerEventHandler = Box<dyn Fn(Namespace, Args) -> BoxFuture<Args> + Send + Sync>;

/// FNV-1a. The names in the table are the application's own and few, so that nobody can make them
/// collide; each event is looked up twice.
pub(crate) struct NameHasher(u64);

impl Default for NameHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Registers the handlers of a namespace. They are frozen when the server is built.
#[derive(Default)]
pub struct NamespaceBuilder {
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) on_connect: Vec<ConnectHandler>,
    pub(crate) events: HashMap<Box<str>, EventHandler, BuildHasherDefault<NameHasher>>,
    pub(crate) fallback: Option<EventHandler>,
    pub(crate) any: Vec<AnyListener>,
    pub(crate) any_outgoing: Vec<OutgoingListener>,
    pub(crate) on_emit: Vec<EmitListener>,
    pub(crate) packet_middlewares: Vec<PacketMiddleware>,
    pub(crate) on_room_event: Vec<RoomListener>,
    pub(crate) server_events: HashMap<Box<str>, ServerEventHandler>,
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
    pub fn on_fallback<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Socket, Event) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.fallback = Some(Box::new(move |socket, event| {
            Box::pin(handler(socket, event))
        }));
        self
    }

    /// Listens to every event that comes, before middlewares and handlers see it. Listeners run in
    /// the order in which they were added.
    #[must_use]
    pub fn on_any(mut self, listen: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> Self {
        self.any.push(Box::new(listen));
        self
    }

    /// As [`on_any`](Self::on_any), before those that were added so far.
    #[must_use]
    pub fn prepend_any(mut self, listen: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> Self {
        self.any.insert(0, Box::new(listen));
        self
    }

    /// Listens to every event that is emitted, once for each socket that it goes to: the socket, the
    /// event's name, its arguments. Answers are no events. With a listener a broadcast looks at
    /// each recipient once more.
    #[must_use]
    pub fn on_any_outgoing(
        mut self,
        listen: impl Fn(&Socket, &str, &Args) + Send + Sync + 'static,
    ) -> Self {
        self.any_outgoing.push(Box::new(listen));
        self
    }

    /// As [`on_any_outgoing`](Self::on_any_outgoing), before those that were added so far.
    #[must_use]
    pub fn prepend_any_outgoing(
        mut self,
        listen: impl Fn(&Socket, &str, &Args) + Send + Sync + 'static,
    ) -> Self {
        self.any_outgoing.insert(0, Box::new(listen));
        self
    }

    /// Listens to every event that is emitted, once for each emit, whoever it goes to. It is called
    /// after the event was queued, and must not wait. Answers are no events.
    #[must_use]
    pub fn on_emit(mut self, listen: impl Fn(&Emitted<'_>) + Send + Sync + 'static) -> Self {
        self.on_emit.push(Box::new(listen));
        self
    }

    /// Asks `decide` about every event before its handler runs: the socket, the event's name, its
    /// arguments. Middlewares run one after another in the order in which they were added. What one
    /// refuses has no handler: [`on_error`](Self::on_error) is told, and nothing is sent to the
    /// client.
    ///
    /// A middleware that waits lets later events overtake this one.
    #[must_use]
    pub fn use_packet<F, R>(mut self, decide: F) -> Self
    where
        F: Fn(Socket, Arc<str>, Args) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.packet_middlewares
            .push(Box::new(move |socket, name, args| {
                Box::pin(decide(socket, name, args))
            }));
        self
    }

    /// Listens to rooms that are made, joined, left and deleted.
    #[must_use]
    pub fn on_room_event(self, listen: impl Fn(RoomEvent<'_>) + Send + Sync + 'static) -> Self {
        self.on_room_event_of(move |_, event| listen(event))
    }

    /// As [`on_room_event`](Self::on_room_event), with the name of the namespace in front: for a
    /// listener that several namespaces share.
    #[must_use]
    pub fn on_room_event_of(
        mut self,
        listen: impl Fn(&str, RoomEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.on_room_event.push(Box::new(listen));
        self
    }

    /// Runs when another node has emitted this event with [`Namespace::server_side_emit`]. What it
    /// gives back is the answer, for those who wait for one.
    #[must_use]
    pub fn on_server_side<F, R>(mut self, event: &str, handler: F) -> Self
    where
        F: Fn(Namespace, Args) -> R + Send + Sync + 'static,
        R: Future<Output = Args> + Send + 'static,
    {
        self.server_events.insert(
            event.into(),
            Box::new(move |namespace, args| Box::pin(handler(namespace, args))),
        );
        self
    }

    /// Whether anybody wants an event of this name.
    pub(crate) fn want(&self, event: &str) -> bool {
        let asks = !self.any.is_empty() || !self.packet_middlewares.is_empty();
        asks || self.handler(event).is_some()
    }

    fn handler(&self, event: &str) -> Option<&EventHandler> {
        self.events.get(event).or(self.fallback.as_ref())
    }

    /// Listeners, then middlewares, then the handler.
    pub(crate) fn dispatch(self: &Arc<Self>, socket: Socket, event: Event) -> BoxFuture {
        self.any.iter().for_each(|listen| listen(&socket, &event));
        if self.packet_middlewares.is_empty() {
            return self.call(socket, event);
        }
        let handlers = Arc::clone(self);
        Box::pin(async move {
            let name: Arc<str> = event.name().into();
            for decide in &handlers.packet_middlewares {
                let decision = decide(socket.clone(), Arc::clone(&name), event.raw().clone());
                if let Err(refusal) = decision.await {
                    let error = EventError::Refused(refusal);
                    let ack = event.ack();
                    let failed = FailedEvent { name, error, ack };
                    return handlers.report(socket, failed).await;
                }
            }
            // The socket may have been disconnected meanwhile.
            if socket.connected() {
                handlers.call(socket, event).await;
            }
        })
    }

    fn call(&self, socket: Socket, event: Event) -> BoxFuture {
        match self.handler(event.name()) {
            Some(handler) => handler(socket, event),
            None => Box::pin(std::future::ready(())),
        }
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
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) handlers: Arc<NamespaceBuilder>,
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
        metrics: Arc<Metrics>,
        handlers: Arc<NamespaceBuilder>,
        adapter: Box<dyn Adapter>,
    ) -> Self {
        Self(Arc::new(Inner {
            name: name.into(),
            parser,
            states,
            metrics,
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

    /// Emits an event to this namespace on the other nodes, where
    /// [`NamespaceBuilder::on_server_side`] receives it. Not to this node; a single process has no
    /// other.
    ///
    /// # Errors
    /// The value cannot be encoded.
    pub fn server_side_emit<T: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> Result<(), EmitError> {
        let args = encode::arguments(data)?;
        self.0.adapter.server_side_emit(event, &args);
        Ok(())
    }

    /// As [`server_side_emit`](Self::server_side_emit), and waits for the answers of the other nodes.
    ///
    /// # Errors
    /// The value cannot be encoded. How many did not answer in time is part of the replies.
    pub async fn server_side_emit_with_ack<T: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &T,
        timeout: Duration,
    ) -> Result<ServerReplies, EmitError> {
        let args = encode::arguments(data)?;
        let adapter = &self.0.adapter;
        Ok(adapter
            .server_side_emit_with_ack(event, &args, timeout)
            .await)
    }

    /// For adapters: an event that another node has emitted. Gives the answer, `None` where the
    /// event has no handler.
    pub async fn handle_server_side(&self, event: &str, args: Args) -> Option<Args> {
        let handler = self.0.handlers.server_events.get(event)?;
        Some(handler(self.clone(), args).await)
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
