//! The server half, driven in one process: clients speak to it over polling, without a socket.

mod adapter;
mod allocations;
mod handlers;
mod harness;
mod lifecycle;
mod messages;
mod order;
mod seeds;
mod websocket;
