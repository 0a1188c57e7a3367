//! What is known of a message that a stream is in the middle of.
//!
//! tungstenite's state and its read buffer are half of what an idle connection would hold, and are
//! of use only between the first byte of a message and its last. So a stream has none while it is
//! idle: it borrows that of its worker thread when bytes come, and gives it back when what came is
//! read up to the end of a message.

use std::{
    cell::Cell,
    io::{self, ErrorKind, Read, Write},
    time::Instant,
};

use tokio_tungstenite::tungstenite::{
    self, Message,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext},
};

use super::io::give_back_scratch;
use crate::proto::inspector::{Inspector, Violation};

/// tungstenite's own read buffer. It is allocated eagerly and shared by the binary messages that
/// come out of it, so it is small; the bytes come out of the worker's large one.
const READ_BUFFER_BYTES: usize = 256;
/// A message longer than this leaves tungstenite with a large buffer, which is then thrown away.
const RECYCLE_BYTES: usize = 16 * 1024;

thread_local! {
    /// The one that no stream of this worker uses at the moment.
    static SPARE: Cell<Option<Box<Decoder>>> = const { Cell::new(None) };
}

/// Makes messages of the bytes of one stream.
pub(super) struct Decoder {
    context: WebSocketContext,
    inbox: Inbox,
    max_payload: usize,
    /// It has had a long message, and goes after it.
    grown: bool,
}

/// What the socket gave and tungstenite has not taken.
#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    taken: usize,
    len: usize,
    ended: bool,
}

impl Decoder {
    /// One that has seen nothing, for messages of up to `max_payload` bytes.
    pub(super) fn borrow(max_payload: usize) -> Box<Self> {
        match SPARE.take() {
            Some(spare) if spare.max_payload == max_payload => spare,
            _ => Box::new(Self::new(max_payload)),
        }
    }

    fn new(max_payload: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(max_payload))
            .max_frame_size(Some(max_payload));
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            inbox: Inbox::default(),
            max_payload,
            grown: false,
        }
    }

    /// Gives it the first `len` bytes of `bytes`, all others being read. None are the end.
    pub(super) fn fill(&mut self, bytes: Vec<u8>, len: usize) {
        self.inbox = Inbox {
            bytes,
            taken: 0,
            len,
            ended: self.inbox.ended || len == 0,
        };
    }

    /// Whether everything it was given is read.
    fn is_drained(&self) -> bool {
        self.inbox.taken == self.inbox.len
    }

    /// The next message. What is to be answered to control frames is added to `control`.
    pub(super) fn read(
        &mut self,
        inspector: &mut Inspector,
        now: Instant,
        control: &mut Vec<u8>,
    ) -> Result<Message, tungstenite::Error> {
        let mut ends = Ends {
            inbox: &mut self.inbox,
            inspector,
            now,
            control,
        };
        let message = self.context.read(&mut ends)?;
        self.grown |= message.len() > RECYCLE_BYTES;
        Ok(message)
    }

    /// Begins to close: the close frame is added to `control`, unless there was one already.
    pub(super) fn close(
        &mut self,
        inspector: &mut Inspector,
        now: Instant,
        frame: Option<CloseFrame>,
        control: &mut Vec<u8>,
    ) {
        let mut ends = Ends {
            inbox: &mut self.inbox,
            inspector,
            now,
            control,
        };
        // After a close from the peer it says that there is nothing to do.
        let _ = self.context.close(&mut ends, frame);
    }

    /// Returns it to the worker, if nothing is under way. Only after a message that was not a
    /// control frame, or when there was nothing more to read: the answers to control frames are
    /// then written.
    pub(super) fn rest(this: &mut Option<Box<Self>>, inspector: &Inspector) {
        let rests = |decoder: &Self| {
            decoder.is_drained()
                && !decoder.inbox.ended
                && inspector.is_between_messages()
                && decoder.context.can_write()
        };
        let Some(mut decoder) = this.take_if(|decoder| rests(decoder)) else {
            return;
        };
        give_back_scratch(std::mem::take(&mut decoder.inbox).bytes);
        if !decoder.grown {
            SPARE.set(Some(decoder));
        }
    }
}

/// The two ends that tungstenite sees.
struct Ends<'a> {
    inbox: &'a mut Inbox,
    inspector: &'a mut Inspector,
    now: Instant,
    control: &'a mut Vec<u8>,
}

impl Read for Ends<'_> {
    #[expect(
        clippy::indexing_slicing,
        reason = "what was read ends inside the inbox, and the inspector passes no more than it was given"
    )]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let waiting = &self.inbox.bytes[self.inbox.taken..self.inbox.len];
        if waiting.is_empty() {
            let ended = self.inbox.ended;
            give_back_scratch(std::mem::take(self.inbox).bytes);
            self.inbox.ended = ended;
            return match ended {
                true => Ok(0),
                false => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let waiting = &waiting[..waiting.len().min(buf.len())];
        let passed = self
            .inspector
            .pass(waiting, self.now)
            .map_err(io::Error::other)?;
        buf[..passed].copy_from_slice(&waiting[..passed]);
        self.inbox.taken += passed;
        Ok(passed)
    }
}

