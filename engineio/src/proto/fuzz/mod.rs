//! Bodies of the fuzz targets. They live here so that they always compile, and so that ordinary
//! tests can replay the committed seeds; `fuzz/` only feeds them. They panic when a property fails.

mod frames;
mod handshake;
mod session;
mod stream;

use bytes::Bytes;

pub use self::{handshake::eio_handshake, session::eio_session, stream::eio_stream};
use super::{
    Message, Packet,
    payload::{self, DEFAULT_MAX_PACKETS, PayloadDecoder, SEPARATOR},
};

#[cfg(test)]
pub(super) use self::session::Client;

/// Target `eio_packet`: what is encoded decodes to the same packet, of the same kind; what decodes
/// has one encoded form, which is stable; and a frame carries the same in every form.
pub fn eio_packet(data: &[u8]) {
    assert_returns(&Packet::Message(Message::Binary(Bytes::copy_from_slice(
        data,
    ))));
    frames::check(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for packet in [
        Packet::Message(Message::Text(text)),
        Packet::Open(text),
        Packet::Ping(text),
        Packet::Pong(text),
    ] {
        assert_returns(&packet);
        assert_eq!(packet.data_len(), text.len());
    }
    let Ok(packet) = Packet::decode(text) else {
        return;
    };
    assert_returns(&packet);
    let is_binary = matches!(packet, Packet::Message(Message::Binary(_)));
    assert_eq!(is_binary, text.starts_with('b'));
    assert!(packet.data_len() < text.len());
}

fn assert_returns(packet: &Packet<'_>) {
    let encoded = packet.encode();
    let again = Packet::decode(&encoded).expect("what was encoded decodes");
    assert_eq!(&again, packet);
    assert_eq!(again.encode(), encoded);
}

/// Target `eio_payload`: the packets are those of a plain split, in order, up to the first that is
/// none; there are never more than the limit; and joined they are the payload again.
pub fn eio_payload(data: &[u8]) {
    let mut decoder = PayloadDecoder::new(Bytes::copy_from_slice(data), DEFAULT_MAX_PACKETS);
    let mut records = data.split(|&byte| byte == SEPARATOR);
    let mut read = Vec::new();
    while let Some(result) = decoder.next_packet() {
        let record = records.next().expect("no more packets than records");
        let plain = std::str::from_utf8(record)
            .ok()
            .and_then(|text| Packet::decode(text).ok());
        match result {
            Ok(packet) => {
                assert_eq!(Some(packet), plain);
                read.push(Bytes::copy_from_slice(record));
            }
            Err(_) => {
                assert!(plain.is_none() || read.len() == DEFAULT_MAX_PACKETS);
                assert!(decoder.next_packet().is_none(), "an error is the end");
                return;
            }
        }
    }
    assert!(decoder.is_done());
    assert_eq!(records.next(), None, "nothing is left out");
    assert!(read.len() <= DEFAULT_MAX_PACKETS);
    assert_eq!(payload::join(read.into_iter()), data);
    assert!(payload::join(std::iter::empty()).is_empty());
}

/// Reads a payload to its end and keeps nothing: for measuring what that allocates.
pub fn read_payload(body: Bytes) {
    let mut decoder = PayloadDecoder::new(body, DEFAULT_MAX_PACKETS);
    while decoder.next_packet().is_some() {}
}
