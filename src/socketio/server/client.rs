//! One Engine.IO session with its sockets: feeds the [`Connection`], does what it says, and drives
//! the handlers that are under way.
//!
//! Everything here but [`Client`] belongs to the session's task. Handlers start in the order of what
//! caused them, and those that wait do not hold up the next; while too many wait for something
//! else than the client, no more messages are taken.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use engineio::{CloseMode, CloseReason, Handler, Handshake, Message, SessionHandle, Sid};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::ack::Waiter;
use super::handler::{ConnectError, ConnectRequest, Event};
use super::io::Shared;
use super::namespace::Namespace;
use super::reason::DisconnectReason;
use super::socket::Socket;
use super::task::{Finished, Task};
use crate::socketio::proto::args::Args;
use crate::socketio::proto::connection::{Connection, Received, Violation};
use crate::socketio::proto::encode;
use crate::socketio::proto::parser::Envelope;

/// Handlers of one connection that may be under way; beyond it, nothing is read from the client.
/// Those that wait for the client itself do not count.
const MAX_IN_FLIGHT: usize = 64;

/// Room for what has come that an idle connection keeps: one event at a time costs no allocation.
const IDLE_OCCASIONS: usize = 1;

/// What others hold of a connection.
pub(crate) struct Client {
    session: SessionHandle,
    handshake: Handshake,
    /// What others want of the session's task. Held for a push or a take.
    mailbox: Mutex<Vec<Command>>,
    waker: AtomicWaker,
}

/// What others want of the session's task.
pub(crate) enum Command {
    /// The server has disconnected this socket; the client was told.
    Dismissed(Socket),
    /// Disconnect every socket, then close the connection.
    DisconnectAll,
    /// Close the connection; the client is told nothing.
    Close,
}

impl Client {
    pub(crate) fn session(&self) -> &SessionHandle {
        &self.session
    }

    pub(crate) fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    pub(crate) fn command(&self, command: Command) {
        self.mailbox.lock().push(command);
        self.waker.wake();
    }
}

/// Something that makes handlers run, in the order in which it happened.
enum Occasion {
    Asked(Namespace, ConnectRequest),
    /// CONNECT to a namespace that does not exist.
    Unknown(Box<str>),
    Connected(Socket),
    Event(Socket, Event),
    Answer(Waiter, Socket, Args),
    Disconnected(Socket, DisconnectReason),
}

