//! Puts attachments where their placeholders stand, while a value is being deserialised.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

use super::payload::Payload;
use super::placeholder::{NUM, PLACEHOLDER, Placeholder, Text};

/// Deserialises with attachments, at the plain price when there are none.
pub(crate) fn deserialize<'de, T, D>(deserializer: D, attachments: &[Bytes]) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    if attachments.is_empty() {
        return T::deserialize(deserializer);
    }
    T::deserialize(WithAttachments::new(deserializer, attachments))
}

/// Wraps a deserialiser, or anything that it goes through, so that `{"_placeholder":true,"num":N}`
/// reads as the bytes of attachment N: wherever bytes are asked for, and wherever anything is
/// taken (a type that has no bytes, like `serde_json::Value`, then fails).
pub(crate) struct WithAttachments<'a, T> {
    inner: T,
    attachments: &'a [Bytes],
}

impl<'a, T> WithAttachments<'a, T> {
    pub(crate) fn new(inner: T, attachments: &'a [Bytes]) -> Self {
        Self { inner, attachments }
    }
}

macro_rules! forward_deserialize {
    ($($method:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($arg,)* WithAttachments::new(visitor, self.attachments))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for WithAttachments<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = Anything(WithAttachments::new(visitor, self.attachments));
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = Binary(WithAttachments::new(visitor, self.attachments));
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_bytes(visitor)
    }

    forward_deserialize! {
        deserialize_bool(); deserialize_i8(); deserialize_i16(); deserialize_i32(); deserialize_i64();
        deserialize_i128(); deserialize_u8(); deserialize_u16(); deserialize_u32(); deserialize_u64();
        deserialize_u128(); deserialize_f32(); deserialize_f64(); deserialize_char(); deserialize_str();
        deserialize_string(); deserialize_option(); deserialize_unit(); deserialize_seq(); deserialize_map();
        deserialize_identifier(); deserialize_ignored_any();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }
}

macro_rules! forward_visit {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for WithAttachments<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    forward_visit! {
        visit_bool(bool); visit_i64(i64); visit_i128(i128); visit_u64(u64); visit_u128(u128); visit_f64(f64);
        visit_char(char); visit_str(&str); visit_borrowed_str(&'de str); visit_string(String);
        visit_bytes(&[u8]); visit_borrowed_bytes(&'de [u8]); visit_byte_buf(Vec<u8>);
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner
            .visit_some(WithAttachments::new(deserializer, self.attachments))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        self.inner
            .visit_newtype_struct(WithAttachments::new(deserializer, self.attachments))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.inner
            .visit_seq(WithAttachments::new(seq, self.attachments))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner
            .visit_map(WithAttachments::new(map, self.attachments))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner
            .visit_enum(WithAttachments::new(data, self.attachments))
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for WithAttachments<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        // In a packet without attachments nothing is a placeholder.
        if self.attachments.is_empty() {
            return self.inner.deserialize(deserializer);
        }
        self.inner
            .deserialize(WithAttachments::new(deserializer, self.attachments))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for WithAttachments<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        self.inner
            .next_element_seed(WithAttachments::new(seed, self.attachments))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithAttachments<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner
            .next_value_seed(WithAttachments::new(seed, self.attachments))
    }
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for WithAttachments<'a, A> {
    type Error = A::Error;
    type Variant = WithAttachments<'a, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, WithAttachments::new(variant, self.attachments)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for WithAttachments<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner
            .newtype_variant_seed(WithAttachments::new(seed, self.attachments))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner
            .tuple_variant(len, WithAttachments::new(visitor, self.attachments))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner
            .struct_variant(fields, WithAttachments::new(visitor, self.attachments))
    }
}

/// Where bytes are asked for: an object is a placeholder, everything else goes through.
struct Binary<'a, V>(WithAttachments<'a, V>);

/// Where anything may stand: an object that begins with one of a placeholder's keys may be one.
struct Anything<'a, V>(WithAttachments<'a, V>);

macro_rules! visit_all_but_maps {
    () => {
        type Value = V::Value;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.expecting(f)
        }

        fn visit_bool<E: de::Error>(self, value: bool) -> Result<V::Value, E> {
            self.0.visit_bool(value)
        }

        fn visit_i64<E: de::Error>(self, value: i64) -> Result<V::Value, E> {
            self.0.visit_i64(value)
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<V::Value, E> {
            self.0.visit_u64(value)
        }

        fn visit_f64<E: de::Error>(self, value: f64) -> Result<V::Value, E> {
            self.0.visit_f64(value)
        }

        fn visit_str<E: de::Error>(self, value: &str) -> Result<V::Value, E> {
            self.0.visit_str(value)
        }

        fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<V::Value, E> {
            self.0.visit_borrowed_str(value)
        }

        fn visit_string<E: de::Error>(self, value: String) -> Result<V::Value, E> {
            self.0.visit_string(value)
        }

        fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
            self.0.visit_unit()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
            self.0.visit_seq(seq)
        }
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Binary<'_, V> {
    visit_all_but_maps!();

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<V::Value, A::Error> {
        let number = Placeholder::read(&mut map)?.number();
        self.0.visit_attachment(number)
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Anything<'_, V> {
    visit_all_but_maps!();

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<V::Value, A::Error> {
        let Some(Text(first)) = map.next_key()? else {
            return self.0.visit_map(map);
        };
        match &*first {
            PLACEHOLDER | NUM => self.visit_candidate(&first, map),
            _ => self.0.visit_map(FirstKey {
                key: Some(first),
                map,
            }),
        }
    }
}

impl<'de, V: Visitor<'de>> Anything<'_, V> {
    /// Clients write the two keys in either order, and an object of the application's own may begin
    /// with one of them: it is read whole before it is known.
    fn visit_candidate<A: MapAccess<'de>>(
        self,
        first: &str,
        mut map: A,
    ) -> Result<V::Value, A::Error> {
        let untyped = || Untyped(self.0.attachments);
        let mut entries = vec![(first.to_owned(), map.next_value_seed(untyped())?)];
        while let Some(Text(key)) = map.next_key()? {
            entries.push((key.into_owned(), map.next_value_seed(untyped())?));
        }
        match attachment_of(&entries) {
            None => self
                .0
                .inner
                .visit_map(MapDeserializer::new(entries.into_iter())),
            number => self.0.visit_attachment(number),
        }
    }
}

