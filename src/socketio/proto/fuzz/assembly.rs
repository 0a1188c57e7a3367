//! Packets with attachments, beside a small model of them.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::connection::{Connection, ConnectionLimits, Received, Violation};
use super::super::parser::Parser;

const MAX_BYTES: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(30);
/// The length of a minute's count of meaningless packets.
const MANY: u16 = 1000;

/// What a connection waits for, as the model knows it.
#[derive(Default)]
struct Model {
    /// Attachments that are missing, and the bytes and the number of those that came.
    open: Option<(usize, usize, usize)>,
    since: u64,
}

/// What must come of a message.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Nothing,
    /// An event or an answer, with so many attachments.
    Delivered(usize),
    Close,
}

/// Target `sio_assembly`: each byte is a message or a pause, its upper bits the number of attachments
/// or their length. What is delivered, and when the connection closes, is what a model of thirty
/// lines says; no more bytes are kept than the limit; and nothing is kept after the end.
pub fn sio_assembly(data: &[u8], start: Instant) {
    let limits = ConnectionLimits {
        max_attachment_bytes: MAX_BYTES,
        attachments_timeout: TIMEOUT,
        ignored_per_minute: MANY,
        ..ConnectionLimits::default()
    };
    let mut connection: Connection<()> = Connection::new(Parser::Json, &limits, start);
    let granted = connection.handle_text("0", &limits, start);
    assert!(matches!(granted, Ok(Received::Connect { .. })));
    assert!(connection.accept("/", ()));
    let mut model = Model::default();
    let mut seconds = 0;
    for &byte in data.iter().take(usize::from(MANY)) {
        let number = usize::from(byte >> 3);
        let now = start + Duration::from_secs(seconds);
        let announced = header(byte & 1 == 1, number);
        let (expected, received) = match byte & 7 {
            0 => (
                model.text(None),
                connection.handle_text(r#"2["a"]"#, &limits, now),
            ),
            1 | 2 => (
                model.text(Some((number, seconds))),
                connection.handle_text(&announced, &limits, now),
            ),
            3..=6 => {
                let attachment = Bytes::from(vec![byte; number]);
                (
                    model.binary(number),
                    connection.handle_binary(attachment, &limits, now),
                )
            }
            _ => {
                seconds += number as u64;
                let now = start + Duration::from_secs(seconds);
                let due = connection.poll_timeout();
                assert_eq!(due.is_some(), model.open.is_some());
                let in_time = connection.handle_timeout(now);
                (model.pause(seconds), in_time.map(|()| Received::Nothing))
            }
        };
        let outcome = outcome(received);
        assert_eq!(outcome, expected, "{byte:#x}");
        if outcome == Expected::Close {
            break;
        }
    }
    connection.close().for_each(drop);
    assert_eq!(connection.poll_timeout(), None);
    let late = connection.handle_binary(Bytes::new(), &limits, start);
    assert!(
        matches!(late, Err(Violation::UnexpectedBinary)),
        "nothing is kept"
    );
}

/// A packet that announces `count` attachments, and names the last of them.
fn header(event: bool, count: usize) -> String {
    let last = count.saturating_sub(1);
    let place = format!(r#"{{"_placeholder":true,"num":{last}}}"#);
    match event {
        true => format!(r#"5{count}-["a",{place}]"#),
        false => format!(r#"6{count}-7[{place}]"#),
    }
}

fn outcome(received: Result<Received<'_, ()>, Violation>) -> Expected {
    match received {
        Ok(Received::Event { args, .. } | Received::Ack { args, .. }) => {
            let bytes: usize = args.attachments().iter().map(Bytes::len).sum();
            assert!(bytes <= MAX_BYTES);
            Expected::Delivered(args.attachments().len())
        }
        Ok(_) => Expected::Nothing,
        Err(_) => Expected::Close,
    }
}

impl Model {
    /// A text: whole, or the header of a packet with attachments.
    fn text(&mut self, header: Option<(usize, u64)>) -> Expected {
        match (self.open, header) {
            (Some(_), _) => Expected::Close,
            (None, None) => Expected::Delivered(0),
            (None, Some((count @ 1..=10, now))) => {
                (self.open, self.since) = (Some((count, 0, 0)), now);
                Expected::Nothing
            }
            (None, Some(_)) => Expected::Close,
        }
    }

    fn binary(&mut self, length: usize) -> Expected {
        match self.open.take() {
            None => Expected::Close,
            Some((_, bytes, _)) if bytes + length > MAX_BYTES => Expected::Close,
            Some((1, _, came)) => Expected::Delivered(came + 1),
            Some((missing, bytes, came)) => {
                self.open = Some((missing - 1, bytes + length, came + 1));
                Expected::Nothing
            }
        }
    }

    fn pause(&self, now: u64) -> Expected {
        match self.open.is_some() && now >= self.since + TIMEOUT.as_secs() {
            true => Expected::Close,
            false => Expected::Nothing,
        }
    }
}
