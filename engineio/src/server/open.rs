//! Opening sessions: the checks of a handshake, the id, the first packets, the task.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;

use super::{
    Application, Handshake, Inner, Server, SessionHandle,
    driver::{SessionTask, Start},
    handle::{Command, Payload, Shared},
    registry::{Registry, Running},
    route,
};
use crate::{
    config::Cookie,
    error::HandshakeError,
    proto::{
        Frame, Session, SessionId, Sid, TransportKind,
        handshake::{BadRequest, Open, Query, Refused},
        inspector::StreamLimits,
        payload,
    },
    transport::{
        polling,
        websocket::{StreamOptions, WebSocketStream},
    },
};

type Reply = Result<Response<Full<Bytes>>, HandshakeError>;

impl<A: Application> Server<A> {
    /// A handshake over polling: the reply holds the open packet, and the initial one.
    pub(super) async fn open_polling(
        &self,
        parts: &request::Parts,
        query: &Query,
        peer: SocketAddr,
    ) -> Reply {
        self.admit(parts, query, peer).await?;
        let kind = TransportKind::Polling;
        let opening = self.inner.register(parts, peer, kind).await?;
        let sid = opening.shared.sid.clone();
        let open = Bytes::from(self.inner.open_packet(&sid, kind));
        let initial = self
            .inner
            .config
            .initial_packet
            .iter()
            .flat_map(Frame::records);
        let payload = Payload {
            body: payload::join(std::iter::once(open).chain(initial)),
            compressible: self
                .inner
                .config
                .initial_packet
                .iter()
                .all(Frame::is_compressible),
        };
        let mut response = self.payload(&parts.headers, payload).await;
        if let Some(cookie) = &self.inner.config.cookie {
            set_cookie(&mut response, cookie, &sid);
        }
        let handshake = Handshake::new(parts, peer, SystemTime::now(), kind);
        self.start(opening, handshake, None);
        Ok(response)
    }

    /// A WebSocket handshake: answers 101, and opens the session when the stream is handed over.
    pub(super) async fn open_stream(
        &self,
        parts: &mut request::Parts,
        query: &Query,
        peer: SocketAddr,
    ) -> Reply {
        self.admit(parts, query, peer).await?;
        let switching = switch_protocols(parts)?;
        let kind = TransportKind::Websocket;
        // Before the 101: a failure can still be told. Should the stream never come, the session
        // is taken off again.
        let opening = self.inner.register(parts, peer, kind).await?;
        let handshake = Handshake::new(parts, peer, SystemTime::now(), kind);
        let server = self.clone();
        let options = self.inner.stream_options(query);
        tokio::spawn(async move {
            let Ok(upgraded) = switching.upgrade.await else {
                return;
            };
            let stream = WebSocketStream::new(upgraded, options);
            // In a task of its own, so that nothing of the handshake stays with the session.
            server.start(opening, handshake, Some(stream));
        });
        Ok(switching.response)
    }

    /// A WebSocket for an open session: answers 101 and hands the stream to the session's task,
    /// which closes it if it is one too many.
    pub(super) fn attach_stream(
        &self,
        parts: &mut request::Parts,
        query: &Query,
        session: Arc<Shared>,
    ) -> Reply {
        let switching = switch_protocols(parts)?;
        let options = self.inner.stream_options(query);
        tokio::spawn(async move {
            if let Ok(upgraded) = switching.upgrade.await {
                let stream = Box::new(WebSocketStream::new(upgraded, options));
                session.push(Command::Attach(stream));
            }
        });
        Ok(switching.response)
    }

    /// The checks that only a handshake undergoes, in the official order.
    async fn admit(
        &self,
        parts: &request::Parts,
        query: &Query,
        peer: SocketAddr,
    ) -> Result<(), HandshakeError> {
        if let Some(hook) = &self.inner.config.allow_request {
            let decision = hook.decide(parts, peer).await;
            decision.map_err(HandshakeError::Forbidden)?;
        }
        match query.is_revision_4() {
            true => Ok(()),
            false => Err(Refused::UnsupportedProtocol.into()),
        }
    }

