//! Why a socket is no longer connected.

use std::fmt;

use engineio::CloseReason;

/// Why a socket is no longer connected. The texts are those of the official server, where it has
/// the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The connection broke, or the client broke the rules of Engine.IO.
    TransportError,
    /// The client closed the connection.
    TransportClose,
    /// The server closed the connection, for instance over a packet that breaks the rules.
    ForcedClose,
    /// A ping was not answered in time.
    PingTimeout,
    /// What came was no Engine.IO packet.
    ParseError,
    /// The client takes less than it is sent.
    SlowConsumer,
    /// Handlers took no more messages for too long.
    Stalled,
    /// The client sent too many Engine.IO packets that mean nothing.
    Flood,
    /// The server stops.
    ServerShuttingDown,
    /// The server closed the connection over a fault of its own, so that the client comes back.
    ForcedServerClose,
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// [`Socket::disconnect`](super::socket::Socket::disconnect).
    ServerNamespaceDisconnect,
}

impl DisconnectReason {
    /// The reason as applications of the official server know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransportError => "transport error",
            Self::TransportClose => "transport close",
            Self::ForcedClose => "forced close",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::SlowConsumer => "slow consumer",
            Self::Stalled => "stalled",
            Self::Flood => "flood",
            Self::ServerShuttingDown => "server shutting down",
            Self::ForcedServerClose => "forced server close",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
        }
    }
}

impl DisconnectReason {
    /// Whether the client may come back to its socket: neither side has ended it on purpose, and
    /// the client has kept to the protocol of the engine.
    pub fn may_be_recovered(self) -> bool {
        !matches!(
            self,
            Self::ParseError
                | Self::Flood
                | Self::ClientNamespaceDisconnect
                | Self::ServerNamespaceDisconnect
        )
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<CloseReason> for DisconnectReason {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::TransportClose => Self::TransportClose,
            CloseReason::ForcedClose => Self::ForcedClose,
            CloseReason::PingTimeout => Self::PingTimeout,
            CloseReason::ParseError => Self::ParseError,
            CloseReason::SlowConsumer => Self::SlowConsumer,
            CloseReason::Stalled => Self::Stalled,
            CloseReason::Flood => Self::Flood,
            // What comes new in the engine is a fault of the transport until it has a name here.
            _ => Self::TransportError,
        }
    }
}
