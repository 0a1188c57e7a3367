//! Packets: one type character and data.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;

/// The alphabet is strict, the padding optional: some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an application gets and sends: a text or bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message, borrowed from the buffer it arrived in.
    Text(&'a str),
    /// A binary message.
    Binary(Bytes),
}

/// One Engine.IO packet. The data of control packets matters only for the probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: sent by the server only, once.
    Open(&'a str),
    /// `1`: the transport is to be closed.
    Close,
    /// `2`: heartbeat of the server, or the client's `2probe`.
    Ping(&'a str),
    /// `3`: answer to a ping.
    Pong(&'a str),
    /// `4`, or binary without a type character.
    Message(Message<'a>),
    /// `5`: the probed transport takes over.
    Upgrade,
    /// `6`: ends a polling request without data.
    Noop,
}

/// Why a packet was refused. The peer is to blame, and the session ends with a parse error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No character at all, where a type was expected.
    #[error("empty packet")]
    Empty,
    /// The first character is none of `0`–`6` and `b`.
    #[error("unknown packet type")]
    UnknownType,
    /// What follows `b` is not base64.
    #[error("invalid base64")]
    Base64,
}

impl<'a> Packet<'a> {
    /// Decodes a packet in text form: a record of a polling payload, or a WebSocket text frame.
    ///
    /// # Errors
    /// [`DecodeError`] when it is no packet.
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let kind = *text.as_bytes().first().ok_or(DecodeError::Empty)?;
        let Some(data) = text.get(1..) else {
            return Err(DecodeError::UnknownType);
        };
        Ok(match kind {
            b'0' => Self::Open(data),
            b'1' => Self::Close,
            b'2' => Self::Ping(data),
            b'3' => Self::Pong(data),
            b'4' => Self::Message(Message::Text(data)),
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            b'b' => Self::Message(Message::Binary(decode_base64(data)?)),
            _ => return Err(DecodeError::UnknownType),
        })
    }

    /// Bytes of the data, without the type.
    #[must_use]
    pub fn data_len(&self) -> usize {
        match self {
            Self::Open(data) | Self::Ping(data) | Self::Pong(data) => data.len(),
            Self::Message(Message::Text(text)) => text.len(),
            Self::Message(Message::Binary(data)) => data.len(),
            Self::Close | Self::Upgrade | Self::Noop => 0,
        }
    }

    /// Encodes the packet in text form, binary as `b` and base64. For tests and rare packets:
    /// messages are sent as [`Frame`](super::Frame), which is encoded once for all receivers.
    #[must_use]
    pub fn encode(&self) -> String {
        match self {
            Self::Open(data) => format!("0{data}"),
            Self::Close => "1".to_owned(),
            Self::Ping(data) => format!("2{data}"),
            Self::Pong(data) => format!("3{data}"),
            Self::Message(Message::Text(data)) => format!("4{data}"),
            Self::Message(Message::Binary(data)) => format!("b{}", BASE64.encode(data)),
            Self::Upgrade => "5".to_owned(),
            Self::Noop => "6".to_owned(),
        }
    }
}

fn decode_base64(data: &str) -> Result<Bytes, DecodeError> {
    BASE64
        .decode(data)
        .map(Bytes::from)
        .map_err(|_| DecodeError::Base64)
}

/// Appends `data` in base64, padded as every official encoder does.
#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the room was made for it"
)]
pub(crate) fn encode_base64_into(data: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + data.len().div_ceil(3) * 4, 0);
    let written = BASE64
        .encode_slice(data, &mut out[start..])
        .expect("the room was computed");
    out.truncate(start + written);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_type_character_is_read() {
        assert_eq!(Packet::decode("0{}"), Ok(Packet::Open("{}")));
        assert_eq!(Packet::decode("1"), Ok(Packet::Close));
        assert_eq!(Packet::decode("2probe"), Ok(Packet::Ping("probe")));
        assert_eq!(Packet::decode("3"), Ok(Packet::Pong("")));
        assert_eq!(
            Packet::decode("4hello"),
            Ok(Packet::Message(Message::Text("hello")))
        );
        assert_eq!(Packet::decode("4"), Ok(Packet::Message(Message::Text(""))));
        assert_eq!(Packet::decode("5"), Ok(Packet::Upgrade));
        assert_eq!(Packet::decode("6"), Ok(Packet::Noop));
    }

    #[test]
    fn binary_is_base64_with_or_without_padding() {
        let bytes = Message::Binary(Bytes::from_static(&[1, 2, 3, 4]));
        assert_eq!(
            Packet::decode("bAQIDBA=="),
            Ok(Packet::Message(bytes.clone()))
        );
        assert_eq!(Packet::decode("bAQIDBA"), Ok(Packet::Message(bytes)));
        assert_eq!(
            Packet::decode("b"),
            Ok(Packet::Message(Message::Binary(Bytes::new())))
        );
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        assert_eq!(Packet::decode(""), Err(DecodeError::Empty));
        for text in ["abc", "7", "é", "\u{1e}", " 4a", "-1"] {
            assert_eq!(
                Packet::decode(text),
                Err(DecodeError::UnknownType),
                "{text}"
            );
        }
        for text in ["b!!!!", "bA", "bAQ ID", "bAQI-", "b===="] {
            assert_eq!(Packet::decode(text), Err(DecodeError::Base64), "{text}");
        }
    }

    proptest! {
        #[test]
        fn decoding_what_was_encoded_gives_it_back(text: String, bytes: Vec<u8>) {
            for packet in [
                Packet::Message(Message::Text(&text)),
                Packet::Ping(&text),
                Packet::Pong(&text),
                Packet::Message(Message::Binary(Bytes::from(bytes))),
            ] {
                let encoded = packet.encode();
                prop_assert_eq!(Packet::decode(&encoded), Ok(packet));
            }
        }

        #[test]
        fn any_text_is_decoded_or_refused(text: String) {
            if let Ok(packet) = Packet::decode(&text) {
                let encoded = packet.encode();
                prop_assert_eq!(Packet::decode(&encoded), Ok(packet));
            }
        }
    }
}
