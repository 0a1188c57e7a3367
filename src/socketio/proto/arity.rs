//! How many arguments a value stands for, written and read: a tuple is several, `()` is none,
//! anything else is one.

use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{self, Impossible, Serialize, Serializer};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arity {
    None,
    One,
    Several(usize),
}

/// Asks the value for its outermost shape; nothing is serialised.
pub(crate) fn arity<T: Serialize + ?Sized>(data: &T) -> Arity {
    match data.serialize(Probe) {
        // `serde_json::Value::Null` says "unit" as well, but it takes room in memory.
        Err(Shape::Unit) if size_of_val(data) == 0 => Arity::None,
        Err(Shape::Tuple(0)) => Arity::None,
        Err(Shape::Tuple(count)) => Arity::Several(count),
        _ => Arity::One,
    }
}

/// Which arguments a type is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Nothing,
    First,
    Arguments,
}

/// Asks the type for its outermost shape; nothing is deserialised.
pub(crate) fn wanted<T: DeserializeOwned>() -> Wanted {
    match T::deserialize(Probe) {
        Err(Shape::Unit) => Wanted::Nothing,
        Err(Shape::Tuple(_)) => Wanted::Arguments,
        _ => Wanted::First,
    }
}

struct Probe;

/// The shape, travelling as the error that ends the question.
#[derive(Debug, thiserror::Error)]
#[error("not an error")]
enum Shape {
    Unit,
    Tuple(usize),
    Other,
}

impl ser::Error for Shape {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }
}

impl de::Error for Shape {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Shape;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Shape> {
        Err(Shape::Other)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Shape> {
        Err(Shape::Unit)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, _: V) -> Result<V::Value, Shape> {
        Err(Shape::Tuple(len))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit_struct newtype_struct seq tuple_struct map struct enum identifier ignored_any
    }
}

macro_rules! other {
    ($($method:ident($($type:ty),*);)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<(), Shape> {
            Err(Shape::Other)
        }
    )*};
}

type Never = Impossible<(), Shape>;

impl Serializer for Probe {
    type Ok = ();
    type Error = Shape;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    other! {
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_i128(i128); serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64);
        serialize_u128(u128); serialize_f32(f32); serialize_f64(f64); serialize_char(char);
        serialize_str(&str); serialize_bytes(&[u8]); serialize_none(); serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_unit(self) -> Result<(), Shape> {
        Err(Shape::Unit)
    }

    fn serialize_tuple(self, len: usize) -> Result<Never, Shape> {
        Err(Shape::Tuple(len))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Shape> {
        Err(Shape::Other)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<(), Shape> {
        Err(Shape::Other)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Shape> {
        Err(Shape::Other)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Never, Shape> {
        Err(Shape::Other)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never, Shape> {
        Err(Shape::Other)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, Shape> {
        Err(Shape::Other)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Never, Shape> {
        Err(Shape::Other)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Never, Shape> {
        Err(Shape::Other)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, Shape> {
        Err(Shape::Other)
    }
}
