//! WebSocket streams.

/// A WebSocket.
pub(crate) struct WebSocketStream;
