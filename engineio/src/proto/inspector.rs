//! Watches the WebSocket frames of a client for what the frame decoder does not limit: the number
//! of fragments, the time a message takes, and floods of control frames.
//!
//! It sees the raw bytes on their way to the decoder and hands them over frame by frame, so that
//! between two messages the decoder holds no byte of the next one.

use std::time::{Duration, Instant};

/// Control frames that a client may send within [`CONTROL_WINDOW`].
const MAX_CONTROL_FRAMES: u32 = 20;
/// See [`MAX_CONTROL_FRAMES`].
const CONTROL_WINDOW: Duration = Duration::from_secs(10);
/// Longest header of a client's frame: 2 bytes, a 64-bit length, a mask.
const MAX_HEADER: usize = 14;

/// Limits of a WebSocket, beside the length of a message.
#[derive(Debug, Clone, Copy)]
pub struct StreamLimits {
    /// Fragments per message, empty ones included.
    pub max_fragments: u32,
    /// From the first byte of a message's first payload to its last.
    pub message_timeout: Duration,
}

/// What a client did. The stream is to be closed with code 1008 (policy violation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A message has too many fragments.
    #[error("too many fragments")]
    Fragments,
    /// A message took too long.
    #[error("message took too long")]
    Slow,
    /// Too many pings, pongs or both.
    #[error("too many control frames")]
    ControlFlood,
}

/// The watch on one stream.
#[derive(Debug)]
pub struct Inspector {
    limits: StreamLimits,
    header: [u8; MAX_HEADER],
    header_len: u8,
    payload_left: u64,
    /// The frame under way ends its message.
    is_final: bool,
    is_control: bool,
    fragments: u32,
    message_since: Option<Instant>,
    control_frames: u32,
    control_since: Option<Instant>,
}

impl Inspector {
    /// A watch on a new stream.
    #[must_use]
    pub fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            header: [0; MAX_HEADER],
            header_len: 0,
            payload_left: 0,
            is_final: true,
            is_control: false,
            fragments: 0,
            message_since: None,
            control_frames: 0,
            control_since: None,
        }
    }

    /// Says how many of `bytes` the decoder may have now: at most up to the end of the frame under
    /// way. Not zero unless `bytes` is empty.
    ///
    /// # Errors
    /// [`Violation`], and the stream is to be closed.
    #[expect(
        clippy::indexing_slicing,
        reason = "a header is whole before it is longer than the array"
    )]
    pub fn pass(&mut self, bytes: &[u8], now: Instant) -> Result<usize, Violation> {
        if self.payload_left > 0 {
            return Ok(self.pass_payload(bytes));
        }
        let mut passed = 0;
        while passed < bytes.len() {
            passed += self.take_header(&bytes[passed..]);
            if let Some(payload_len) = self.payload_len() {
                self.header_len = 0;
                self.begin_frame(payload_len, now)?;
                return Ok(passed + self.pass_payload(&bytes[passed..]));
            }
        }
        Ok(passed)
    }

    /// Whether the decoder holds nothing: no frame and no message is under way.
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        self.header_len == 0 && self.payload_left == 0 && self.message_since.is_none()
    }

    /// When the message under way is to be complete.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.message_since
            .map(|since| since + self.limits.message_timeout)
    }

    /// Whether the message under way takes too long.
    ///
    /// # Errors
    /// [`Violation::Slow`] if so.
    pub fn handle_timeout(&self, now: Instant) -> Result<(), Violation> {
        match self.poll_timeout() {
            Some(due) if now >= due => Err(Violation::Slow),
            _ => Ok(()),
        }
    }

    fn pass_payload(&mut self, bytes: &[u8]) -> usize {
        if self.payload_left == 0 {
            return 0;
        }
        let passed = self.payload_left.min(bytes.len() as u64);
        self.payload_left -= passed;
        if self.payload_left == 0 {
            self.end_frame();
        }
        passed as usize
    }

    /// Takes what is known to be missing of the header: first the two bytes that every one has.
    #[expect(
        clippy::indexing_slicing,
        reason = "a header is never longer than the array, and no more is taken than there is"
    )]
    fn take_header(&mut self, bytes: &[u8]) -> usize {
        let have = usize::from(self.header_len);
        let wanted = match self.header[1] {
            _ if have < 2 => 2,
            second => 2 + extended_len(second) + mask_len(second),
        };
        let taken = bytes.len().min(wanted - have);
        self.header[have..have + taken].copy_from_slice(&bytes[..taken]);
        self.header_len += taken as u8;
        taken
    }

    /// The payload's length, once the header is complete (RFC 6455 section 5.2).
    #[expect(
        clippy::indexing_slicing,
        reason = "a header is whole before it is longer than the array"
    )]
    fn payload_len(&self) -> Option<u64> {
        let header = &self.header[..usize::from(self.header_len)];
        let [_, second, rest @ ..] = header else {
            return None;
        };
        let len = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(*rest.first_chunk()?)),
            127 => u64::from_be_bytes(*rest.first_chunk()?),
            len => u64::from(len),
        };
        (rest.len() == extended_len(*second) + mask_len(*second)).then_some(len)
    }

    fn begin_frame(&mut self, payload_len: u64, now: Instant) -> Result<(), Violation> {
        let first = self.header[0];
        self.payload_left = payload_len;
        self.is_final = first & 0x80 != 0;
        self.is_control = first & 0x08 != 0;
        match self.is_control {
            true => self.count_control(now)?,
            false => self.count_fragment(now)?,
        }
        if payload_len == 0 {
            self.end_frame();
        }
        Ok(())
    }

    fn end_frame(&mut self) {
        if !self.is_control && self.is_final {
            self.message_since = None;
            self.fragments = 0;
        }
    }

    fn count_fragment(&mut self, now: Instant) -> Result<(), Violation> {
        self.message_since.get_or_insert(now);
        self.fragments += 1;
        match self.fragments > self.limits.max_fragments {
            true => Err(Violation::Fragments),
            false => Ok(()),
        }
    }

    fn count_control(&mut self, now: Instant) -> Result<(), Violation> {
        if self
            .control_since
            .is_none_or(|since| now >= since + CONTROL_WINDOW)
        {
            self.control_since = Some(now);
            self.control_frames = 0;
        }
        self.control_frames += 1;
        match self.control_frames > MAX_CONTROL_FRAMES {
            true => Err(Violation::ControlFlood),
            false => Ok(()),
        }
    }
}

