//! Answering a request: what it is, whether its page may ask, and who has the reply.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};
use http_body_util::Full;

use super::{
    Application, Reply, Server, cors,
    handle::{Payload, PollReply, Shared},
    requests, route,
};
#[cfg(feature = "compression")]
use crate::transport::compression::Encoding;
use crate::{
    config::Cors,
    error::HandshakeError,
    proto::{
        TransportKind,
        handshake::{self as handshake_rules, Query, Refused, Request as Kind},
    },
    transport::polling::{self, BodyLimits},
};

impl<A: Application> Server<A> {
    /// Answers a request for the server's path, once its cross-origin rules are known.
    pub(super) async fn answer<B>(
        &self,
        parts: &mut request::Parts,
        body: B,
        peer: SocketAddr,
        cors: Option<&Cors>,
    ) -> Reply
    where
        B: http_body::Body + Send,
        B::Data: Send,
    {
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let mut session = None;
        let request = handshake_rules::classify(
            route::facts(parts, &query),
            self.inner.config.transports,
            |sid| {
                session = self.inner.registry.get(sid);
                session.as_ref().map(|session| session.lock().transport)
            },
        )?;
        self.check_origin(parts, cors)?;
        // What a handshake needs lies in a box: polls and posts, which are many, must not make room
        // for it.
        let mut response = match (request, session) {
            (Kind::Handshake(TransportKind::Polling), _) => {
                Box::pin(self.open_polling(parts, &query, peer)).await?
            }
            (Kind::Handshake(TransportKind::Websocket), _) => {
                Box::pin(self.open_stream(parts, &query, peer)).await?
            }
            (Kind::Session(TransportKind::Websocket), Some(session)) => {
                self.attach_stream(parts, &query, session)?
            }
            (Kind::Session(TransportKind::Polling), Some(session)) => {
                self.answer_polling(parts, body, session).await?
            }
            (Kind::Session(..), None) => return Err(Refused::UnknownSid.into()),
        };
        if response.status().is_success() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.apply_hooks(&mut response, parts, matches!(request, Kind::Handshake(_)));
        }
        Ok(response)
    }

    async fn answer_polling<B>(
        &self,
        parts: &request::Parts,
        body: B,
        session: Arc<Shared>,
    ) -> Reply
    where
        B: http_body::Body + Send,
        B::Data: Send,
    {
        match parts.method {
            Method::GET => match requests::poll(session).await {
                PollReply::Payload(payload) => Ok(self.payload(&parts.headers, payload).await),
                PollReply::Refused(admission) => requests::refuse(admission),
            },
            Method::POST if polling::is_octet_stream(&parts.headers) => {
                Ok(requests::refuse_unread(&session, StatusCode::BAD_REQUEST))
            }
            Method::POST if polling::is_encoded(&parts.headers) => {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                let mut response = requests::refuse_unread(&session, status);
                // RFC 9110 section 15.5.16: what would be taken.
                let identity = HeaderValue::from_static("identity");
                response
                    .headers_mut()
                    .insert(header::ACCEPT_ENCODING, identity);
                Ok(response)
            }
            Method::POST => {
                let config = &self.inner.config;
                let limits = BodyLimits {
                    max_bytes: config.max_payload,
                    idle_timeout: config.body_idle_timeout,
                    total_timeout: config.body_timeout,
                };
                requests::post(&session, body, limits).await
            }
            _ => {
                let mut response = polling::bare(StatusCode::METHOD_NOT_ALLOWED);
                let allow = HeaderValue::from_static("GET, POST");
                response.headers_mut().insert(header::ALLOW, allow);
                Ok(response)
            }
        }
    }

    /// The reply that carries a payload, compressed if the client and the configuration want it.
    pub(super) async fn payload(
        &self,
        headers: &HeaderMap,
        payload: Payload,
    ) -> Response<Full<Bytes>> {
        #[cfg(feature = "compression")]
        if let Some(compression) = self.inner.config.http_compression
            && payload.compressible
            && payload.body.len() >= compression.threshold
            && let Some(encoding) = Encoding::negotiate(headers)
            // A clone shares the bytes; what cannot be compressed is sent as it is.
            && let Ok(encoded) = Box::pin(encoding.encode(payload.body.clone())).await
        {
            let mut response = polling::payload(encoded);
            let fields = response.headers_mut();
            fields.insert(header::CONTENT_ENCODING, encoding.into());
            return response;
        }
        let _ = (headers, payload.compressible);
        polling::payload(payload.body)
    }

    /// A page of another origin may not act with what its visitor's browser knows. The official
    /// server leaves this to the browser, which does not check WebSockets.
    fn check_origin(
        &self,
        parts: &request::Parts,
        cors: Option<&Cors>,
    ) -> Result<(), HandshakeError> {
        if cors::is_origin_allowed(cors, &parts.headers) {
            return Ok(());
        }
        if self.inner.origin_log.may_log() {
            let origin = parts.headers.get(header::ORIGIN);
            tracing::warn!(
                ?origin,
                "refused a page of another origin; Config::cors would allow it"
            );
        }
        Err(HandshakeError::OriginNotAllowed)
    }

    fn apply_hooks(
        &self,
        response: &mut Response<Full<Bytes>>,
        parts: &request::Parts,
        initial: bool,
    ) {
        let config = &self.inner.config;
        if response.status() == StatusCode::OK {
            polling::silence_xss_filter(&parts.headers, response.headers_mut());
        }
        let initial = config.initial_headers.as_ref().filter(|_| initial);
        for hook in initial.into_iter().chain(&config.headers) {
            hook.apply(response.headers_mut(), parts);
        }
    }
}
