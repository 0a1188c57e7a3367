//! The protocol without IO: packets, payloads, frames, queues and the session's state machine.
//!
//! Nothing in here reads a clock, draws randomness or touches a socket: time is an argument, and
//! every output is returned. The driver in `server` does one thing: wait, feed one input, drain all
//! outputs.
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

pub mod frame;
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "to panic is what it is for"
)]
#[doc(hidden)]
pub mod fuzz;
pub mod handshake;
pub mod heartbeat;
pub mod inspector;
#[cfg(test)]
mod interleavings;
pub(crate) mod json;
pub mod outbox;
pub mod pace;
pub mod packet;
pub mod payload;
pub mod query;
pub mod session;
pub mod sid;

pub use frame::{Frame, FrameBuilder};
pub use handshake::{TransportKind, Transports};
pub use outbox::Outbox;
pub use pace::PaceLimits;
pub use packet::{Message, Packet};
pub use session::{CloseReason, Session};
pub use sid::{SessionId, Sid};
