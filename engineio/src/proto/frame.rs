//! Frames: messages encoded once for every receiver.

use std::{
    fmt, io,
    sync::{Arc, OnceLock},
};

use bytes::{Buf, Bytes};

use super::packet::encode_base64_into;

/// Longest WebSocket header that a server writes: 2 bytes and a 64-bit length, no mask.
const MAX_HEADER: usize = 10;
/// First header byte of an unfragmented text frame.
const FIN_TEXT: u8 = 0x81;
/// First header byte of an unfragmented binary frame.
const FIN_BINARY: u8 = 0x82;

/// Bytes of attachments, headers included, up to which they are kept in one block with the text.
const JOINED_BYTES: usize = 512;

/// One or more Engine.IO messages, encoded once and sent contiguously: usually a text, followed by
/// its attachments as binary messages.
///
/// The text is kept as one block that holds the finished WebSocket header, the Engine.IO type
/// character and the text; polling takes a slice of the same block. A clone costs one reference
/// count, whoever the receiver is and whatever its transport.
#[derive(Clone)]
pub struct Frame(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    text: Option<Wire>,
    attachments: Box<[Attachment]>,
    /// All of them in one block, when the attachments are short: they are copied once, and no
    /// receiver costs a gathering write. The text is a slice of it.
    joined: Option<Bytes>,
    /// Bytes of the WebSocket form, the measure that the queues count.
    wire_bytes: usize,
    /// Whether a polling payload with this frame may be compressed.
    compress: bool,
}

/// A finished WebSocket text frame; what follows the header is the packet as polling sends it.
#[derive(Clone)]
struct Wire {
    bytes: Bytes,
    header_len: u8,
}

#[derive(Clone)]
struct Attachment {
    header: [u8; MAX_HEADER],
    header_len: u8,
    data: Bytes,
    /// Made by the first receiver that needs it, used by all.
    base64: OnceLock<Wire>,
}

/// Which form of the binary messages a WebSocket client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BinaryForm {
    /// Binary frames, without a type character.
    #[default]
    Frames,
    /// Text frames `b<base64>`, for clients that connected with `b64=1`.
    Base64,
}

