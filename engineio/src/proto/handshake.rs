//! What a request asks for: the order of the checks, the open packet.

use std::{fmt, time::Duration};

pub use super::query::Query;
use super::{json::quote, sid::SessionId};

/// The transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportKind {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    Websocket,
}

impl TransportKind {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Polling, Self::Websocket];

    /// The name in the query string. Only these exact names exist.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Websocket => "websocket",
        }
    }

    /// The transport that is not named so.
    #[cfg(feature = "server")]
    pub(crate) fn other_than(name: &str) -> Self {
        match Self::parse(name) {
            Some(Self::Websocket) => Self::Polling,
            _ => Self::Websocket,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Polling, Self::Websocket]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which transports a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    /// HTTP long-polling.
    pub polling: bool,
    /// WebSocket, directly and as an upgrade.
    pub websocket: bool,
}

impl Default for Transports {
    fn default() -> Self {
        Self {
            polling: true,
            websocket: true,
        }
    }
}

impl Transports {
    /// Whether `kind` is offered.
    #[must_use]
    pub fn has(self, kind: TransportKind) -> bool {
        match kind {
            TransportKind::Polling => self.polling,
            TransportKind::Websocket => self.websocket,
        }
    }
}

/// Why a request was refused before it reached a session. The peer is to blame; a session that it
/// named is unharmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Code 0: no transport, an unknown one, or one that is switched off.
    #[error("Transport unknown")]
    UnknownTransport,
    /// Code 1: no such session.
    #[error("Session ID unknown")]
    UnknownSid,
    /// Code 2: a handshake by another method than GET.
    #[error("Bad handshake method")]
    BadHandshakeMethod,
    /// Code 3: everything else that does not fit.
    #[error("Bad request")]
    BadRequest(BadRequest),
    /// Code 5: another revision of the protocol than 4.
    #[error("Unsupported protocol version")]
    UnsupportedProtocol,
}

/// What was bad about a bad request. For the application's log; the peer does not see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadRequest {
    /// `EIO`, `transport` or `sid` is given twice.
    DuplicateParameter,
    /// The `Origin` header holds control characters.
    InvalidOrigin,
    /// The session uses another transport by now.
    TransportMismatch,
    /// The session speaks another revision of the protocol.
    ProtocolMismatch,
    /// `transport=websocket` without an `Upgrade`, or an `Upgrade` that is none.
    NotAnUpgrade,
    /// An `Upgrade` for another version of WebSocket than 13.
    WebSocketVersion,
    /// The body does not parse, or came under a content type that is not text.
    Body,
    /// HTTP/1.1 without a `Host` header.
    NoHost,
    /// No session id could be made, or the one that was made is taken.
    IdGeneration,
    /// Nobody could say whether the origin is allowed.
    CorsUndecided,
}

impl BadRequest {
    /// The name of the reason; that of the official server, where it has one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DuplicateParameter => "DUPLICATE_PARAMETER",
            Self::InvalidOrigin => "INVALID_ORIGIN",
            Self::TransportMismatch => "TRANSPORT_MISMATCH",
            Self::ProtocolMismatch => "PROTOCOL_MISMATCH",
            Self::NotAnUpgrade | Self::WebSocketVersion => "TRANSPORT_HANDSHAKE_ERROR",
            Self::Body => "BODY",
            Self::NoHost => "NO_HOST",
            Self::IdGeneration => "ID_GENERATION_ERROR",
            Self::CorsUndecided => "MIDDLEWARE_FAILURE",
        }
    }
}

/// The facts of a request that decide what it is.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its query string.
    pub query: &'a Query,
    /// Whether its method is GET.
    pub is_get: bool,
    /// Whether it is a well-formed WebSocket upgrade.
    pub is_upgrade: bool,
    /// The `Origin` header, if any.
    pub origin: Option<&'a [u8]>,
}

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// It opens a session.
    Handshake(TransportKind),
    /// It belongs to the session that `transport_of` has found: a poll, a post, or an upgrade.
    Session(TransportKind),
}

