//! Keys of maps: texts to everybody, and whatever a text can stand for to who asks for that, as
//! with `serde_json`.

use std::borrow::Cow;
use std::str::FromStr;

use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{self, Impossible, Serialize, Serializer};

use super::de::{Error, error};
use super::read::Token;

/// A key that was read.
pub(super) struct Key<'de>(Cow<'de, str>);

impl<'de> Key<'de> {
    pub(super) fn from_token(token: Token<'de>) -> Result<Self, Error> {
        match token {
            Token::Text(text) => Ok(Self(Cow::Borrowed(text))),
            Token::Unsigned(number) => Ok(Self(Cow::Owned(number.to_string()))),
            Token::Signed(number) => Ok(Self(Cow::Owned(number.to_string()))),
            _ => Err(error("a key is a text or a whole number")),
        }
    }

    fn parse<T: FromStr>(&self) -> Result<T, Error> {
        self.0
            .parse()
            .map_err(|_| error("the key has another type"))
    }
}

macro_rules! parse_key {
    ($($method:ident => $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.parse()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    parse_key! {
        deserialize_bool => visit_bool; deserialize_i8 => visit_i8; deserialize_i16 => visit_i16;
        deserialize_i32 => visit_i32; deserialize_i64 => visit_i64; deserialize_i128 => visit_i128;
        deserialize_u8 => visit_u8; deserialize_u16 => visit_u16; deserialize_u32 => visit_u32;
        deserialize_u64 => visit_u64; deserialize_u128 => visit_u128; deserialize_f32 => visit_f32;
        deserialize_f64 => visit_f64;
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// Gives a key that is to be written as its text.
pub(super) struct KeyText;

fn no_key<T>() -> Result<T, Error> {
    Err(ser::Error::custom("a key must be a string"))
}

macro_rules! display_key {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, value: $type) -> Result<String, Error> {
            Ok(value.to_string())
        }
    )*};
}

type Never = Impossible<String, Error>;

impl Serializer for KeyText {
    type Ok = String;
    type Error = Error;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    display_key! {
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32);
        serialize_i64(i64); serialize_i128(i128); serialize_u8(u8); serialize_u16(u16);
        serialize_u32(u32); serialize_u64(u64); serialize_u128(u128); serialize_char(char);
        serialize_str(&str);
    }

    fn serialize_f32(self, value: f32) -> Result<String, Error> {
        match value.is_finite() {
            true => serde_json::to_string(&value),
            false => no_key(),
        }
    }

    fn serialize_f64(self, value: f64) -> Result<String, Error> {
        match value.is_finite() {
            true => serde_json::to_string(&value),
            false => no_key(),
        }
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<String, Error> {
        no_key()
    }

    fn serialize_none(self) -> Result<String, Error> {
        no_key()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<String, Error> {
        no_key()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<String, Error> {
        no_key()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<String, Error> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<String, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, Error> {
        no_key()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Never, Error> {
        no_key()
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, Error> {
        no_key()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never, Error> {
        no_key()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, Error> {
        no_key()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Never, Error> {
        no_key()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Never, Error> {
        no_key()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, Error> {
        no_key()
    }
}