impl Frame {
    /// A frame of one text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut builder = Self::builder_for(text.len());
        builder.buffer.extend_from_slice(text.as_bytes());
        builder.finish()
    }

    /// A frame of one binary message. The bytes are shared, not copied.
    #[must_use]
    pub fn binary(data: Bytes) -> Self {
        let attachments = vec![Attachment::new(data)];
        let joined = are_short(&attachments).then(|| {
            let mut block = Vec::new();
            extend_with(&mut block, &attachments);
            Bytes::from(block)
        });
        Self::assemble(None, attachments, joined)
    }

    /// Starts a frame whose text is written piece by piece, for example by a serialiser.
    #[must_use]
    pub fn builder() -> FrameBuilder {
        Self::builder_for(117)
    }

    /// As [`Frame::builder`], with room for a text of so many bytes.
    #[must_use]
    pub fn builder_for(text_bytes: usize) -> FrameBuilder {
        let mut buffer = Vec::with_capacity(MAX_HEADER + 1 + text_bytes);
        buffer.extend_from_slice(&[0; MAX_HEADER]);
        buffer.push(b'4');
        FrameBuilder {
            buffer,
            attachments: Vec::new(),
            unchecked: false,
        }
    }

    /// A packet in text form, type character included, to be sent as it is: for the open packet
    /// on a stream.
    #[must_use]
    pub fn packet(text: &str) -> Self {
        let mut buffer = vec![0; MAX_HEADER];
        buffer.extend_from_slice(text.as_bytes());
        Self::assemble(Some(Wire::finish(buffer)), Vec::new(), None)
    }

    fn assemble(text: Option<Wire>, attachments: Vec<Attachment>, joined: Option<Bytes>) -> Self {
        let wire_bytes = text.iter().map(|wire| wire.bytes.len()).sum::<usize>()
            + attachments.iter().map(Attachment::wire_len).sum::<usize>();
        Self(Arc::new(Parts {
            text,
            attachments: attachments.into(),
            joined,
            wire_bytes,
            compress: true,
        }))
    }

    /// Says whether a polling payload that holds this frame may be compressed. Default yes. What
    /// mixes secrets with text that an attacker chooses should not be: its length would tell.
    #[must_use]
    pub fn compress(mut self, compress: bool) -> Self {
        Arc::make_mut(&mut self.0).compress = compress;
        self
    }

    /// Whether it may be compressed, see [`Frame::compress`].
    #[must_use]
    pub fn is_compressible(&self) -> bool {
        self.0.compress
    }

    /// Length on a WebSocket, headers included, in bytes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.0.wire_bytes
    }

    /// Number of messages in the frame.
    #[must_use]
    pub fn messages(&self) -> usize {
        usize::from(self.0.text.is_some()) + self.0.attachments.len()
    }

    /// Length of the WebSocket form that a client of `form` gets, in bytes.
    pub(crate) fn stream_len(&self, form: BinaryForm) -> usize {
        match form {
            BinaryForm::Frames => self.wire_len(),
            BinaryForm::Base64 => self.stream_slices(form).map(<[u8]>::len).sum(),
        }
    }

    /// The WebSocket form as slices, in order. Empty ones may occur.
    pub(crate) fn stream_slices(&self, form: BinaryForm) -> impl Iterator<Item = &[u8]> {
        let one = self.as_one_slice(form);
        let parts = one.is_none().then_some(&*self.0);
        let apart = parts.into_iter().flat_map(move |parts| {
            let text = parts.text.iter().map(|wire| &wire.bytes[..]);
            let attachments = parts.attachments.iter();
            text.chain(attachments.flat_map(move |attachment| attachment.slices(form)))
        });
        one.into_iter().chain(apart)
    }

    /// The WebSocket form when it lies in one block: one text and nothing else, or short attachments.
    pub(crate) fn as_one_slice(&self, form: BinaryForm) -> Option<&[u8]> {
        let parts = &*self.0;
        let block = match parts.attachments.is_empty() {
            true => parts.text.as_ref().map(|wire| &wire.bytes),
            false => parts.joined.as_ref().filter(|_| form == BinaryForm::Frames),
        };
        block.map(|bytes| &bytes[..])
    }

    /// The packets as records of a polling payload, in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = Bytes> {
        let text = self.0.text.iter().map(Wire::packet);
        text.chain(
            self.0
                .attachments
                .iter()
                .map(|attachment| attachment.as_base64().packet()),
        )
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Frame({} messages, {} bytes)",
            self.messages(),
            self.wire_len()
        )
    }
}

impl Wire {
    /// Turns a buffer that begins with [`MAX_HEADER`] free bytes into a finished text frame.
    fn finish(buffer: Vec<u8>) -> Self {
        let text_end = buffer.len();
        Self::finish_first(buffer, text_end)
    }

    /// As [`Wire::finish`], where something follows the text that ends at `text_end`.
    #[expect(
        clippy::indexing_slicing,
        reason = "the buffer begins with room for the longest header"
    )]
    fn finish_first(mut buffer: Vec<u8>, text_end: usize) -> Self {
        let (header, header_len) = header(FIN_TEXT, text_end - MAX_HEADER);
        let start = MAX_HEADER - usize::from(header_len);
        buffer[start..MAX_HEADER].copy_from_slice(&header[..usize::from(header_len)]);
        let mut bytes = Bytes::from(buffer);
        bytes.advance(start);
        Self { bytes, header_len }
    }

    fn packet(&self) -> Bytes {
        self.bytes.slice(usize::from(self.header_len)..)
    }
}

impl Attachment {
    fn new(data: Bytes) -> Self {
        let (header, header_len) = header(FIN_BINARY, data.len());
        Self {
            header,
            header_len,
            data,
            base64: OnceLock::new(),
        }
    }