/// Decides what a request is; the checks and their order are those of the official server, so that
/// a request with several faults gets the same answer. `transport_of` looks a session up.
///
/// # Errors
/// [`Refused`] with the reply's code.
pub fn classify(
    facts: Facts<'_>,
    offered: Transports,
    transport_of: impl FnOnce(&str) -> Option<TransportKind>,
) -> Result<Request, Refused> {
    let query = facts.query;
    if query.has_duplicate() {
        return Err(Refused::BadRequest(BadRequest::DuplicateParameter));
    }
    let kind = query.get("transport").and_then(TransportKind::parse);
    let kind = kind
        .filter(|kind| offered.has(*kind))
        .ok_or(Refused::UnknownTransport)?;
    if facts.origin.is_some_and(has_control_characters) {
        return Err(Refused::BadRequest(BadRequest::InvalidOrigin));
    }
    match query.get("sid").filter(|sid| !sid.is_empty()) {
        Some(sid) => {
            let current = transport_of(sid).ok_or(Refused::UnknownSid)?;
            check_session_request(facts, kind, current)?;
            Ok(Request::Session(kind))
        }
        None => {
            check_handshake(facts, kind)?;
            Ok(Request::Handshake(kind))
        }
    }
}

fn check_session_request(
    facts: Facts<'_>,
    kind: TransportKind,
    current: TransportKind,
) -> Result<(), Refused> {
    if !facts.is_upgrade && kind != current {
        return Err(Refused::BadRequest(BadRequest::TransportMismatch));
    }
    if !facts.query.is_revision_4() {
        return Err(Refused::BadRequest(BadRequest::ProtocolMismatch));
    }
    check_upgrade_fits(facts, kind)
}

fn check_handshake(facts: Facts<'_>, kind: TransportKind) -> Result<(), Refused> {
    if !facts.is_get {
        return Err(Refused::BadHandshakeMethod);
    }
    check_upgrade_fits(facts, kind)
}

/// `transport=websocket` and an upgrade come together or not at all.
fn check_upgrade_fits(facts: Facts<'_>, kind: TransportKind) -> Result<(), Refused> {
    match facts.is_upgrade == (kind == TransportKind::Websocket) {
        true => Ok(()),
        false => Err(Refused::BadRequest(BadRequest::NotAnUpgrade)),
    }
}

/// What may not stand in a header value: the table of the official server.
fn has_control_characters(value: &[u8]) -> bool {
    value
        .iter()
        .any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f)
}

/// What the open packet tells the client.
#[derive(Debug, Clone, Copy)]
pub struct Open<'a> {
    /// The session's id.
    pub sid: &'a SessionId,
    /// Whether the client may upgrade to WebSocket.
    pub upgrade: bool,
    /// From the open packet, or a pong, to the next ping.
    pub ping_interval: Duration,
    /// From a ping to its pong, at most.
    pub ping_timeout: Duration,
    /// Longest request body and WebSocket message, in bytes.
    pub max_payload: usize,
}

