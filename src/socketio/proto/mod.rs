//! The protocol without IO: packets, their JSON, attachments, acknowledgement ids, and the state
//! machine of a connection. Nothing in here reads a clock, draws randomness or touches a socket.
#![forbid(unsafe_code)]
// Nothing that a peer sends may panic. Where an index cannot be wrong, its place says why.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod acks;
pub mod args;
mod arity;
pub mod attachments;
mod binary;
pub mod codec;
pub mod connection;
pub mod encode;
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "to panic is what it is for"
)]
pub mod fuzz;
pub mod json;
pub mod msgpack;
pub mod names;
pub mod offence;
pub mod packet;
pub mod parser;
pub mod payload;
mod placeholder;
