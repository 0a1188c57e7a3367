//! Parlance: a real-time chat backend that any stock `socket.io-client` connects to.

pub mod chat;
pub mod config;
pub mod http;
