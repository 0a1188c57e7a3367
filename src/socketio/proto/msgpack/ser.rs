//! Values into MessagePack, with the markers that `notepack.io` would choose, and with the meaning
//! that they have in JSON: a struct is a map, a number that is not finite is nil.

use serde::ser::{self, Serialize, Serializer};

use super::de::{Error, error};
use super::key::KeyText;
use super::read::Reader;

/// Under this name a type of `serde_json` hands over JSON that is finished.
const RAW_JSON: &str = "$serde_json::private::RawValue";

/// Writes values behind each other.
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// The next tuple is a list of arguments: its elements are written without a header.
    unwrap: bool,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, unwrap: false }
    }

    /// As [`new`](Self::new), for a tuple that is a list of arguments.
    pub(super) fn unwrapping(out: &'o mut Vec<u8>) -> Self {
        Self { out, unwrap: true }
    }

    fn list(self, claimed: Option<usize>) -> Container<'o> {
        Container::begin(self, Kind::List, claimed)
    }

    fn map(self, claimed: Option<usize>) -> Container<'o> {
        Container::begin(self, Kind::Map, claimed)
    }

    /// `{variant: …`
    fn variant(self, variant: &str) -> Self {
        put_count(self.out, Kind::Map, 1);
        put_text(self.out, variant);
        Self {
            unwrap: false,
            ..self
        }
    }
}

pub(super) fn put_unsigned(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_be_bytes();
    match value {
        0..=0x7f => out.push(bytes[7]),
        0x80..=0xff => out.extend_from_slice(&[0xcc, bytes[7]]),
        0x100..=0xffff => put(out, 0xcd, &bytes[6..]),
        0x1_0000..=0xffff_ffff => put(out, 0xce, &bytes[4..]),
        _ => put(out, 0xcf, &bytes),
    }
}

fn put_signed(out: &mut Vec<u8>, value: i64) {
    let bytes = value.to_be_bytes();
    match value {
        0.. => put_unsigned(out, value.unsigned_abs()),
        -0x20.. => out.push(bytes[7]),
        -0x80.. => put(out, 0xd0, &bytes[7..]),
        -0x8000.. => put(out, 0xd1, &bytes[6..]),
        -0x8000_0000.. => put(out, 0xd2, &bytes[4..]),
        _ => put(out, 0xd3, &bytes),
    }
}

fn put(out: &mut Vec<u8>, marker: u8, bytes: &[u8]) {
    out.push(marker);
    out.extend_from_slice(bytes);
}

/// The markers of one kind: those that hold a small count themselves, and those before a count of
/// one, two and four bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Map,
    Text,
    Bytes,
}

impl Kind {
    fn markers(self) -> (Option<(u8, usize)>, Option<u8>, u8, u8) {
        match self {
            Self::List => (Some((0x90, 0x0f)), None, 0xdc, 0xdd),
            Self::Map => (Some((0x80, 0x0f)), None, 0xde, 0xdf),
            Self::Text => (Some((0xa0, 0x1f)), Some(0xd9), 0xda, 0xdb),
            Self::Bytes => (None, Some(0xc4), 0xc5, 0xc6),
        }
    }
}

/// The header of a container or a text. Counts beyond 32 bits have no form; nothing of that length
/// gets through the engine.
pub(super) fn put_count(out: &mut Vec<u8>, kind: Kind, count: usize) {
    let (small, byte, two, four) = kind.markers();
    let bytes = (count as u64).to_be_bytes();
    match (small, byte) {
        (Some((marker, most)), _) if count <= most => out.push(marker | bytes[7]),
        (_, Some(marker)) if count <= 0xff => put(out, marker, &bytes[7..]),
        _ if count <= 0xffff => put(out, two, &bytes[6..]),
        _ => put(out, four, &bytes[4..]),
    }
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, Kind::Text, text.len());
    out.extend_from_slice(text.as_bytes());
}

macro_rules! put_number {
    ($($method:ident($type:ty) => $put:ident;)*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            $put(self.out, value.into());
            Ok(())
        }
    )*};
}