impl Write for Ends<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.control.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether an error is one of the [`Inspector`].
pub(super) fn is_violation(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<Violation>())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::proto::inspector::StreamLimits;

    /// One stream, read as `WebSocketStream` does it.
    struct Stream {
        inspector: Inspector,
        decoder: Option<Box<Decoder>>,
        control: Vec<u8>,
        messages: Vec<Vec<u8>>,
    }

    impl Stream {
        fn new() -> Self {
            let limits = StreamLimits {
                max_fragments: 100,
                message_timeout: Duration::from_secs(30),
            };
            Self {
                inspector: Inspector::new(limits),
                decoder: None,
                control: Vec::new(),
                messages: Vec::new(),
            }
        }

        fn feed(&mut self, bytes: &[u8]) {
            let now = Instant::now();
            let decoder = self.decoder.get_or_insert_with(|| Decoder::borrow(100_000));
            decoder.fill(bytes.to_vec(), bytes.len());
            while let Some(decoder) = &mut self.decoder {
                let read = decoder.read(&mut self.inspector, now, &mut self.control);
                let more = match read {
                    Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                        self.messages.push(message.into_data().to_vec());
                        true
                    }
                    Ok(_) => continue,
                    Err(error) => {
                        let pending = matches!(&error, tungstenite::Error::Io(error)
                            if error.kind() == ErrorKind::WouldBlock);
                        assert!(pending, "{error}");
                        false
                    }
                };
                Decoder::rest(&mut self.decoder, &self.inspector);
                if !more {
                    return;
                }
            }
        }
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..=125 => bytes.push(0x80 | len as u8),
            len => {
                bytes.push(0x80 | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_stream_has_none_while_it_is_idle_and_one_within_a_message() {
        let mut stream = Stream::new();
        stream.feed(&frame(0x81, b"4whole"));
        assert!(stream.decoder.is_none());
        let split = frame(0x81, b"4in two");
        stream.feed(&split[..5]);
        assert!(stream.decoder.is_some());
        stream.feed(&split[5..]);
        assert!(stream.decoder.is_none());
        stream.feed(&frame(0x01, b"4a fragment"));
        assert!(stream.decoder.is_some());
        stream.feed(&frame(0x89, b"ping"));
        assert!(stream.decoder.is_some(), "a ping ends no message");
        stream.feed(&frame(0x80, b" and the rest"));
        assert!(stream.decoder.is_none());
        assert_eq!(stream.control, b"\x8a\x04ping");
        assert_eq!(stream.messages[2], b"4a fragment and the rest");
    }

    #[test]
    fn one_that_had_a_long_message_goes_with_its_buffer() {
        let mut stream = Stream::new();
        stream.feed(&frame(0x82, &vec![7; RECYCLE_BYTES + 1]));
        assert_eq!(stream.messages[0].len(), RECYCLE_BYTES + 1);
        assert!(stream.decoder.is_none() && SPARE.take().is_none());
    }

    #[test]
    fn one_that_closes_or_ended_is_not_lent_again() {
        let mut stream = Stream::new();
        let mut decoder = Decoder::borrow(100_000);
        decoder.close(
            &mut stream.inspector,
            Instant::now(),
            None,
            &mut stream.control,
        );
        let mut closing = Some(decoder);
        Decoder::rest(&mut closing, &stream.inspector);
        assert!(closing.is_some());
        let mut ended = Some(Decoder::borrow(100_000));
        ended.as_mut().unwrap().fill(Vec::new(), 0);
        Decoder::rest(&mut ended, &stream.inspector);
        assert!(ended.is_some());
    }

    proptest! {
        #[test]
        fn streams_of_one_worker_read_their_own_messages_whatever_they_are_cut_into(
            plan in prop::collection::vec((0..3_usize, 0..400_usize, 0..3_u8), 1..40),
            cuts in prop::collection::vec((0..3_usize, 1..300_usize), 1..200),
        ) {
            let mut wire = [const { Vec::new() }; 3];
            let mut expected = [const { Vec::new() }; 3];
            for (number, (stream, len, kind)) in plan.into_iter().enumerate() {
                let payload = vec![number as u8; len];
                match kind {
                    0 => wire[stream].extend(frame(0x82, &payload)),
                    1 => {
                        let (begin, rest) = payload.split_at(len / 2);
                        wire[stream].extend(frame(0x02, begin));
                        wire[stream].extend(frame(0x80, rest));
                    }
                    _ => {
                        wire[stream].extend(frame(0x8a, b"pong"));
                        continue;
                    }
                }
                expected[stream].push(payload);
            }
            let mut streams = [Stream::new(), Stream::new(), Stream::new()];
            let rest = (0..3).map(|stream| (stream, usize::MAX));
            for (stream, cut) in cuts.into_iter().chain(rest) {
                let cut = cut.min(wire[stream].len());
                let part: Vec<u8> = wire[stream].drain(..cut).collect();
                if !part.is_empty() {
                    streams[stream].feed(&part);
                }
            }
            for (stream, expected) in streams.iter().zip(expected) {
                prop_assert_eq!(&stream.messages, &expected);
                prop_assert!(stream.decoder.is_none());
            }
        }
    }
}