/// The session's side of Socket.IO; lives in the session's task.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    client: Arc<Client>,
    connection: Connection<Socket>,
    occasions: VecDeque<Occasion>,
    /// Made by the first handler that waits, gone with the last: an idle connection has none.
    in_flight: Option<Box<FuturesUnordered<Task>>>,
    /// Nothing is taken from the client any more.
    ended: bool,
    /// Why, when the engine cannot know.
    reason: Option<DisconnectReason>,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        handshake: Handshake,
        session: SessionHandle,
        now: Instant,
    ) -> Self {
        let connection = Connection::new(shared.parser, &shared.limits, now);
        let mailbox = Mutex::new(Vec::new());
        Self {
            shared,
            client: Arc::new(Client {
                session,
                handshake,
                mailbox,
                waker: AtomicWaker::new(),
            }),
            connection,
            occasions: VecDeque::with_capacity(IDLE_OCCASIONS),
            in_flight: None,
            ended: false,
            reason: None,
        }
    }

    fn receive(&mut self, message: Message<'_>, now: Instant) -> Result<(), Violation> {
        let limits = &self.shared.limits;
        let received = match message {
            Message::Text(text) => self.connection.handle_text(text, limits, now)?,
            Message::Binary(data) => self.connection.handle_binary(data, limits, now)?,
        };
        match received {
            Received::Nothing => {}
            Received::Connect { namespace, auth } => {
                let known = self.shared.namespaces.get(&*namespace).cloned();
                let (name, auth) = (namespace.into_owned(), auth.into());
                return self.connect(known, &name, auth, now);
            }
            Received::Disconnect { socket } => {
                let reason = DisconnectReason::ClientNamespaceDisconnect;
                self.occasions
                    .push_back(Occasion::Disconnected(socket, reason));
            }
            Received::Event {
                socket,
                name,
                ack_id,
                args,
            } => {
                let reply_to = ack_id.map(|id| (socket.clone(), id));
                let event = Event::new(name, args, reply_to);
                self.occasions
                    .push_back(Occasion::Event(socket.clone(), event));
            }
            Received::Ack { socket, id, args } => {
                let waiter = socket.acks().lock().take(id);
                let Some(waiter) = waiter else {
                    return self.connection.ignore(limits, now).map(drop);
                };
                self.occasions
                    .push_back(Occasion::Answer(waiter, socket.clone(), args));
            }
        }
        Ok(())
    }

    fn connect(
        &mut self,
        known: Option<Namespace>,
        name: &str,
        auth: Box<str>,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(namespace) = known else {
            self.connection
                .reject_unknown(name, &self.shared.limits, now)?;
            self.occasions.push_back(Occasion::Unknown(name.into()));
            return Ok(());
        };
        let request = ConnectRequest::new(random_sid(), Arc::clone(&self.client), auth);
        if namespace.0.handlers.middlewares.is_empty() {
            self.accept(namespace, &request);
        } else {
            self.occasions
                .push_back(Occasion::Asked(namespace, request));
        }
        Ok(())
    }

    /// Grants a CONNECT, unless the client has left meanwhile.
    fn accept(&mut self, namespace: Namespace, request: &ConnectRequest) {
        if self.ended {
            return;
        }
        let socket = Socket::new(request, namespace, Arc::clone(&self.client));
        let namespace = socket.namespace();
        // What comes next is for this socket already. The client is told when all that came before
        // has begun: a predecessor in the namespace may still have something to say.
        if self.connection.accept(namespace.name(), socket.clone()) {
            self.occasions.push_back(Occasion::Connected(socket));
        }
    }

    /// The beginning of a socket: the client learns of it before a handler can emit.
    fn welcome(&mut self, socket: &Socket, cx: &mut Context<'_>) {
        socket.mark_connected();
        let namespace = socket.namespace().clone();
        self.send(encode::connect(socket.envelope(), socket.id()));
        namespace.0.adapter.add(socket);
        for handler in &namespace.0.handlers.on_connect {
            self.run(Task::handler(socket, || handler(socket.clone())), cx);
        }
    }

    fn refuse(&mut self, namespace: &Namespace, error: &ConnectError) {
        if self.ended {
            return;
        }
        self.connection.reject(namespace.name());
        self.send(encode::connect_error(
            namespace.0.envelope(),
            &error.message,
            error.data.as_ref(),
        ));
    }

    fn send(&self, frame: engineio::Frame) {
        // A refusal means that the session is closing, and will say so itself.
        _ = self.client.session.send(frame);
    }

    fn close_over(&mut self, violation: &Violation) {
        tracing::debug!(error = %violation, "closing a connection over what it sent");
        self.ended = true;
        self.client.session.close(CloseMode::Flush);
    }

    fn take_commands(&mut self) {
        let commands = std::mem::take(&mut *self.client.mailbox.lock());
        for command in commands {
            match command {
                Command::Dismissed(socket) => self.dismiss(socket),
                Command::DisconnectAll => self.disconnect_all(),
                Command::Close => self.end(),
            }
        }
    }

    fn dismiss(&mut self, socket: Socket) {
        let name = socket.namespace_name();
        if self.connection.get(name) == Some(&socket) {
            self.connection.dismiss(name);
            let reason = DisconnectReason::ServerNamespaceDisconnect;
            self.occasions
                .push_back(Occasion::Disconnected(socket, reason));
        }
    }

    /// The server has closed the connection: nothing is taken any more, and nothing handled that
    /// came behind what made it close.
    fn end(&mut self) {
        self.forget_backlog();
        self.ended = true;
        self.client.session.close(CloseMode::Flush);
    }

    /// Drops what has come and was not begun. A socket whose beginning is among it never was.
    fn forget_backlog(&mut self) {
        let backlog = std::mem::take(&mut self.occasions);
        let mut unborn = Vec::new();
        for occasion in backlog {
            match occasion {
                Occasion::Connected(socket) => unborn.push(socket),
                Occasion::Disconnected(socket, reason) if !unborn.contains(&socket) => {
                    self.occasions
                        .push_back(Occasion::Disconnected(socket, reason));
                }
                _ => {}
            }
        }
        for socket in unborn {
            if self.connection.get(socket.namespace_name()) == Some(&socket) {
                self.connection.dismiss(socket.namespace_name());
            }
        }
    }

    fn disconnect_all(&mut self) {
        self.forget_backlog();
        for socket in self.connection.close() {
            if socket.mark_disconnected() {
                _ = self
                    .client
                    .session
                    .send(encode::disconnect(socket.envelope()));
            }
            let reason = DisconnectReason::ServerNamespaceDisconnect;
            self.occasions
                .push_back(Occasion::Disconnected(socket, reason));
        }
        self.ended = true;
        self.client.session.close(CloseMode::Flush);
    }

    /// Starts the handlers of an occasion.
    fn start(&mut self, occasion: Occasion, cx: &mut Context<'_>) {
        match occasion {
            Occasion::Asked(namespace, request) => {
                self.run(Task::middlewares(namespace, request), cx);
            }
            Occasion::Unknown(name) => {
                let envelope = Envelope {
                    parser: self.shared.parser,
                    namespace: &name,
                };
                self.send(encode::connect_error(envelope, "Invalid namespace", None));
            }
            Occasion::Connected(socket) => self.welcome(&socket, cx),
            Occasion::Event(socket, event) => {
                // What had come when the socket was disconnected is ignored.
                if !socket.connected() {
                    return;
                }
                let handlers = &socket.namespace().clone().0.handlers;
                let handler = handlers.events.get(event.name()).or(handlers.any.as_ref());
                if let Some(handler) = handler {
                    self.run(
                        Task::handler(&socket, || handler(socket.clone(), event)),
                        cx,
                    );
                }
            }
            Occasion::Answer(waiter, socket, args) => {
                // Who waited may have given up in this moment.
                _ = waiter.send((socket, args));
                // What waited for it goes on before anything that came later begins.
                self.advance(cx);
            }
            Occasion::Disconnected(socket, reason) => self.part(&socket, reason, cx),
        }
    }

    /// Lets everything that was woken go on.
    fn advance(&mut self, cx: &mut Context<'_>) {
        while let Some(finished) = self.poll_in_flight(cx) {
            self.finish(finished);
        }
    }

    /// The end of a socket: `disconnecting` while it is in its rooms, `disconnect` afterwards.
    fn part(&mut self, socket: &Socket, reason: DisconnectReason, cx: &mut Context<'_>) {
        socket.mark_disconnected();
        let namespace = socket.namespace().clone();
        for handler in &namespace.0.handlers.on_disconnecting {
            self.run(
                Task::handler(socket, || handler(socket.clone(), reason)),
                cx,
            );
        }
        namespace.0.adapter.remove(socket);
        drop(socket.acks().lock().drain());
        for handler in &namespace.0.handlers.on_disconnect {
            self.run(
                Task::handler(socket, || handler(socket.clone(), reason)),
                cx,
            );
        }
    }

    /// Polls a task for the first time; most are finished then.
    fn run(&mut self, mut task: Task, cx: &mut Context<'_>) {
        match task.poll_once(cx) {
            Poll::Ready(finished) => self.finish(finished),
            Poll::Pending => self.in_flight.get_or_insert_default().push(task),
        }
    }

    fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Handler => {}
            Finished::Decided(namespace, request, Ok(())) => self.accept(namespace, &request),
            Finished::Decided(namespace, _, Err(error)) => self.refuse(&namespace, &error),
            Finished::Panicked(socket) => self.end_after_panic(socket),
        }
    }

    /// A handler panicked: its socket ends. The last one on a connection takes the connection with
    /// it, because a client does not come back by itself from a DISCONNECT packet.
    fn end_after_panic(&mut self, socket: Option<Socket>) {
        tracing::error!("a handler panicked; its socket is disconnected");
        match socket {
            Some(socket) if self.connection.joined() > 1 => socket.disconnect(false),
            _ => {
                self.reason = Some(DisconnectReason::ForcedServerClose);
                self.end();
            }
        }
    }

    fn poll_in_flight(&mut self, cx: &mut Context<'_>) -> Option<Finished> {
        let in_flight = self.in_flight.as_mut()?;
        match in_flight.poll_next_unpin(cx) {
            Poll::Ready(Some(finished)) => Some(finished),
            Poll::Ready(None) => {
                self.in_flight = None;
                None
            }
            Poll::Pending => None,
        }
    }

    fn in_flight_count(&self) -> usize {
        self.in_flight.as_ref().map_or(0, |tasks| tasks.len())
    }

    /// Answers that the client owes. Handlers may wait for as many without counting as under way:
    /// what ends their wait comes in the stream that would not be read. Their number has its own
    /// bound, per socket.
    fn owed(&self) -> usize {
        self.connection
            .sockets()
            .map(|socket| socket.acks().lock().len())
            .sum()
    }
}

