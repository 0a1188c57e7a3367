//! Outgoing packets, written straight into a [`Frame`]; here in the form of the JSON parser, in
//! [`msgpack`] in the other.
//!
//! Bytes inside a value (anything that serialises as bytes, like [`Bytes`]) become attachments and
//! leave `{"_placeholder":true,"num":N}` behind. A tuple at the top is several arguments.

use std::fmt::Write as _;
use std::io;

use bytes::Bytes;
use engineio::{Frame, FrameBuilder};
use serde::Serialize;
use serde::ser::{SerializeTuple, Serializer};
use serde_json::ser::Formatter;

use super::args::{Args, Form};
use super::arity::{Arity, arity};
use super::codec::encode_header;
use super::msgpack;
use super::names::{self, NameError};
use super::packet::{AckId, Header, PacketKind};
use super::parser::{Envelope, Parser};
use super::payload::Payload;

/// What stands around the arguments of an event or an answer, beside the names: the digits of
/// an id, the number of attachments, brackets, quotes and commas.
const MAX_HEADER_TEXT: usize = 32;

/// Attachments that one packet may have, in and out: the official client closes on more.
pub const MAX_ATTACHMENTS: u16 = 10;

/// Why something cannot be sent. The caller is to blame; nothing was sent, and the connection lives.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event's name is refused.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The value has no form on the wire.
    #[error("not serialisable: {0}")]
    Json(#[from] serde_json::Error),
    /// More attachments than a client accepts.
    #[error("{got} attachments, {MAX_ATTACHMENTS} allowed")]
    TooManyAttachments {
        /// How many there were.
        got: usize,
    },
    /// The value serialised differently when it was asked a second time.
    #[error("the value's attachments change while it is serialised")]
    Unstable,
}

/// What an event carries beside its name and arguments; a packet that is answered has no offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark<'a> {
    /// Nothing.
    Plain,
    /// The id under which an answer is awaited, or given.
    Ack(AckId),
    /// One more argument: from where a client that lost its connection goes on.
    Offset(&'a str),
}

impl<'a> Mark<'a> {
    pub(crate) fn ack_id(self) -> Option<AckId> {
        match self {
            Self::Ack(id) => Some(id),
            Self::Plain | Self::Offset(_) => None,
        }
    }

    pub(crate) fn offset(self) -> Option<&'a str> {
        match self {
            Self::Offset(offset) => Some(offset),
            Self::Plain | Self::Ack(_) => None,
        }
    }
}

/// Whether the packet of an event ends with a text, which the official client would take for an
/// offset.
pub(crate) fn ends_with_text<T: Serialize + ?Sized>(data: &T) -> bool {
    let last = |end: &[u8]| serde_json::to_vec(data).is_ok_and(|json| json.ends_with(end));
    match arity(data) {
        // Then the name is the last.
        Arity::None | Arity::Several(0) => true,
        Arity::One => last(b"\""),
        Arity::Several(_) => last(b"\"]"),
    }
}

/// What would be sent for `data`, as a receiver gets it.
pub(crate) fn arguments<T: Serialize + ?Sized>(data: &T) -> Result<Args, EncodeError> {
    let mut array = Vec::new();
    let attachments = write_array(&mut array, None, data, None)?;
    let array = String::from_utf8_lossy(&array).into_owned();
    Ok(Args::unnamed(array.into(), attachments))
}

/// An event: `2["name",…]`, or with attachments `5<n>-["name",…]`.
pub(crate) fn event<T: Serialize + ?Sized>(
    to: Envelope<'_>,
    mark: Mark<'_>,
    name: &str,
    data: &T,
) -> Result<Frame, EncodeError> {
    names::check_event_name(name)?;
    packet(to, mark, Some(name), data)
}

/// An event to `namespace` in the form of the JSON parser, to be sent to any number of sessions.
///
/// # Errors
/// The name is refused, or the value has no form on the wire.
pub fn event_frame<T: Serialize + ?Sized>(
    namespace: &str,
    name: &str,
    data: &T,
) -> Result<Frame, EncodeError> {
    let parser = Parser::Json;
    event(Envelope { parser, namespace }, Mark::Plain, name, data)
}

