//! Bodies of the fuzz targets. They live here so that they always compile, and so that ordinary
//! tests can replay the committed seeds; `fuzz/` only feeds them. They panic when a property fails.

mod assembly;
mod connection;
mod json;
mod plain;
mod relay;
mod shapes;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

pub use self::assembly::sio_assembly;
pub use self::connection::sio_connection;
pub use self::json::sio_json;
pub use self::relay::sio_relay;
pub use self::shapes::sio_shapes;
use super::args::{Args, Form};
use super::codec::{decode, encode_header};
use super::encode::MAX_ATTACHMENTS;
use super::msgpack::{self, Content};
use super::names::{MAX_NAMESPACE_BYTES, is_reserved};
use super::packet::{Header, MAX_ACK_ID, Packet};

/// Target `sio_packet`: what decodes is what a plain reading takes for a packet, and nothing else; it
/// is within every limit, its parts are the text without a gap, it is JSON for `serde_json` too, and encodes to a text that decodes to the same packet.
pub fn sio_packet(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let decoded = decode(text, MAX_ATTACHMENTS);
    if let Some(is_packet) = plain::is_packet(text) {
        assert_eq!(decoded.is_ok(), is_packet, "{decoded:?}");
    }
    let Ok(packet) = decoded else {
        return;
    };
    assert!(packet.attachments <= MAX_ATTACHMENTS);
    assert_eq!(packet.kind.is_binary(), packet.attachments > 0);
    assert!(packet.namespace.starts_with('/') && packet.namespace.len() <= MAX_NAMESPACE_BYTES);
    assert!(packet.ack_id.is_none_or(|id| id <= MAX_ACK_ID));
    assert_eq!(packet.kind.is_event(), packet.name.is_some());
    if let Some(name) = &packet.name {
        assert!(!is_reserved(name));
        let args = Args::named(
            packet.payload.as_ref().into(),
            packet.arguments_at,
            Vec::new(),
        );
        let values: Vec<Value> = args.decode().expect("an array");
        let again: Vec<Value> =
            serde_json::from_str(&format!("[{}]", args.as_json().expect("JSON")))
                .expect("an array");
        assert_eq!(values, again);
    }
    assert!(packet.payload.is_empty() || serde_json::from_str::<Value>(&packet.payload).is_ok());
    assert_tiles(text, &packet);

    let header = Header {
        kind: packet.kind,
        attachments: packet.attachments,
        namespace: packet.namespace,
        ack_id: packet.ack_id,
    };
    let mut encoded = String::new();
    encode_header(&mut encoded, &header).expect("a string takes everything");
    encoded.push_str(&packet.payload);
    assert_eq!(decode(&encoded, MAX_ATTACHMENTS).as_ref(), Ok(&packet));
}

/// Nothing of the text is read twice or left out: type, count, namespace, id, payload, blanks.
fn assert_tiles(text: &str, packet: &Packet<'_>) {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = &text[1..];
    if packet.kind.is_binary() {
        let count = digits(rest);
        assert_eq!(rest[..count].parse(), Ok(packet.attachments));
        rest = &rest[count + 1..];
    }
    if rest.starts_with('/') {
        rest = &rest[packet.namespace.len()..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    let id = digits(rest);
    assert_eq!(rest[..id].parse().ok(), packet.ack_id);
    let (payload, blanks) = rest[id..].split_at(packet.payload.len());
    assert!(blanks.trim_ascii().is_empty());
    if matches!(packet.payload, Cow::Borrowed(_)) {
        assert_eq!(payload, packet.payload);
    }
}

/// Target `sio_msgpack`: what decodes is within every limit, reads as any value without a panic, and
/// encodes to a message that decodes to the same.
pub fn sio_msgpack(data: &[u8]) {
    let message = Bytes::copy_from_slice(data);
    let Ok(packet) = msgpack::decode(&message) else {
        return;
    };
    assert!(packet.namespace.starts_with('/') && packet.namespace.len() <= MAX_NAMESPACE_BYTES);
    assert!(packet.ack_id.is_none_or(|id| id <= MAX_ACK_ID));
    match packet.content {
        Content::Event(name, args) => {
            assert!(!is_reserved(&name));
            sio_msgpack_args(&args);
        }
        Content::Ack(args) => sio_msgpack_args(&args),
        Content::Connect(auth) => {
            assert!(auth.len() <= 6 * data.len());
            assert!(auth.is_empty() || serde_json::from_str::<Value>(&auth).is_ok());
        }
        Content::Disconnect | Content::ConnectError => {}
    }
}

fn sio_msgpack_args(args: &Args) {
    _ = args.data::<Value>();
    _ = args.data::<(String, Bytes, Option<f64>)>();
    let values = args.payloads().expect("a list of values");
    let Form::Msgpack { items, count, .. } = args.form() else {
        panic!("arguments of another parser");
    };
    assert_eq!(values.len(), *count as usize);
    // Written anew they are the same values, `undefined` and its like aside.
    let mut again = Vec::new();
    for value in &values {
        value
            .serialize(msgpack::Writer::new(&mut again))
            .expect("values have a form");
    }
    let again = Args::msgpack(again.into(), *count, args.has_binary());
    assert_eq!(again.payloads().expect("a list of values"), values);
    assert!(items.len() >= *count as usize);
}
