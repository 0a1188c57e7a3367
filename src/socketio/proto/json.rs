//! One linear pass over a JSON text: grammar, depth and number range, without building anything.
//!
//! What passes is what `serde_json` accepts for a `Value`, and one thing more: a lone surrogate
//! (`"\ud800"`), which `JSON.stringify` makes of a cut emoji. Its place is reported, and it becomes
//! U+FFFD instead of costing an honest client its connection. `serde_json`'s own validation without
//! a value (`IgnoredAny`, `RawValue`) has no depth limit and no number range, so it cannot stand in.

/// Keys that begin so are not data to `serde_json`: with its feature `raw_value`, an object with such
/// a key is replaced by the JSON inside its string, which may nest anew. A few kilobytes could so
/// exhaust the stack behind the depth limit.
pub(crate) const PRIVATE_KEY: &str = "$serde_json::private::";

/// Levels of nesting that `serde_json` follows before it gives up.
pub(crate) const MAX_DEPTH: u32 = 127;

/// What the pass learned about an accepted text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Byte range of the first element, when the text is an array that has one.
    pub(crate) first: Option<(usize, usize)>,
    /// Offset just after the value; only blanks follow it.
    pub(crate) end: usize,
    /// Offsets of `\uXXXX` escapes that stand for half a character.
    pub(crate) lone_surrogates: Vec<usize>,
}

/// Why a text is not acceptable JSON. The sender is to blame; its connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON.
    #[error("not JSON at byte {at}")]
    Syntax {
        /// Offset of the first byte that fits no rule.
        at: usize,
    },
    /// Nested deeper than what any part of the server would follow.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A key that `serde_json` takes for one of its own.
    #[error("a key of the JSON library's own")]
    PrivateKey,
    /// A number beyond the range of a double.
    #[error("number out of range at byte {at}")]
    NumberOutOfRange {
        /// Offset of the number.
        at: usize,
    },
}

/// Checks that `text` is one JSON value.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn scan(text: &str) -> Result<Scan, JsonError> {
    let bytes = text.as_bytes();
    Scanner {
        bytes,
        at: 0,
        depth: 0,
        objects: 0,
        first: First::None,
        lone_surrogates: Vec::new(),
    }
    .run()
}

/// `text` with each lone surrogate replaced by U+FFFD. The length does not change.
#[expect(
    clippy::string_slice,
    reason = "the places are those of six ASCII characters each"
)]
pub(crate) fn replace_lone_surrogates(text: &str, places: &[usize]) -> String {
    let mut fixed = String::with_capacity(text.len());
    let mut copied = 0;
    for &place in places {
        fixed.push_str(&text[copied..place]);
        fixed.push_str("\\ufffd");
        copied = place + 6;
    }
    fixed.push_str(&text[copied..]);
    fixed
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    /// Bit `n` says whether the container at depth `n` is an object.
    objects: u128,
    first: First,
    lone_surrogates: Vec<usize>,
}

/// The first element of the outermost array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    None,
    Open(usize),
    Done(usize, usize),
}

