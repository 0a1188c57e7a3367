//! The header of a packet: `<type>[<attachments>-][<namespace>,][<ack id>][<JSON>]`.
//!
//! Both directions are total functions. Decoding never allocates by a number from the wire; it is
//! stricter than the official parser only where that reads nonsense as a number (`451e0-`, `42 [`).

use std::borrow::Cow;
use std::fmt::Write;

use super::json::{self, JsonError};
use super::msgpack::MsgpackError;
use super::names::{self, DEFAULT_NAMESPACE, MAX_NAMESPACE_BYTES, NameError};
use super::packet::{AckId, Header, MAX_ACK_ID, Packet, PacketKind};

/// Digits that an attachment count may have.
const MAX_COUNT_DIGITS: usize = 4;
/// Digits of [`MAX_ACK_ID`].
const MAX_ACK_DIGITS: usize = 16;

/// Why a text is not a packet. The sender is to blame, and its connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The first byte is not a digit from 0 to 6.
    #[error("unknown packet type")]
    UnknownType,
    /// No count, a malformed one, or zero.
    #[error("illegal attachment count")]
    IllegalAttachments,
    /// More attachments than allowed.
    #[error("too many attachments, {max} allowed")]
    TooManyAttachments {
        /// The limit.
        max: u16,
    },
    /// The namespace's name is too long.
    #[error("namespace of {bytes} bytes, {MAX_NAMESPACE_BYTES} allowed")]
    NamespaceTooLong {
        /// Bytes of the name.
        bytes: usize,
    },
    /// The acknowledgement id is above 2^53 − 1.
    #[error("acknowledgement id too large")]
    AckIdTooLarge,
    /// The payload is not acceptable JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The message is not acceptable MessagePack.
    #[error(transparent)]
    Msgpack(#[from] MsgpackError),
    /// A payload that this kind of packet does not carry, or none where one is needed.
    #[error("payload does not fit a {kind:?} packet")]
    InvalidPayload {
        /// The kind of the packet.
        kind: PacketKind,
    },
    /// The event's name is refused.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Reads a packet. At most `max_attachments` are allowed to follow it.
///
/// # Errors
/// The first thing that is wrong with it.
#[expect(clippy::string_slice, reason = "a type is one ASCII digit")]
pub fn decode(text: &str, max_attachments: u16) -> Result<Packet<'_>, DecodeError> {
    let mut rest = text;
    let kind = text
        .bytes()
        .next()
        .and_then(PacketKind::from_digit)
        .ok_or(DecodeError::UnknownType)?;
    rest = &rest[1..];
    let attachments = if kind.is_binary() {
        take_attachments(&mut rest, max_attachments)?
    } else {
        0
    };
    let namespace = take_namespace(&mut rest)?;
    let ack_id = take_ack_id(&mut rest)?;
    let payload = Cow::Borrowed(rest);
    let mut packet = Packet {
        kind,
        attachments,
        namespace,
        ack_id,
        payload,
        name: None,
        arguments_at: 0,
    };
    read_payload(&mut packet, rest)?;
    Ok(packet)
}

fn take_digits<'a>(rest: &mut &'a str) -> &'a str {
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, after) = rest.split_at(count);
    *rest = after;
    digits
}

fn take_attachments(rest: &mut &str, max: u16) -> Result<u16, DecodeError> {
    let digits = take_digits(rest);
    *rest = rest
        .strip_prefix('-')
        .ok_or(DecodeError::IllegalAttachments)?;
    if digits.is_empty() {
        return Err(DecodeError::IllegalAttachments);
    }
    if digits.len() > MAX_COUNT_DIGITS {
        return Err(DecodeError::TooManyAttachments { max });
    }
    match digits.parse::<u16>() {
        Ok(0) | Err(_) => Err(DecodeError::IllegalAttachments),
        Ok(count) if count > max => Err(DecodeError::TooManyAttachments { max }),
        Ok(count) => Ok(count),
    }
}

