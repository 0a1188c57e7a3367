//! Configuration of a server.

use std::{
    fmt,
    future::{Future, ready},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, request};

use crate::metrics::Metrics;
use crate::proto::{
    Frame, Sid, Transports, outbox::OutboxLimits, payload::DEFAULT_MAX_PACKETS, session::Settings,
};

/// Everything that can be set on a [`Server`](crate::Server). The defaults are those of the
/// official server, where it has the option.
#[derive(Clone)]
pub struct Config {
    /// The exact path that the server answers. Default `/engine.io/`.
    pub path: String,
    /// From the open packet, or a pong, to the next ping. Default 25 s.
    pub ping_interval: Duration,
    /// From a ping to its pong, at most. Default 20 s.
    pub ping_timeout: Duration,
    /// From the opening of a WebSocket for a polling session to the end of the upgrade, at most;
    /// then the WebSocket is closed and polling lives on. Default 10 s.
    pub upgrade_timeout: Duration,
    /// How long an orderly close waits for the client to take what is queued. Default 30 s.
    pub close_timeout: Duration,
    /// How long a [`Handler`](crate::Handler) may refuse messages before its session is closed.
    /// Default 30 s.
    pub stall_timeout: Duration,
    /// Longest request body and WebSocket message, in bytes. Default 1,000,000.
    pub max_payload: usize,
    /// Packets that one request body may carry. Default 4096.
    pub max_packets: usize,
    /// Fragments that one WebSocket message may have, empty ones included. Default 1024.
    pub max_fragments: u32,
    /// How long the bytes of a request body may pause. Default 5 s.
    pub body_idle_timeout: Duration,
    /// How long a request body, or a fragmented WebSocket message, may take. Default 30 s.
    pub body_timeout: Duration,
    /// Longest request target, in bytes; longer ones get 414. Default 8192.
    pub max_uri: usize,
    /// Which transports are offered. Default both.
    pub transports: Transports,
    /// Whether polling sessions may upgrade to WebSocket. Default yes.
    pub allow_upgrades: bool,
    /// Limits of what may wait for one session. Default 1 MiB soft, 4 MiB hard.
    pub outbox: OutboxLimits,
    /// How long a session may stay past the soft limit before it is closed. Default 10 s.
    pub congestion_timeout: Duration,
    /// How long a client may take no byte of its WebSocket while some wait for it. Default 20 s.
    pub write_timeout: Duration,
    /// Sent right after the open packet. Default none.
    pub initial_packet: Option<Frame>,
    /// A cookie that carries the session id, set by the reply to a polling handshake and by nothing
    /// else. Default none.
    pub cookie: Option<Cookie>,
    /// Which other origins may connect, and the headers that let their browsers do so. Default
    /// none: requests that carry an `Origin` must name the server's own host.
    pub cors: Option<Cors>,
    /// Decides on each handshake. Default: all are allowed.
    pub allow_request: Option<AllowRequest>,
    /// Makes the ids of sessions. Default: 120 random bits.
    pub generate_id: Option<GenerateId>,
    /// Compresses long replies to polls, as the client's `Accept-Encoding` says. Default from 1024
    /// bytes; none: never. A frame that is [`Frame::compress`]`(false)` keeps its whole payload
    /// plain. Bodies of requests are never inflated, and WebSockets compress nothing.
    #[cfg(feature = "compression")]
    pub http_compression: Option<HttpCompression>,
    /// Adds headers to the reply of a handshake, once per session. Default none.
    pub initial_headers: Option<HeadersHook>,
    /// Adds headers to every reply of a session, the 101 included. Default none.
    pub headers: Option<HeadersHook>,
    /// What the server counts. Default: counters that nobody reads.
    pub metrics: Arc<Metrics>,
}

impl Default for Config {
    fn default() -> Self {
        let times = Settings::default();
        Self {
            path: "/engine.io/".to_owned(),
            ping_interval: times.ping_interval,
            ping_timeout: times.ping_timeout,
            upgrade_timeout: times.upgrade_timeout,
            close_timeout: times.close_timeout,
            stall_timeout: times.stall_timeout,
            max_payload: 1_000_000,
            max_packets: DEFAULT_MAX_PACKETS,
            max_fragments: 1024,
            body_idle_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            max_uri: 8192,
            transports: Transports::default(),
            allow_upgrades: true,
            outbox: OutboxLimits::default(),
            congestion_timeout: times.congestion_timeout,
            write_timeout: times.write_timeout,
            initial_packet: None,
            cookie: None,
            cors: None,
            allow_request: None,
            generate_id: None,
            #[cfg(feature = "compression")]
            http_compression: Some(HttpCompression::default()),
            initial_headers: None,
            headers: None,
            metrics: Arc::default(),
        }
    }
}

impl Config {
    pub(crate) fn session_settings(&self) -> Settings {
        Settings {
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            upgrade_timeout: self.upgrade_timeout,
            close_timeout: self.close_timeout,
            stall_timeout: self.stall_timeout,
            congestion_timeout: self.congestion_timeout,
            write_timeout: self.write_timeout,
        }
    }

    /// Whether a polling session is told that it may upgrade.
    pub(crate) fn offers_upgrade(&self) -> bool {
        self.allow_upgrades && self.transports.websocket
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("path", &self.path)
            .field("ping_interval", &self.ping_interval)
            .field("ping_timeout", &self.ping_timeout)
            .field("max_payload", &self.max_payload)
            .field("transports", &self.transports)
            .field("cors", &self.cors)
            .finish_non_exhaustive()
    }
}

/// Compression of replies to polls: gzip, deflate and br.
#[cfg(feature = "compression")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpCompression {
    /// Shortest payload that is compressed, in bytes. Default 1024.
    pub threshold: usize,
}

