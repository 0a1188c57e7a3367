//! Parlance: a real-time chat backend that any stock `socket.io-client` connects to.

pub mod config;