    fn wire_len(&self) -> usize {
        usize::from(self.header_len) + self.data.len()
    }

    fn as_base64(&self) -> &Wire {
        self.base64.get_or_init(|| {
            let mut buffer = Vec::with_capacity(MAX_HEADER + 1 + self.data.len().div_ceil(3) * 4);
            buffer.extend_from_slice(&[0; MAX_HEADER]);
            buffer.push(b'b');
            encode_base64_into(&self.data, &mut buffer);
            Wire::finish(buffer)
        })
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a header is at most as long as its array"
    )]
    fn slices(&self, form: BinaryForm) -> [&[u8]; 2] {
        match form {
            BinaryForm::Frames => [&self.header[..usize::from(self.header_len)], &self.data],
            BinaryForm::Base64 => [&self.as_base64().bytes, &[]],
        }
    }
}

/// Whether there are attachments, and so few bytes of them that a copy costs less than to gather.
fn are_short(attachments: &[Attachment]) -> bool {
    let bytes = attachments.iter().map(Attachment::wire_len).sum::<usize>();
    (1..=JOINED_BYTES).contains(&bytes)
}

fn extend_with(block: &mut Vec<u8>, attachments: &[Attachment]) {
    for slice in (attachments.iter()).flat_map(|data| data.slices(BinaryForm::Frames)) {
        block.extend_from_slice(slice);
    }
}

/// The header of an unmasked frame (RFC 6455 section 5.2) and its length.
fn header(first: u8, payload_len: usize) -> ([u8; MAX_HEADER], u8) {
    let mut header = [0; MAX_HEADER];
    header[0] = first;
    let len = payload_len as u64;
    let header_len = match len {
        0..=125 => {
            header[1] = len as u8;
            2
        }
        126..=0xffff => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&len.to_be_bytes());
            10
        }
    };
    (header, header_len)
}

/// Writes the text of a [`Frame`] through [`io::Write`] or [`fmt::Write`], in place: nothing is
/// copied when it is finished.
pub struct FrameBuilder {
    buffer: Vec<u8>,
    attachments: Vec<Attachment>,
    /// Bytes came through [`io::Write`], which may be anything.
    unchecked: bool,
}

impl FrameBuilder {
    /// Adds a binary message that follows the text. The bytes are shared, not copied.
    pub fn attach(&mut self, data: Bytes) -> &mut Self {
        self.attachments.push(Attachment::new(data));
        self
    }

    /// Length of the text that was written so far, in bytes.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.buffer.len() - MAX_HEADER - 1
    }

    /// Finishes the frame. A text that is not valid UTF-8 (possible through [`io::Write`] only) has
    /// the bad bytes replaced by U+FFFD, because a client would close the connection over it.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "the buffer begins with room for the longest header"
    )]
    pub fn finish(mut self) -> Frame {
        if self.unchecked
            && let Err(error) = std::str::from_utf8(&self.buffer[MAX_HEADER..])
        {
            let valid = MAX_HEADER + error.valid_up_to();
            let repaired = String::from_utf8_lossy(&self.buffer[valid..]).into_owned();
            self.buffer.truncate(valid);
            self.buffer.extend_from_slice(repaired.as_bytes());
        }
        let text_end = self.buffer.len();
        if !are_short(&self.attachments) {
            return Frame::assemble(Some(Wire::finish(self.buffer)), self.attachments, None);
        }
        extend_with(&mut self.buffer, &self.attachments);
        let after = self.buffer.len() - text_end;
        let mut text = Wire::finish_first(self.buffer, text_end);
        let joined = text.bytes.clone();
        text.bytes.truncate(joined.len() - after);
        Frame::assemble(Some(text), self.attachments, Some(joined))
    }
}

