//! The server: it answers requests and runs one task per session.

mod answer;
mod backlog;
mod begun;
mod connection;
mod cors;
mod driver;
mod fanout;
mod handle;
mod handshake;
mod open;
mod registry;
mod requests;
mod route;
mod service;
mod streams;

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::Arc,
    task,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request};
use http_body_util::Full;
use tokio::sync::watch;

pub use self::{
    begun::{Begun, begin},
    connection::{HttpConnection, HttpEnd},
    fanout::Fanout,
    handle::{CloseMode, SendError, SessionHandle},
    handshake::{Attached, Handshake, Secure},
    service::ConnectionService,
    streams::{Event, SessionEvents, Sessions, StreamHandler, Streams, sessions},
};
use self::{handle::Command, registry::Registry};
use crate::{
    config::{Config, Cors, CorsUndecided},
    error::HandshakeError,
    proto::{CloseReason, Message, handshake::BadRequest, session::Settings},
    transport::polling,
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

    /// A request was refused before it reached a session. [`HandshakeError::code`] and its text are
    /// what the client is told, [`HandshakeError::context`] is why.
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
    /// See [`Config::exact_path`].
    path: String,
    application: A,
    registry: Arc<Registry>,
    /// Shared by the sessions.
    settings: Arc<Settings>,
    /// Told at every [`Server::close`].
    closing: watch::Sender<()>,
    origin_log: LogThrottle,
}

impl<A: Application> Clone for Server<A> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

type Reply = Result<Response<Full<Bytes>>, HandshakeError>;

impl<A: Application> Server<A> {
    /// Makes a server.
    pub fn new(config: Config, application: A) -> Self {
        let registry = Registry::new(config.outbox.total_bytes, Arc::clone(&config.metrics));
        let origin_log = LogThrottle::default();
        let path = config.exact_path();
        let settings = Arc::new(config.session_settings());
        Self {
            inner: Arc::new(Inner {
                config,
                path,
                application,
                registry,
                settings,
                closing: watch::Sender::new(()),
                origin_log,
            }),
        }
    }

    /// The application.
    #[must_use]
    pub fn application(&self) -> &A {
        &self.inner.application
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Answers a request. What is not for the server's path gets 404; the others get the replies
    /// of the official server; those of refusals have their [`HandshakeError`] among the extensions.
    /// A poll is answered when there is something to say, so no time-out
    /// shorter than [`Config::ping_interval`] may be put around this.
    ///
    /// For upgrades the connection must be served with upgrades enabled, in hyper
    /// `http1::Builder::serve_connection(…).with_upgrades()`.
    pub async fn handle<B>(&self, request: Request<B>, peer: SocketAddr) -> Response<Full<Bytes>>
    where
        B: http_body::Body + Send,
        B::Data: Send,
    {
        let (mut parts, body) = request.into_parts();
        if let Some(response) = self.refuse_early(&parts) {
            return response;
        }
        let cors = match self.cors(&parts, peer).await {
            Ok(cors) => cors,
            Err(error) => return self.refuse(&parts, error),
        };
        match &cors {
            Some(cors) if parts.method == Method::OPTIONS => return cors::preflight(cors, &parts),
            _ => {}
        }
        let reply = self.answer(&mut parts, body, peer, cors.as_deref()).await;
        // No page can read why its WebSocket was refused.
        let is_read = reply.is_ok() || !route::is_upgrade(&parts);
        let mut response = reply.unwrap_or_else(|error| self.refuse(&parts, error));
        if let Some(cors) = cors.as_ref().filter(|_| is_read) {
            cors::decorate(cors, &parts.headers, response.headers_mut());
        }
        response
    }

    /// The rules of cross-origin access for a request, also for what an application serves beside
    /// the protocol: see [`Cors::add_headers`].
    ///
    /// # Errors
    /// The delegate could not decide.
    pub async fn cors(
        &self,
        parts: &request::Parts,
        peer: SocketAddr,
    ) -> Result<Option<Cow<'_, Cors>>, HandshakeError> {
        let config = &self.inner.config;
        match &config.cors_delegate {
            None => Ok(config.cors.as_ref().map(Cow::Borrowed)),
            Some(delegate) => match delegate.decide(parts, peer).await {
                Ok(cors) => Ok(cors.map(Cow::Owned)),
                Err(CorsUndecided) => Err(BadRequest::CorsUndecided.into()),
            },
        }
    }

    /// Tells the application, and makes the reply.
    fn refuse(&self, parts: &request::Parts, error: HandshakeError) -> Response<Full<Bytes>> {
        tracing::debug!(code = error.code(), %error, "request refused");
        self.inner.config.metrics.refused(error.code()).count();
        self.inner.application.connection_error(parts, &error);
        let mut response = match route::is_upgrade(parts) {
            true => error.clone().into_upgrade_response(),
            false => error.clone().into_response(),
        };
        response.extensions_mut().insert(error);
        response
    }

    /// Closes every session at once; what is queued for them is lost. Connections that
    /// [`Server::serve_connection`] serves end behind the reply under way.
    pub fn close(&self) {
        self.inner.closing.send_replace(());
        for session in self.inner.registry.snapshot() {
            session.push(Command::Close(CloseMode::Discard));
        }
    }

    /// Handles on all sessions of this moment, in no order: for closing them by and by, and for
    /// counting what waits for them.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionHandle> {
        let sessions = self.inner.registry.snapshot();
        sessions.into_iter().map(SessionHandle).collect()
    }

    /// Waits until every session has ended (its handler has no work under way, and its stream is
    /// closed), and every connection of [`Server::serve_connection`]. For use after
    /// [`Server::close`], and after no more connections are accepted: what is opened meanwhile is
    /// waited for as well. Streams whose peers do not answer the close frame take 1.5 s; how long a
    /// handler's own work takes is its business, so that a time-out belongs around this.
    pub async fn closed(&self) {
        self.inner.registry.idle().await;
    }

    /// Number of open sessions.
    #[must_use]
    pub fn clients_count(&self) -> usize {
        self.inner.registry.len()
    }

    /// What is answered before the protocol is looked at.
    fn refuse_early(&self, parts: &request::Parts) -> Option<Response<Full<Bytes>>> {
        let config = &self.inner.config;
        if parts.uri.path() != self.inner.path {
            return Some(polling::bare(StatusCode::NOT_FOUND));
        }
        if parts
            .uri
            .path_and_query()
            .is_some_and(|target| target.as_str().len() > config.max_uri)
        {
            return Some(polling::closing(polling::bare(StatusCode::URI_TOO_LONG)));
        }
        route::lacks_host(parts)
            .then(|| polling::closing(self.refuse(parts, BadRequest::NoHost.into())))
    }
}

/// Lets one line a second through, so that a hostile page cannot fill the log.
#[derive(Default)]
struct LogThrottle(parking_lot::Mutex<Option<Instant>>);

impl LogThrottle {
    fn may_log(&self) -> bool {
        let now = Instant::now();
        let mut last = self.0.lock();
        let due = last.is_none_or(|last| now >= last + Duration::from_secs(1));
        if due {
            *last = Some(now);
        }
        due
    }
}
