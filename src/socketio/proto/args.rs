//! The arguments of an event or an answer, kept as they came until somebody wants them.
//!
//! # Where this differs from the official server
//!
//! That one puts attachments into values and takes them out again, so what it sends on is in its
//! own form. Here arguments that are sent on keep the form of the client that sent them: an
//! attachment that no placeholder names is sent along, one that two name is sent once, and a
//! placeholder keeps its further keys and their order. A client reads the same values.

use std::fmt;

use bytes::Bytes;
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny,
    IntoDeserializer, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::arity::{Wanted, wanted};
use super::binary::{self, WithAttachments};
use super::msgpack;
use super::payload::Payload;

/// Arguments do not have the shape that was asked for. The sender is to blame; the connection lives.
#[derive(Debug, thiserror::Error)]
#[error("arguments do not fit: {0}")]
pub struct ArgsError(#[from] serde_json::Error);

/// The arguments of an event or an answer, in the form of the parser that they came through.
///
/// Nothing is parsed until [`data`](Self::data) or [`decode`](Self::decode) is called, and they can
/// be sent on byte for byte without ever being parsed.
#[derive(Clone)]
pub struct Args(Form);

#[derive(Clone)]
pub(crate) enum Form {
    Json {
        /// The whole array, valid JSON without blanks around it.
        array: Box<str>,
        /// Where the first argument begins, or the closing bracket stands.
        from: u32,
        /// Whether an event's name stands before the arguments.
        named: bool,
        attachments: Vec<Bytes>,
    },
    Msgpack {
        /// The arguments, one behind the other.
        items: Bytes,
        count: u32,
        /// Whether there are bytes among them.
        binary: bool,
    },
}

impl Args {
    /// No arguments.
    pub fn none() -> Self {
        Self::unnamed("[]".into(), Vec::new())
    }

    pub(crate) fn named(array: Box<str>, arguments_at: usize, attachments: Vec<Bytes>) -> Self {
        let from = u32::try_from(arguments_at).unwrap_or(u32::MAX);
        Self(Form::Json {
            array,
            from,
            named: true,
            attachments,
        })
    }

    pub(crate) fn unnamed(array: Box<str>, attachments: Vec<Bytes>) -> Self {
        Self(Form::Json {
            array,
            from: 1,
            named: false,
            attachments,
        })
    }

    pub(crate) fn msgpack(items: Bytes, count: u32, binary: bool) -> Self {
        Self(Form::Msgpack {
            items,
            count,
            binary,
        })
    }

    pub(crate) fn form(&self) -> &Form {
        &self.0
    }

    /// The arguments as they came through the JSON parser: JSON values with commas between them,
    /// without brackets. Where an attachment belongs stands `{"_placeholder":true,"num":N}`.
    /// `None` when they came through another.
    pub fn as_json(&self) -> Option<&str> {
        let Form::Json { array, from, .. } = &self.0 else {
            return None;
        };
        let to = array.len().saturating_sub(1);
        let raw = array.get(*from as usize..to).unwrap_or_default();
        Some(raw.trim_ascii_end())
    }

    /// The attachments that the placeholders of [`as_json`](Self::as_json) name, in the order of
    /// their numbers. A clone of one copies no bytes.
    pub fn attachments(&self) -> &[Bytes] {
        match &self.0 {
            Form::Json { attachments, .. } => attachments,
            Form::Msgpack { .. } => &[],
        }
    }

    /// Whether there are bytes among the arguments.
    pub fn has_binary(&self) -> bool {
        match &self.0 {
            Form::Json { attachments, .. } => !attachments.is_empty(),
            Form::Msgpack { binary, .. } => *binary,
        }
    }

    /// Bytes that they occupy.
    pub(crate) fn bytes(&self) -> usize {
        match &self.0 {
            Form::Json {
                array, attachments, ..
            } => array.len() + attachments.iter().map(Bytes::len).sum::<usize>(),
            Form::Msgpack { items, .. } => items.len(),
        }
    }

    /// Whether there is no argument at all.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Json { .. } => self.as_json() == Some(""),
            Form::Msgpack { count, .. } => *count == 0,
        }
    }

    /// What was sent, read as what is emitted is written: a tuple is several arguments, `()` none,
    /// and everything else the first one. What is missing reads as `null`, so `Option` accepts it;
    /// what is beyond is ignored, as a JavaScript function does.
    ///
    /// # Errors
    /// It is not a `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        match wanted::<T>() {
            Wanted::Arguments => self.decode(),
            Wanted::Nothing => Ok(T::deserialize(null())?),
            Wanted::First if self.is_empty() => Ok(T::deserialize(null())?),
            Wanted::First => self.first(),
        }
    }

    fn first<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        Ok(match &self.0 {
            Form::Json { attachments, .. } => {
                let raw = self.as_json().unwrap_or_default();
                let mut json = serde_json::Deserializer::from_str(raw);
                binary::deserialize(&mut json, attachments)?
            }
            Form::Msgpack { items, .. } => T::deserialize(&mut msgpack::Reader::new(items))?,
        })
    }

    /// All arguments, into a tuple or a `Vec`. A tuple gets `null` for what is missing, and what is
    /// beyond it is ignored.
    ///
    /// # Errors
    /// They are not a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        Ok(T::deserialize(ArgsDeserializer(self))?)
    }

    /// Each argument for itself, whatever it is.
    pub(crate) fn payloads(&self) -> Result<Vec<Payload>, serde_json::Error> {
        Vec::deserialize(ArgsDeserializer(self))
    }
}

