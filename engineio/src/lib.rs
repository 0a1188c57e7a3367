//! An Engine.IO v4 server: sessions over HTTP long-polling and WebSocket, the upgrade between the
//! two, heartbeats and orderly closing, wire-compatible with the official `engine.io-client`.
//!
//! The crate has two halves:
//! - [`proto`]: the protocol as plain state machines. It takes bytes and the time and gives bytes
//!   and events; it cannot reach a socket, a clock or a source of randomness.
//! - the server (feature `server`, on by default): [`Server`] answers HTTP requests on hyper and
//!   runs one task per session, which owns the session and the application's [`Handler`].
//!
//! An application implements [`Application`] and [`Handler`], or takes its sessions as streams of
//! events ([`sessions`]); what it may keep of a session is a [`SessionHandle`].

pub mod proto;

#[cfg(doc)]
#[doc = include_str!("../CONFORMANCE.md")]
pub mod conformance {}

/// The example of the README is a test.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
pub struct Readme;

#[cfg(feature = "server")]
mod config;
#[cfg(feature = "server")]
mod error;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod transport;

#[cfg(feature = "server")]
#[doc(hidden)]
pub use transport::fuzz;

pub use proto::{
    CloseReason, Frame, FrameBuilder, Message, PaceLimits, SessionId, Sid, TransportKind,
    Transports,
};

#[cfg(feature = "compression")]
pub use {
    config::HttpCompression,
    transport::compression::{Encoding, FixedBody},
};

#[cfg(feature = "server")]
pub use {
    config::{
        AllowRequest, Config, Cookie, CookiePriority, Cors, CorsDelegate, CorsUndecided,
        GenerateId, HeadersHook, HttpLimits, Origins, Refusal, SameSite,
    },
    error::HandshakeError,
    server::{
        Application, Attached, Begun, CloseMode, ConnectionService, Event, Fanout, Handler,
        Handshake, HttpConnection, HttpEnd, Secure, SendError, Server, SessionEvents,
        SessionHandle, Sessions, StreamHandler, Streams, begin, sessions,
    },
    transport::write_timeout::WriteTimeout,
};