impl<'o> Serializer for Writer<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Container<'o>;
    type SerializeTuple = Container<'o>;
    type SerializeTupleStruct = Container<'o>;
    type SerializeTupleVariant = Container<'o>;
    type SerializeMap = Container<'o>;
    type SerializeStruct = Container<'o>;
    type SerializeStructVariant = Container<'o>;

    put_number! {
        serialize_i8(i8) => put_signed; serialize_i16(i16) => put_signed; serialize_i32(i32) => put_signed;
        serialize_i64(i64) => put_signed; serialize_u8(u8) => put_unsigned; serialize_u16(u16) => put_unsigned;
        serialize_u32(u32) => put_unsigned; serialize_u64(u64) => put_unsigned;
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out.push(0xc2 + u8::from(value));
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.serialize_i64(value),
            (_, Ok(value)) => self.serialize_u64(value),
            // What JavaScript makes of the digits in JSON.
            _ => self.serialize_f64(value as f64),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        match u64::try_from(value) {
            Ok(value) => self.serialize_u64(value),
            Err(_) => self.serialize_f64(value as f64),
        }
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        // JSON has its shortest digits, which are another number for JavaScript than its bits.
        match serde_json::to_string(&value)?.parse() {
            Ok(value) => self.serialize_f64(value),
            Err(_) => self.serialize_unit(),
        }
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        if !value.is_finite() {
            return self.serialize_unit();
        }
        put(self.out, 0xcb, &value.to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        put_text(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        put_count(self.out, Kind::Bytes, value.len());
        self.out.extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.out.push(0xc0);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self.variant(variant))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Container<'o>, Error> {
        Ok(self.list(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Container<'o>, Error> {
        Ok(self.list(Some(len)))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Container<'o>, Error> {
        Ok(self.list(Some(len)))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Container<'o>, Error> {
        Ok(self.variant(variant).list(Some(len)))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Container<'o>, Error> {
        Ok(self.map(len))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Container<'o>, Error> {
        if name == RAW_JSON {
            let begin = self.out.len();
            return Ok(Container {
                form: Form::RawJson { begin },
                ..self.list(Some(1))
            });
        }
        Ok(self.map(Some(len)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Container<'o>, Error> {
        Ok(self.variant(variant).map(Some(len)))
    }
}

/// A list or a map that is being written.
pub(crate) struct Container<'o> {
    out: &'o mut Vec<u8>,
    form: Form,
    /// Elements, or entries, that were written.
    count: usize,
}

enum Form {
    /// The header stands in this place, and says this.
    Counted {
        kind: Kind,
        begin: usize,
        header: usize,
        claimed: Option<usize>,
    },
    /// A list of arguments, whose number was written by who asked for it.
    Arguments { claimed: usize },
    /// A text that is finished JSON.
    RawJson { begin: usize },
}

impl<'o> Container<'o> {
    fn begin(writer: Writer<'o>, kind: Kind, claimed: Option<usize>) -> Self {
        let Writer { out, unwrap } = writer;
        if let (true, Some(claimed)) = (unwrap, claimed) {
            let form = Form::Arguments { claimed };
            return Self {
                out,
                form,
                count: 0,
            };
        }
        let begin = out.len();
        put_count(out, kind, claimed.unwrap_or(0));
        let header = out.len() - begin;
        let form = Form::Counted {
            kind,
            begin,
            header,
            claimed,
        };
        Self {
            out,
            form,
            count: 0,
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.count += 1;
        value.serialize(Writer::new(self.out))
    }

    fn add_entry<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        if !matches!(self.form, Form::RawJson { .. }) {
            put_text(self.out, key);
        }
        self.add(value)
    }

    fn finish(self) -> Result<(), Error> {
        match self.form {
            Form::Counted { claimed, .. } if claimed == Some(self.count) => Ok(()),
            Form::Counted {
                kind,
                begin,
                header,
                ..
            } => {
                let mut right = Vec::new();
                put_count(&mut right, kind, self.count);
                self.out.splice(begin..begin + header, right);
                Ok(())
            }
            Form::Arguments { claimed } if claimed == self.count => Ok(()),
            Form::Arguments { .. } => Err(error("a tuple has another length than it says")),
            Form::RawJson { begin } => from_json(self.out, begin),
        }
    }
}

/// Replaces the text at `begin`, which is JSON, by its value.
fn from_json(out: &mut Vec<u8>, begin: usize) -> Result<(), Error> {
    let json: String = de_text(&out[begin..])?;
    out.truncate(begin);
    let value: serde_json::Value = serde_json::from_str(&json)?;
    value.serialize(Writer::new(out))
}

fn de_text(bytes: &[u8]) -> Result<String, Error> {
    // The container's own header stands before it.
    let mut reader = Reader::new(bytes);
    let [json]: [String; 1] = serde::Deserialize::deserialize(&mut reader)?;
    Ok(json)
}

impl ser::SerializeSeq for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTuple for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeMap for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let key = key.serialize(KeyText)?;
        put_text(self.out, &key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStruct for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.add_entry(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.add_entry(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}