fn null() -> de::value::UnitDeserializer<serde_json::Error> {
    ().into_deserializer()
}

impl fmt::Debug for Args {
    /// Sizes only: contents never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Json { attachments, .. } => write!(
                f,
                "Args({} bytes, {} attachments)",
                self.as_json().unwrap_or_default().len(),
                attachments.len()
            ),
            Form::Msgpack { items, .. } => write!(f, "Args({} bytes)", items.len()),
        }
    }
}

struct ArgsDeserializer<'a>(&'a Args);

impl ArgsDeserializer<'_> {
    fn read<'de, V: Visitor<'de>>(
        self,
        visitor: V,
        at_least: usize,
    ) -> Result<V::Value, serde_json::Error>
    where
        Self: 'de,
    {
        match &self.0.0 {
            Form::Json {
                array,
                named,
                attachments,
                ..
            } => serde_json::Deserializer::from_str(array).deserialize_seq(Arguments {
                visitor,
                named: *named,
                attachments,
                at_least,
            }),
            Form::Msgpack { items, count, .. } => {
                let mut reader = msgpack::Reader::new(items);
                visitor.visit_seq(Elements {
                    seq: &mut msgpack::Elements::new(&mut reader, *count),
                    attachments: &[],
                    at_least,
                })
            }
        }
    }
}

impl<'de> Deserializer<'de> for ArgsDeserializer<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.read(visitor, 0)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.read(visitor, len)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.read(visitor, len)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit_struct newtype_struct seq map struct enum identifier ignored_any
    }
}

/// Skips the name, hands the arguments on, ignores the rest.
struct Arguments<'a, V> {
    visitor: V,
    named: bool,
    attachments: &'a [Bytes],
    at_least: usize,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Arguments<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<V::Value, A::Error> {
        if self.named {
            seq.next_element::<IgnoredAny>()?;
        }
        let elements = Elements {
            seq: &mut seq,
            attachments: self.attachments,
            at_least: self.at_least,
        };
        let value = self.visitor.visit_seq(elements)?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(value)
    }
}

/// The arguments, followed by `null` until there are `at_least` as many.
struct Elements<'s, 'a, A> {
    seq: &'s mut A,
    attachments: &'a [Bytes],
    at_least: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, '_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let mut seed = Some(seed);
        let element = WithAttachments::new(OnceSeed(&mut seed), self.attachments);
        let found = self.seq.next_element_seed(element)?;
        let wanted = self.at_least > 0;
        self.at_least = self.at_least.saturating_sub(1);
        match (found, seed.take()) {
            (None, Some(seed)) if wanted => {
                let null: de::value::UnitDeserializer<A::Error> = ().into_deserializer();
                seed.deserialize(null).map(Some)
            }
            (found, _) => Ok(found),
        }
    }
}

