//! A Socket.IO v5 server on [`engineio`], wire-compatible with the official `socket.io-client`.
//!
//! The [`guide`] shows how to use it, one concept after another, and has a table for whoever comes
//! from Node. Three parts: [`proto`], the protocol without IO; `server`, what applications use;
//! [`adapter`], rooms and broadcasts. A server is made by [`Io::builder`], and answers requests
//! through [`Io::serve`] or [`Io::handle`].
//!
//! ```
//! use parlance::socketio::{Ack, Data, Io, Socket};
//!
//! let io = Io::builder()
//!     .namespace("/", |ns| {
//!         ns.on_connect(async |socket: Socket| {
//!             _ = socket.join("lobby");
//!         })
//!         .on("say", async |socket: Socket, Data(text): Data<String>, ack: Ack| {
//!             _ = socket.to("lobby").emit("said", &(socket.id(), text));
//!             _ = ack.send(&());
//!         })
//!     })
//!     .build();
//! io.to("lobby").emit("news", "open").expect("encodable");
//! ```

pub mod adapter;
pub mod admin;
pub mod guide;
pub mod proto;
mod server;

#[cfg(doc)]
#[doc = include_str!("CONFORMANCE.md")]
pub mod conformance {}

/// Bytes among what is sent and received: `Buffer` in Node.
pub use bytes::Bytes;

pub use adapter::{JoinError, RecoveryOptions, RoomEvent};
pub use admin::{ADMIN_NAMESPACE, AdminMode, AdminOptions};
pub use proto::args::{Args, ArgsError};
pub use proto::connection::ConnectionLimits;
pub use proto::encode::EncodeError;
pub use proto::parser::Parser;
pub use proto::payload::Payload;
pub use server::ack::{AckError, BroadcastReplies};
pub use server::bundles::{CLIENT_BUNDLE_NAMES, ClientBundles};
pub use server::emit::{Emit, WithTimeout};
pub use server::extract::{
    BoxError, Data, EventError, EventHandler, FailedEvent, FromEvent, FromWholeEvent, Outcome,
    State, TryData,
};
pub use server::handler::{Ack, ConnectError, ConnectRequest, Event};
pub use server::io::{Io, IoBuilder, WeakIo};
pub use server::namespace::{Namespace, NamespaceBuilder};
pub use server::namespaces::{NamespaceRule, ParentNamespace};
pub use server::operators::Broadcast;
pub use server::outgoing::Emitted;
pub use server::reason::DisconnectReason;
pub use server::socket::{EmitError, Socket};

#[cfg(test)]
mod tests;
