//! The frames of a WebSocket: what they are made of, and what came of them on both sides.

use std::time::Instant;

use engineio::fuzz::{MAX_PAYLOAD, Read, read_stream};
use serde_json::{Value, json};

use super::generate::{Chance, Generator};
use super::{BATCH, Fault, Met, Reference, divergences, ours};

/// Fragments that a message may have here.
const MAX_FRAGMENTS: u32 = 4;

/// Lengths at which something changes.
const LENGTHS: [usize; 10] = [0, 1, 2, 3, 124, 125, 126, 127, MAX_PAYLOAD, MAX_PAYLOAD + 1];
const CODES: [u16; 14] = [
    0, 999, 1000, 1001, 1004, 1005, 1006, 1011, 1014, 1015, 1016, 2999, 3000, 5000,
];

/// The bytes of a client: frames, mostly as they should be.
fn stream(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=chance.below(8) {
        frame(chance, &mut bytes);
    }
    if chance.one_in(8) {
        let end = chance.below(bytes.len());
        bytes.truncate(end);
    }
    if chance.one_in(8) && !bytes.is_empty() {
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(8);
    }
    bytes
}

fn frame(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let opcode = match chance.below(16) {
        0..=3 => 1,
        4..=6 => 2,
        7..=10 => 0,
        11 | 12 => 9,
        13 => 10,
        14 => 8,
        _ => chance.below(16) as u8,
    };
    let control = opcode & 8 != 0;
    let last = if chance.one_in(if control { 30 } else { 3 }) {
        0
    } else {
        0x80
    };
    let reserved = if chance.one_in(40) {
        0x10 << chance.below(3)
    } else {
        0
    };
    let payload = payload(chance, opcode);
    bytes.push(last | reserved | opcode);
    let mask = if chance.one_in(60) { 0 } else { 0x80 };
    // A length may be written in more bytes than it needs.
    match (payload.len(), chance.below(30)) {
        (0..=125, 2..) => bytes.push(mask | payload.len() as u8),
        (_, 1..) => {
            bytes.push(mask | 126);
            bytes.extend((payload.len() as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask | 127);
            let huge = if chance.one_in(4) {
                1 << (20 + chance.below(44))
            } else {
                0
            };
            bytes.extend((payload.len() as u64 | huge).to_be_bytes());
        }
    }
    let key = [0; 4].map(|_: u8| chance.below(256) as u8);
    let key = if mask == 0 { [0; 4] } else { key };
    bytes.extend(&key[..if mask == 0 { 0 } else { 4 }]);
    bytes.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
}

fn payload(chance: &mut Chance, opcode: u8) -> Vec<u8> {
    let length = match chance.below(4) {
        0 => LENGTHS[chance.below(LENGTHS.len())],
        _ => chance.below(12),
    };
    let mut payload = Vec::with_capacity(length);
    if opcode == 8 && length > 1 {
        payload.extend(CODES[chance.below(CODES.len())].to_be_bytes());
    }
    while payload.len() < length {
        match chance.below(24) {
            0 => payload.extend("😀".bytes()),
            1 => payload.extend("é".bytes()),
            2 if chance.one_in(3) => payload.push(0x80 + chance.below(128) as u8),
            _ => payload.push(b'a'),
        }
    }
    // A character may be cut: by the end of a fragment, which is fine, or of the message.
    payload.truncate(length);
    payload
}

/// What we made of it, in the form in which it is compared.
fn shown(read: &Read) -> Value {
    let messages = read.messages.iter();
    let messages: Vec<Value> = messages
        .map(|(is_text, data)| json!([is_text, ours::hex(data)]))
        .collect();
    let (mut pongs, mut close) = (Vec::new(), Value::Null);
    let mut left = &read.written[..];
    while let [first, length, rest @ ..] = left {
        let (payload, rest) = rest.split_at(usize::from(*length));
        match first {
            0x8a => pongs.push(ours::hex(payload)),
            _ => close = json!(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
        }
        left = rest;
    }
    json!({ "messages": messages, "pongs": pongs, "code": close })
}

/// Whether a control frame has a length of more than one byte that needs but one.
fn has_lengthy_control(mut left: &[u8]) -> bool {
    while let [first, second, rest @ ..] = left {
        let (bytes, length) = match (second & 0x7f, rest) {
            (126, [high, low, ..]) => (2, u64::from(u16::from_be_bytes([*high, *low]))),
            (127, rest) => match rest.first_chunk() {
                Some(length) => (8, u64::from_be_bytes(*length)),
                None => return false,
            },
            (short, _) => (0, u64::from(short)),
        };
        if first & 8 != 0 && bytes > 0 && length <= 125 {
            return true;
        }
        let mask = usize::from(second >> 7) * 4;
        let Some((_, after)) = rest.split_at_checked(bytes + mask + length as usize) else {
            return false;
        };
        left = after;
    }
    false
}

/// Compares what both make of the same frames.
pub(super) fn websocket(
    generator: &mut Generator,
    reference: &mut Reference,
    met: &mut Met,
) -> Result<(), Fault> {
    let now = Instant::now();
    let inputs: Vec<Vec<u8>> = (0..BATCH).map(|_| stream(&mut generator.chance)).collect();
    let questions: Vec<Value> = inputs
        .iter()
        .map(|bytes| json!(["websocket", [ours::hex(bytes), MAX_PAYLOAD, MAX_FRAGMENTS]]))
        .collect();
    for (bytes, official) in inputs.iter().zip(reference.ask(&questions)) {
        let read = read_stream(bytes, MAX_FRAGMENTS, usize::MAX, now);
        let ours = shown(&read);
        if ours == official {
            continue;
        }
        let padded = [&bytes[..], &[0; 2 * MAX_PAYLOAD]].concat();
        let whole = read_stream(&padded, MAX_FRAGMENTS, usize::MAX, now).code;
        match divergences::stream(&ours, &official, whole, has_lengthy_control(&padded)) {
            Some(reason) => *met.entry(reason).or_default() += 1,
            None => {
                let bytes = ours::hex(bytes);
                return Err(Fault(format!("{bytes}\nours {ours}\nofficial {official}")));
            }
        }
    }
    Ok(())
}
