//! Values into MessagePack, with the meaning that they have in JSON: a struct is a map, a number that is not finite is nil.

use serde::ser::{Serialize, Serializer};

use super::container::Container;
use super::de::Error;
use super::write::{Kind, put, put_count, put_signed, put_text, put_unsigned};

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
        match (self.unwrap, claimed) {
            (true, Some(claimed)) => Container::arguments(self.out, claimed),
            _ => Container::begin(self.out, Kind::List, claimed),
        }
    }

    fn map(self, claimed: Option<usize>) -> Container<'o> {
        Container::begin(self.out, Kind::Map, claimed)
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
            return Ok(Container::raw_json(self.out));
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
