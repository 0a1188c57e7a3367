//! A packet in one binary message, in and out.

use bytes::Bytes;
use engineio::Frame;
use serde::{Deserialize, Serialize};

use super::super::args::Args;
use super::super::arity::{Arity, arity};
use super::super::codec::DecodeError;
use super::super::encode::Mark;
use super::super::json::MAX_DEPTH;
use super::super::names::{self, MAX_NAMESPACE_BYTES, NameError};
use super::super::packet::{AckId, MAX_ACK_ID, PacketKind};
use super::de::Error;
use super::read::{MsgpackError, Reader, Token};
use super::ser::Writer;
use super::write::{Kind, put_count, put_text, put_unsigned};

/// A packet as it came.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) namespace: Box<str>,
    pub(crate) ack_id: Option<AckId>,
    pub(crate) content: Content,
}

/// What it is for, and what it carries.
#[derive(Debug)]
pub(crate) enum Content {
    /// `auth` as JSON, empty when there was none.
    Connect(String),
    Disconnect,
    Event(Box<str>, Args),
    Ack(Args),
    ConnectError,
}

/// Where the values of the fields begin.
#[derive(Default)]
struct Fields {
    kind: Option<usize>,
    namespace: Option<usize>,
    ack_id: Option<usize>,
    data: Option<usize>,
    /// Where the data ends.
    data_end: usize,
    /// Whether there are bytes in the data.
    binary: bool,
}

/// Reads a packet. Everything in it was looked at once, whatever it is.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn decode(message: &Bytes) -> Result<Packet, DecodeError> {
    let fields = fields(message)?;
    let kind = kind(message, &fields)?;
    Ok(Packet {
        namespace: namespace(message, &fields)?.into(),
        ack_id: ack_id(message, &fields)?,
        content: content(message, &fields, kind)?,
    })
}

fn fields(message: &[u8]) -> Result<Fields, DecodeError> {
    let mut reader = Reader::new(message);
    let Token::Map(count) = reader.token()? else {
        return Err(MsgpackError::NotAPacket.into());
    };
    let mut fields = Fields::default();
    for _ in 0..count {
        let at = reader.at();
        let Token::Text(key) = reader.token()? else {
            return Err(MsgpackError::Key { at }.into());
        };
        let value = (reader.peek()? != Token::Undefined).then_some(reader.at());
        // The arguments may nest as deeply as the JSON array that they are there.
        let binary = reader.skip(MAX_DEPTH)?;
        match key {
            "type" => fields.kind = value,
            "nsp" => fields.namespace = value,
            "id" => fields.ack_id = value,
            "data" => {
                (fields.data, fields.data_end, fields.binary) = (value, reader.at(), binary);
            }
            _ => {}
        }
    }
    match reader.left() {
        0 => Ok(fields),
        bytes => Err(MsgpackError::Trailing { bytes }.into()),
    }
}

/// The token at `place`, and the reader behind it.
fn at(message: &[u8], place: usize) -> Result<(Token<'_>, Reader<'_>), DecodeError> {
    let mut reader = Reader::new(message);
    reader.move_to(place);
    Ok((reader.token()?, reader))
}

fn kind(message: &[u8], fields: &Fields) -> Result<PacketKind, DecodeError> {
    let place = fields.kind.ok_or(MsgpackError::Field { name: "type" })?;
    match at(message, place)?.0 {
        Token::Unsigned(0) => Ok(PacketKind::Connect),
        Token::Unsigned(1) => Ok(PacketKind::Disconnect),
        Token::Unsigned(2) => Ok(PacketKind::Event),
        Token::Unsigned(3) => Ok(PacketKind::Ack),
        Token::Unsigned(4) => Ok(PacketKind::ConnectError),
        _ => Err(DecodeError::UnknownType),
    }
}

fn namespace<'m>(message: &'m [u8], fields: &Fields) -> Result<&'m str, DecodeError> {
    let wrong = MsgpackError::Field { name: "nsp" };
    match at(message, fields.namespace.ok_or(wrong)?)?.0 {
        Token::Text(name) if name.len() > MAX_NAMESPACE_BYTES => {
            Err(DecodeError::NamespaceTooLong { bytes: name.len() })
        }
        Token::Text(name) if name.starts_with('/') => Ok(name),
        _ => Err(wrong.into()),
    }
}

fn ack_id(message: &[u8], fields: &Fields) -> Result<Option<AckId>, DecodeError> {
    let Some(place) = fields.ack_id else {
        return Ok(None);
    };
    match at(message, place)?.0 {
        Token::Unsigned(id) if id <= MAX_ACK_ID => Ok(Some(id)),
        Token::Unsigned(_) => Err(DecodeError::AckIdTooLarge),
        _ => Err(MsgpackError::Field { name: "id" }.into()),
    }
}