/// The answer to an event: `3<id>[…]`, or with attachments `6<n>-<id>[…]`.
pub(crate) fn ack<T: Serialize + ?Sized>(
    to: Envelope<'_>,
    id: AckId,
    data: &T,
) -> Result<Frame, EncodeError> {
    packet(to, Mark::Ack(id), None, data)
}

/// An event with arguments that are sent on as they came.
pub(crate) fn raw_event(
    to: Envelope<'_>,
    mark: Mark<'_>,
    name: &str,
    args: &Args,
) -> Result<Frame, EncodeError> {
    names::check_event_name(name)?;
    raw(to, mark, Some(name), args)
}

/// An answer with arguments that are sent on as they came.
pub(crate) fn raw_ack(to: Envelope<'_>, id: AckId, args: &Args) -> Result<Frame, EncodeError> {
    raw(to, Mark::Ack(id), None, args)
}

/// Grants a namespace: `0{"sid":"…"}`.
///
/// `pid` is the secret with which the client may recover the socket's state, when it may.
pub(crate) fn connect(to: Envelope<'_>, sid: &str, pid: Option<&str>) -> Frame {
    #[derive(Serialize)]
    struct Granted<'a> {
        sid: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pid: Option<&'a str>,
    }
    with_data(PacketKind::Connect, to, &Granted { sid, pid })
}

/// Refuses a namespace: `4{"message":"…"}`, with `data` when there is some.
pub(crate) fn connect_error(
    to: Envelope<'_>,
    message: &str,
    data: Option<&serde_json::Value>,
) -> Frame {
    #[derive(Serialize)]
    struct Refusal<'a> {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a serde_json::Value>,
    }
    with_data(PacketKind::ConnectError, to, &Refusal { message, data })
}

/// Ends a namespace: `1`.
pub(crate) fn disconnect(to: Envelope<'_>) -> Frame {
    match to.parser {
        Parser::Json => begin(PacketKind::Disconnect, 0, to.namespace, None).finish(),
        Parser::Msgpack => msgpack::disconnect(to.namespace),
    }
}

/// A packet with an object of texts and plain values: neither can fail to be written.
fn with_data<T: Serialize>(kind: PacketKind, to: Envelope<'_>, data: &T) -> Frame {
    if to.parser == Parser::Msgpack {
        return msgpack::with_data(kind, to.namespace, data);
    }
    let mut frame = begin(kind, 0, to.namespace, None);
    // The frame takes every byte.
    let _ = serde_json::to_writer(&mut frame, data);
    frame.finish()
}

fn begin(
    kind: PacketKind,
    attachments: u16,
    namespace: &str,
    ack_id: Option<AckId>,
) -> FrameBuilder {
    begin_in(Frame::builder(), kind, attachments, namespace, ack_id)
}

fn begin_in(
    mut frame: FrameBuilder,
    kind: PacketKind,
    attachments: u16,
    namespace: &str,
    ack_id: Option<AckId>,
) -> FrameBuilder {
    // The frame takes every byte.
    let _ = encode_header(
        &mut frame,
        &Header {
            kind,
            attachments,
            namespace,
            ack_id,
        },
    );
    frame
}

/// An event when there is a name, else an answer.
fn packet<T: Serialize + ?Sized>(
    to: Envelope<'_>,
    mark: Mark<'_>,
    name: Option<&str>,
    data: &T,
) -> Result<Frame, EncodeError> {
    match to.parser {
        Parser::Json => text_packet(to.namespace, mark, name, data),
        Parser::Msgpack => Ok(msgpack::event_or_ack(to.namespace, mark, name, data)?),
    }
}

/// The kinds without and with attachments.
fn kinds(name: Option<&str>) -> [PacketKind; 2] {
    match name {
        Some(_) => [PacketKind::Event, PacketKind::BinaryEvent],
        None => [PacketKind::Ack, PacketKind::BinaryAck],
    }
}

