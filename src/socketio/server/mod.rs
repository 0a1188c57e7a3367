//! The server half: drives the protocol with sockets, tasks and the application's handlers.

pub(crate) mod ack;
pub(crate) mod bundles;
pub(crate) mod client;
pub(crate) mod connecting;
mod driver;
pub(crate) mod emit;
pub(crate) mod extract;
pub(crate) mod handler;
pub(crate) mod io;
mod listen;
pub(crate) mod namespace;
pub(crate) mod namespaces;
mod occasions;
pub(crate) mod operators;
pub(crate) mod outgoing;
pub(crate) mod reason;
pub(crate) mod socket;
mod task;