fn take_namespace<'a>(rest: &mut &'a str) -> Result<&'a str, DecodeError> {
    if !rest.starts_with('/') {
        return Ok(DEFAULT_NAMESPACE);
    }
    let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
    if name.len() > MAX_NAMESPACE_BYTES {
        return Err(DecodeError::NamespaceTooLong { bytes: name.len() });
    }
    *rest = after;
    Ok(name)
}

fn take_ack_id(rest: &mut &str) -> Result<Option<AckId>, DecodeError> {
    let digits = take_digits(rest);
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.len() > MAX_ACK_DIGITS {
        return Err(DecodeError::AckIdTooLarge);
    }
    match digits.parse::<AckId>() {
        Ok(id) if id <= MAX_ACK_ID => Ok(Some(id)),
        _ => Err(DecodeError::AckIdTooLarge),
    }
}

#[expect(
    clippy::string_slice,
    reason = "the scan gives places between ASCII characters, and mending keeps them"
)]
fn read_payload<'a>(packet: &mut Packet<'a>, text: &'a str) -> Result<(), DecodeError> {
    let kind = packet.kind;
    // Nothing may stand between the header and the JSON, not even a blank.
    let fits = match (kind, text.as_bytes().first()) {
        (PacketKind::Connect | PacketKind::Disconnect | PacketKind::Ack, None) => return Ok(()),
        (_, None) | (PacketKind::Disconnect, _) => false,
        (PacketKind::Connect, Some(first)) => *first == b'{',
        (PacketKind::ConnectError, Some(first)) => matches!(first, b'{' | b'"'),
        (_, Some(first)) => *first == b'[',
    };
    if !fits {
        return Err(DecodeError::InvalidPayload { kind });
    }
    let scan = json::scan(text)?;
    let sound = &text[..scan.end];
    packet.payload = match &scan.lone_surrogates[..] {
        [] => Cow::Borrowed(sound),
        places => Cow::Owned(json::replace_lone_surrogates(sound, places)),
    };
    if !kind.is_event() {
        packet.arguments_at = 1;
        return Ok(());
    }
    let (start, end) = scan.first.ok_or(DecodeError::InvalidPayload { kind })?;
    packet.name = Some(match &packet.payload {
        Cow::Borrowed(payload) => names::parse_event_name(&payload[start..end])?,
        Cow::Owned(payload) => {
            Cow::Owned(names::parse_event_name(&payload[start..end])?.into_owned())
        }
    });
    packet.arguments_at = after_comma(sound, end);
    Ok(())
}

/// Where the element after the one that ends at `end` begins, or the closing bracket stands.
#[expect(
    clippy::indexing_slicing,
    reason = "the first element ends inside the array"
)]
fn after_comma(array: &str, end: usize) -> usize {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace();
    let rest = &array.as_bytes()[end..];
    let blanks = rest.iter().take_while(|byte| is_blank(byte)).count();
    if rest.get(blanks) != Some(&b',') {
        return end + blanks;
    }
    end + blanks
        + 1
        + rest[blanks + 1..]
            .iter()
            .take_while(|byte| is_blank(byte))
            .count()
}

