//! Parlance: a real-time chat backend that any stock `socket.io-client` connects to.
//!
//! For a Socket.IO server with handlers of your own begin with the guide: [`socketio::guide`].

pub mod accounts;
pub mod app;
pub mod chat;
pub mod config;
pub mod descriptors;
pub mod doctor;
mod drain;
pub mod http;
pub mod metrics;
mod rates;
pub mod shutdown;
mod site;
pub mod socketio;
pub mod telemetry;
pub mod transfer;

/// The Engine.IO server below [`socketio`], for its [`Config`](engineio::Config).
pub use engineio;
