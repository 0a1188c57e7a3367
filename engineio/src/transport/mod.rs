//! The transports: how the bytes of a session reach its peer. No rule of the protocol is in here.
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

pub(crate) mod activity;
#[cfg(feature = "compression")]
pub(crate) mod compression;
mod decoder;
#[allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "to panic is what it is for"
)]
pub mod fuzz;
pub(crate) mod io;
pub(crate) mod polling;
mod reader;
pub(crate) mod websocket;
pub(crate) mod write_timeout;
