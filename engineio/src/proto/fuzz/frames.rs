//! One message, in the form of each receiver.

use std::io::Write as _;

use bytes::Bytes;

use crate::proto::{Frame, Message, Packet, frame::BinaryForm};

/// A text and an attachment of the same bytes: bad UTF-8 is replaced, and every receiver gets the
/// same two messages.
pub(super) fn check(data: &[u8]) {
    let mut builder = Frame::builder();
    builder.write_all(data).expect("a frame takes every byte");
    assert_eq!(builder.text_len(), data.len());
    builder.flush().expect("a frame keeps every byte");
    builder.attach(Bytes::copy_from_slice(data));
    let frame = builder.finish().compress(data.len().is_multiple_of(2));
    assert_eq!(frame.is_compressible(), data.len().is_multiple_of(2));
    assert_eq!(frame.messages(), 2);
    let shown = format!("Frame(2 messages, {} bytes)", frame.wire_len());
    assert_eq!(format!("{frame:?}"), shown, "no contents in a log");
    assert!(frame.as_one_slice().is_none());

    let records: Vec<Bytes> = frame.records().collect();
    let [text, binary] = &records[..] else {
        panic!("two records");
    };
    let record = std::str::from_utf8(text).expect("the text was mended");
    assert_eq!(
        record.strip_prefix('4'),
        Some(&*String::from_utf8_lossy(data))
    );
    let attached = Packet::decode(std::str::from_utf8(binary).expect("base64"));
    let sent = Message::Binary(Bytes::copy_from_slice(data));
    assert_eq!(attached, Ok(Packet::Message(sent)));

    for (form, second) in [
        (BinaryForm::Frames, (0x82, data)),
        (BinaryForm::Base64, (0x81, &binary[..])),
    ] {
        let wire: Vec<u8> = frame.stream_slices(form).collect::<Vec<_>>().concat();
        assert_eq!(wire.len(), frame.stream_len(form));
        let rest = take_frame(&wire, 0x81, text);
        assert_eq!(take_frame(rest, second.0, second.1), b"");
    }
    check_alone(&records, data);
    if data.len() % 64 == 63 {
        check_long(data);
    }
}

/// A message that needs the longest header.
fn check_long(data: &[u8]) {
    let long = data.repeat(0x1_0000 / data.len() + 1);
    let frame = Frame::binary(Bytes::copy_from_slice(&long));
    assert!(frame.as_one_slice().is_none());
    let wire: Vec<u8> = frame
        .stream_slices(BinaryForm::Frames)
        .collect::<Vec<_>>()
        .concat();
    assert_eq!(take_frame(&wire, 0x82, &long), b"");
}

/// A text, and bytes, that travel alone.
fn check_alone(records: &[Bytes], data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for frame in [Frame::text(&text), Frame::packet(&format!("4{text}"))] {
        assert_eq!(frame.records().next().as_ref(), records.first());
        let slice = frame.as_one_slice().expect("one text");
        assert_eq!(slice.len(), frame.wire_len());
    }
    let binary = Frame::binary(Bytes::copy_from_slice(data));
    assert_eq!(binary.records().next().as_ref(), records.get(1));
}

/// Takes one unmasked frame (RFC 6455 section 5.2) that must carry `payload`; gives the rest.
fn take_frame<'a>(wire: &'a [u8], first: u8, payload: &[u8]) -> &'a [u8] {
    let (header, length) = match (wire.get(1), wire) {
        (Some(126), [_, _, high, low, ..]) => (4, u64::from(u16::from_be_bytes([*high, *low]))),
        (Some(127), [_, _, length @ ..]) => {
            let length = length.first_chunk().expect("eight bytes of length");
            (10, u64::from_be_bytes(*length))
        }
        (Some(length), _) => (2, u64::from(*length)),
        (None, _) => panic!("no header"),
    };
    assert_eq!(wire[0], first);
    assert_eq!(length, payload.len() as u64);
    let (frame, rest) = wire.split_at(header + payload.len());
    assert_eq!(&frame[header..], payload);
    rest
}
