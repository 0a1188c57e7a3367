//! What Parlance makes of the same inputs, in the form in which they are compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use bytes::Bytes;
use engineio::proto::payload::{PayloadDecoder, PayloadError};
use engineio::proto::{Message, Packet};
use parlance::socketio::proto::codec;
use parlance::socketio::proto::connection::{Connection, Received, Violation};
use parlance::socketio::proto::packet::PacketKind;
use parlance::socketio::{ConnectionLimits, Parser, Payload};

use super::generate::Sent;

/// Attachments that a packet may have.
pub(crate) const MAX_ATTACHMENTS: u16 = 10;

/// What came of the messages of a connection.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) packets: Vec<String>,
    /// The arguments of the last packet.
    pub(crate) values: Vec<Payload>,
    /// The message that was refused, and why.
    pub(crate) refused: Option<(usize, Violation)>,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn plain(value: &Payload) -> String {
    match value {
        Payload::Null => "n".to_owned(),
        Payload::Bool(true) => "t".to_owned(),
        Payload::Bool(false) => "f".to_owned(),
        Payload::Number(number) => {
            format!("d{:016x}", number.as_f64().expect("a double").to_bits())
        }
        Payload::Text(text) => format!("s{}", hex(text.as_bytes())),
        Payload::Bytes(bytes) => format!("b{}", hex(bytes)),
        Payload::List(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(","))
        }
        Payload::Map(entries) => {
            // Of equal keys the last one counts.
            let entries = entries
                .iter()
                .map(|(key, value)| (hex(key.as_bytes()), plain(value)));
            let entries: BTreeMap<String, String> = entries.collect();
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{key}:{value}"))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}

/// Reads messages until one is refused.
pub(crate) fn read(messages: &[Sent]) -> Read {
    let mut read = Read::default();
    let mut at = 0;
    while at < messages.len() {
        let end = match take_packet(&messages[at..], &mut read) {
            Ok(taken) => taken,
            Err((place, violation)) => {
                read.refused = Some((at + place, violation));
                break;
            }
        };
        at += end;
    }
    read
}

/// Reads one packet with what belongs to it; gives the number of its messages.
fn take_packet(messages: &[Sent], read: &mut Read) -> Result<usize, (usize, Violation)> {
    let Sent::Text(text) = &messages[0] else {
        return Err((0, Violation::UnexpectedBinary));
    };
    let packet = codec::decode(text, MAX_ATTACHMENTS).map_err(|error| (0, error.into()))?;
    let id = packet.ack_id.map_or("-".to_owned(), |id| id.to_string());
    let kind = match packet.kind {
        PacketKind::BinaryEvent => PacketKind::Event,
        PacketKind::BinaryAck => PacketKind::Ack,
        kind => kind,
    };
    let head = format!(
        "{} {} {id}",
        char::from(kind as u8),
        hex(packet.namespace.as_bytes())
    );
    let data: Option<Payload> = match &*packet.payload {
        "" => None,
        json => Some(serde_json::from_str(json).expect("JSON")),
    };
    let is_answer_to_nobody = kind == PacketKind::Ack && packet.ack_id.is_none();
    let mut shown = data.as_ref().map_or("-".to_owned(), plain);
    let (taken, values) = match packet.attachments {
        0 => (1, data.into_iter().collect()),
        _ => {
            let name = match data {
                Some(Payload::List(items)) => {
                    items.into_iter().next().filter(|_| packet.kind.is_event())
                }
                _ => None,
            };
            let (taken, arguments) = attached(packet.namespace, packet.attachments, messages)?;
            let Some(arguments) = arguments else {
                return Ok(taken);
            };
            let values: Vec<Payload> = name.into_iter().chain(arguments).collect();
            shown = plain(&Payload::List(values.clone()));
            (taken, values)
        }
    };
    read.packets.push(match is_answer_to_nobody {
        true => "an answer to nobody".to_owned(),
        false => format!("{head} {shown}"),
    });
    read.values = values;
    Ok(taken)
}

type Attached = (usize, Option<Vec<Payload>>);

/// A packet with attachments, on a connection that has joined its namespace.
fn attached(
    namespace: &str,
    count: u16,
    messages: &[Sent],
) -> Result<Attached, (usize, Violation)> {
    let (limits, now) = (ConnectionLimits::default(), Instant::now());
    let mut connection: Connection<()> = Connection::new(Parser::Json, &limits, now);
    let joins = format!("0{namespace},");
    let joins = if namespace == "/" { "0" } else { &joins };
    let joined = connection.handle_text(joins, &limits, now);
    assert!(
        matches!(joined, Ok(Received::Connect { .. })),
        "{namespace}"
    );
    assert!(connection.accept(namespace, ()));
    for (place, message) in messages.iter().enumerate() {
        let received = match message {
            Sent::Text(text) => connection.handle_text(text, &limits, now),
            Sent::Binary(bytes) => {
                connection.handle_binary(Bytes::copy_from_slice(bytes), &limits, now)
            }
        };
        match received.map_err(|violation| (place, violation))? {
            Received::Event { args, .. } | Received::Ack { args, .. } => {
                return Ok((place + 1, Some(args.decode().unwrap_or_default())));
            }
            // An answer to nobody is whole, and ignored.
            _ if place == usize::from(count) => return Ok((place + 1, Some(Vec::new()))),
            _ => {}
        }
    }
    Ok((messages.len(), None))
}

/// A payload's packets, and how it ended.
pub(crate) fn read_payload(text: &str) -> (Vec<(String, String)>, Option<PayloadError>) {
    let mut decoder = PayloadDecoder::new(Bytes::copy_from_slice(text.as_bytes()), 4096);
    let mut packets = Vec::new();
    while let Some(packet) = decoder.next_packet() {
        match packet {
            Ok(packet) => packets.push((show(&packet), packet.encode())),
            Err(error) => return (packets, Some(error)),
        }
    }
    (packets, None)
}

fn show(packet: &Packet<'_>) -> String {
    let text = |kind: &str, text: &str| format!("{kind} s{}", hex(text.as_bytes()));
    match packet {
        Packet::Open(data) => text("open", data),
        Packet::Close => "close".to_owned(),
        Packet::Ping(data) => text("ping", data),
        Packet::Pong(data) => text("pong", data),
        Packet::Message(Message::Text(data)) => text("message", data),
        Packet::Message(Message::Binary(data)) => format!("message b{}", hex(data)),
        Packet::Upgrade => "upgrade".to_owned(),
        Packet::Noop => "noop".to_owned(),
    }
}