fn content(message: &Bytes, fields: &Fields, kind: PacketKind) -> Result<Content, DecodeError> {
    let invalid = DecodeError::InvalidPayload { kind };
    let data = fields.data.map(|place| at(message, place)).transpose()?;
    Ok(match (kind, data) {
        (PacketKind::Connect, None) => Content::Connect(String::new()),
        (PacketKind::Connect, Some((Token::Map(_), _))) => {
            Content::Connect(auth(message, fields).map_err(|_| invalid)?)
        }
        (PacketKind::Disconnect, None) => Content::Disconnect,
        (PacketKind::Event, Some((Token::Array(count), mut reader))) => {
            let left = count.checked_sub(1).ok_or(invalid)?;
            let name = event_name(reader.token()?)?;
            let items = message.slice(reader.at()..fields.data_end);
            Content::Event(name, Args::msgpack(items, left, fields.binary))
        }
        (PacketKind::Ack, Some((Token::Array(count), reader))) => {
            let items = message.slice(reader.at()..fields.data_end);
            Content::Ack(Args::msgpack(items, count, fields.binary))
        }
        (PacketKind::ConnectError, Some(_)) => Content::ConnectError,
        _ => return Err(invalid),
    })
}

fn event_name(token: Token<'_>) -> Result<Box<str>, DecodeError> {
    let name: Box<str> = match token {
        Token::Text(name) => name.into(),
        Token::Unsigned(number) => number.to_string().into(),
        Token::Signed(number) => number.to_string().into(),
        Token::Float(number) if number.is_finite() => number.to_string().into(),
        _ => return Err(NameError::NotAName.into()),
    };
    // As with the JSON parser, the application refuses what is too long.
    if names::is_reserved(&name) {
        return Err(NameError::Reserved.into());
    }
    Ok(name)
}

/// What came as `auth`, in the form in which it is kept: at most six times as long. Bytes have no
/// form there, and are refused.
fn auth(message: &[u8], fields: &Fields) -> Result<String, Error> {
    let mut reader = Reader::new(message);
    reader.move_to(fields.data.unwrap_or_default());
    let auth = serde_json::Value::deserialize(&mut reader)?;
    serde_json::to_string(&auth)
}

/// Begins `{type, nsp, id?, data: …`.
fn begin(kind: PacketKind, namespace: &str, ack_id: Option<AckId>, data: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let count = 2 + usize::from(ack_id.is_some()) + usize::from(data);
    put_count(&mut out, Kind::Map, count);
    put_text(&mut out, "type");
    put_unsigned(&mut out, u64::from(kind as u8 - b'0'));
    put_text(&mut out, "nsp");
    put_text(&mut out, namespace);
    if let Some(id) = ack_id {
        put_text(&mut out, "id");
        put_unsigned(&mut out, id);
    }
    if data {
        put_text(&mut out, "data");
    }
    out
}

fn finish(out: Vec<u8>) -> Frame {
    Frame::binary(Bytes::from(out))
}

/// An event when there is a name, else an answer.
pub(crate) fn event_or_ack<T: Serialize + ?Sized>(
    namespace: &str,
    mark: Mark<'_>,
    name: Option<&str>,
    data: &T,
) -> Result<Frame, Error> {
    let arity = arity(data);
    let count = match arity {
        Arity::None => 0,
        Arity::One => 1,
        Arity::Several(count) => count,
    };
    let mut out = begin_list(namespace, mark, name, count);
    match arity {
        Arity::None => {}
        Arity::One => data.serialize(Writer::new(&mut out))?,
        Arity::Several(_) => data.serialize(Writer::unwrapping(&mut out))?,
    }
    Ok(finish_list(out, mark))
}

/// The same with arguments that are sent on as they came.
pub(crate) fn raw_event_or_ack(
    namespace: &str,
    mark: Mark<'_>,
    name: Option<&str>,
    count: u32,
    items: &[u8],
) -> Frame {
    let mut out = begin_list(namespace, mark, name, count as usize);
    out.extend_from_slice(items);
    finish_list(out, mark)
}

fn finish_list(mut out: Vec<u8>, mark: Mark<'_>) -> Frame {
    if let Some(offset) = mark.offset() {
        put_text(&mut out, offset);
    }
    finish(out)
}

fn begin_list(namespace: &str, mark: Mark<'_>, name: Option<&str>, count: usize) -> Vec<u8> {
    let kind = if name.is_some() {
        PacketKind::Event
    } else {
        PacketKind::Ack
    };
    let mut out = begin(kind, namespace, mark.ack_id(), true);
    let beside = usize::from(name.is_some()) + usize::from(mark.offset().is_some());
    put_count(&mut out, Kind::List, beside + count);
    if let Some(name) = name {
        put_text(&mut out, name);
    }
    out
}

/// Grants or refuses a namespace: `data` is an object of texts and plain values.
pub(crate) fn with_data<T: Serialize>(kind: PacketKind, namespace: &str, data: &T) -> Frame {
    let mut out = begin(kind, namespace, None, true);
    // Neither a string nor a `Value` can fail.
    let _ = data.serialize(Writer::new(&mut out));
    finish(out)
}

/// Ends a namespace.
pub(crate) fn disconnect(namespace: &str) -> Frame {
    finish(begin(PacketKind::Disconnect, namespace, None, false))
}