/// The attachment that an object names, if it is a placeholder.
fn attachment_of(entries: &[(String, Payload)]) -> Option<u64> {
    let value = |name: &str| entries.iter().rev().find(|(key, _)| key == name);
    match (value(PLACEHOLDER), value(NUM)) {
        (Some((_, Payload::Bool(true))), Some((_, Payload::Number(number)))) => number.as_u64(),
        _ => None,
    }
}

/// Reads whatever stands there.
struct Untyped<'a>(&'a [Bytes]);

impl<'de> DeserializeSeed<'de> for Untyped<'_> {
    type Value = Payload;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Payload, D::Error> {
        Payload::deserialize(WithAttachments::new(deserializer, self.0))
    }
}

impl<'de, V: Visitor<'de>> WithAttachments<'_, V> {
    fn visit_attachment<E: de::Error>(self, number: Option<u64>) -> Result<V::Value, E> {
        let bytes = number.and_then(|number| self.attachments.get(usize::try_from(number).ok()?));
        match bytes {
            Some(bytes) => self.inner.visit_byte_buf(bytes.to_vec()),
            None => Err(E::invalid_type(de::Unexpected::Map, &self.inner)),
        }
    }
}

/// A map whose first key was already read.
struct FirstKey<'de, A> {
    key: Option<Cow<'de, str>>,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for FirstKey<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.key.take() {
            Some(key) => {
                let key: StrDeserializer<'_, A::Error> = (&*key).into_deserializer();
                seed.deserialize(key).map(Some)
            }
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn untyped<T: de::DeserializeOwned>(json: &str) -> Result<T, serde_json::Error> {
        let attachments = [Bytes::from_static(b"\xff")];
        deserialize(&mut serde_json::Deserializer::from_str(json), &attachments)
    }

    #[test]
    fn trap_72_the_keys_of_a_placeholder_have_no_order_in_an_untyped_place_either() {
        for json in [
            r#"{"_placeholder":true,"num":0}"#,
            r#"{"num":0,"_placeholder":true}"#,
            r#"{"num":0,"x":[{}],"_placeholder":true}"#,
            r#"{"\u006eum":7,"num":0,"_placeholder":true}"#,
        ] {
            let bytes: Payload = untyped(json).expect(json);
            assert_eq!(bytes, Payload::Bytes(Bytes::from_static(b"\xff")), "{json}");
            assert!(untyped::<serde_json::Value>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn an_object_that_begins_like_a_placeholder_stays_what_it_is() {
        for json in [
            r#"{"num":7,"list":[1,null,-1,0.5,"x",false,{}]}"#,
            r#"{"_placeholder":false,"num":0}"#,
            r#"{"_placeholder":"true","a":{"num":0}}"#,
            r#"{"num":null}"#,
        ] {
            let value: serde_json::Value = untyped(json).expect(json);
            assert_eq!(
                value,
                serde_json::from_str::<serde_json::Value>(json).expect(json)
            );
        }
        let deep: Payload =
            untyped(r#"{"num":1,"deep":{"num":0,"_placeholder":true}}"#).expect("an object");
        let Payload::Map(entries) = deep else {
            panic!("{deep:?}");
        };
        assert!(matches!(entries[1].1, Payload::Bytes(_)));
    }

    #[test]
    fn an_untyped_place_takes_bytes_or_fails_without_them() {
        #[derive(serde::Deserialize, Debug, PartialEq)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Binary(Bytes),
        }
        // Not UTF-8: serde reads bytes that are as a string where both would do.
        let attachments = [Bytes::from_static(b"\xff")];
        let mut json = serde_json::Deserializer::from_str(r#"{"_placeholder":true,"num":0}"#);
        let either: Either = deserialize(&mut json, &attachments).expect("bytes");
        assert_eq!(either, Either::Binary(Bytes::from_static(b"\xff")));
        let mut json = serde_json::Deserializer::from_str(r#"{"a":{"_placeholder":true,"num":0}}"#);
        assert!(deserialize::<serde_json::Value, _>(&mut json, &attachments).is_err());
        let mut json =
            serde_json::Deserializer::from_str(r#"{"a":{"b":[1,null,-1,0.5,"x",false,{}]}}"#);
        let value: serde_json::Value = deserialize(&mut json, &attachments).expect("a value");
        assert_eq!(
            value.to_string(),
            r#"{"a":{"b":[1,null,-1,0.5,"x",false,{}]}}"#
        );
    }
}
