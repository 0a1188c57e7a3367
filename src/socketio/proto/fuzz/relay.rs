//! Arguments that are sent on, in the form of either parser.

use std::time::Instant;

use bytes::Bytes;
use engineio::Frame;
use engineio::proto::frame::BinaryForm;
use engineio::proto::outbox::{Outbox, OutboxLimits};
use engineio::proto::payload::PayloadDecoder;
use engineio::proto::{Message, Packet};

use super::super::args::Args;
use super::super::connection::{Connection, ConnectionLimits, Received};
use super::super::encode::{self, EncodeError, MAX_ATTACHMENTS, Mark};
use super::super::names::MAX_EVENT_NAME_BYTES;
use super::super::packet::AckId;
use super::super::parser::{Envelope, Parser};
use super::super::payload::Payload;

/// An event, or an answer, as it was received.
pub(super) struct Delivered {
    name: Option<Box<str>>,
    ack_id: Option<AckId>,
    pub(super) args: Args,
}

/// Target `sio_relay`: the first line is a packet, further lines its attachments; or, behind an `m`,
/// a message of the other parser. What is delivered is sent on in both forms, and each is read back
/// to the same values.
pub fn sio_relay(data: &[u8], now: Instant) {
    let (parser, messages): (_, Vec<&[u8]>) = match data.strip_prefix(b"m") {
        Some(message) => (Parser::Msgpack, vec![message]),
        None => (
            Parser::Json,
            data.split(|&byte| byte == b'\n').take(12).collect(),
        ),
    };
    let Some(first) = receive(parser, &messages, now) else {
        return;
    };
    let Ok(values) = first.args.payloads() else {
        // An object whose first key says so is taken for an attachment, whatever else is in it.
        assert!(first.args.has_binary() && first.args.as_json().is_some());
        return;
    };
    // The protocol cannot tell such data from the place of an attachment.
    if first.args.has_binary() && values.iter().any(looks_like_a_placeholder) {
        return;
    }
    for parser in [Parser::Json, Parser::Msgpack] {
        let to = Envelope {
            parser,
            namespace: "/",
        };
        let (mark, sent) = send(to, &first);
        match sent {
            Ok(frame) => {
                let again = read_back(parser, &frame, now);
                assert_eq!((&again.name, again.ack_id), (&first.name, mark.ack_id()));
                assert_eq!(
                    again.args.payloads().ok(),
                    Some(values.clone()),
                    "{parser:?}"
                );
            }
            Err(EncodeError::Name(_)) => {
                let name = first.name.as_ref().expect("a name");
                assert!(name.len() > MAX_EVENT_NAME_BYTES);
            }
            Err(EncodeError::TooManyAttachments { got }) => {
                assert!(got > usize::from(MAX_ATTACHMENTS) && parser == Parser::Json);
            }
            Err(error) => panic!("{error}"),
        }
    }
    check_offset(&first, &values, now);
}

/// With connection state recovery an event has one more argument, a text.
fn check_offset(what: &Delivered, values: &[Payload], now: Instant) {
    let mut expected = values.to_vec();
    expected.push(Payload::Text("offset".to_owned()));
    for parser in [Parser::Json, Parser::Msgpack] {
        let to = Envelope {
            parser,
            namespace: "/",
        };
        let Ok(frame) = encode::raw_event(to, Mark::Offset("offset"), "e", &what.args) else {
            continue;
        };
        let again = read_back(parser, &frame, now);
        assert_eq!(self::values(&again.args), expected);
    }
    let shown = format!("{:?}", what.args);
    assert!(shown.starts_with("Args(") && shown.len() < 60, "sizes only");
    assert_eq!(what.args.is_empty(), values.is_empty());
    assert!(what.args.bytes() >= values.len());
}

fn looks_like_a_placeholder(value: &Payload) -> bool {
    match value {
        Payload::List(items) => items.iter().any(looks_like_a_placeholder),
        Payload::Map(entries) => entries
            .iter()
            .any(|(key, value)| key == "_placeholder" || looks_like_a_placeholder(value)),
        _ => false,
    }
}

fn send<'a>(to: Envelope<'_>, what: &'a Delivered) -> (Mark<'a>, Result<Frame, EncodeError>) {
    let mark = what.ack_id.map_or(Mark::Plain, Mark::Ack);
    let sent = match (&what.name, what.ack_id) {
        (Some(name), _) => encode::raw_event(to, mark, name, &what.args),
        (None, id) => encode::raw_ack(to, id.unwrap_or_default(), &what.args),
    };
    (mark, sent)
}

/// What a client that uses `parser` reads out of a frame.
pub(super) fn read_back(parser: Parser, frame: &Frame, now: Instant) -> Delivered {
    let mut outbox = Outbox::new(OutboxLimits::default(), BinaryForm::Frames);
    _ = outbox.enqueue(frame.clone()).expect("room");
    let mut payload =
        PayloadDecoder::new(outbox.take_payload(&[]), usize::from(MAX_ATTACHMENTS) + 1);
    let mut messages: Vec<Vec<u8>> = Vec::new();
    while let Some(packet) = payload.next_packet() {
        match packet.expect("a packet") {
            Packet::Message(Message::Text(text)) => messages.push(text.as_bytes().to_vec()),
            Packet::Message(Message::Binary(bytes)) => messages.push(bytes.to_vec()),
            other => panic!("{other:?} in a frame"),
        }
    }
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    receive(parser, &messages, now).expect("what was sent is read")
}

/// A connection that has joined the main namespace receives a packet.
fn receive(parser: Parser, messages: &[&[u8]], now: Instant) -> Option<Delivered> {
    let limits = ConnectionLimits::default();
    let mut connection: Connection<()> = Connection::new(parser, &limits, now);
    let granted = match parser {
        Parser::Json => connection.handle_text("0", &limits, now),
        Parser::Msgpack => {
            let joins = Bytes::from_static(b"\x82\xa4type\x00\xa3nsp\xa1/");
            connection.handle_binary(joins, &limits, now)
        }
    };
    assert!(matches!(granted, Ok(Received::Connect { .. })));
    assert!(connection.accept("/", ()));
    for (place, message) in messages.iter().enumerate() {
        let received = match (parser, place) {
            (Parser::Json, 0) => {
                let text = std::str::from_utf8(message).ok()?;
                connection.handle_text(text, &limits, now)
            }
            _ => connection.handle_binary(Bytes::copy_from_slice(message), &limits, now),
        };
        match received.ok()? {
            Received::Nothing => {}
            Received::Event {
                name, ack_id, args, ..
            } => {
                let name = Some(name);
                return Some(Delivered { name, ack_id, args });
            }
            Received::Ack { id, args, .. } => {
                return Some(Delivered {
                    name: None,
                    ack_id: Some(id),
                    args,
                });
            }
            Received::Connect { .. } | Received::Disconnect { .. } => return None,
        }
    }
    None
}

/// The values of an argument list.
pub(super) fn values(args: &Args) -> Vec<Payload> {
    args.payloads().expect("values")
}