#[expect(
    clippy::indexing_slicing,
    reason = "the place never passes the end: it moves over bytes that were seen"
)]
impl Scanner<'_> {
    fn run(mut self) -> Result<Scan, JsonError> {
        loop {
            self.blanks();
            if self.depth == 1 && !self.in_object() && self.first == First::None {
                self.first = First::Open(self.at);
            }
            let mut complete = self.value()?;
            while complete {
                if self.depth == 0 {
                    return self.finish();
                }
                if let (1, First::Open(start)) = (self.depth, self.first) {
                    self.first = First::Done(start, self.at);
                }
                complete = self.after_value()?;
            }
        }
    }

    fn finish(mut self) -> Result<Scan, JsonError> {
        let end = self.at;
        self.blanks();
        if self.at < self.bytes.len() {
            return Err(self.wrong());
        }
        let first = match self.first {
            First::Done(start, end) => Some((start, end)),
            First::None | First::Open(_) => None,
        };
        Ok(Scan {
            first,
            end,
            lone_surrogates: self.lone_surrogates,
        })
    }

    /// Reads a value, or opens a container that has something in it (then `false`).
    fn value(&mut self) -> Result<bool, JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(|()| true),
            Some(b'[') => self.open(false),
            Some(b'{') => self.open(true),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| true),
            _ => Err(self.wrong()),
        }
    }

    fn open(&mut self, object: bool) -> Result<bool, JsonError> {
        self.at += 1;
        if self.depth == MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.depth += 1;
        let bit = 1u128 << self.depth;
        self.objects = if object {
            self.objects | bit
        } else {
            self.objects & !bit
        };
        self.blanks();
        if self.peek() == Some(if object { b'}' } else { b']' }) {
            self.at += 1;
            self.depth -= 1;
            return Ok(true);
        }
        if object {
            self.key()?;
        }
        Ok(false)
    }

    /// After a value inside a container: `true` when the container ended, `false` when a value follows.
    fn after_value(&mut self) -> Result<bool, JsonError> {
        self.blanks();
        match (self.peek(), self.in_object()) {
            (Some(b','), object) => {
                self.at += 1;
                if object {
                    self.blanks();
                    self.key()?;
                }
                Ok(false)
            }
            (Some(b']'), false) | (Some(b'}'), true) => {
                self.at += 1;
                self.depth -= 1;
                Ok(true)
            }
            _ => Err(self.wrong()),
        }
    }

    fn key(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong());
        }
        let start = self.at;
        self.string()?;
        if is_private(&self.bytes[start + 1..self.at - 1]) {
            return Err(JsonError::PrivateKey);
        }
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(self.wrong());
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            let rest = &self.bytes[self.at..];
            let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.bytes.len();
                return Err(self.wrong());
            };
            self.refuse_controls(&rest[..length])?;
            self.at += length + 1;
            if rest[length] == b'"' {
                return Ok(());
            }
            self.escape()?;
        }
    }

    /// Without a branch for each byte, so that many are looked at in one step.
    fn refuse_controls(&mut self, plain: &[u8]) -> Result<(), JsonError> {
        let is_control = |byte: &u8| *byte < 0x20;
        let any = (plain.iter()).fold(false, |any, byte| any | is_control(byte));
        if any {
            self.at += plain.iter().position(is_control).unwrap_or_default();
            return Err(self.wrong());
        }
        Ok(())
    }

    /// After a backslash.
    fn escape(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                self.unicode_escape()
            }
            _ => Err(self.wrong()),
        }
    }

    /// After `\u`.
    fn unicode_escape(&mut self) -> Result<(), JsonError> {
        let escape = self.at - 2;
        let unit = self.hex4()?;
        let pair_follows = self.bytes[self.at..].starts_with(b"\\u");
        if (0xD800..0xDC00).contains(&unit) && pair_follows {
            let second = self.at;
            self.at += 2;
            if (0xDC00..0xE000).contains(&self.hex4()?) {
                return Ok(());
            }
            // The second escape is a character of its own: read it again as one.
            self.at = second;
        }
        if (0xD800..0xE000).contains(&unit) {
            self.lone_surrogates.push(escape);
        }
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit * 16 + digit.ok_or_else(|| self.wrong())?;
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        self.skip_if(b'-');
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let integer_digits = self.at - start;
        if self.skip_if(b'.') {
            self.digits()?;
        }
        let exponent = self.skip_if(b'e') || self.skip_if(b'E');
        if exponent {
            let _sign = self.skip_if(b'+') || self.skip_if(b'-');
            self.digits()?;
        }
        // A double holds any 308 digits, so only these can be too large.
        if (exponent || integer_digits > 308) && !self.is_finite(start) {
            return Err(JsonError::NumberOutOfRange { at: start });
        }
        Ok(())
    }

    fn is_finite(&self, start: usize) -> bool {
        let digits = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        digits.parse::<f64>().is_ok_and(f64::is_finite)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self.bytes[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += count;
        if count == 0 {
            Err(self.wrong())
        } else {
            Ok(())
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<bool, JsonError> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.wrong());
        }
        self.at += word.len();
        Ok(true)
    }

    fn skip_if(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn in_object(&self) -> bool {
        self.objects >> self.depth & 1 == 1
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn wrong(&self) -> JsonError {
        JsonError::Syntax { at: self.at }
    }
}

/// Whether a key, given as it is written, begins with [`PRIVATE_KEY`].
#[expect(clippy::indexing_slicing, reason = "cut where it ends at the latest")]
fn is_private(key: &[u8]) -> bool {
    if key.first() == Some(&b'$') && key.starts_with(PRIVATE_KEY.as_bytes()) {
        return true;
    }
    if !key.contains(&b'\\') {
        return false;
    }
    // No character is written with more than six bytes.
    let written = &key[..key.len().min(6 * PRIVATE_KEY.len())];
    let mut read = Unescape { written };
    PRIVATE_KEY
        .bytes()
        .all(|expected| read.next() == Some(expected))
}

/// The characters of a string, as far as they are ASCII; others end it.
struct Unescape<'a> {
    written: &'a [u8],
}

