//! What answers at the port: which path is whose.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use engineio::HandshakeError;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use secrecy::ExposeSecret as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::chat::{self, Chat};
use crate::config::MetricsAccess;
use crate::drain;
use crate::http::{
    Admission, Cors, Pass, Refusal, Reply, Router, Site, StaticFiles, TrustedProxies, came_by_proxy,
};
use crate::metrics::{self, Metrics};
use crate::socketio::Io;

/// What names a request in the log, and to the client.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer names of a proxy are not taken over.
const MAX_REQUEST_ID_BYTES: usize = 128;
/// The path whose outcomes are counted.
const LOGIN: &str = "/api/auth/login";

/// The whole server, as requests see it.
pub(crate) struct Whole {
    /// The end has begun: not ready, and nobody new.
    pub(crate) draining: AtomicBool,
    pub(crate) io: Io,
    pub(crate) chat: Arc<Chat>,
    pub(crate) api: Router<Arc<Chat>>,
    pub(crate) cors: Cors,
    pub(crate) files: StaticFiles,
    pub(crate) proxies: TrustedProxies,
    pub(crate) admission: Arc<Admission>,
    pub(crate) metrics: Metrics,
    pub(crate) metrics_access: MetricsAccess,
}

/// The part of it that only operators see, at an address of its own.
pub(crate) struct Inside(pub(crate) Arc<Whole>);

/// Kept with a session: the place that it has.
pub(crate) struct SessionPass(pub(crate) Pass);

/// What operators and their programs read.
const INSPECTED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// The same, and the description of the API.
const READ_ONLY: [&str; 5] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/api-docs/openapi.json",
    "/api-docs/asyncapi.json",
];

impl Site for Whole {
    async fn respond(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let client = SocketAddr::new(
            self.proxies.client(peer.ip(), request.headers()),
            peer.port(),
        );
        if request.uri().path().starts_with(self.io.path()) {
            return self.socket_io(request, peer, client).await;
        }
        self.named(request, peer, client).await
    }
}

impl Site for Inside {
    async fn respond(&self, request: Request<Incoming>, _: SocketAddr) -> Response<Full<Bytes>> {
        let whole = &self.0;
        match request.uri().path() {
            path if INSPECTED.contains(&path) && !is_read(request.method()) => {
                whole.refused(Refusal::read_only())
            }
            "/metrics" => whole.metrics_page(),
            "/healthz" => health(StatusCode::OK, "alive"),
            "/readyz" => whole.ready().await,
            _ => whole.refused(Refusal::NotFound),
        }
    }
}

impl Whole {
    /// Everything that is logged on the way bears the id that the client is told.
    async fn named(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        client: SocketAddr,
    ) -> Response<Full<Bytes>> {
        let id = self.request_id(&request, peer);
        let (method, path) = (request.method(), request.uri().path());
        let span =
            tracing::info_span!("request", id = id.to_str().unwrap_or_default(), %method, path);
        let begun = Instant::now();
        let answer = async {
            let response = self.answer(request, peer, client).await;
            let (status, ms) = (
                response.status().as_u16(),
                begun.elapsed().as_millis() as u64,
            );
            match status {
                500.. => tracing::warn!(status, ms, "answered"),
                _ => tracing::debug!(status, ms, "answered"),
            }
            response
        };
        let mut response = answer.instrument(span).await;
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    /// What a trusted proxy calls the request, or a new name.
    fn request_id(&self, request: &Request<Incoming>, peer: SocketAddr) -> HeaderValue {
        let given = request.headers().get(REQUEST_ID);
        let given = given.filter(|_| self.proxies.trusts(peer.ip()));
        let given = given.filter(|id| id.len() <= MAX_REQUEST_ID_BYTES && id.to_str().is_ok());
        given.cloned().unwrap_or_else(|| {
            let id = Uuid::now_v7().simple().to_string();
            HeaderValue::try_from(id).expect("hexadecimal digits")
        })
    }

    /// Everything but Socket.IO.
    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        client: SocketAddr,
    ) -> Response<Full<Bytes>> {
        let (method, path) = (request.method(), request.uri().path());
        match path {
            path if path == "/api" || path.starts_with("/api/") => self.api(request, client).await,
            path if READ_ONLY.contains(&path) && !is_read(method) => {
                self.refused(Refusal::read_only())
            }
            "/metrics" => self.metrics_for(peer, request.headers()),
            "/healthz" => health(StatusCode::OK, "alive"),
            "/readyz" => self.ready().await,
            "/api-docs/openapi.json" => document(chat::api::openapi()),
            "/api-docs/asyncapi.json" => document(chat::api::asyncapi()),
            _ => {
                let page = self.files.respond(method, path, request.headers()).await;
                page.unwrap_or_else(|refusal| self.refused(refusal))
            }
        }
    }

