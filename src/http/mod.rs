//! A thin HTTP layer: routing, typed extraction, and the one reply shape.
//!
//! It knows nothing of chat. What goes wrong on the way to a handler is a
//! [`Refusal`]; the application that owns a [`Router`] says how that reads.
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

mod admission;
mod cors;
mod guard;
mod listener;
mod mend;
mod proxies;
mod reply;
mod request;
mod router;
mod server;
mod static_files;
mod tls;

pub use admission::{AddressLimits, Admission, AdmissionLimits, Full, Pass};
pub use cors::Cors;
pub use mend::mend_surrogates;
pub use proxies::{TrustedProxies, came_by_proxy};
pub use reply::{Failure, FailureDetail, Reply};
pub use request::{MAX_BODY_BYTES, Refusal, Request};
pub use router::{Handler, Router};
pub use server::{Gate, Server, Serving, Site};
pub use static_files::{CLIENT_FILES, CLIENT_VERSION, StaticFiles};
pub use tls::{Tls, TlsError, TlsFiles};