impl Open<'_> {
    /// The packet: `0` and JSON with exactly the keys of the protocol.
    #[must_use]
    pub fn encode(&self) -> String {
        format!(
            r#"0{{"sid":{},"upgrades":{},"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
            quote(self.sid.as_str()),
            if self.upgrade {
                r#"["websocket"]"#
            } else {
                "[]"
            },
            self.ping_interval.as_millis(),
            self.ping_timeout.as_millis(),
            self.max_payload,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "AAAAAAAAAAAAAAAAAAAA";

    fn ask(query: &str, is_get: bool, is_upgrade: bool) -> Result<Request, Refused> {
        let query = Query::parse(query);
        let facts = Facts {
            query: &query,
            is_get,
            is_upgrade,
            origin: None,
        };
        classify(facts, Transports::default(), |sid| {
            (sid == SID).then_some(TransportKind::Polling)
        })
    }

    fn get(query: &str) -> Result<Request, Refused> {
        ask(query, true, false)
    }

    fn bad(reason: BadRequest) -> Result<Request, Refused> {
        Err(Refused::BadRequest(reason))
    }

    #[test]
    fn a_handshake_names_its_transport() {
        assert_eq!(
            get("EIO=4&transport=polling"),
            Ok(Request::Handshake(TransportKind::Polling))
        );
        assert_eq!(
            ask("EIO=4&transport=websocket", true, true),
            Ok(Request::Handshake(TransportKind::Websocket))
        );
        assert_eq!(get("EIO=4"), Err(Refused::UnknownTransport));
        for name in [
            "abc",
            "__proto__",
            "constructor",
            "webtransport",
            "POLLING",
            "polling%0d%0aX:y",
        ] {
            let query = format!("EIO=4&transport={name}");
            assert_eq!(get(&query), Err(Refused::UnknownTransport), "{name}");
        }
    }

    #[test]
    fn the_checks_come_in_the_official_order() {
        assert_eq!(ask("EIO=3", false, false), Err(Refused::UnknownTransport));
        assert_eq!(
            ask("EIO=3&transport=polling", false, false),
            Err(Refused::BadHandshakeMethod),
            "the method before the revision"
        );
        assert_eq!(get("transport=websocket"), bad(BadRequest::NotAnUpgrade));
        assert_eq!(
            get("EIO=3&transport=polling&sid=nope"),
            Err(Refused::UnknownSid)
        );
    }

    #[test]
    fn an_empty_sid_is_no_sid() {
        assert!(matches!(
            get("EIO=4&transport=polling&sid="),
            Ok(Request::Handshake(_))
        ));
    }

    #[test]
    fn a_foreign_sid_is_an_unknown_session() {
        for sid in [
            "nope",
            "__proto__",
            "constructor",
            "AAAAAAAAAAAAAAAAAAA%00",
            "BAAAAAAAAAAAAAAAAAAA",
        ] {
            let query = format!("EIO=4&transport=polling&sid={sid}");
            assert_eq!(get(&query), Err(Refused::UnknownSid), "{sid}");
        }
    }

    #[test]
    fn a_session_keeps_its_revision_and_transport() {
        for eio in ["EIO=3&", "EIO=5&", ""] {
            let query = format!("{eio}transport=polling&sid={SID}");
            assert_eq!(get(&query), bad(BadRequest::ProtocolMismatch));
            let query = format!("{eio}transport=websocket&sid={SID}");
            assert_eq!(ask(&query, true, true), bad(BadRequest::ProtocolMismatch));
        }
        let query = format!("EIO=4&transport=websocket&sid={SID}");
        assert_eq!(get(&query), bad(BadRequest::TransportMismatch));
        assert!(matches!(ask(&query, true, true), Ok(Request::Session(..))));
    }

    #[test]
    fn an_upgrade_to_polling_is_none() {
        let query = format!("EIO=4&transport=polling&sid={SID}");
        assert_eq!(ask(&query, true, true), bad(BadRequest::NotAnUpgrade));
    }

    #[test]
    fn the_parameters_of_the_protocol_may_not_be_repeated() {
        for query in [
            "EIO=4&EIO=4&transport=polling",
            "EIO=4&transport=polling&transport=polling",
            "EIO=4&transport=polling&sid=a&sid=b",
        ] {
            assert_eq!(get(query), bad(BadRequest::DuplicateParameter), "{query}");
        }
        assert!(get("EIO=4&transport=polling&t=1&t=2").is_ok());
    }

    #[test]
    fn control_characters_in_the_origin_are_refused() {
        let query = Query::parse("EIO=4&transport=polling");
        let facts = Facts {
            query: &query,
            is_get: true,
            is_upgrade: false,
            origin: Some(b"http://a\x01"),
        };
        let refused = classify(facts, Transports::default(), |_| None);
        assert_eq!(refused, bad(BadRequest::InvalidOrigin));
    }

    #[test]
    fn a_transport_that_is_switched_off_is_unknown() {
        let query = Query::parse("EIO=4&transport=websocket");
        let facts = Facts {
            query: &query,
            is_get: true,
            is_upgrade: true,
            origin: None,
        };
        let offered = Transports {
            polling: true,
            websocket: false,
        };
        assert_eq!(
            classify(facts, offered, |_| None),
            Err(Refused::UnknownTransport)
        );
    }

    #[test]
    fn the_open_packet_has_exactly_the_keys_of_the_protocol() {
        let sid = SessionId::new(SID).unwrap();
        let open = Open {
            sid: &sid,
            upgrade: true,
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(200),
            max_payload: 1_000_000,
        };
        let expected = r#"0{"sid":"AAAAAAAAAAAAAAAAAAAA","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;
        assert_eq!(open.encode(), expected);
        assert!(
            Open {
                upgrade: false,
                ..open
            }
            .encode()
            .contains(r#""upgrades":[],"#)
        );
    }
}
