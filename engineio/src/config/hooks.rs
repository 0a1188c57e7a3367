//! What an application may decide for each request.

use std::{
    future::{Future, ready},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
};

use http::{HeaderMap, StatusCode, request};

use crate::proto::SessionId;

/// What an [`AllowRequest`] hook answers to refuse a handshake. An upgrade that is refused gets
/// status 400 and the message alone, whatever the others say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Status of the reply over polling. Default 403, which is all that the official server knows.
    pub status: StatusCode,
    /// The code of the reply. Default 4, the only one that official clients know of.
    pub code: u8,
    /// The message of the reply. Default `Forbidden`.
    pub message: String,
}

impl Refusal {
    /// A refusal in the application's own words.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }
}

impl Default for Refusal {
    fn default() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            code: 4,
            message: "Forbidden".to_owned(),
        }
    }
}

type AllowFuture = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;
type Decide = dyn Fn(&request::Parts, SocketAddr) -> AllowFuture + Send + Sync;
type IdFuture = Pin<Box<dyn Future<Output = Option<SessionId>> + Send>>;
type MakeId = dyn Fn(&request::Parts, SocketAddr) -> IdFuture + Send + Sync;
type ChangeHeaders = dyn Fn(&mut HeaderMap, &request::Parts) + Send + Sync;

/// An asynchronous decision on each handshake. It may be slow: only the request itself waits.
#[derive(Clone)]
pub struct AllowRequest(Arc<Decide>);

impl AllowRequest {
    /// Wraps a function of the request and the peer's address. The future may not borrow them.
    pub fn new<F, R>(decide: F) -> Self
    where
        F: Fn(&request::Parts, SocketAddr) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        Self(Arc::new(move |parts, peer| Box::pin(decide(parts, peer))))
    }

    pub(crate) fn decide(&self, parts: &request::Parts, peer: SocketAddr) -> AllowFuture {
        (self.0)(parts, peer)
    }
}

/// Makes the ids of sessions, for example with a prefix that a load balancer routes by.
///
/// The hook gives any text, as a [`SessionId`]. When it gives `None`, or the id of an open session,
/// the handshake is refused with code 3. An id is a secret that opens its session: most of it has to
/// be random. The official packages for several nodes take ids of 20 characters only.
#[derive(Clone)]
pub struct GenerateId(Arc<MakeId>);

impl GenerateId {
    /// Wraps a function of the request and the peer's address.
    pub fn new(
        generate: impl Fn(&request::Parts, SocketAddr) -> Option<SessionId> + Send + Sync + 'static,
    ) -> Self {
        Self::asynchronous(move |parts, peer| ready(generate(parts, peer)))
    }

    /// Wraps a function whose answer may take a while. The future may not borrow the request.
    pub fn asynchronous<F, R>(generate: F) -> Self
    where
        F: Fn(&request::Parts, SocketAddr) -> R + Send + Sync + 'static,
        R: Future<Output = Option<SessionId>> + Send + 'static,
    {
        Self(Arc::new(move |parts, peer| Box::pin(generate(parts, peer))))
    }

    pub(crate) fn generate(&self, parts: &request::Parts, peer: SocketAddr) -> IdFuture {
        (self.0)(parts, peer)
    }
}

/// A hook that changes the headers of a reply.
#[derive(Clone)]
pub struct HeadersHook(Arc<ChangeHeaders>);

impl HeadersHook {
    /// Wraps a function of the reply's headers and the request.
    pub fn new(hook: impl Fn(&mut HeaderMap, &request::Parts) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap, parts: &request::Parts) {
        (self.0)(headers, parts);
    }
}
