//! The facts of the request that opened a session.

use std::{
    any::Any,
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::request;

use crate::proto::{TransportKind, handshake::Query};

/// What is known of the request that opened a session. A compact copy: it pins no buffer of the
/// HTTP connection.
pub struct Handshake {
    facts: Facts,
    address: SocketAddr,
    time: SystemTime,
    secure: bool,
    transport: TransportKind,
    attached: Option<Attached>,
}

impl Handshake {
    pub(super) fn new(
        parts: &request::Parts,
        address: SocketAddr,
        time: SystemTime,
        transport: TransportKind,
    ) -> Self {
        Self {
            facts: Facts::copy(parts),
            address,
            time,
            secure: parts.extensions.get::<Secure>().is_some(),
            transport,
            attached: parts.extensions.get::<Attached>().cloned(),
        }
    }

    /// What was [`Attached`] to the request, if it is of this type.
    #[must_use]
    pub fn attached<T: Any>(&self) -> Option<&T> {
        self.attached.as_ref()?.0.downcast_ref()
    }

    /// The first header of this name, if its value is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All headers whose values are text, in order, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.headers()
    }

    /// The query string; see [`Query::pairs`] for all of it. Decoded at every call, because it is
    /// asked for once and would be kept for as long as the session lives.
    #[must_use]
    pub fn query(&self) -> Query {
        let query = self.url().split_once('?').map_or("", |(_, query)| query);
        Query::parse(query)
    }

    /// Path and query, as requested.
    #[must_use]
    pub fn url(&self) -> &str {
        self.facts.url()
    }

    /// The peer's address, as the server was told it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// When the session was opened.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// When the session was opened, in milliseconds since 1970.
    #[must_use]
    pub fn issued_ms(&self) -> u64 {
        let since = self
            .time
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        since.as_millis() as u64
    }

    /// Whether the connection was encrypted, see [`Secure`].
    #[must_use]
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// Whether the request named an origin.
    #[must_use]
    pub fn xdomain(&self) -> bool {
        self.header("origin").is_some()
    }

    /// The transport of the handshake.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        self.transport
    }
}

impl fmt::Debug for Handshake {
    /// Headers and query may hold secrets, so they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// Put into a request's extensions by a server that terminates TLS itself, or trusts a proxy that
/// says so: the handshake is then [`Handshake::secure`].
#[derive(Debug, Clone, Copy)]
pub struct Secure;

/// Put into the extensions of a request that opens a session by a server that wants something to
/// last as long as the session does: it is kept with the [`Handshake`], and dropped with it.
#[derive(Clone)]
pub struct Attached(pub Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").finish_non_exhaustive()
    }
}

/// The URL, and the names and values of the headers, in one block with the ends of each.
struct Facts {
    block: Box<str>,
    url_end: u32,
    ends: Box<[(u32, u32)]>,
}

impl Facts {
    fn copy(parts: &request::Parts) -> Self {
        let url = parts.uri.path_and_query();
        let mut block = url.map_or("/", |target| target.as_str()).to_owned();
        let url_end = block.len() as u32;
        let mut ends = Vec::with_capacity(parts.headers.len());
        for (name, value) in &parts.headers {
            let Ok(value) = std::str::from_utf8(value.as_bytes()) else {
                continue;
            };
            block.push_str(name.as_str());
            let name_end = block.len();
            block.push_str(value);
            ends.push((name_end as u32, block.len() as u32));
        }
        Self {
            block: block.into(),
            url_end,
            ends: ends.into(),
        }
    }

    fn url(&self) -> &str {
        &self.block[..self.url_end as usize]
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let starts = std::iter::once(self.url_end).chain(self.ends.iter().map(|(_, end)| *end));
        starts.zip(&self.ends).map(|(start, &(middle, end))| {
            let (start, middle, end) = (start as usize, middle as usize, end as usize);
            (&self.block[start..middle], &self.block[middle..end])
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_handshake_keeps_headers_query_and_address() {
        let request = Request::get("http://h/engine.io/?EIO=4&%26a=%26%3D")
            .header("X-One", "1")
            .header("set", "a")
            .header("set", "b")
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let address = ([127, 0, 0, 1], 80).into();
        let handshake = Handshake::new(&parts, address, UNIX_EPOCH, TransportKind::Polling);
        assert_eq!(handshake.header("x-one"), Some("1"));
        let headers: Vec<_> = handshake.headers().collect();
        assert_eq!(headers, [("x-one", "1"), ("set", "a"), ("set", "b")]);
        assert_eq!(handshake.query().get("&a"), Some("&="));
        assert_eq!(handshake.url(), "/engine.io/?EIO=4&%26a=%26%3D");
        assert!(!handshake.xdomain() && !handshake.secure());
    }
}