/// Writes the header of a packet; its JSON follows directly.
pub fn encode_header(to: &mut impl Write, packet: &Header<'_>) -> std::fmt::Result {
    to.write_char(char::from(packet.kind as u8))?;
    if packet.kind.is_binary() {
        to.write_str(itoa::Buffer::new().format(packet.attachments))?;
        to.write_char('-')?;
    }
    if packet.namespace != DEFAULT_NAMESPACE {
        to.write_str(packet.namespace)?;
        to.write_char(',')?;
    }
    if let Some(id) = packet.ack_id {
        to.write_str(itoa::Buffer::new().format(id))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> DecodeError {
        decode(text, 10).expect_err(text)
    }

    fn header(text: &str) -> (PacketKind, u16, &str, Option<u64>, Cow<'_, str>) {
        let packet = decode(text, 10).expect(text);
        (
            packet.kind,
            packet.attachments,
            packet.namespace,
            packet.ack_id,
            packet.payload,
        )
    }

    #[test]
    fn trap_57_connect_payload_is_an_object_or_nothing() {
        for (text, namespace, payload) in [
            ("0", "/", ""),
            ("0{}", "/", "{}"),
            ("0/ns", "/ns", ""),
            ("0/ns,", "/ns", ""),
            (r#"0/ns,{"token":"123"}"#, "/ns", r#"{"token":"123"}"#),
            ("0/a?x=1", "/a?x=1", ""),
        ] {
            assert_eq!(
                header(text),
                (PacketKind::Connect, 0, namespace, None, payload.into()),
                "{text}"
            );
        }
        for text in ["0[]", "0null", "0\"a\"", "0/ns,[]", "0 {}", "0/ns,1"] {
            assert!(
                decode(text, 10).is_err() || header(text).4.is_empty(),
                "{text}"
            );
        }
        assert_eq!(
            refused("0[]"),
            DecodeError::InvalidPayload {
                kind: PacketKind::Connect
            }
        );
        assert_eq!(
            refused("0null"),
            DecodeError::InvalidPayload {
                kind: PacketKind::Connect
            }
        );
    }

    #[test]
    fn trap_65_an_event_is_an_array_that_begins_with_a_name() {
        for text in [
            "",
            " ",
            "2",
            "2{}",
            r#"2abc["message"]"#,
            "2[]",
            "2[true]",
            "2[null]",
            r#"2[{"toString":"foo"}]"#,
        ] {
            assert!(decode(text, 10).is_err(), "{text:?}");
        }
        assert_eq!(
            header("2[\"a\"]  \n").4,
            r#"["a"]"#,
            "blanks after the JSON are fine"
        );
    }

    #[test]
    fn trap_67_disconnect_carries_nothing() {
        assert_eq!(header("1").0, PacketKind::Disconnect);
        assert_eq!(header("1/admin,").2, "/admin");
        assert_eq!(
            refused("1{}"),
            DecodeError::InvalidPayload {
                kind: PacketKind::Disconnect
            }
        );
        assert_eq!(
            refused("1 "),
            DecodeError::InvalidPayload {
                kind: PacketKind::Disconnect
            }
        );
    }

    #[test]
    fn trap_68_ack_ids_are_digits_before_the_json() {
        assert_eq!(header(r#"2456["a"]"#).3, Some(456));
        assert_eq!(
            header("3789[1]"),
            (PacketKind::Ack, 0, "/", Some(789), "[1]".into())
        );
        assert_eq!(header("3[]").3, None);
        assert_eq!(
            header("37").4,
            "",
            "an answer without arguments may leave the array out"
        );
        assert_eq!(header(r#"2/ns,9007199254740991["a"]"#).3, Some(MAX_ACK_ID));
        assert_eq!(
            refused(r#"29007199254740992["a"]"#),
            DecodeError::AckIdTooLarge
        );
        assert_eq!(
            refused(r#"229007199254740993["a"]"#),
            DecodeError::AckIdTooLarge
        );
        assert_eq!(
            refused(&format!("2{}", "9".repeat(100_000))),
            DecodeError::AckIdTooLarge
        );
    }

    #[test]
    fn trap_69_header_parts_come_in_one_order() {
        let (kind, attachments, namespace, id, payload) = header(r#"52-/ns,7["a",1]"#);
        assert_eq!(
            (kind, attachments, namespace, id),
            (PacketKind::BinaryEvent, 2, "/ns", Some(7))
        );
        assert_eq!(payload, r#"["a",1]"#);
        assert!(decode(r#"57/ns,2-["a"]"#, 10).is_err());
    }

    #[test]
    fn trap_71_attachment_counts_are_strict_digits_from_one_to_the_limit() {
        for text in [
            "5",
            "5-[\"a\"]",
            "51[\"a\"]",
            "51.23-[\"a\"]",
            "5a-[\"a\"]",
            "50-[\"a\"]",
            "6",
            "51e0-[\"a\"]",
            "50x1-[\"a\"]",
            "5+1-[\"a\"]",
            "5 1-[\"a\"]",
        ] {
            assert_eq!(refused(text), DecodeError::IllegalAttachments, "{text}");
        }
        for text in ["511-[\"a\"]", "5999999999-[\"a\"]", "51832742252-[\"a\"]"] {
            assert_eq!(
                refused(text),
                DecodeError::TooManyAttachments { max: 10 },
                "{text}"
            );
        }
        assert_eq!(header("510-[\"a\"]").1, 10);
    }

    #[test]
    fn sloppy_numbers_of_the_official_parser_are_refused() {
        for text in [
            r#"2 ["a"]"#,
            r#"21 2["a"]"#,
            r#"2-1["a"]"#,
            r#"2１["a"]"#,
            r#"7["a"]"#,
            r#"x"#,
            "٢",
        ] {
            assert!(decode(text, 10).is_err(), "{text}");
        }
    }

    #[test]
    fn a_cut_emoji_becomes_the_replacement_character() {
        let packet = decode(r#"2["a\ud83d","\ud800"]"#, 10).expect("accepted");
        assert_eq!(packet.name.as_deref(), Some("a\u{fffd}"));
        assert_eq!(packet.payload, r#"["a\ufffd","\ufffd"]"#);
    }

    #[test]
    fn nesting_beyond_128_levels_is_refused() {
        let deep = format!(r#"2["a",{}{}]"#, "[".repeat(129), "]".repeat(129));
        assert_eq!(refused(&deep), DecodeError::Json(JsonError::TooDeep));
    }

    #[test]
    fn a_namespace_of_257_bytes_is_refused() {
        assert_eq!(header(&format!("0/{}", "a".repeat(255))).2.len(), 256);
        assert_eq!(
            refused(&format!("0/{}", "a".repeat(256))),
            DecodeError::NamespaceTooLong { bytes: 257 }
        );
    }

    fn any_header() -> impl Strategy<Value = (u8, u16, String, Option<u64>)> {
        (
            0u8..7,
            1u16..11,
            "(/[a-z?=]{1,8})?",
            proptest::option::of(0..=MAX_ACK_ID),
        )
    }

    proptest! {
        #[test]
        fn decoding_never_panics(text in ".{0,64}") {
            let _ = decode(&text, 10);
        }

        #[test]
        fn decoding_never_panics_on_what_looks_like_a_packet(
            text in r#"[0-6][0-9]{0,5}-?(/[a-z]{0,3},)?[0-9]{0,3}[\[\]{}",:a0 ]{0,12}"#
        ) {
            let _ = decode(&text, 10);
        }

        #[test]
        fn what_is_encoded_decodes_to_the_same((kind, attachments, namespace, ack_id) in any_header(), word in "[a-z]{1,9}") {
            let kind = PacketKind::from_digit(b'0' + kind).expect("a digit of a type");
            let payload = match kind {
                PacketKind::Connect | PacketKind::ConnectError => format!(r#"{{"message":"{word}"}}"#),
                PacketKind::Disconnect => String::new(),
                _ => format!(r#"["x{word}",1]"#),
            };
            let attachments = if kind.is_binary() { attachments } else { 0 };
            let namespace = if namespace.is_empty() { "/" } else { &namespace };
            let header = Header { kind, attachments, namespace, ack_id };
            let mut text = String::new();
            encode_header(&mut text, &header).expect("a string takes everything");
            text.push_str(&payload);
            // Without JSON behind it, a namespace needs its comma before an id; it always has it.
            let packet = decode(&text, 10).expect("what is encoded decodes");
            prop_assert_eq!((packet.kind, packet.attachments), (kind, attachments));
            prop_assert_eq!((packet.namespace, packet.ack_id), (namespace, ack_id));
            prop_assert_eq!(packet.payload, payload);
        }
    }
}
