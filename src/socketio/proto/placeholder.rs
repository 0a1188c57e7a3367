//! `{"_placeholder":true,"num":N}`: what is one, and whether it names an attachment.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

pub(super) const PLACEHOLDER: &str = "_placeholder";
pub(super) const NUM: &str = "num";

/// The two fields of a placeholder; other fields do not matter, as in the official parser.
#[derive(Default)]
pub(super) struct Placeholder {
    marked: bool,
    num: Option<u64>,
}

impl Placeholder {
    pub(super) fn read<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        let mut placeholder = Self::default();
        placeholder.read_rest(map)?;
        Ok(placeholder)
    }

    fn read_rest<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            self.take_field(key, map)?;
        }
        Ok(())
    }

    fn take_field<'de, A: MapAccess<'de>>(
        &mut self,
        key: Key,
        map: &mut A,
    ) -> Result<(), A::Error> {
        self.set(
            key,
            &map.next_value_seed(Walk {
                attachments: u64::MAX,
            })?,
        );
        Ok(())
    }

    fn set(&mut self, key: Key, value: &Leaf) {
        match key {
            Key::Placeholder => self.marked = *value == Leaf::True,
            Key::Num => self.num = value.number(),
            Key::Other => {}
        }
    }

    pub(super) fn number(&self) -> Option<u64> {
        self.num.filter(|_| self.marked)
    }
}

/// A value of which only `true` and whole numbers matter.
#[derive(PartialEq)]
enum Leaf {
    True,
    Number(u64),
    Other,
}

impl Leaf {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// A key of which only two matter. Nothing is allocated for it.
#[derive(Clone, Copy)]
enum Key {
    Placeholder,
    Num,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(key) = Text::deserialize(deserializer)?;
        Ok(match &*key {
            PLACEHOLDER => Self::Placeholder,
            NUM => Self::Num,
            _ => Self::Other,
        })
    }
}

/// A string that borrows from the input unless it holds escapes.
pub(super) struct Text<'de>(pub(super) Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Looks through a whole value: every object that is marked as a placeholder must name one of
/// `attachments`.
struct Walk {
    attachments: u64,
}

/// Checks the placeholders in a payload that passed the JSON pass.
///
/// # Errors
/// One of them names no attachment; its sender is to blame.
pub(crate) fn check_placeholders(payload: &str, attachments: u16) -> Result<(), serde_json::Error> {
    if has_plain_placeholders(payload.as_bytes(), attachments) {
        return Ok(());
    }
    let mut json = serde_json::Deserializer::from_str(payload);
    Walk {
        attachments: attachments.into(),
    }
    .deserialize(&mut json)
    .map(drop)
}

/// Whether nothing in a payload that passed the JSON pass can be a placeholder but those in the
/// very form of the official clients, with one digit. Anything else is for the parser to judge.
fn has_plain_placeholders(payload: &[u8], attachments: u16) -> bool {
    const BEFORE: &[u8] = b"{\"";
    const KEY: &[u8] = b"_placeholder";
    const BETWEEN: &[u8] = b"\":true,\"num\":";
    // An escape could hide a key.
    if memchr::memchr(b'\\', payload).is_some() {
        return false;
    }
    memchr::memchr_iter(b'_', payload).all(|at| {
        let (before, rest) = payload.split_at(at);
        let Some(after) = rest.strip_prefix(KEY) else {
            return true;
        };
        let digit = match after.strip_prefix(BETWEEN) {
            Some([digit @ b'0'..=b'9', b'}', ..]) => u16::from(digit - b'0'),
            _ => return false,
        };
        before.ends_with(BEFORE) && digit < attachments
    })
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = Leaf;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Leaf, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = Leaf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a placeholder with a number below {}", self.attachments)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Leaf, E> {
        Ok(if value { Leaf::True } else { Leaf::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Leaf, E> {
        Ok(Leaf::Number(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Leaf, E> {
        Ok(Leaf::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Leaf, E> {
        Ok(Leaf::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Leaf, E> {
        Ok(Leaf::Other)
    }

    fn visit_unit<E>(self) -> Result<Leaf, E> {
        Ok(Leaf::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Leaf, A::Error> {
        while seq
            .next_element_seed(Walk {
                attachments: self.attachments,
            })?
            .is_some()
        {}
        Ok(Leaf::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Leaf, A::Error> {
        let mut placeholder = Placeholder::default();
        while let Some(key) = map.next_key()? {
            placeholder.set(
                key,
                &map.next_value_seed(Walk {
                    attachments: self.attachments,
                })?,
            );
        }
        if placeholder.marked && placeholder.num.is_none_or(|num| num >= self.attachments) {
            return Err(de::Error::invalid_value(de::Unexpected::Map, &self));
        }
        Ok(Leaf::Other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn trap_72_a_placeholder_names_an_attachment_by_a_whole_number_in_range() {
        for num in [
            "\"splice\"",
            "10",
            "1",
            "-1",
            "-0",
            "0.5",
            "1e99",
            "null",
            "true",
            "[0]",
            "{}",
        ] {
            let payload = format!(r#"["hello",{{"_placeholder":true,"num":{num}}}]"#);
            assert!(check_placeholders(&payload, 1).is_err(), "{num}");
        }
        for payload in [
            r#"["a",{"_placeholder":true}]"#,
            r#"["a",[{"x":{"num":3,"_placeholder":true}}]]"#,
            r#"["a",{"\u005fplaceholder":true,"num":3}]"#,
        ] {
            assert!(check_placeholders(payload, 1).is_err(), "{payload}");
        }
    }

    #[test]
    fn what_is_no_placeholder_passes() {
        for payload in [
            r#"["a",{"_placeholder":true,"num":0},{"num":0,"_placeholder":true}]"#,
            r#"["a",{"_placeholder":false,"num":9}]"#,
            r#"["a",{"_placeholder":"true","num":9}]"#,
            r#"["a",{"num":9}]"#,
            r#"["a"]"#,
        ] {
            assert!(check_placeholders(payload, 1).is_ok(), "{payload}");
        }
    }

    proptest! {
        #[test]
        fn what_the_quick_look_lets_pass_the_parser_lets_pass_too(
            parts in prop::collection::vec(prop::sample::select(vec![
                r#"{"_placeholder":true,"num":0}"#, r#"{"_placeholder":true,"num":1}"#,
                r#"{"_placeholder":true,"num":2}"#, r#"{"_placeholder":true,"num":10}"#,
                r#"{"_placeholder":true,"num":0,"a":1}"#, r#"{"_placeholder":true}"#,
                r#"{"a":0,"_placeholder":true,"num":7}"#, r#"{"_placeholder":true,"num":"x"}"#,
                r#"{"\u005fplaceholder":true,"num":9}"#, r#""_placeholder""#, r#""{""#, r#""_""#,
                r#"{"a_b":[{"_placeholder":true,"num":1}]}"#, r#"{"_placeholder":null,"num":9}"#,
            ]), 0..5)
        ) {
            let payload = format!("[\"a\",[{}]]", parts.join(","));
            if has_plain_placeholders(payload.as_bytes(), 2) {
                let mut json = serde_json::Deserializer::from_str(&payload);
                prop_assert!(Walk { attachments: 2 }.deserialize(&mut json).is_ok(), "{payload}");
            }
            let official = parts.iter().all(|part| part.ends_with(r#"true,"num":0}"#));
            prop_assert!(!official || has_plain_placeholders(payload.as_bytes(), 2));
        }
    }
}
