//! The transports: how the bytes of a session reach its peer. No rule of the protocol is in here.

#[cfg(feature = "compression")]
pub(crate) mod compression;
mod decoder;
pub(crate) mod io;
pub(crate) mod polling;
pub(crate) mod websocket;
pub(crate) mod write_timeout;
