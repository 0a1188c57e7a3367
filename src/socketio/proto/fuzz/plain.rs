//! The header of a packet, read plainly: what the parser takes, and what it refuses.

use serde_json::Value;

use super::super::names::MAX_NAMESPACE_BYTES;
use super::super::packet::MAX_ACK_ID;

const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Whether a text is a packet. `None`: only a closer look at its JSON could say, because of half
/// characters and of a key of the JSON library's own.
pub(super) fn is_packet(text: &str) -> Option<bool> {
    if text.contains("\\u") || text.contains("$serde_json") {
        return None;
    }
    Some(read(text).is_some())
}

fn read(text: &str) -> Option<()> {
    let kind = text
        .bytes()
        .next()
        .filter(|kind| (b'0'..=b'6').contains(kind))?;
    let mut rest = &text[1..];
    if kind >= b'5' {
        let (count, after) = rest.split_once('-')?;
        let is_count = (1..=4).contains(&count.len()) && count.bytes().all(|b| b.is_ascii_digit());
        let count: u16 = is_count.then(|| count.parse().ok())??;
        (1..=10).contains(&count).then_some(())?;
        rest = after;
    }
    if rest.starts_with('/') {
        let (namespace, after) = rest.split_once(',').unwrap_or((rest, ""));
        (namespace.len() <= MAX_NAMESPACE_BYTES).then_some(())?;
        rest = after;
    }
    let json = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let id = &rest[..rest.len() - json.len()];
    let fits = id.is_empty() || id.len() <= 16 && id.parse::<u64>().ok()? <= MAX_ACK_ID;
    (fits && has_fitting_payload(kind, json)).then_some(())
}

fn has_fitting_payload(kind: u8, json: &str) -> bool {
    // A blank before the JSON would be taken by the library.
    let first = json.bytes().next();
    let value = serde_json::from_str::<Value>(json);
    match (kind, first, value) {
        (b'0' | b'1' | b'3', None, _) => true,
        (b'0' | b'4', Some(b'{'), Ok(_)) | (b'4', Some(b'"'), Ok(_)) => true,
        (b'2' | b'5', Some(b'['), Ok(value)) => match &value[0] {
            Value::String(name) => !RESERVED.contains(&&**name),
            name => name.is_number(),
        },
        (b'3' | b'6', Some(b'['), Ok(_)) => true,
        _ => false,
    }
}
