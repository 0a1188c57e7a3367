//! Values out of MessagePack, as they would come out of JSON.

use std::fmt::Display;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::date;
use super::key::Key;
use super::read::{Reader, Token};

/// One error for the values of both parsers.
pub(super) type Error = serde_json::Error;

pub(super) fn error(message: impl Display) -> Error {
    de::Error::custom(message)
}

/// A token that reads as `null`.
fn is_null(token: Token<'_>) -> bool {
    match token {
        Token::Nil | Token::Undefined => true,
        Token::Float(number) => !number.is_finite(),
        Token::Date(ms) => date::iso(ms).is_none(),
        _ => false,
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.token().map_err(error)? {
            token if is_null(token) => visitor.visit_unit(),
            Token::Nil | Token::Undefined => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Signed(value) => visitor.visit_i64(value),
            Token::Float(value) => visitor.visit_f64(value),
            Token::Text(text) => visitor.visit_borrowed_str(text),
            Token::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::Date(ms) => visitor.visit_string(date::iso(ms).unwrap_or_default()),
            Token::Extension(kind, data) => visitor.visit_seq(Extension::Kind(kind, data)),
            Token::Array(left) => read_all(Elements { reader: self, left }, visitor),
            Token::Map(left) => visitor.visit_map(Entries { reader: self, left }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if is_null(self.peek().map_err(error)?) {
            self.token().map_err(error)?;
            return visitor.visit_none();
        }
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
        match self.token().map_err(error)? {
            Token::Text(name) => visitor.visit_enum(name.into_deserializer()),
            Token::Map(1) => visitor.visit_enum(Variant(self)),
            _ => Err(error("an enum is a text or a map of one entry")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // The depth was checked when the message came.
        self.skip(u32::MAX).map_err(error)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier
    }
}

/// Hands a list on; what the visitor leaves is too much, as in JSON.
fn read_all<'de, V: Visitor<'de>>(
    mut elements: Elements<'_, 'de>,
    visitor: V,
) -> Result<V::Value, Error> {
    let value = visitor.visit_seq(&mut elements)?;
    match elements.left {
        0 => Ok(value),
        left => Err(error(format_args!("{left} elements too many"))),
    }
}

/// The elements of a list that are left.
pub(crate) struct Elements<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: u32,
}

impl<'r, 'de> Elements<'r, 'de> {
    pub(crate) fn new(reader: &'r mut Reader<'de>, left: u32) -> Self {
        Self { reader, left }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(
            usize::try_from(self.left)
                .unwrap_or(usize::MAX)
                .min(self.reader.left()),
        )
    }
}

/// The entries of a map that are left.
struct Entries<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: u32,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        while self.left > 0 {
            self.left -= 1;
            let key = Key::from_token(self.reader.token().map_err(error)?)?;
            // `JSON.stringify` leaves such an entry out.
            if self.reader.peek().map_err(error)? == Token::Undefined {
                self.reader.token().map_err(error)?;
                continue;
            }
            return seed.deserialize(key).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }
}

/// `{variant: content}`.
struct Variant<'r, 'de>(&'r mut Reader<'de>);

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = seed.deserialize(&mut *self.0)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        de::Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.0.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_any(visitor)
    }
}

/// An extension that is none of JavaScript's own reads as `[type, bytes]`, as `notepack.io` has it.
enum Extension<'de> {
    Kind(i8, &'de [u8]),
    Data(&'de [u8]),
    Done,
}

impl<'de> SeqAccess<'de> for Extension<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let (value, next) = match *self {
            Self::Kind(kind, data) => {
                (seed.deserialize(kind.into_deserializer()), Self::Data(data))
            }
            Self::Data(data) => {
                let data = de::value::BorrowedBytesDeserializer::new(data);
                (seed.deserialize(data), Self::Done)
            }
            Self::Done => return Ok(None),
        };
        *self = next;
        value.map(Some)
    }
}