impl io::Write for FrameBuilder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unchecked = true;
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for FrameBuilder {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.buffer.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn stream(frame: &Frame, form: BinaryForm) -> Vec<u8> {
        frame.stream_slices(form).collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_text_is_one_finished_websocket_frame_and_one_polling_record() {
        let frame = Frame::text("hi");
        assert_eq!(stream(&frame, BinaryForm::Frames), b"\x81\x034hi");
        assert_eq!(frame.records().collect::<Vec<_>>(), ["4hi"]);
        assert_eq!(frame.wire_len(), 5);
    }

    #[test]
    fn compression_is_switched_off_for_one_clone_alone() {
        let frame = Frame::text("hi");
        let secret = frame.clone().compress(false);
        assert!(frame.is_compressible() && !secret.is_compressible());
        assert_eq!(stream(&secret, BinaryForm::Frames), b"\x81\x034hi");
    }

    #[test]
    fn the_header_grows_with_the_length() {
        for (len, header) in [
            (124, &[0x81, 125][..]),
            (125, &[0x81, 126, 0, 126]),
            (65_534, &[0x81, 126, 0xff, 0xff]),
            (65_535, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = Frame::text(&"a".repeat(len));
            assert!(
                stream(&frame, BinaryForm::Frames).starts_with(header),
                "{len}"
            );
            assert_eq!(frame.wire_len(), header.len() + 1 + len);
        }
    }

    #[test]
    fn attachments_follow_the_text_in_each_form() {
        let mut builder = Frame::builder();
        fmt::Write::write_str(&mut builder, "51-x").unwrap();
        builder
            .attach(Bytes::from_static(&[1, 2, 3, 4]))
            .attach(Bytes::new());
        let frame = builder.finish();
        assert_eq!(
            stream(&frame, BinaryForm::Frames),
            b"\x81\x05451-x\x82\x04\x01\x02\x03\x04\x82\x00"
        );
        assert_eq!(
            stream(&frame, BinaryForm::Base64),
            b"\x81\x05451-x\x81\x09bAQIDBA==\x81\x01b"
        );
        assert_eq!(
            frame.records().collect::<Vec<_>>(),
            ["451-x", "bAQIDBA==", "b"]
        );
        assert_eq!(frame.messages(), 3);
        assert_eq!(frame.stream_len(BinaryForm::Base64), 21);
    }

    #[test]
    fn short_attachments_are_written_as_one_block_and_long_ones_where_they_are() {
        let frame = |len| {
            let data = Bytes::from(vec![7; len]);
            let mut builder = Frame::builder();
            builder.attach(data.clone());
            (builder.finish(), Frame::binary(data.clone()), data)
        };
        let (with_text, alone, _) = frame(100);
        assert_eq!(
            stream(&with_text, BinaryForm::Frames)[..5],
            *b"\x81\x014\x82\x64"
        );
        for frame in [with_text, alone] {
            assert_eq!(frame.stream_slices(BinaryForm::Frames).count(), 1);
            assert!(frame.as_one_slice(BinaryForm::Base64).is_none());
            let bytes = stream(&frame, BinaryForm::Frames);
            assert_eq!(bytes.len(), frame.wire_len());
            assert!(bytes.ends_with(&[7; 100]));
        }
        let (with_text, alone, data) = frame(JOINED_BYTES + 1);
        for frame in [with_text, alone] {
            assert!(frame.as_one_slice(BinaryForm::Frames).is_none());
            let last = frame.stream_slices(BinaryForm::Frames).last().unwrap();
            assert_eq!(last.as_ptr(), data.as_ptr());
        }
    }

    #[test]
    fn the_base64_form_is_made_once() {
        let frame = Frame::binary(Bytes::from_static(b"abc"));
        let first = frame.records().next().unwrap();
        let second = frame.clone().records().next().unwrap();
        assert_eq!(first.as_ptr(), second.as_ptr());
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut builder = Frame::builder();
        builder.write_all(b"ok\xff\xfe!").unwrap();
        assert_eq!(
            builder.finish().records().next().unwrap(),
            "4ok\u{fffd}\u{fffd}!"
        );
    }
}
