//! Tests of the whole server, over the network.
//!
//! One binary, so that it is linked once. [`support`] has what a test speaks
//! with: a server in process, people who call its API, live connections, bytes
//! as they are, and the real program with its signals.

mod support;

mod contract;
#[cfg(target_os = "linux")]
mod faults;
mod security;
mod server_config;
mod server_deploy;
mod server_docs;
mod server_doctor;
mod server_drain;
mod server_http;
mod server_limits;
mod server_live;
mod server_logs;
mod server_metrics;
#[cfg(target_os = "linux")]
mod server_postgres;
mod server_process;
mod server_tls;
mod tidy;