    /// Starts the task of a session.
    fn start(&self, opening: Opening, handshake: Handshake, stream: Option<WebSocketStream>) {
        let inner = &self.inner;
        let kind = handshake.transport();
        let now = tokio::time::Instant::now().into_std();
        let session = Session::new(Arc::clone(&inner.settings), kind, now);
        inner.config.metrics.opened(kind).count();
        let shared = Arc::clone(&opening.shared);
        if let Some(stream) = &stream {
            inner.queue_first_packets(&shared, stream);
        }
        let handler = inner
            .application
            .open(handshake, SessionHandle(Arc::clone(&shared)));
        let running = opening.done();
        tokio::spawn(SessionTask::new(Start {
            shared,
            registry: Arc::clone(&inner.registry),
            session,
            handler,
            stream,
            max_packets: inner.config.max_packets,
            running,
        }));
    }
}

impl<A: Application> Inner<A> {
    /// Makes an id, or has the application make it, and registers a session under it.
    async fn register(
        &self,
        parts: &request::Parts,
        peer: SocketAddr,
        kind: TransportKind,
    ) -> Result<Opening, HandshakeError> {
        if let Some(hook) = &self.config.generate_id {
            let sid = hook.generate(parts, peer).await;
            let opening = sid.and_then(|sid| self.try_register(sid, kind));
            return opening.ok_or_else(|| BadRequest::IdGeneration.into());
        }
        loop {
            let mut random = [0; Sid::LEN];
            getrandom::fill(&mut random).map_err(|error| {
                tracing::error!(%error, "no randomness for session ids");
                BadRequest::IdGeneration
            })?;
            if let Some(opening) = self.try_register(Sid::from_random(random).into(), kind) {
                return Ok(opening);
            }
        }
    }

    /// `None`: the id is taken.
    fn try_register(&self, sid: SessionId, kind: TransportKind) -> Option<Opening> {
        let shared = Arc::new(Shared::new(
            sid,
            kind,
            self.config.outbox,
            self.registry.backlog(),
        ));
        self.registry.insert(&shared).then(|| Opening {
            shared,
            registry: Arc::clone(&self.registry),
            running: Some(self.registry.begin()),
        })
    }

    fn open_packet(&self, sid: &SessionId, kind: TransportKind) -> String {
        let open = Open {
            sid,
            upgrade: kind == TransportKind::Polling && self.config.offers_upgrade(),
            ping_interval: self.config.ping_interval,
            ping_timeout: self.config.ping_timeout,
            max_payload: self.config.max_payload,
        };
        open.encode()
    }

    fn queue_first_packets(&self, shared: &Shared, stream: &WebSocketStream) {
        let open = self.open_packet(&shared.sid, TransportKind::Websocket);
        let mut slot = shared.lock();
        slot.outbox.set_form(stream.binary_form());
        let initial = self.config.initial_packet.iter().cloned();
        for frame in std::iter::once(Frame::packet(&open)).chain(initial) {
            // The outbox is new: nothing is refused, and nobody sleeps.
            let _ = slot.outbox.enqueue(frame);
        }
    }

    fn stream_options(&self, query: &Query) -> StreamOptions {
        StreamOptions {
            max_payload: self.config.max_payload,
            limits: StreamLimits {
                max_fragments: self.config.max_fragments,
                message_timeout: self.config.body_timeout,
            },
            form: query.binary_form(),
        }
    }
}

/// A registered session whose task does not run yet. Dropped before that (the application
/// panicked, or the stream never came), it leaves the registry again.
struct Opening {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    /// Until the task runs.
    running: Option<Running>,
}

impl Opening {
    fn done(mut self) -> Running {
        self.running.take().expect("taken here alone")
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.registry.remove(&self.shared.sid);
            let mut slot = self.shared.lock();
            slot.closed = true;
            // Nobody will answer what was asked of the session meanwhile.
            drop(slot.take_commands());
        }
    }
}

/// A well-formed upgrade: the reply, and the stream to come.
struct Switching {
    response: Response<Full<Bytes>>,
    upgrade: OnUpgrade,
}

/// No extension is ever agreed on, above all no compression: a peer could make us inflate.
fn switch_protocols(parts: &mut request::Parts) -> Result<Switching, HandshakeError> {
    let accept = route::accept_key(&parts.headers)?;
    let subprotocol = route::subprotocol(&parts.headers)?;
    let upgrade = parts
        .extensions
        .remove::<OnUpgrade>()
        .ok_or(BadRequest::NotAnUpgrade)?;
    let mut response = polling::bare(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(name) = subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    Ok(Switching { response, upgrade })
}

fn set_cookie(response: &mut Response<Full<Bytes>>, cookie: &Cookie, sid: &SessionId) {
    match cookie.line(sid.as_str()) {
        Some(line) => {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
        None => tracing::error!("the configured cookie is no header value"),
    }
}