#[cfg(feature = "compression")]
impl Default for HttpCompression {
    fn default() -> Self {
        Self { threshold: 1024 }
    }
}

/// The `SameSite` attribute of the [`Cookie`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Sent by requests of the same site only.
    Strict,
    /// Sent by top-level navigation as well.
    Lax,
    /// Always sent; browsers then want `Secure`.
    None,
}

/// The session cookie. It identifies a session to load balancers; the server itself never reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Default `io`.
    pub name: String,
    /// Default `/`.
    pub path: String,
    /// Default yes.
    pub http_only: bool,
    /// Default [`SameSite::Lax`].
    pub same_site: SameSite,
    /// Default no.
    pub secure: bool,
    /// Default none: a session cookie.
    pub max_age: Option<Duration>,
}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            name: "io".to_owned(),
            path: "/".to_owned(),
            http_only: true,
            same_site: SameSite::Lax,
            secure: false,
            max_age: None,
        }
    }
}

/// Which origins a browser may come from.
#[derive(Clone)]
pub enum Origins {
    /// Any, as `*`. Credentials are then never allowed, whatever [`Cors::credentials`] says.
    Any,
    /// These, compared exactly, as `https://example.org`.
    List(Vec<String>),
    /// Those for which the predicate holds.
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Origins {
    pub(crate) fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::List(list) => list.iter().any(|allowed| allowed == origin),
            Self::Matching(predicate) => predicate(origin),
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("Any"),
            Self::List(list) => f.debug_tuple("List").field(list).finish(),
            Self::Matching(_) => f.write_str("Matching(…)"),
        }
    }
}

/// Cross-origin access. The replies are those of the `cors` package that the official server uses.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Which origins. Default any.
    pub origins: Origins,
    /// Whether browsers may send cookies and authorisation. Default no.
    pub credentials: bool,
    /// Methods named by the answer to a preflight. Default `GET,HEAD,PUT,PATCH,POST,DELETE`.
    pub methods: Vec<String>,
    /// Headers named by the answer to a preflight. Default none: those that it asks for.
    pub allowed_headers: Vec<String>,
    /// Response headers that scripts may read. Default none.
    pub exposed_headers: Vec<String>,
    /// How long browsers may remember the answer to a preflight. Default unset.
    pub max_age: Option<Duration>,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            origins: Origins::Any,
            credentials: false,
            methods: ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"]
                .map(str::to_owned)
                .to_vec(),
            allowed_headers: Vec::new(),
            exposed_headers: Vec::new(),
            max_age: None,
        }
    }
}

/// What an [`AllowRequest`] hook answers to refuse a handshake: status 403 and code 4 over polling,
/// status 400 on an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The message of the reply; the official text is `Forbidden`.
    pub message: String,
}

impl Default for Refusal {
    fn default() -> Self {
        Self {
            message: "Forbidden".to_owned(),
        }
    }
}

type AllowFuture = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;
type Decide = dyn Fn(&request::Parts, SocketAddr) -> AllowFuture + Send + Sync;
type IdFuture = Pin<Box<dyn Future<Output = Option<Sid>> + Send>>;
type MakeId = dyn Fn(&request::Parts, SocketAddr) -> IdFuture + Send + Sync;
type ChangeHeaders = dyn Fn(&mut HeaderMap, &request::Parts) + Send + Sync;

/// An asynchronous decision on each handshake. It may be slow: only the request itself waits.
#[derive(Clone)]
pub struct AllowRequest(Arc<Decide>);

impl AllowRequest {
    /// Wraps a function of the request and the peer's address. The future may not borrow them.
    pub fn new<F, R>(decide: F) -> Self
    where
        F: Fn(&request::Parts, SocketAddr) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        Self(Arc::new(move |parts, peer| Box::pin(decide(parts, peer))))
    }

    pub(crate) fn decide(&self, parts: &request::Parts, peer: SocketAddr) -> AllowFuture {
        (self.0)(parts, peer)
    }
}

/// Makes the ids of sessions, for example with a prefix that a load balancer routes by.
///
/// The hook gives a [`Sid`], which only [`Sid::parse`] makes of a text: an id is always safe in a
/// header, a cookie and a URL. When it gives `None`, or the id of an open session, the handshake is
/// refused with code 3. An id is a secret that opens its session: most of it has to be random.
#[derive(Clone)]
pub struct GenerateId(Arc<MakeId>);

impl GenerateId {
    /// Wraps a function of the request and the peer's address.
    pub fn new(
        generate: impl Fn(&request::Parts, SocketAddr) -> Option<Sid> + Send + Sync + 'static,
    ) -> Self {
        Self::asynchronous(move |parts, peer| ready(generate(parts, peer)))
    }

    /// Wraps a function whose answer may take a while. The future may not borrow the request.
    pub fn asynchronous<F, R>(generate: F) -> Self
    where
        F: Fn(&request::Parts, SocketAddr) -> R + Send + Sync + 'static,
        R: Future<Output = Option<Sid>> + Send + 'static,
    {
        Self(Arc::new(move |parts, peer| Box::pin(generate(parts, peer))))
    }

    pub(crate) fn generate(&self, parts: &request::Parts, peer: SocketAddr) -> IdFuture {
        (self.0)(parts, peer)
    }
}

/// A hook that changes the headers of a reply.
#[derive(Clone)]
pub struct HeadersHook(Arc<ChangeHeaders>);

impl HeadersHook {
    /// Wraps a function of the reply's headers and the request.
    pub fn new(hook: impl Fn(&mut HeaderMap, &request::Parts) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap, parts: &request::Parts) {
        (self.0)(headers, parts);
    }
}