    /// What goes wrong outside of `/api` reads as it does there.
    fn refused(&self, refusal: Refusal) -> Response<Full<Bytes>> {
        self.api.refused(refusal).into()
    }

    async fn api(&self, request: Request<Incoming>, client: SocketAddr) -> Response<Full<Bytes>> {
        if let Some(preflight) = self.cors.preflight(&request) {
            return preflight;
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let logs_in = request.method() == Method::POST && request.uri().path() == LOGIN;
        let chat = Arc::clone(&self.chat);
        let mut response = self.api.handle(chat, request, client).await;
        if logs_in {
            let logins = &self.metrics.port.logins;
            logins.count(login_outcome(response.status()));
        }
        self.cors.mark(origin.as_ref(), response.headers_mut());
        response
    }

    /// A new session needs a place, which it keeps for as long as it lasts.
    async fn socket_io(
        &self,
        mut request: Request<Incoming>,
        peer: SocketAddr,
        client: SocketAddr,
    ) -> Response<Full<Bytes>> {
        if self.proxies.is_secure(peer.ip(), request.headers()) {
            request.extensions_mut().insert(engineio::Secure);
        }
        if request.uri().path() == self.io.path() && opens_session(request.uri()) {
            match self.place(client) {
                Ok(pass) => {
                    let pass = engineio::Attached(Arc::new(SessionPass(pass)));
                    request.extensions_mut().insert(pass);
                }
                Err(refusal) => return refusal.into(),
            }
        }
        let response = self.io.handle(request, client).await;
        let error = response.extensions().get::<HandshakeError>();
        if error.is_some_and(HandshakeError::is_unknown_session)
            && let Err(full) = (self.admission).unknown_session(client.ip(), Instant::now())
        {
            self.metrics.port.refuse(full.reason(), client.ip());
            return full.reply().into();
        }
        response
    }

    fn place(&self, client: SocketAddr) -> Result<Pass, Reply> {
        let port = &self.metrics.port;
        if self.is_draining() {
            port.refused.count("draining");
            return Err(drain::refusal());
        }
        self.admission.session(client.ip()).map_err(|full| {
            port.refuse(full.reason(), client.ip());
            full.reply()
        })
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    async fn ready(&self) -> Response<Full<Bytes>> {
        if self.is_draining() {
            return drain::refusal().into();
        }
        match self.chat.check_ready().await {
            Ok(()) => {
                let durability = self.chat.durability().as_str();
                let state = json!({ "status": "ready", "durability": durability });
                Reply::success(StatusCode::OK, &state).into()
            }
            Err(error) => Reply::from(error).into(),
        }
    }

    /// Who may not read them does not learn that they are there.
    fn metrics_for(&self, peer: SocketAddr, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let allowed = match &self.metrics_access {
            MetricsAccess::Off => false,
            MetricsAccess::Local => peer.ip().is_loopback() && !came_by_proxy(headers),
            MetricsAccess::Token(token) => bears(headers, token.expose_secret()),
        };
        if allowed {
            self.metrics_page()
        } else {
            self.refused(Refusal::NotFound)
        }
    }

    fn metrics_page(&self) -> Response<Full<Bytes>> {
        let page = self.metrics.page(&self.io, &self.chat, self.is_draining());
        let mut response = Response::new(Full::from(page));
        let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// Compared by hash, so that the time does not tell how much of a token was right.
fn bears(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
    given.is_some_and(|given| Sha256::digest(given) == Sha256::digest(token))
}

fn login_outcome(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "accepted",
        401 => "refused",
        429 => "rate-limited",
        400..500 => "malformed",
        _ => "failed",
    }
}

/// Whether a request under the path of Socket.IO is a handshake: it names no session.
fn opens_session(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).all(|(name, _)| name != "sid")
}

/// A document of the API description.
fn document(document: &serde_json::Value) -> Response<Full<Bytes>> {
    Reply::json(StatusCode::OK, document).into()
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn health(status: StatusCode, state: &str) -> Response<Full<Bytes>> {
    Reply::success(status, &json!({ "status": state })).into()
}
