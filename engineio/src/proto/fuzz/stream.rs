//! The bytes of a WebSocket, whole and in pieces, before the watch on it.

use std::time::{Duration, Instant};

use crate::proto::inspector::{Inspector, StreamLimits, Violation};

/// Where a watch stopped, what it complained of, and whether it saw the end of a message there.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    passed: usize,
    violation: Option<Violation>,
    between: bool,
}

/// Target `eio_stream`: the first byte is the number of fragments allowed, the second says how the
/// rest, the bytes of a client, arrives cut. Cut or whole the outcome is the same, and that of a
/// plain reading of RFC 6455; and nothing ever passes the end of a frame.
pub fn eio_stream(data: &[u8], now: Instant) {
    let [max_fragments, cuts, bytes @ ..] = data else {
        return;
    };
    let max_fragments = u32::from(*max_fragments);
    let (expected, ends) = read(bytes, max_fragments);
    for cut in [usize::MAX, 1, usize::from(*cuts).max(1)] {
        let outcome = watch(bytes, &ends, max_fragments, cut, now);
        assert_eq!(outcome, expected, "cut at {cut}");
    }
}

fn watch(bytes: &[u8], ends: &[usize], max_fragments: u32, cut: usize, now: Instant) -> Outcome {
    let message_timeout = Duration::from_secs(30);
    let mut inspector = Inspector::new(StreamLimits {
        max_fragments,
        message_timeout,
    });
    let mut passed = 0;
    let mut violation = None;
    while passed < bytes.len() && violation.is_none() {
        let end = bytes.len().min(passed.saturating_add(cut));
        match inspector.pass(&bytes[passed..end], now) {
            Ok(count) => {
                assert!(count > 0 && count <= end - passed);
                let next_end = ends[ends.partition_point(|end| *end <= passed)..].first();
                assert!(next_end.is_none_or(|end| passed + count <= *end));
                passed += count;
            }
            Err(found) => violation = Some(found),
        }
    }
    let between = violation.is_none() && inspector.is_between_messages();
    if between {
        assert_eq!(inspector.poll_timeout(), None);
    }
    if violation.is_none() {
        let late = inspector.handle_timeout(now + message_timeout);
        assert_eq!(late.is_err(), inspector.poll_timeout().is_some());
    }
    // A header that is refused was looked at, but not handed over: how much of it came before is
    // a matter of the cuts.
    let passed = if violation.is_some() { 0 } else { passed };
    Outcome {
        passed,
        violation,
        between,
    }
}

struct Header {
    first: u8,
    len: usize,
    payload: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mask = if bytes.get(1)? & 0x80 == 0 { 0 } else { 4 };
        let (extended, payload) = match bytes[1] & 0x7f {
            126 => (
                2,
                u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
            ),
            127 => (8, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
            short => (0, u64::from(short)),
        };
        let len = 2 + extended + mask;
        let payload = usize::try_from(payload).ok()?;
        (bytes.len() >= len).then_some(Self {
            first: bytes[0],
            len,
            payload,
        })
    }
}

/// What RFC 6455 and the limits say, read frame by frame; and where the frames end.
fn read(bytes: &[u8], max_fragments: u32) -> (Outcome, Vec<usize>) {
    let (mut at, mut fragments, mut controls) = (0, 0, 0);
    let (mut ends, mut violation, mut whole) = (Vec::new(), None, true);
    while at < bytes.len() && violation.is_none() {
        let Some(frame) = Header::read(&bytes[at..]) else {
            whole = false;
            break;
        };
        let is_control = frame.first & 0x08 != 0;
        match is_control {
            true => controls += 1,
            false => fragments += 1,
        }
        violation = match (controls > 20, fragments > max_fragments) {
            (true, _) => Some(Violation::ControlFlood),
            (_, true) => Some(Violation::Fragments),
            _ => None,
        };
        at = at.saturating_add(frame.len).saturating_add(frame.payload);
        ends.push(at);
        whole = at <= bytes.len();
        if !is_control && frame.first & 0x80 != 0 {
            fragments = 0;
        }
    }
    let passes = violation.is_none();
    let outcome = Outcome {
        passed: if passes { bytes.len() } else { 0 },
        violation,
        between: passes && whole && fragments == 0,
    };
    (outcome, ends)
}