/// Writes the packet as if it had no attachments, and once more when it turns out to have some,
/// because their number stands before them.
fn text_packet<T: Serialize + ?Sized>(
    namespace: &str,
    mark: Mark<'_>,
    name: Option<&str>,
    data: &T,
) -> Result<Frame, EncodeError> {
    let [plain, binary] = kinds(name);
    let mut frame = begin(plain, 0, namespace, mark.ack_id());
    let found = write_array(&mut frame, name, data, mark.offset())?;
    if found.is_empty() {
        return Ok(frame.finish());
    }
    let count = attachment_count(found.len())?;
    let mut frame = begin(binary, count, namespace, mark.ack_id());
    let found = write_array(&mut frame, name, data, mark.offset())?;
    if found.len() != usize::from(count) {
        return Err(EncodeError::Unstable);
    }
    for attachment in found {
        frame.attach(attachment);
    }
    Ok(frame.finish())
}

/// Arguments are written again only when they came through another parser than that of the
/// receivers, from another server in this process.
fn raw(
    to: Envelope<'_>,
    mark: Mark<'_>,
    name: Option<&str>,
    args: &Args,
) -> Result<Frame, EncodeError> {
    match (to.parser, args.form()) {
        (Parser::Json, Form::Json { .. }) => raw_text(to.namespace, mark, name, args),
        (Parser::Msgpack, Form::Msgpack { items, count, .. }) => {
            let frame = msgpack::raw_event_or_ack(to.namespace, mark, name, *count, items);
            Ok(frame)
        }
        _ => packet(to, mark, name, &Arguments(args.payloads()?)),
    }
}

fn raw_text(
    namespace: &str,
    mark: Mark<'_>,
    name: Option<&str>,
    args: &Args,
) -> Result<Frame, EncodeError> {
    let [plain, binary] = kinds(name);
    let count = attachment_count(args.attachments().len())?;
    let kind = if count == 0 { plain } else { binary };
    let raw = args.as_json().unwrap_or_default();
    let about = MAX_HEADER_TEXT + namespace.len() + name.map_or(0, str::len) + raw.len();
    let frame = Frame::builder_for(about);
    let mut frame = begin_in(frame, kind, count, namespace, mark.ack_id());
    write_raw_array(&mut frame, name, raw, mark.offset())?;
    for attachment in args.attachments() {
        frame.attach(attachment.clone());
    }
    Ok(frame.finish())
}

/// Values that are one argument each.
struct Arguments(Vec<Payload>);

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0
            .iter()
            .try_for_each(|payload| tuple.serialize_element(payload))?;
        tuple.end()
    }
}

fn attachment_count(got: usize) -> Result<u16, EncodeError> {
    match u16::try_from(got) {
        Ok(count) if count <= MAX_ATTACHMENTS => Ok(count),
        _ => Err(EncodeError::TooManyAttachments { got }),
    }
}

fn write_raw_array(
    frame: &mut FrameBuilder,
    name: Option<&str>,
    raw: &str,
    offset: Option<&str>,
) -> Result<(), serde_json::Error> {
    if name.is_none() && offset.is_none() {
        // As text, which need not be checked again.
        let written = ["[", raw, "]"].map(|part| frame.write_str(part));
        debug_assert!(
            written.iter().all(Result::is_ok),
            "a frame takes every byte"
        );
        return Ok(());
    }
    let comma = write_name(frame, name)? && !raw.is_empty();
    write_all(frame, &[if comma { "," } else { "" }, raw])?;
    close_array(frame, offset)
}

/// Writes `["name",…]` and gives the attachments that were found on the way.
fn write_array<T: Serialize + ?Sized>(
    frame: &mut impl io::Write,
    name: Option<&str>,
    data: &T,
    offset: Option<&str>,
) -> Result<Vec<Bytes>, serde_json::Error> {
    let arity = arity(data);
    let named = write_name(frame, name)?;
    let mut attachments = Vec::new();
    if arity != Arity::None {
        if named {
            write_all(frame, &[","])?;
        }
        let mut pending = Pending {
            attachments: &mut attachments,
            unwrap: matches!(arity, Arity::Several(_)),
            depth: 0,
        };
        data.serialize(&mut serde_json::Serializer::with_formatter(
            &mut *frame,
            &mut pending,
        ))?;
    }
    close_array(frame, offset)?;
    Ok(attachments)
}

