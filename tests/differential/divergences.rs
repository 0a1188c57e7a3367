//! Where Parlance differs from the official parsers on purpose: the whole list. What is not on it is
//! a fault.

use engineio::proto::packet;
use engineio::proto::payload::PayloadError;
use parlance::socketio::proto::codec::{self, DecodeError};
use parlance::socketio::proto::connection::Violation;
use parlance::socketio::proto::json::JsonError;
use serde_json::Value;

use super::generate::Sent;
use super::ours;

/// Why Parlance may refuse what the official Socket.IO parser takes. `odd` says that a placeholder is
/// not as an official encoder writes it.
pub(crate) fn refusal(text: &str, violation: &Violation, odd: bool) -> Option<&'static str> {
    match violation {
        Violation::Decode(error) => decode_refusal(text, *error),
        Violation::IllegalPlaceholder if odd || has_odd_number(text) => {
            Some("a placeholder's number is a whole number, checked before the attachments come")
        }
        Violation::IllegalPlaceholder => is_sound_without_repeats(text)
            .then_some("a placeholder that a repeated key hides is checked too"),
        _ => None,
    }
}

/// Whether a packet is taken when of equal keys the last one alone is left.
fn is_sound_without_repeats(text: &str) -> bool {
    let header = text.split('[').next().unwrap_or_default();
    let Ok(packet) = codec::decode(text, ours::MAX_ATTACHMENTS) else {
        return false;
    };
    let value = serde_json::from_str::<Value>(&packet.payload).unwrap_or_default();
    let read = ours::read(&[Sent::Text(format!("{header}{value}"))]);
    read.refused.is_none()
}

fn decode_refusal(text: &str, error: DecodeError) -> Option<&'static str> {
    let after_type = text.get(1..).unwrap_or_default();
    let count = after_type.split('-').next().unwrap_or_default();
    let is_digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let has_blank = after_type.contains(|c: char| c.is_whitespace() || c == '\u{feff}');
    match error {
        DecodeError::UnknownType => text
            .chars()
            .next()
            .is_none_or(|first| first.is_whitespace() || first == '\u{feff}')
            .then_some("nothing, or a blank, is no type"),
        DecodeError::IllegalAttachments => {
            (!is_digits).then_some("a count is digits, not what else JavaScript takes for a number")
        }
        DecodeError::TooManyAttachments { .. } => {
            (count.len() > 4 && count.starts_with('0')).then_some("a count has four digits at most")
        }
        DecodeError::NamespaceTooLong { .. } => Some("a namespace has 256 bytes at most"),
        DecodeError::AckIdTooLarge => Some("an id is at most 2^53 - 1, in 16 digits"),
        DecodeError::InvalidPayload { .. } if has_blank => {
            Some("a blank before the JSON is no digit of an id")
        }
        DecodeError::InvalidPayload { .. } => {
            is_bare(after_type).then_some("an event or a refusal has a payload")
        }
        DecodeError::Json(JsonError::TooDeep) => Some("JSON nests at most 127 levels"),
        DecodeError::Json(JsonError::PrivateKey) => Some("a key of the JSON library's own"),
        DecodeError::Json(JsonError::NumberOutOfRange { .. }) => Some("a number is a double"),
        _ => None,
    }
}

/// Whether nothing stands behind the header.
fn is_bare(after_type: &str) -> bool {
    let is_countable = |count: &str| count.bytes().all(|byte| byte.is_ascii_digit());
    let rest = match after_type.split_once('-') {
        Some((count, rest)) if is_countable(count) => rest,
        _ => after_type,
    };
    let rest = match rest.starts_with('/') {
        true => rest.split_once(',').map_or("", |(_, rest)| rest),
        false => rest,
    };
    rest.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_odd_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .windows(2)
        .any(|two| two[0].is_ascii_digit() && matches!(two[1], b'.' | b'e' | b'E'))
}

/// Why Parlance may refuse a polling payload that the official Engine.IO parser takes.
pub(crate) fn payload_refusal(record: &str, error: &PayloadError) -> Option<&'static str> {
    match error {
        PayloadError::Packet(packet::DecodeError::Base64) => record
            .starts_with('b')
            .then_some("base64 has its alphabet, and no bits to spare"),
        PayloadError::TooManyPackets => Some("a payload has 4096 packets at most"),
        _ => None,
    }
}

/// Why a stream may be read in another way than `ws` reads it. `whole` is the code that it is closed
/// with when its last frame comes whole; `lengthy`, that a control frame writes its length in more
/// bytes than it needs.
pub(crate) fn stream(
    ours: &Value,
    official: &Value,
    whole: Option<u16>,
    lengthy: bool,
) -> Option<&'static str> {
    let code = |side: &Value| side["code"].as_u64();
    let list = |side: &Value, part: &str| side[part].as_array().cloned().unwrap_or_default();
    let begins = |side: &Value, with: &Value| {
        let parts = ["messages", "pongs"];
        parts.map(|part| list(side, part).starts_with(&list(with, part))) == [true, true]
    };
    let (before, same) = (begins(official, ours), begins(ours, official));
    match (code(ours), code(official)) {
        (Some(1007), _) if before && ours["messages"] == official["messages"] => {
            Some("a text is checked as it comes, not at its end")
        }
        (Some(1008 | 1009), Some(1002 | 1009)) if before && same => {
            Some("of two faults of a frame, the one that counts or measures is said first")
        }
        (None, Some(1002 | 1009))
            if before && same && matches!(whole, Some(1002 | 1007 | 1009)) =>
        {
            Some("a frame out of turn, or one too many, is refused when it is whole")
        }
        (Some(1002), Some(1014)) if before && same => Some("no client is a gateway, as 1014 says"),
        (_, Some(1002)) if same && lengthy => {
            Some("the length of a control frame may take more bytes than it needs")
        }
        _ => None,
    }
}
