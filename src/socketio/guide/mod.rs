//! How to use the server, one concept after another, in the words of the Socket.IO documentation.
//! Whoever comes from Node finds each call again in [`migration`].
//!
//! 1. [`echo`]: a server, events, handlers and their parameters
//! 2. [`rooms`]: groups of sockets, broadcasts and the operators
//! 3. [`acks`]: answers in both directions, time-outs, `retries` without doubles
//! 4. [`middleware`]: who may connect, data beside a socket
//! 5. [`namespaces`]: several channels over one connection
//! 6. [`disconnects`]: the end of a socket, its reasons, and coming back
//! 7. [`recovery`]: coming back to the same socket, and [`volatile`]: packets that may be lost
//! 8. [`binary`]: bytes, and the MessagePack parser
//! 9. [`adapters`]: what knows the rooms
//! 10. [`errors`]: what can go wrong, and every limit
//!
//! # Cargo.toml
//!
//! The crate is not on crates.io: clone it, and name the folder. The first build takes minutes and a
//! C compiler, because the chat is in the same crate.
//!
//! ```toml
//! [dependencies]
//! parlance = { path = "../parlance" }
//! serde = { version = "1", features = ["derive"] }
//! serde_json = "1"
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
//! ```
//!
//! Settings of the connections are [`parlance::engineio::Config`](engineio::Config), bytes are
//! [`parlance::socketio::Bytes`](crate::socketio::Bytes). Whole programs are in `tests/servers`: `full.rs`
//! has every basic feature, `features.rs` most others (`PORT=3000 cargo run --example full`).

#[doc = include_str!("echo.md")]
pub mod echo {}

#[doc = include_str!("rooms.md")]
pub mod rooms {}

#[doc = include_str!("acks.md")]
pub mod acks {}

#[doc = include_str!("middleware.md")]
pub mod middleware {}

#[doc = include_str!("namespaces.md")]
pub mod namespaces {}

#[doc = include_str!("disconnects.md")]
pub mod disconnects {}

#[doc = include_str!("recovery.md")]
pub mod recovery {}

#[doc = include_str!("volatile.md")]
pub mod volatile {}

#[doc = include_str!("binary.md")]
pub mod binary {}

#[doc = include_str!("adapters.md")]
pub mod adapters {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("migration.md")]
pub mod migration {}
