//! Polling payloads: packets in text form, separated by `\x1e`.

use bytes::{Buf, Bytes};
use memchr::memchr;

use super::packet::{DecodeError, Packet};

/// Separates the packets of a payload. It occurs neither in JSON nor in base64.
pub const SEPARATOR: u8 = 0x1e;

/// Packets that one request may carry by default. Real clients stay far below; the limit bounds
/// what a megabyte of two-byte packets can cost.
pub const DEFAULT_MAX_PACKETS: usize = 4096;

/// Reads a payload packet by packet, so that a body of many packets costs no memory of its own and
/// reading can pause in the middle. It stops for good at the first error.
///
/// ```
/// # use engineio::proto::{Message, Packet, payload::PayloadDecoder};
/// let mut payload = PayloadDecoder::new("4a\x1e4b".into(), 16);
/// assert_eq!(payload.next_packet(), Some(Ok(Packet::Message(Message::Text("a")))));
/// assert_eq!(payload.next_packet(), Some(Ok(Packet::Message(Message::Text("b")))));
/// assert_eq!(payload.next_packet(), None);
/// ```
#[derive(Debug)]
pub struct PayloadDecoder {
    rest: Bytes,
    /// The record that the last packet borrows from.
    record: Bytes,
    packets_left: usize,
    done: bool,
}

/// Why the rest of a payload was refused. The peer is to blame, and the session ends; the packets
/// before the fault were valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// A record is no packet. An empty body, and a separator at either end, hold an empty record.
    #[error(transparent)]
    Packet(#[from] DecodeError),
    /// A record is not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// More packets than allowed.
    #[error("too many packets")]
    TooManyPackets,
}

impl PayloadDecoder {
    /// Begins to read `body`, of at most `max_packets` packets.
    #[must_use]
    pub fn new(body: Bytes, max_packets: usize) -> Self {
        Self {
            rest: body,
            record: Bytes::new(),
            packets_left: max_packets,
            done: false,
        }
    }

    /// The next packet; `None` at the end, and after an error.
    pub fn next_packet(&mut self) -> Option<Result<Packet<'_>, PayloadError>> {
        if self.done {
            return None;
        }
        self.take_record();
        if self.packets_left == 0 {
            self.done = true;
            return Some(Err(PayloadError::TooManyPackets));
        }
        self.packets_left -= 1;
        let packet = decode(&self.record);
        self.done |= packet.is_err();
        Some(packet)
    }

    /// Whether everything was given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    fn take_record(&mut self) {
        match memchr(SEPARATOR, &self.rest) {
            Some(end) => {
                self.record = self.rest.split_to(end);
                self.rest.advance(1);
            }
            None => {
                self.record = std::mem::take(&mut self.rest);
                self.done = true;
            }
        }
    }
}

fn decode(record: &[u8]) -> Result<Packet<'_>, PayloadError> {
    let text = std::str::from_utf8(record).map_err(|_| PayloadError::Utf8)?;
    Ok(Packet::decode(text)?)
}

/// Joins records to a payload. One record alone is not copied.
pub(crate) fn join(mut records: impl Iterator<Item = Bytes>) -> Bytes {
    let Some(first) = records.next() else {
        return Bytes::new();
    };
    let Some(second) = records.next() else {
        return first;
    };
    let mut payload = Vec::with_capacity(first.len() + second.len() + 64);
    payload.extend_from_slice(&first);
    for record in std::iter::once(second).chain(records) {
        payload.push(SEPARATOR);
        payload.extend_from_slice(&record);
    }
    payload.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proto::Message;

    /// Everything a payload gives, owned: packets in text form, and the error at the end.
    fn read(body: &[u8], max: usize) -> (Vec<String>, Option<PayloadError>) {
        let mut decoder = PayloadDecoder::new(Bytes::copy_from_slice(body), max);
        let mut packets = Vec::new();
        while let Some(packet) = decoder.next_packet() {
            match packet {
                Ok(packet) => packets.push(packet.encode()),
                Err(error) => {
                    assert_eq!(decoder.next_packet(), None, "an error is the end");
                    return (packets, Some(error));
                }
            }
        }
        (packets, None)
    }

    #[test]
    fn packets_come_in_order() {
        let (packets, error) = read("4test1\x1e4test2\x1ebAQIDBA==".as_bytes(), 16);
        assert_eq!(packets, ["4test1", "4test2", "bAQIDBA=="]);
        assert_eq!(error, None);
    }

    #[test]
    fn an_empty_record_is_an_error_wherever_it_is() {
        for (body, before) in [
            ("", 0),
            ("\x1e", 0),
            ("4a\x1e", 1),
            ("\x1e4a", 0),
            ("4a\x1e\x1e4b", 1),
        ] {
            let (packets, error) = read(body.as_bytes(), 16);
            assert_eq!(packets.len(), before, "{body:?}");
            assert_eq!(error, Some(DecodeError::Empty.into()), "{body:?}");
        }
    }

    #[test]
    fn packets_before_a_bad_one_are_given() {
        let (packets, error) = read(b"4a\x1e4\xff\x1e4b", 16);
        assert_eq!(
            (packets, error),
            (vec!["4a".to_owned()], Some(PayloadError::Utf8))
        );
    }

    #[test]
    fn the_number_of_packets_is_bounded() {
        let body = ["2"; 4].join("\x1e");
        assert_eq!(read(body.as_bytes(), 4).1, None);
        let (packets, error) = read(body.as_bytes(), 3);
        assert_eq!(
            (packets.len(), error),
            (3, Some(PayloadError::TooManyPackets))
        );
    }

    proptest! {
        #[test]
        fn reading_what_was_joined_gives_it_back(texts in prop::collection::vec("[^\x1e]*", 1..20)) {
            let encoded: Vec<String> =
                texts.iter().map(|t| Packet::Message(Message::Text(t)).encode()).collect();
            let payload = join(encoded.iter().map(|record| Bytes::from(record.clone())));
            prop_assert_eq!(read(&payload, 4096), (encoded, None));
        }

        #[test]
        fn any_body_is_split_at_the_separators(body: Vec<u8>) {
            let (packets, error) = read(&body, 4096);
            let records = body.split(|&byte| byte == SEPARATOR).count();
            prop_assert!(packets.len() == records || (error.is_some() && packets.len() < records));
        }
    }
}
