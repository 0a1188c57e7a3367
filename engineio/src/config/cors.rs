//! Cross-origin access.

use std::{fmt, future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use http::{StatusCode, request};

/// Which origins a browser may come from.
#[derive(Clone)]
pub enum Origins {
    /// Any, as `*`. Credentials are then never allowed, whatever [`Cors::credentials`] says.
    Any,
    /// Any, by its own name, so that credentials may be sent.
    Reflected,
    /// This one, which every reply names, whoever asks.
    Fixed(String),
    /// These, compared exactly, as `https://example.org`.
    List(Vec<String>),
    /// Those for which the predicate holds.
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Origins {
    pub(crate) fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any | Self::Reflected => true,
            Self::Fixed(allowed) => allowed == origin,
            Self::List(list) => list.iter().any(|allowed| allowed == origin),
            Self::Matching(predicate) => predicate(origin),
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("Any"),
            Self::Reflected => f.write_str("Reflected"),
            Self::Fixed(allowed) => f.debug_tuple("Fixed").field(allowed).finish(),
            Self::List(list) => f.debug_tuple("List").field(list).finish(),
            Self::Matching(_) => f.write_str("Matching(…)"),
        }
    }
}

/// Cross-origin access. The replies are those of the `cors` package that the official server uses.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Which origins. Default any.
    pub origins: Origins,
    /// Whether browsers may send cookies and authorisation. Default no.
    pub credentials: bool,
    /// Methods named by the answer to a preflight. Default `GET,HEAD,PUT,PATCH,POST,DELETE`.
    pub methods: Vec<String>,
    /// Headers named by the answer to a preflight. Default none: those that it asks for.
    pub allowed_headers: Vec<String>,
    /// Response headers that scripts may read. Default none.
    pub exposed_headers: Vec<String>,
    /// How long browsers may remember the answer to a preflight. Default unset.
    pub max_age: Option<Duration>,
    /// Status of the answer to a preflight. Default 204.
    pub preflight_status: StatusCode,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            origins: Origins::Any,
            credentials: false,
            methods: ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"]
                .map(str::to_owned)
                .to_vec(),
            allowed_headers: Vec::new(),
            exposed_headers: Vec::new(),
            max_age: None,
            preflight_status: StatusCode::NO_CONTENT,
        }
    }
}

/// A [`CorsDelegate`] could not decide: the request is refused with code 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no decision about cross-origin access")]
pub struct CorsUndecided;

type Decision = Result<Option<Cors>, CorsUndecided>;
type DecisionFuture = Pin<Box<dyn Future<Output = Decision> + Send>>;
type DecideCors = dyn Fn(&request::Parts, SocketAddr) -> DecisionFuture + Send + Sync;

/// An asynchronous decision about cross-origin access for each request; `None` is none at all.
#[derive(Clone)]
pub struct CorsDelegate(Arc<DecideCors>);

impl CorsDelegate {
    /// Wraps a function of the request and the peer's address. The future may not borrow them.
    pub fn new<F, R>(decide: F) -> Self
    where
        F: Fn(&request::Parts, SocketAddr) -> R + Send + Sync + 'static,
        R: Future<Output = Decision> + Send + 'static,
    {
        Self(Arc::new(move |parts, peer| Box::pin(decide(parts, peer))))
    }

    pub(crate) fn decide(&self, parts: &request::Parts, peer: SocketAddr) -> DecisionFuture {
        (self.0)(parts, peer)
    }
}