/// Opens the array; says whether there is a name in it.
fn write_name(frame: &mut impl io::Write, name: Option<&str>) -> Result<bool, serde_json::Error> {
    write_all(frame, &["["])?;
    if let Some(name) = name {
        serde_json::to_writer(&mut *frame, name)?;
    }
    Ok(name.is_some())
}

/// Ends the array of an event, with the offset behind the arguments when there is one.
fn close_array(frame: &mut impl io::Write, offset: Option<&str>) -> Result<(), serde_json::Error> {
    match offset {
        // Of letters, digits, `-` and `_`: nothing to escape.
        Some(offset) => write_all(frame, &[",\"", offset, "\"]"]),
        None => write_all(frame, &["]"]),
    }
}

fn write_all(frame: &mut impl io::Write, parts: &[&str]) -> Result<(), serde_json::Error> {
    let written = parts
        .iter()
        .try_for_each(|part| frame.write_all(part.as_bytes()));
    written.map_err(serde_json::Error::io)
}

/// Compact JSON that collects bytes, and leaves out the brackets of the outermost array when that
/// is the list of arguments.
struct Pending<'a> {
    attachments: &'a mut Vec<Bytes>,
    unwrap: bool,
    depth: usize,
}

impl Formatter for &mut Pending<'_> {
    fn write_byte_array<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        value: &[u8],
    ) -> io::Result<()> {
        write!(
            writer,
            r#"{{"_placeholder":true,"num":{}}}"#,
            self.attachments.len()
        )?;
        self.attachments.push(Bytes::copy_from_slice(value));
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        if self.depth == 1 && self.unwrap {
            Ok(())
        } else {
            writer.write_all(b"[")
        }
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.depth == 0 && self.unwrap {
            Ok(())
        } else {
            writer.write_all(b"]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec;
    use super::*;
    use engineio::proto::frame::BinaryForm;
    use engineio::proto::outbox::{Outbox, OutboxLimits};
    use serde_json::{Value, json};

    const ROOT: Envelope<'_> = Envelope::json("/");
    const NS: Envelope<'_> = Envelope::json("/ns");

    /// The packet's text, without the Engine.IO type character.
    fn text(frame: &Frame) -> String {
        let record = records(frame).remove(0);
        record.strip_prefix('4').expect("a message").to_owned()
    }

    fn records(frame: &Frame) -> Vec<String> {
        let mut outbox = Outbox::new(OutboxLimits::default(), BinaryForm::Frames);
        let _ = outbox.enqueue(frame.clone()).expect("room");
        let payload = outbox.take_payload(&[]);
        String::from_utf8_lossy(&payload)
            .split('\u{1e}')
            .map(str::to_owned)
            .collect()
    }

    fn emitted<T: Serialize + ?Sized>(data: &T) -> String {
        text(&event(ROOT, Mark::Plain, "e", data).expect("encodable"))
    }

    #[test]
    fn a_tuple_is_several_arguments_and_everything_else_is_one() {
        assert_eq!(emitted(&()), r#"2["e"]"#);
        assert_eq!(emitted(&Value::Null), r#"2["e",null]"#);
        assert_eq!(emitted(&None::<u8>), r#"2["e",null]"#);
        assert_eq!(emitted("x"), r#"2["e","x"]"#);
        assert_eq!(emitted(&vec![1, 2]), r#"2["e",[1,2]]"#);
        assert_eq!(emitted(&json!({"a":[1]})), r#"2["e",{"a":[1]}]"#);
        assert_eq!(
            emitted(&(1, "2", json!({"3":[true]}))),
            r#"2["e",1,"2",{"3":[true]}]"#
        );
        assert_eq!(emitted(&(vec![1],)), r#"2["e",[1]]"#);
        assert_eq!(emitted(&((1, 2), [3])), r#"2["e",[1,2],[3]]"#);
        assert_eq!(emitted(&[0u8; 0]), r#"2["e"]"#);
    }

    #[test]
    fn trap_69_the_default_namespace_is_never_written() {
        assert_eq!(
            text(&event(ROOT, Mark::Ack(3), "e", &1).expect("encodable")),
            r#"23["e",1]"#
        );
        assert_eq!(
            text(&event(NS, Mark::Ack(3), "e", &1).expect("encodable")),
            r#"2/ns,3["e",1]"#
        );
        assert_eq!(text(&connect(ROOT, "abc", None)), r#"0{"sid":"abc"}"#);
        assert_eq!(text(&connect(NS, "abc", None)), r#"0/ns,{"sid":"abc"}"#);
        assert_eq!(text(&disconnect(ROOT)), "1");
        assert_eq!(text(&disconnect(NS)), "1/ns,");
    }

    #[test]
    fn trap_58_and_59_a_refusal_is_an_object_with_a_message() {
        let refusal = connect_error(Envelope::json("/random"), "Invalid namespace", None);
        assert_eq!(
            text(&refusal),
            r#"4/random,{"message":"Invalid namespace"}"#
        );
        let refusal = connect_error(
            Envelope::json("/deny"),
            "not allowed",
            Some(&json!({"code":42})),
        );
        assert_eq!(
            text(&refusal),
            r#"4/deny,{"message":"not allowed","data":{"code":42}}"#
        );
    }

    #[test]
    fn trap_78_an_answer_without_arguments_is_an_empty_array() {
        assert_eq!(text(&ack(ROOT, 7, &()).expect("encodable")), "37[]");
        assert_eq!(
            text(&ack(ROOT, 456, &(1, "2")).expect("encodable")),
            r#"3456[1,"2"]"#
        );
        assert_eq!(
            text(&ack(NS, 1, &vec![1]).expect("encodable")),
            "3/ns,1[[1]]"
        );
    }

    #[test]
    fn bytes_become_attachments() {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        let frame = event(
            ROOT,
            Mark::Plain,
            "e",
            &(bytes("ab"), json!(1), vec![bytes("")]),
        )
        .expect("encodable");
        let placeholders = r#"{"_placeholder":true,"num":0},1,[{"_placeholder":true,"num":1}]"#;
        assert_eq!(
            records(&frame),
            [
                format!(r#"452-["e",{placeholders}]"#),
                "bYWI=".to_owned(),
                "b".to_owned()
            ]
        );
        let frame = ack(ROOT, 789, &bytes("ab")).expect("encodable");
        assert_eq!(text(&frame), r#"61-789[{"_placeholder":true,"num":0}]"#);
    }

    #[test]
    fn trap_71_eleven_attachments_are_refused_before_the_client_would() {
        let eleven = vec![Bytes::from_static(b"x"); 11];
        assert!(matches!(
            event(ROOT, Mark::Plain, "e", &eleven),
            Err(EncodeError::TooManyAttachments { got: 11 })
        ));
        assert!(event(ROOT, Mark::Plain, "e", &eleven[..10]).is_ok());
    }

    #[test]
    fn trap_66_reserved_names_cannot_be_emitted() {
        assert!(matches!(
            event(ROOT, Mark::Plain, "disconnect", &()),
            Err(EncodeError::Name(NameError::Reserved))
        ));
    }

    #[test]
    fn a_value_without_a_json_form_is_an_error() {
        let map = std::collections::HashMap::from([(vec![1], 1)]);
        assert!(matches!(
            event(ROOT, Mark::Plain, "e", &map),
            Err(EncodeError::Json(_))
        ));
    }

    #[test]
    fn raw_arguments_are_sent_on_byte_for_byte() {
        for (came, name, sent) in [
            (
                r#"2["message",1,"2",{"3":[true]}]"#,
                "message-back",
                r#"2["message-back",1,"2",{"3":[true]}]"#,
            ),
            (r#"2["message"]"#, "back", r#"2["back"]"#),
            (
                r#"2["message",{"a" : 1.50e0}]"#,
                "b\"",
                r#"2["b\"",{"a" : 1.50e0}]"#,
            ),
        ] {
            let packet = codec::decode(came, 10).expect("a packet");
            let args = Args::named(
                packet.payload.as_ref().into(),
                packet.arguments_at,
                Vec::new(),
            );
            assert_eq!(
                text(&raw_event(ROOT, Mark::Plain, name, &args).expect("encodable")),
                sent
            );
            let answer = text(&raw_ack(ROOT, 5, &args).expect("encodable"));
            assert_eq!(answer, format!("35[{}]", args.as_json().expect("JSON")));
        }
    }
}
