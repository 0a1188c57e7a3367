//! The body of a fuzz target: the bytes of a WebSocket, whole and in pieces, through everything that
//! reads them.

use std::time::{Duration, Instant};

use super::reader::{Ended, Incoming, Reader};
use crate::proto::{fuzz, inspector::StreamLimits, session::Loss};

/// The longest message, so that longer ones are soon found.
pub const MAX_PAYLOAD: usize = 1000;

/// What was made of the bytes of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The messages, and whether each is a text.
    pub messages: Vec<(bool, Vec<u8>)>,
    /// The frames that were written to the client: answers, and the close.
    pub written: Vec<u8>,
    /// The code that the stream is closed with.
    pub code: Option<u16>,
    /// Whether the client had closed it in order, or just stopped.
    pub closed: bool,
}

/// Reads what a client has sent, at most `cut` bytes at once, and then the end of the stream.
#[must_use]
pub fn read_stream(bytes: &[u8], max_fragments: u32, cut: usize, now: Instant) -> Read {
    let limits = StreamLimits {
        max_fragments,
        message_timeout: Duration::from_secs(30),
    };
    let mut reader = Reader::new(limits, MAX_PAYLOAD);
    let (mut messages, mut written) = (Vec::new(), Vec::new());
    let mut left = bytes;
    let Ended { loss, code } = loop {
        match reader.next(now, &mut written) {
            None => {
                let (now, later) = left.split_at(left.len().min(cut));
                reader.fill(now.to_vec(), now.len());
                left = later;
            }
            Some(Ok(Incoming::Text(text))) => messages.push((true, text.as_bytes().to_vec())),
            Some(Ok(Incoming::Binary(data))) => messages.push((false, data.to_vec())),
            Some(Err(ended)) => break ended,
        }
    };
    written.extend(reader.close(code, now));
    Read {
        messages,
        written,
        code: code.map(u16::from),
        closed: loss == Loss::Closed,
    }
}

/// Target `eio_stream`: after what the watch on the frames says ([`fuzz::eio_stream`]), the messages,
/// the answers and the close are the same however the bytes are cut; no message is longer than the
/// limit; and after a close, of which there is one at most, nothing is written.
pub fn eio_stream(data: &[u8], now: Instant) {
    fuzz::eio_stream(data, now);
    let [max_fragments, cuts, bytes @ ..] = data else {
        return;
    };
    let read = |cut| read_stream(bytes, u32::from(*max_fragments), cut, now);
    let whole = read(usize::MAX);
    for cut in [1, usize::from(*cuts).max(1)] {
        assert_eq!(read(cut), whole, "cut at {cut}");
    }
    for (is_text, message) in &whole.messages {
        assert!(message.len() <= MAX_PAYLOAD);
        assert!(!is_text || std::str::from_utf8(message).is_ok());
    }
    assert!(
        whole.closed || whole.code.is_some(),
        "who fails is told why"
    );
    check_written(&whole);
}

/// Pongs, and at last a close: with the code, or as an answer, or none to who has just stopped.
fn check_written(read: &Read) {
    let mut left = &read.written[..];
    let mut close = None;
    while let [first, length, rest @ ..] = left {
        assert_eq!(close, None, "a close is the last");
        let (payload, rest) = rest.split_at(usize::from(*length));
        match first {
            0x8a => {}
            0x88 => close = Some(payload),
            other => panic!("{other:x} is not for a client"),
        }
        left = rest;
    }
    let code = close.and_then(|payload| payload.first_chunk().copied());
    if let Some(expected) = read.code {
        assert_eq!(code.map(u16::from_be_bytes), Some(expected));
    }
}
