//! Configuration of a server.

mod cookie;
mod cors;
mod hooks;

use std::{fmt, sync::Arc, time::Duration};

pub use self::{
    cookie::{Cookie, CookiePriority, SameSite},
    cors::{Cors, CorsDelegate, CorsUndecided, Origins},
    hooks::{AllowRequest, GenerateId, HeadersHook, Refusal},
};
use crate::metrics::Metrics;
use crate::proto::{
    Frame, Transports, outbox::OutboxLimits, pace::PaceLimits, payload::DEFAULT_MAX_PACKETS,
    session::Settings,
};

/// Everything that can be set on a [`Server`](crate::Server). The defaults are those of the
/// official server, where it has the option.
#[derive(Clone)]
pub struct Config {
    /// The path that the server answers, and no other. Default `/engine.io`, to which
    /// [`Config::add_trailing_slash`] adds its slash.
    pub path: String,
    /// Whether the path ends with a slash, however it is written. Default yes.
    pub add_trailing_slash: bool,
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
    /// What [`Server::serve_connection`](crate::Server::serve_connection) allows an HTTP connection.
    pub http: HttpLimits,
    /// Which transports are offered. Default both.
    pub transports: Transports,
    /// Whether polling sessions may upgrade to WebSocket. Default yes.
    pub allow_upgrades: bool,
    /// Limits of what may wait for one session. Default 1 MiB soft, 4 MiB hard.
    pub outbox: OutboxLimits,
    /// How long a session may stay past the soft limit before it is closed. Default 10 s.
    pub congestion_timeout: Duration,
    /// How long a client may take no byte while some wait for it: of its WebSocket, and of any
    /// reply on a connection that [`Server::serve_connection`](crate::Server::serve_connection)
    /// serves. Default 20 s.
    pub write_timeout: Duration,
    /// How fast one client may send; one that is ahead of it is not read for a while, which its own
    /// network feels, and nothing is lost. Default none: as fast as it can.
    pub pace: Option<PaceLimits>,
    /// Packets of one client in a minute that mean nothing, such as pongs that nobody asked for; with
    /// more the session is closed. Default 100.
    pub ignored_per_minute: u32,
    /// Sent right after the open packet. Default none.
    pub initial_packet: Option<Frame>,
    /// A cookie that carries the session id, set by the reply to a polling handshake and by nothing
    /// else. Default none.
    pub cookie: Option<Cookie>,
    /// Which other origins may connect, and the headers that let their browsers do so. Default
    /// none: requests that carry an `Origin` must name the server's own host.
    pub cors: Option<Cors>,
    /// Decides about cross-origin access for each request, in place of `cors`. Default none.
    pub cors_delegate: Option<CorsDelegate>,
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
            path: "/engine.io".to_owned(),
            add_trailing_slash: true,
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
            http: HttpLimits::default(),
            transports: Transports::default(),
            allow_upgrades: true,
            outbox: OutboxLimits::default(),
            congestion_timeout: times.congestion_timeout,
            write_timeout: times.write_timeout,
            pace: times.pace,
            ignored_per_minute: times.ignored_per_minute,
            initial_packet: None,
            cookie: None,
            cors: None,
            cors_delegate: None,
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
    /// The one path that is answered.
    pub(crate) fn exact_path(&self) -> String {
        let path = self.path.strip_suffix('/').unwrap_or(&self.path);
        let slash = if self.add_trailing_slash { "/" } else { "" };
        format!("{path}{slash}")
    }

    pub(crate) fn session_settings(&self) -> Settings {
        Settings {
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            upgrade_timeout: self.upgrade_timeout,
            close_timeout: self.close_timeout,
            stall_timeout: self.stall_timeout,
            congestion_timeout: self.congestion_timeout,
            write_timeout: self.write_timeout,
            pace: self.pace,
            ignored_per_minute: self.ignored_per_minute,
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

/// Limits of an HTTP connection, before there is a request to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// From the start of a connection to the end of its first request's head. Default 10 s.
    pub header_timeout: Duration,
    /// From the end of a reply to the end of the next request's head. Default 60 s.
    pub keep_alive_timeout: Duration,
    /// Header lines of a request; more get 431. Default 64.
    pub max_headers: usize,
    /// Bytes of a request's head beside its target; more get 431. Default 32 KiB.
    pub max_head_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(60),
            max_headers: 64,
            max_head_bytes: 32 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_has_the_slash_that_the_option_says() {
        for (path, slash, exact) in [
            ("/engine.io", true, "/engine.io/"),
            ("/engine.io/", true, "/engine.io/"),
            ("/engine.io/", false, "/engine.io"),
            ("/a/b", false, "/a/b"),
            ("/", true, "/"),
        ] {
            let config = Config {
                path: path.to_owned(),
                add_trailing_slash: slash,
                ..Config::default()
            };
            assert_eq!(config.exact_path(), exact);
        }
    }
}