impl Handler for Driver {
    fn handle_message(&mut self, message: Message<'_>, now: Instant) {
        if self.ended {
            return;
        }
        if let Err(violation) = self.receive(message, now) {
            self.close_over(&violation);
        }
    }

    fn wants_message(&self) -> bool {
        let under_way = self.occasions.len() + self.in_flight_count();
        // The locks are taken only by who is busy.
        under_way < MAX_IN_FLIGHT || under_way < MAX_IN_FLIGHT + self.owed()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.ended {
            None
        } else {
            self.connection.poll_timeout()
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Err(violation) = self.connection.handle_timeout(now) {
            self.close_over(&violation);
        }
    }

    fn poll_tasks(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.client.waker.register(cx.waker());
        let was_full = !self.wants_message();
        loop {
            self.take_commands();
            if let Some(occasion) = self.occasions.pop_front() {
                self.start(occasion, cx);
            } else if let Some(finished) = self.poll_in_flight(cx) {
                self.finish(finished);
            } else if self.client.mailbox.lock().is_empty() {
                break;
            }
        }
        if was_full && self.wants_message() {
            // The stream may hold more that was not read because of that, and nothing else would
            // make the session look.
            cx.waker().wake_by_ref();
        }
        if self.occasions.capacity() > IDLE_OCCASIONS {
            self.occasions = VecDeque::with_capacity(IDLE_OCCASIONS);
        }
        if self.in_flight.is_none() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn handle_drained(&mut self, _now: Instant) {
        for socket in self.connection.sockets() {
            for handler in &socket.namespace().0.handlers.on_drain {
                handler(socket);
            }
        }
    }

    fn handle_close(&mut self, reason: CloseReason, _now: Instant) {
        self.ended = true;
        let reason = match self.reason {
            _ if self.shared.is_closing() => DisconnectReason::ServerShuttingDown,
            Some(reason) => reason,
            None => reason.into(),
        };
        let gone = self
            .connection
            .close()
            .map(|socket| Occasion::Disconnected(socket, reason));
        self.occasions.extend(gone);
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// A socket's id, of the operating system's random source.
fn random_sid() -> Sid {
    let mut random = [0; Sid::LEN];
    getrandom::fill(&mut random).expect("the operating system has a random source");
    Sid::from_random(random)
}
