//! The transports: how bytes of a session reach its peer.

pub(crate) mod websocket;
