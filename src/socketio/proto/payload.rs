//! A value of any shape.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Number;

/// Whatever a client can send as one argument: what JSON has, and bytes in any place. Where no bytes
/// can be, `serde_json::Value` does as well.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Payload {
    /// `null`, and `undefined`.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string, or a `Date` in ISO form.
    Text(String),
    /// A `Buffer`, `ArrayBuffer`, typed array or `Blob`.
    Bytes(Bytes),
    /// An array.
    List(Vec<Payload>),
    /// An object, its entries in the order in which they came.
    Map(Vec<(String, Payload)>),
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(items) => items.serialize(serializer),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

impl<'de, E: de::Error> IntoDeserializer<'de, E> for Payload {
    type Deserializer = Reread<E>;

    fn into_deserializer(self) -> Reread<E> {
        Reread(self, PhantomData)
    }
}

/// Reads a value that was read already, as another type.
pub struct Reread<E>(Payload, PhantomData<E>);

impl<'de, E: de::Error> Deserializer<'de> for Reread<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Payload::Null => visitor.visit_unit(),
            Payload::Bool(value) => visitor.visit_bool(value),
            Payload::Number(number) => number.deserialize_any(visitor).map_err(E::custom),
            Payload::Text(text) => visitor.visit_string(text),
            Payload::Bytes(bytes) => visitor.visit_byte_buf(bytes.into()),
            Payload::List(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter())),
            Payload::Map(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Payload::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Payload, E> {
        Ok(Payload::Null)
    }

    fn visit_none<E>(self) -> Result<Payload, E> {
        Ok(Payload::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Payload, D::Error> {
        Payload::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Payload, D::Error> {
        Payload::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Payload, E> {
        Ok(Payload::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Payload, E> {
        Ok(Payload::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Payload, E> {
        Ok(Payload::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Payload, E> {
        Ok(Number::from_f64(value).map_or(Payload::Null, Payload::Number))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Payload, E> {
        Ok(Payload::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Payload, E> {
        Ok(Payload::Text(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Payload, E> {
        Ok(Payload::Bytes(Bytes::copy_from_slice(value)))
    }

    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Payload, E> {
        Ok(Payload::Bytes(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Payload, A::Error> {
        // Grows with what comes: a count from the wire reserves nothing.
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Payload::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Payload::Map(entries))
    }
}
