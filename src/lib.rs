//! Parlance: a real-time chat backend that any stock `socket.io-client` connects to.
pub mod chat;
pub mod http;
pub mod socketio;
