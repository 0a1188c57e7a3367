//! Tests of the whole server, over the network.
//!
//! One binary, so that it is linked once. [`support`] has what a test speaks
//! with: a server in process, people who call its API, live connections, bytes
//! as they are, and the real program with its signals.

mod support;

mod security;
mod contract;
mod server_config;
mod server_drain;
mod server_docs;
mod server_http;
mod server_live;
mod server_process;
mod tidy;
