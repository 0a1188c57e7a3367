//! One Engine.IO session with its sockets: feeds the [`Connection`], does what it says, and drives
//! the handlers that are under way.
//!
//! Everything here belongs to the session's task. Handlers start in the order of what
//! caused them, and those that wait do not hold up the next; while too many wait for something
//! else than the client, no more messages are taken.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use engineio::{CloseMode, CloseReason, Handler, Handshake, Message, SessionHandle};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::client::{Client, Command};
use super::handler::Event;
use super::io::Shared;
use super::occasions::{Occasion, Occasions};
use super::reason::DisconnectReason;
use super::socket::Socket;
use super::task::{Ended, Finished, Task};
use crate::socketio::adapter::Session;
use crate::socketio::proto::connection::{Connection, Received, Violation};
use crate::socketio::proto::encode;

/// Handlers of one connection that may be under way; beyond it, nothing is read from the client.
/// Those that wait for the client itself do not count.
const MAX_IN_FLIGHT: usize = 64;

/// Bytes that events may hold whose handlers are under way, those that wait for the client among
/// them.
const MAX_IN_FLIGHT_BYTES: usize = 8 << 20;

/// The session's side of Socket.IO; lives in the session's task.
pub(crate) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Arc<Client>,
    pub(super) connection: Connection<Socket>,
    pub(super) occasions: Occasions,
    /// Made by the first handler that waits, gone with the last: an idle connection has none.
    in_flight: Option<Box<FuturesUnordered<Task>>>,
    /// What the events of those occupy.
    in_flight_bytes: usize,
    /// Nothing is taken from the client any more.
    pub(super) ended: bool,
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
        Self {
            shared,
            client: Arc::new(Client::new(session, handshake)),
            connection,
            occasions: Occasions::default(),
            in_flight: None,
            in_flight_bytes: 0,
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
                let (name, auth) = (namespace.into(), auth.into());
                return self.connect(name, auth, now);
            }
            Received::Disconnect { socket } => {
                socket.forbid_recovery();
                let reason = DisconnectReason::ClientNamespaceDisconnect;
                self.occasions.push(Occasion::Disconnected(socket, reason));
            }
            Received::Event {
                socket,
                name,
                ack_id,
                args,
            } => {
                let reply_to = ack_id.map(|id| (socket.clone(), id));
                let event = Event::new(name, args, reply_to);
                self.occasions.push(Occasion::Event(socket.clone(), event));
            }
            Received::Ack { socket, id, args } => {
                let waiter = socket.acks().lock().take(id);
                let Some(waiter) = waiter else {
                    return self.connection.ignore(limits, now).map(drop);
                };
                self.occasions
                    .push(Occasion::Answer(waiter, socket.clone(), args));
            }
        }
        Ok(())
    }

    pub(super) fn send(&self, frame: engineio::Frame) {
        // A refusal means that the session is closing, and will say so itself.
        _ = self.client.session().send(frame);
    }

    pub(super) fn close_over(&mut self, violation: &Violation) {
        tracing::debug!(error = %violation, "closing a connection over what it sent");
        self.shared.metrics.violations(violation.into()).count();
        self.ended = true;
        self.client.session().close(CloseMode::Flush);
    }

    fn take_commands(&mut self) {
        for command in self.client.take_commands() {
            match command {
                Command::Dismissed(socket) => self.dismiss(socket),
                Command::DisconnectAll => self.disconnect_all(),
                Command::Close => self.end(CloseMode::Flush),
                Command::Abandon => self.end(CloseMode::Discard),
            }
        }
    }

    fn dismiss(&mut self, socket: Socket) {
        let name = socket.namespace_name();
        if self.connection.get(name) == Some(&socket) {
            self.connection.dismiss(name);
            let reason = DisconnectReason::ServerNamespaceDisconnect;
            self.occasions.push(Occasion::Disconnected(socket, reason));
        }
    }

    /// The server has closed the connection: nothing is taken any more, and nothing handled that
    /// came behind what made it close.
    fn end(&mut self, mode: CloseMode) {
        self.forget_backlog();
        self.ended = true;
        self.client.session().close(mode);
    }

    /// Drops what has come and was not begun. A socket whose beginning is among it never was.
    fn forget_backlog(&mut self) {
        let backlog = self.occasions.take();
        let mut unborn = Vec::new();
        for occasion in backlog {
            match occasion {
                Occasion::Connected(socket, _) => unborn.push(socket),
                Occasion::Disconnected(socket, reason) if !unborn.contains(&socket) => {
                    self.occasions.push(Occasion::Disconnected(socket, reason));
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
            socket.forbid_recovery();
            if socket.mark_disconnected() {
                _ = self
                    .client
                    .session()
                    .send(encode::disconnect(socket.envelope()));
            }
            let reason = DisconnectReason::ServerNamespaceDisconnect;
            self.occasions.push(Occasion::Disconnected(socket, reason));
        }
        self.ended = true;
        self.client.session().close(CloseMode::Flush);
    }

    /// Starts the handlers of an occasion.
    fn start(&mut self, occasion: Occasion, cx: &mut Context<'_>) {
        match occasion {
            Occasion::Asked(attempt) => self.decide(attempt, cx),
            Occasion::Unknown(name) => self.tell_unknown(&name),
            Occasion::Connected(socket, claim) => self.welcome(&socket, claim, cx),
            Occasion::Event(socket, event) => self.handle_event(&socket, event, cx),
            Occasion::Answer(waiter, socket, args) => {
                socket.namespace().0.metrics.answers_received.count();
                // Who waited may have given up in this moment.
                _ = waiter.send((socket, args));
                // What waited for it goes on before anything that came later begins.
                self.advance(cx);
            }
            Occasion::Disconnected(socket, reason) => self.part(&socket, reason, cx),
        }
    }

    fn handle_event(&mut self, socket: &Socket, event: Event, cx: &mut Context<'_>) {
        // What had come when the socket was disconnected is ignored.
        if !socket.connected() {
            return;
        }
        let handlers = &socket.namespace().0.handlers;
        if handlers.want(event.name()) {
            let bytes = event.raw().bytes();
            let task = Task::handler(socket, bytes, || handlers.dispatch(socket.clone(), event));
            self.run(task, cx);
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
                Task::handler(socket, 0, || handler(socket.clone(), reason)),
                cx,
            );
        }
        if reason.may_be_recovered()
            && socket.may_be_recovered()
            && let Some(session) = Session::of(socket)
        {
            namespace.0.adapter.persist_session(session);
        }
        namespace.0.adapter.remove(socket);
        drop(socket.acks().lock().drain());
        for handler in &namespace.0.handlers.on_disconnect {
            self.run(
                Task::handler(socket, 0, || handler(socket.clone(), reason)),
                cx,
            );
        }
        socket.end_stay();
    }

    /// Polls a task for the first time; most are finished then.
    pub(super) fn run(&mut self, mut task: Task, cx: &mut Context<'_>) {
        match task.poll_once(cx) {
            Poll::Ready(Ended { finished, .. }) => self.finish(finished),
            Poll::Pending => {
                self.in_flight_bytes += task.bytes();
                self.in_flight.get_or_insert_default().push(task);
            }
        }
    }

    fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Handler => {}
            Finished::Connecting(outcome) => self.decided(*outcome),
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
                self.end(CloseMode::Flush);
            }
        }
    }

    fn poll_in_flight(&mut self, cx: &mut Context<'_>) -> Option<Finished> {
        let in_flight = self.in_flight.as_mut()?;
        match in_flight.poll_next_unpin(cx) {
            Poll::Ready(Some(Ended { finished, bytes })) => {
                self.in_flight_bytes -= bytes;
                Some(finished)
            }
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
        // The server may have ended a socket meanwhile, and the client knows already.
        if self.client.has_commands() {
            self.take_commands();
        }
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
        let few = under_way < MAX_IN_FLIGHT || under_way < MAX_IN_FLIGHT + self.owed();
        few && self.in_flight_bytes < MAX_IN_FLIGHT_BYTES
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
            if let Some(occasion) = self.occasions.pop() {
                self.start(occasion, cx);
            } else if let Some(finished) = self.poll_in_flight(cx) {
                self.finish(finished);
            } else if !self.client.has_commands() {
                break;
            }
        }
        if was_full && self.wants_message() {
            // The stream may hold more that was not read because of that, and nothing else would
            // make the session look.
            cx.waker().wake_by_ref();
        }
        self.occasions.rest();
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
        for socket in self.connection.close() {
            self.occasions.push(Occasion::Disconnected(socket, reason));
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
