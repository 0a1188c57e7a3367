//! The query string of a request.

use std::ops::Range;

use super::frame::BinaryForm;

/// Parameters of the protocol that may be given once.
const SINGLE: [&str; 3] = ["EIO", "transport", "sid"];

/// The parsed query string of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Names and values, decoded, and what stands between them.
    text: String,
    pairs: Vec<Pair>,
    has_duplicate: bool,
}

/// Where a name and its value are in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    name: Range<usize>,
    value: Range<usize>,
}

impl Query {
    /// Parses a query string the way browsers write it (WHATWG URL): `+` is a blank, and what is
    /// not valid percent-encoding or UTF-8 is kept or replaced, never refused.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        // Every request of a polling client has one, and hardly any has anything to decode.
        let mut parsed = match memchr::memchr2(b'%', b'+', query.as_bytes()) {
            None => Self {
                text: query.to_owned(),
                pairs: split(query),
                has_duplicate: false,
            },
            Some(_) => Self::parse_encoded(query),
        };
        let given = |name| parsed.pairs().filter(|(key, _)| *key == name).count();
        parsed.has_duplicate = SINGLE.into_iter().any(|name| given(name) > 1);
        parsed
    }

    fn parse_encoded(query: &str) -> Self {
        let mut parsed = Self::default();
        for Pair { name, value } in split(query) {
            let pair = Pair {
                name: parsed.append(query.get(name).unwrap_or_default()),
                value: parsed.append(query.get(value).unwrap_or_default()),
            };
            parsed.pairs.push(pair);
        }
        parsed
    }

    fn append(&mut self, text: &str) -> Range<usize> {
        let begin = self.text.len();
        decode(text, &mut self.text);
        begin..self.text.len()
    }

    /// The value of `name`; the last one, if it is given several times.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter().rev();
        let found = pairs.find(|pair| self.part(&pair.name) == name);
        found.map(|pair| self.part(&pair.value))
    }

    /// All pairs, in order, decoded.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.pairs.iter();
        pairs.map(|pair| (self.part(&pair.name), self.part(&pair.value)))
    }

    fn part(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// How a client of this request wants binary messages on a WebSocket.
    #[must_use]
    pub fn binary_form(&self) -> BinaryForm {
        match self.get("b64") {
            Some(value) if !value.is_empty() => BinaryForm::Base64,
            _ => BinaryForm::Frames,
        }
    }

    /// Whether the request speaks revision 4. Nothing else is offered.
    #[must_use]
    pub fn is_revision_4(&self) -> bool {
        self.get("EIO") == Some("4")
    }

    /// Whether a parameter of the protocol is given twice.
    pub(super) fn has_duplicate(&self) -> bool {
        self.has_duplicate
    }
}

/// Where the pairs of a query are that are not empty.
fn split(query: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let (mut begin, mut name_end) = (0, None);
    for (at, byte) in query.bytes().enumerate() {
        match byte {
            b'=' if name_end.is_none() => name_end = Some(at),
            b'&' => {
                pairs.extend(pair(begin, name_end.take(), at));
                begin = at + 1;
            }
            _ => {}
        }
    }
    pairs.extend(pair(begin, name_end, query.len()));
    pairs
}

fn pair(begin: usize, name_end: Option<usize>, end: usize) -> Option<Pair> {
    let (name_end, value_begin) = name_end.map_or((end, end), |at| (at, at + 1));
    (begin < end).then_some(Pair {
        name: begin..name_end,
        value: value_begin..end,
    })
}

/// Decodes `+` and percent-encoding; what is not UTF-8 then is replaced by U+FFFD.
fn decode(text: &str, to: &mut String) {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, next) = match (first, tail) {
            (b'%', [high, low, next @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, next),
                _ => (b'%', tail),
            },
            (b'+', _) => (b' ', tail),
            _ => (*first, tail),
        };
        out.push(byte);
        rest = next;
    }
    to.push_str(&String::from_utf8_lossy(&out));
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_as_browsers_write_them() {
        let query = Query::parse("a=1+2&%26a=%26%3D%3Fa&b=%C3%A9%zz&c&a=3&=x");
        assert_eq!(query.get("a"), Some("3"), "the last one wins");
        assert_eq!(query.get("&a"), Some("&=?a"));
        assert_eq!(query.get("b"), Some("é%zz"));
        assert_eq!(query.get("c"), Some(""));
        let pairs: Vec<_> = query.pairs().skip(2).collect();
        assert_eq!(pairs, [("b", "é%zz"), ("c", ""), ("a", "3"), ("", "x")]);
        assert_eq!(Query::parse("x=%ff").get("x"), Some("\u{fffd}"));
    }

    #[test]
    fn queries_without_an_escape_are_taken_as_they_are() {
        let query = Query::parse("&&a==b&é=ü&&c&EIO=4&=x&");
        let pairs: Vec<_> = query.pairs().collect();
        let expected = [("a", "=b"), ("é", "ü"), ("c", ""), ("EIO", "4"), ("", "x")];
        assert_eq!(pairs, expected);
        assert_eq!(Query::parse("").pairs().count(), 0);
    }

    #[test]
    fn both_ways_of_parsing_agree() {
        for query in [
            "",
            "&",
            "a",
            "a=",
            "=",
            "a=1&a=2&b",
            "é=ü&&c==d",
            "EIO=4&transport=polling&sid=x",
        ] {
            let escaped = format!("{query}&%20=+");
            let (plain, escaped) = (Query::parse(query), Query::parse(&escaped));
            let mut expected: Vec<_> = plain.pairs().collect();
            expected.push((" ", " "));
            assert_eq!(escaped.pairs().collect::<Vec<_>>(), expected, "{query}");
        }
    }

    #[test]
    fn a_parameter_of_the_protocol_that_is_given_twice_is_noticed() {
        for query in ["EIO=4&EIO=4", "sid=a&t=1&s%69d=b", "transport&transport="] {
            assert!(Query::parse(query).has_duplicate(), "{query}");
        }
        assert!(!Query::parse("t=1&t=2&EIO=4&eio=4&sid=a").has_duplicate());
    }
}
