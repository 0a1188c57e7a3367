//! The server over real sockets, or in memory where times are exact: every HTTP reply to the byte,
//! every WebSocket violation, the upgrade, the ends. Each wait is bounded far below the heartbeat, so
//! that a ping time-out can never pass for a close.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod abandoned;
mod client;
mod client_suite;
mod closing;
#[cfg(feature = "compression")]
mod compression;
mod conformance;
mod edge;
mod handler;
mod handshake;
mod heartbeat;
mod ids;
mod model;
mod origins;
mod pace;
mod polling;
mod refusals;
mod seeds;
mod server;
mod services;
mod streams;
mod upgrade;
mod upgrade_traffic;
mod websocket;
