//! The server half, driven in one process: clients speak to it over polling, without a socket.

mod adapter;
mod admin;
mod allocations;
mod conformance;
mod handlers;
mod harness;
mod lifecycle;
mod messages;
mod model;
mod msgpack;
mod namespaces;
mod order;
mod packets;
mod recovery;
mod seeds;
mod websocket;