/// Bytes of the length behind the second byte of a header.
fn extended_len(second: u8) -> usize {
    match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

/// Bytes of the mask, which the second byte of a header announces.
fn mask_len(second: u8) -> usize {
    if second & 0x80 == 0 { 0 } else { 4 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inspector(max_fragments: u32) -> Inspector {
        Inspector::new(StreamLimits {
            max_fragments,
            message_timeout: Duration::from_secs(30),
        })
    }

    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload {
            0..=125 => bytes.push(0x80 | payload as u8),
            126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((payload as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((payload as u64).to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(vec![0xff; payload]);
        bytes
    }

    fn feed(inspector: &mut Inspector, mut bytes: &[u8], now: Instant) -> Result<(), Violation> {
        while !bytes.is_empty() {
            let passed = inspector.pass(bytes, now)?;
            assert!(passed > 0);
            bytes = &bytes[passed..];
        }
        Ok(())
    }

    #[test]
    fn empty_fragments_count() {
        let (mut inspector, now) = (inspector(3), Instant::now());
        feed(&mut inspector, &frame(0x01, 5), now).unwrap();
        feed(&mut inspector, &frame(0x00, 0), now).unwrap();
        feed(&mut inspector, &frame(0x00, 0), now).unwrap();
        assert_eq!(
            feed(&mut inspector, &frame(0x00, 0), now),
            Err(Violation::Fragments)
        );
    }

    #[test]
    fn each_message_has_its_own_fragments() {
        let (mut inspector, now) = (inspector(2), Instant::now());
        for _ in 0..10 {
            feed(&mut inspector, &frame(0x02, 70_000), now).unwrap();
            assert!(!inspector.is_between_messages());
            feed(&mut inspector, &frame(0x80, 0), now).unwrap();
            assert!(inspector.is_between_messages());
        }
    }

    #[test]
    fn a_message_must_be_complete_in_time_even_with_pings_inside() {
        let (mut inspector, now) = (inspector(9), Instant::now());
        feed(&mut inspector, &frame(0x01, 1), now).unwrap();
        feed(
            &mut inspector,
            &frame(0x89, 0),
            now + Duration::from_secs(20),
        )
        .unwrap();
        assert_eq!(
            inspector.handle_timeout(now + Duration::from_secs(29)),
            Ok(())
        );
        let late = now + Duration::from_secs(30);
        assert_eq!(inspector.handle_timeout(late), Err(Violation::Slow));
        feed(&mut inspector, &frame(0x80, 1), late).unwrap();
        assert_eq!(inspector.poll_timeout(), None);
    }

    #[test]
    fn a_flood_of_control_frames_is_a_violation() {
        let (mut inspector, now) = (inspector(9), Instant::now());
        let ping = frame(0x89, 3);
        feed(&mut inspector, &ping.repeat(20), now).unwrap();
        assert_eq!(
            feed(&mut inspector, &ping, now),
            Err(Violation::ControlFlood)
        );
    }

    #[test]
    fn control_frames_now_and_then_are_fine() {
        let (mut inspector, now) = (inspector(9), Instant::now());
        for second in 0..1000 {
            feed(
                &mut inspector,
                &frame(0x8a, 125),
                now + Duration::from_secs(second),
            )
            .unwrap();
        }
    }

    proptest! {
        #[test]
        fn no_bytes_pass_a_frames_end(
            frames in prop::collection::vec((any::<u8>(), 0..300_usize), 1..20), cut in 1..50_usize
        ) {
            let mut inspector = inspector(u32::MAX);
            let mut now = Instant::now();
            for (first, payload) in frames {
                now += CONTROL_WINDOW;
                let bytes = frame(first, payload);
                let mut with_next = bytes.clone();
                with_next.extend([0x81, 0x80]);
                let mut passed = 0;
                while passed < bytes.len() {
                    let end = with_next.len().min(passed + cut);
                    passed += inspector.pass(&with_next[passed..end], now).unwrap();
                }
                prop_assert_eq!(passed, bytes.len());
            }
        }
    }
}
