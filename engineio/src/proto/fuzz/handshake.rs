//! What a request asks for, by a table.

use std::{collections::HashSet, time::Duration};

use crate::proto::{
    SessionId, Sid, TransportKind, Transports,
    frame::BinaryForm,
    handshake::{BadRequest, Facts, Open, Query, Refused, Request, classify},
};

/// The session that the table knows.
const KNOWN: &str = "AAAAAAAAAAAAAAAAAAAA";

/// Target `eio_handshake`: the first byte holds what else is known of the request, the first line is
/// its query string, and the second its `Origin`. The query reads as `reference` (WHATWG URL) reads
/// it, the answer is that of a table, and an open packet has no line break whatever the id.
pub fn eio_handshake(data: &[u8], reference: impl Fn(&[u8]) -> Vec<(String, String)>) {
    let Some((&facts, text)) = data.split_first() else {
        return;
    };
    let mut lines = text.splitn(2, |&byte| byte == b'\n');
    let (line, origin) = (lines.next().unwrap_or_default(), lines.next());
    let Ok(line) = std::str::from_utf8(line) else {
        return;
    };
    let query = Query::parse(line);
    let pairs = query
        .pairs()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(pairs.collect::<Vec<_>>(), reference(line.as_bytes()));
    check_answer(&query, facts, origin);
    check_open_packet(line);
    check_id(text);
    assert_eq!(
        query.binary_form() == BinaryForm::Base64,
        query.get("b64").is_some_and(|value| !value.is_empty())
    );
}

/// The first row that fits, in the order of the official server's checks.
fn check_answer(query: &Query, bits: u8, origin: Option<&[u8]>) {
    let bit = |place: u8| bits >> place & 1 == 1;
    let (is_get, is_upgrade) = (bit(0), bit(1));
    let offered = match (bit(2), bit(3)) {
        (false, false) => Transports::default(),
        (no_polling, no_websocket) => Transports {
            polling: !no_polling,
            websocket: !no_websocket,
        },
    };
    let current = TransportKind::ALL[usize::from(bit(4))];
    let given = |name: &str| query.pairs().filter(|(key, _)| *key == name).count();
    let sid = query.get("sid").unwrap_or_default();
    let kind = match query.get("transport") {
        Some("polling") if offered.polling => Some(TransportKind::Polling),
        Some("websocket") if offered.websocket => Some(TransportKind::Websocket),
        _ => None,
    };
    let control = |byte: &u8| matches!(byte, 0..=8 | 10..=31 | 127);
    let mismatch = is_upgrade != (kind == Some(TransportKind::Websocket));
    let in_session = !sid.is_empty();
    let bad = Refused::BadRequest;
    let table = [
        (
            given("EIO") > 1 || given("transport") > 1 || given("sid") > 1,
            bad(BadRequest::DuplicateParameter),
        ),
        (kind.is_none(), Refused::UnknownTransport),
        (
            origin.is_some_and(|origin| origin.iter().any(control)),
            bad(BadRequest::InvalidOrigin),
        ),
        (in_session && sid != KNOWN, Refused::UnknownSid),
        (
            in_session && !is_upgrade && kind != Some(current),
            bad(BadRequest::TransportMismatch),
        ),
        (
            in_session && query.get("EIO") != Some("4"),
            bad(BadRequest::ProtocolMismatch),
        ),
        (!in_session && !is_get, Refused::BadHandshakeMethod),
        (mismatch, bad(BadRequest::NotAnUpgrade)),
    ];
    let expected = match (table.into_iter().find(|row| row.0), kind) {
        (Some((_, refused)), _) => Err(refused),
        (None, Some(kind)) if in_session => Ok(Request::Session(kind)),
        (None, Some(kind)) => Ok(Request::Handshake(kind)),
        (None, None) => panic!("no transport is a row of the table"),
    };
    let facts = Facts {
        query,
        is_get,
        is_upgrade,
        origin,
    };
    let answer = classify(facts, offered, |sid| (sid == KNOWN).then_some(current));
    assert_eq!(answer, expected);
    if let Ok(Request::Session(kind) | Request::Handshake(kind)) = answer {
        assert_eq!(query.get("transport"), Some(&*kind.to_string()));
    }
    // What is said of a refusal is one of a few fixed texts.
    if let Err(refused) = answer {
        let shown = refused.to_string();
        assert!(
            shown
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b' ')
        );
        if let Refused::BadRequest(reason) = refused {
            assert!(
                reason
                    .name()
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
            );
        }
    }
}

/// An id of these random bytes reads as itself, is found by its text, and shows nothing of it.
fn check_id(random: &[u8]) {
    let mut bytes = [0; Sid::LEN];
    for (byte, random) in bytes.iter_mut().zip(random) {
        *byte = *random;
    }
    let sid = Sid::from_random(bytes);
    assert_eq!(Sid::parse(sid.as_str()), Some(sid));
    assert_eq!(format!("{sid:?}"), "Sid(…)");
    let ids = HashSet::from([SessionId::from(sid)]);
    assert!(ids.contains(sid.as_str().as_bytes()));
    assert_eq!(SessionId::new(sid.as_str()).as_ref(), ids.iter().next());
    assert_eq!(format!("{ids:?}"), "{SessionId(…)}");
}

/// Whatever an application takes for an id.
fn check_open_packet(text: &str) {
    let Some(sid) = SessionId::new(text) else {
        assert!(text.is_empty() || text.len() > SessionId::MAX_LEN);
        return;
    };
    assert_eq!(sid.as_str(), text);
    let packet = Open {
        sid: &sid,
        upgrade: text.len().is_multiple_of(2),
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        max_payload: 1_000_000,
    }
    .encode();
    assert!(packet.starts_with(r#"0{"sid":""#) && packet.ends_with('}'));
    assert!(
        !packet.bytes().any(|byte| byte < 0x20),
        "nothing ends a line"
    );
    // Its quotes are those of the four names, of the id, and of the upgrade.
    let escaped = packet.replace(r"\\", "").replace(r#"\""#, "");
    let quotes = escaped.bytes().filter(|&byte| byte == b'"').count();
    let upgrades = if text.len().is_multiple_of(2) { 2 } else { 0 };
    assert_eq!(quotes, 12 + upgrades);
}
