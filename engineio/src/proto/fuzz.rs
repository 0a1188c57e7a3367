//! Bodies of the fuzz targets. They live here so that they always compile, and so that ordinary
//! tests can replay the committed seeds; `fuzz/` only feeds them. They panic when a property fails.

use bytes::Bytes;

use super::{
    Message, Packet,
    payload::{DEFAULT_MAX_PACKETS, PayloadDecoder, SEPARATOR},
};

/// Target `eio_packet`: what decodes, encodes to a form that decodes to the same packet, of the
/// same kind; and that form is stable.
pub fn eio_packet(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(packet) = Packet::decode(text) else {
        return;
    };
    let encoded = packet.encode();
    let again = Packet::decode(&encoded).expect("what was encoded decodes");
    assert_eq!(again, packet);
    assert_eq!(again.encode(), encoded);
    let is_binary = matches!(packet, Packet::Message(Message::Binary(_)));
    assert_eq!(is_binary, text.starts_with('b'));
}

/// Target `eio_payload`: the packets are those of a plain split, in order, up to the first that is
/// none; and there are never more than the limit.
pub fn eio_payload(data: &[u8]) {
    let mut decoder = PayloadDecoder::new(Bytes::copy_from_slice(data), DEFAULT_MAX_PACKETS);
    let mut records = data.split(|&byte| byte == SEPARATOR);
    let mut count = 0;
    while let Some(result) = decoder.next_packet() {
        let record = records.next().expect("no more packets than records");
        let plain = std::str::from_utf8(record)
            .ok()
            .and_then(|text| Packet::decode(text).ok());
        match result {
            Ok(packet) => {
                assert_eq!(Some(packet), plain);
                count += 1;
            }
            Err(_) => {
                assert!(plain.is_none() || count == DEFAULT_MAX_PACKETS);
                assert!(decoder.next_packet().is_none(), "an error is the end");
                return;
            }
        }
    }
    assert_eq!(records.next(), None, "nothing is left out");
    assert!(count <= DEFAULT_MAX_PACKETS);
}