/// A seed that survives when there was no element for it.
struct OnceSeed<'a, T>(&'a mut Option<T>);

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for OnceSeed<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        match self.0.take() {
            Some(seed) => seed.deserialize(deserializer),
            None => Err(de::Error::custom("an element was read twice")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec;
    use super::*;
    use serde_json::{Value, json};

    fn event(text: &str, attachments: &[&'static [u8]]) -> Args {
        let packet = codec::decode(text, 10).expect("a packet");
        let attachments = attachments
            .iter()
            .map(|bytes| Bytes::from_static(bytes))
            .collect();
        Args::named(
            packet.payload.as_ref().into(),
            packet.arguments_at,
            attachments,
        )
    }

    #[test]
    fn raw_arguments_are_the_bytes_that_came() {
        assert_eq!(
            event(r#"2["message",1,"2",{"3":[true]}]"#, &[]).as_json(),
            Some(r#"1,"2",{"3":[true]}"#)
        );
        assert_eq!(event(r#"2[ "m" , 1 , 2 ] "#, &[]).as_json(), Some("1 , 2"));
        assert_eq!(event(r#"2["m"]"#, &[]).as_json(), Some(""));
        assert_eq!(event(r#"2["m" ]"#, &[]).as_json(), Some(""));
        assert_eq!(Args::none().as_json(), Some(""));
    }

    #[test]
    fn the_first_argument_is_the_data() {
        let args = event(r#"2["m",{"a":[1,"x"]},true]"#, &[]);
        assert_eq!(args.data::<Value>().expect("a value"), json!({"a":[1,"x"]}));
        assert!(args.data::<u8>().is_err());
    }

    #[test]
    fn a_missing_argument_reads_as_null() {
        let args = event(r#"2["m"]"#, &[]);
        assert_eq!(args.data::<Option<u8>>().expect("nothing"), None);
        assert!(args.data::<u8>().is_err());
        let args = event(r#"2["m",7]"#, &[]);
        assert_eq!(
            args.decode::<(u8, Option<String>)>().expect("a tuple"),
            (7, None)
        );
        assert!(args.decode::<(u8, String)>().is_err());
    }

    #[test]
    fn surplus_arguments_are_ignored() {
        let args = event(r#"2["m",7,"x",[1]]"#, &[]);
        assert_eq!(args.decode::<(u8,)>().expect("a tuple"), (7,));
        assert_eq!(
            args.decode::<Vec<Value>>().expect("a list"),
            [json!(7), json!("x"), json!([1])]
        );
    }

    #[test]
    fn answers_have_no_name_before_their_arguments() {
        let args = Args::unnamed(r#"[1,"2"]"#.into(), Vec::new());
        assert_eq!(
            args.decode::<(u8, String)>().expect("a tuple"),
            (1, "2".to_owned())
        );
        assert_eq!(args.data::<u8>().expect("a number"), 1);
    }

    #[test]
    fn nothing_is_a_placeholder_in_a_packet_without_attachments() {
        let object = json!({"_placeholder": true, "num": 0});
        let args = event(&format!(r#"2["m",{object}]"#), &[]);
        assert_eq!(args.data::<Value>().expect("an object"), object);
        assert_eq!(args.decode::<(Value,)>().expect("an object"), (object,));
    }

    #[test]
    fn attachments_take_the_place_of_their_placeholders() {
        #[derive(serde::Deserialize)]
        struct File {
            name: String,
            parts: Vec<Bytes>,
            thumb: Option<Bytes>,
        }
        let args = event(
            r#"52-["f",{"name":"x","parts":[{"_placeholder":true,"num":1},{"num":0,"_placeholder":true}],"thumb":{"_placeholder":true,"num":1}},{"_placeholder":true,"num":0}]"#,
            &[b"one", b""],
        );
        let (file, bare) = args.decode::<(File, Bytes)>().expect("a file");
        assert_eq!(file.name, "x");
        assert_eq!(file.parts, [Bytes::new(), Bytes::from_static(b"one")]);
        assert_eq!(file.thumb, Some(Bytes::new()));
        assert_eq!(bare, Bytes::from_static(b"one"));
    }
}