#[expect(
    clippy::indexing_slicing,
    reason = "the pattern has as many bytes as are taken"
)]
impl Iterator for Unescape<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, length) = match self.written {
            [b'\\', b'u', b'0', b'0', high, low, ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                (u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?, 6)
            }
            [b'\\', escaped, ..] => (*escaped, 2),
            [byte, ..] => (*byte, 1),
            [] => return None,
        };
        self.written = &self.written[length..];
        byte.is_ascii().then_some(byte)
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn serde_accepts(text: &str) -> bool {
        serde_json::from_str::<serde_json::Value>(text).is_ok()
    }

    #[test]
    fn accepts_and_refuses_what_serde_does() {
        for text in [
            "1",
            "-0",
            "01",
            "1.",
            "1.5e+3",
            "1e",
            "-",
            "\"\\u00e9\"",
            "\"\\x\"",
            "\"a",
            "\"\t\"",
            "[1,]",
            "[,1]",
            "[]",
            "{}",
            "{\"a\":1}",
            "{\"a\" : [1 , {}]}",
            "{\"a\"}",
            "{a:1}",
            "[1}",
            "{]",
            "nul",
            "true1",
            "1 2",
            " [1] ",
            "",
            " ",
            "1e999",
            "1e308",
            "0e99999999999",
            "[[]]",
            "[[],{}]",
            "]",
            "\"\\u12\"",
            "[\"a\"",
            "1e-999",
        ] {
            assert_eq!(scan(text).is_ok(), serde_accepts(text), "{text:?}");
        }
    }

    #[test]
    fn depth_limit_is_that_of_serde() {
        for depth in [126, 127, 128, 129, 5000] {
            let arrays = "[".repeat(depth) + &"]".repeat(depth);
            let objects = "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
            assert_eq!(
                scan(&arrays).is_ok(),
                serde_accepts(&arrays),
                "{depth} arrays"
            );
            assert_eq!(
                scan(&objects).is_ok(),
                serde_accepts(&objects),
                "{depth} objects"
            );
        }
        assert_eq!(scan(&"[".repeat(128)), Err(JsonError::TooDeep));
    }

    #[test]
    fn keys_of_the_json_library_are_refused_however_they_are_written() {
        for key in [
            "$serde_json::private::RawValue",
            "$serde_json::private::Number",
            r"\u0024serde_json::private::RawValue",
            r"$serde_json\u003a:private::RawValue",
        ] {
            assert_eq!(
                scan(&format!(r#"[{{"{key}":"[1]"}}]"#)),
                Err(JsonError::PrivateKey),
                "{key}"
            );
        }
        for key in [
            "$serde_json",
            r"\u0024serde_json",
            "a$serde_json::private::",
            r"\n",
            "",
        ] {
            assert!(scan(&format!(r#"[{{"{key}":"[1]"}}]"#)).is_ok(), "{key}");
        }
        assert!(
            scan(r#"["$serde_json::private::RawValue"]"#).is_ok(),
            "as a value it is a string"
        );
    }

    #[test]
    fn huge_integers_follow_the_range_of_a_double() {
        assert!(scan(&"9".repeat(308)).is_ok());
        assert!(matches!(
            scan(&"9".repeat(400)),
            Err(JsonError::NumberOutOfRange { at: 0 })
        ));
    }

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        for (text, fixed) in [
            (r#"["\ud800"]"#, r#"["\ufffd"]"#),
            (r#"["\udc00x"]"#, r#"["\ufffdx"]"#),
            (r#"["\ud83d\ude00"]"#, r#"["\ud83d\ude00"]"#),
            (r#"["\ud83d\ud83d\ude00"]"#, r#"["\ufffd\ud83d\ude00"]"#),
            (r#"["\ud83d\u0041"]"#, r#"["\ufffd\u0041"]"#),
            (r#"["\\ud800"]"#, r#"["\\ud800"]"#),
        ] {
            let scan = scan(text).expect("accepted");
            let replaced = replace_lone_surrogates(text, &scan.lone_surrogates);
            assert_eq!(replaced, fixed);
            assert!(serde_accepts(&replaced));
        }
    }

    #[test]
    fn first_element_of_an_array_is_found() {
        for (text, first) in [
            (r#"["a",1]"#, Some(r#""a""#)),
            (r#"[ "a" ,1]"#, Some(r#""a""#)),
            ("[12]", Some("12")),
            ("[[1,[2]],3]", Some("[1,[2]]")),
            ("[{},3]", Some("{}")),
            ("[ {\"a\":[1]} ]", Some("{\"a\":[1]}")),
            ("[]", None),
            ("{\"a\":1}", None),
        ] {
            let found = scan(text)
                .expect("accepted")
                .first
                .map(|(start, end)| &text[start..end]);
            assert_eq!(found, first, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_serde_on_anything(text in r#"[\[\]{}:,"\\u0-9a-f .eE+\-tn]{0,24}"#) {
            if let Ok(scan) = scan(&text) {
                prop_assert!(serde_accepts(&replace_lone_surrogates(&text, &scan.lone_surrogates)));
            } else {
                prop_assert!(!serde_accepts(&text));
            }
        }

        #[test]
        fn accepts_whatever_serde_writes(value in any_json()) {
            prop_assert!(scan(&value.to_string()).is_ok());
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
