//! The server: it answers requests and runs one task per session.

mod handle;
mod handshake;

use std::{net::SocketAddr, sync::Arc, task, task::Poll, time::Instant};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body_util::Full;

pub use self::{
    handle::{CloseMode, Enqueued, SendError, SessionHandle},
    handshake::{Handshake, Secure},
};
use crate::{
    config::Config,
    error::HandshakeError,
    proto::{CloseReason, Message},
};

/// The application's side of one session. It lives in the session's task, as plain mutable state:
/// no two of its methods run at once, and nothing of it needs a lock.
///
/// After every call the server sends what the handler has queued on its [`SessionHandle`].
pub trait Handler: Send + 'static {
    /// A message arrived. `now` is the time of the task's turn.
    fn handle_message(&mut self, message: Message<'_>, now: Instant);

    /// Whether the handler takes messages. While it does not, the server does not read from the
    /// client; a missing pong is then not held against the client, but the session is closed when
    /// it lasts longer than [`Config::stall_timeout`].
    fn wants_message(&self) -> bool {
        true
    }

    /// When [`Handler::handle_timeout`] is to be called, if at all. Asked after every call.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The time of [`Handler::poll_timeout`] has come.
    fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// Drives the work that the handler has begun; `Ready` when nothing is under way. Called in
    /// every turn of the task, after messages and time-outs, and also when the session is closed,
    /// until it is `Ready`: only then does the task end.
    fn poll_tasks(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }

    /// The outbox had passed its soft limit and has drained.
    fn handle_drained(&mut self, now: Instant) {
        let _ = now;
    }

    /// The session is closed. Called once; no message follows.
    fn handle_close(&mut self, reason: CloseReason, now: Instant) {
        let _ = (reason, now);
    }
}

/// What a [`Server`] serves.
pub trait Application: Send + Sync + 'static {
    /// The state of one session.
    type Handler: Handler;

    /// A session was opened. What is sent here arrives after the open packet, in a message of its
    /// own.
    fn open(&self, handshake: Handshake, session: SessionHandle) -> Self::Handler;

    /// A request was refused before it reached a session.
    fn connection_error(&self, request: &request::Parts, error: &HandshakeError) {
        let _ = (request, error);
    }
}

/// An Engine.IO server. Cheap to clone.
pub struct Server<A: Application> {
    inner: Arc<Inner<A>>,
}

struct Inner<A> {
    config: Config,
    application: A,
}

impl<A: Application> Clone for Server<A> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<A: Application> Server<A> {
    /// Makes a server.
    pub fn new(config: Config, application: A) -> Self {
        Self { inner: Arc::new(Inner { config, application }) }
    }

    /// The application.
    pub fn application(&self) -> &A {
        &self.inner.application
    }

    /// Answers a request to the server's path.
    pub async fn handle<B>(&self, request: Request<B>, peer: SocketAddr) -> Response<Full<Bytes>>
    where
        B: http_body::Body + Send,
        B::Data: Send,
    {
        let _ = (request, peer, &self.inner.config);
        Response::new(Full::default())
    }

    /// Closes every session at once; what is queued for them is lost.
    pub fn close(&self) {}

    /// Number of open sessions.
    pub fn clients_count(&self) -> usize {
        0
    }
}
