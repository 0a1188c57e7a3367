//! The query string of a request.

use super::frame::BinaryForm;

/// The parsed query string of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Names and values one behind the other, decoded.
    text: String,
    /// Where each name ends, and its value.
    ends: Vec<(usize, usize)>,
}

impl Query {
    /// Parses a query string the way browsers write it (WHATWG URL): `+` is a blank, and what is
    /// not valid percent-encoding or UTF-8 is kept or replaced, never refused.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut text = String::with_capacity(query.len());
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let ends = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            decode(name, &mut text);
            let name_end = text.len();
            decode(value, &mut text);
            (name_end, text.len())
        });
        Self {
            ends: ends.collect(),
            text,
        }
    }

    /// The value of `name`; the last one, if it is given several times.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs().filter(|(key, _)| *key == name);
        found.last().map(|(_, value)| value)
    }

    /// All pairs, in order, decoded.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut begin = 0;
        self.ends.iter().map(move |&(name_end, end)| {
            let name_begin = std::mem::replace(&mut begin, end);
            let part = |from, to| self.text.get(from..to).unwrap_or_default();
            (part(name_begin, name_end), part(name_end, end))
        })
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
        ["EIO", "transport", "sid"]
            .iter()
            .any(|name| self.pairs().filter(|(key, _)| key == name).count() > 1)
    }
}

/// Decodes `+` and percent-encoding; what is not UTF-8 then is replaced by U+FFFD.
fn decode(text: &str, to: &mut String) {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return to.push_str(text);
    }
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
}
